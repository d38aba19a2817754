//! Merging all runs: how fast, with how much memory, and whether others wait.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use super::reading::{Reader, Waits};
use super::shape::Rect;
use super::trips::{WITH_TREES, count, empty, load, runs, settle};
use crate::bench::Run;
use crate::bench::figures::{mebibytes, per_second, seconds, thousands};
use crate::bench::session::timed;
use crate::memory;

const COMPACT: &str = "SELECT * FROM trips_compact()";

/// How long the reader asks alone, to compare.
const ALONE: Duration = Duration::from_secs(3);

/// What was merged and is not removed yet.
const OBSOLETE: &str = "trips.area_obsolete";

/// How often it is asked whether workers are done.
const POLL: Duration = Duration::from_millis(10);

fn wait_until_empty(control: &mut Client, table: &str) -> Result<(), postgres::Error> {
    while count(control, table)? > 0 {
        thread::sleep(POLL);
    }
    Ok(())
}

/// One compaction.
#[derive(Debug)]
pub(super) struct Compaction {
    trips: u64,
    runs_before: u64,
    runs_after: u64,
    run: Run,
    /// From its end until the worker had removed what was merged.
    removal: Duration,
}

impl Compaction {
    /// Merges all runs; `trips` says how many trips they hold.
    pub(super) fn run(
        conninfo: &str,
        control: &mut Client,
        trips: u64,
    ) -> Result<Self, Box<dyn Error>> {
        let runs_before = runs(control)?;
        let run = timed(conninfo, "", COMPACT)?;
        let since = Instant::now();
        wait_until_empty(control, OBSOLETE)?;
        Ok(Self {
            trips,
            runs_before,
            run,
            removal: since.elapsed(),
            runs_after: runs(control)?,
        })
    }

    /// How fast, as words: where there was but one run, nothing was merged.
    pub(super) fn speed(&self) -> String {
        if self.runs_before > 1 {
            thousands(per_second(self.trips, self.run.elapsed) as u64)
        } else {
            "nothing to merge".to_owned()
        }
    }

    pub(super) fn memory_growth(&self) -> u64 {
        self.run.memory_growth
    }
}

/// Has a worker merge runs where they are many, as after a load, and changes nothing else.
const MERGE: &str = "SET trips_ext.merge_delay = 0;
    BEGIN;
    INSERT INTO trips.trip SELECT * FROM trips.trip LIMIT 1;
    ROLLBACK";

/// Workers that merge runs, or remove what was merged.
const WORKERS: &str =
    "pg_stat_activity WHERE backend_type IN ('trips_ext merging', 'trips_ext removal')";

/// What a worker has merged by itself.
#[derive(Debug)]
pub(super) struct Background {
    runs_before: u64,
    runs_after: u64,
    elapsed: Duration,
}

impl Background {
    /// Has it done, and waits until it is.
    pub(super) fn run(conninfo: &str, control: &mut Client) -> Result<Self, Box<dyn Error>> {
        let runs_before = runs(control)?;
        let since = Instant::now();
        Client::connect(conninfo, NoTls)?.batch_execute(MERGE)?;
        // A worker takes a moment until it is seen; the one that removes ends after the one that merges.
        thread::sleep(Duration::from_secs(1));
        for table in [WORKERS, OBSOLETE, WORKERS] {
            wait_until_empty(control, table)?;
        }
        Ok(Self {
            runs_before,
            runs_after: runs(control)?,
            elapsed: since.elapsed(),
        })
    }

    /// Whether there was anything to merge.
    pub(super) fn merged(&self) -> bool {
        self.runs_after < self.runs_before
    }
}

/// A compaction with a session that asks all the time.
#[derive(Debug)]
pub(super) struct Watched {
    compaction: Compaction,
    alone: Waits,
    pub(super) meanwhile: Waits,
}

impl Watched {
    /// Loads the file anew, starts the reader, and merges.
    pub(super) fn run(
        conninfo: &str,
        control: &mut Client,
        file: &Path,
        rows: u64,
        boxes: Vec<Rect>,
    ) -> Result<Self, Box<dyn Error>> {
        empty(control)?;
        load(conninfo, control, file, rows, WITH_TREES)?;
        settle(control)?;
        let reader = Reader::start(conninfo, boxes)?;
        thread::sleep(ALONE);
        let since = Instant::now();
        let compaction = Compaction::run(conninfo, control, rows);
        // The reader ends whatever became of the compaction.
        let waits = reader.stop(since);
        let (compaction, [alone, meanwhile]) = (compaction?, waits?);
        Ok(Self {
            compaction,
            alone,
            meanwhile,
        })
    }
}

/// What was measured of compactions; [`fmt::Display`] writes the section.
pub(super) struct Section<'a> {
    pub(super) background: Option<&'a Background>,
    pub(super) quiet: &'a Compaction,
    pub(super) watched: Option<&'a Watched>,
}

impl fmt::Display for Section<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "## Compaction\n")?;
        if let Some(background) = self.background.filter(|background| background.merged()) {
            writeln!(
                out,
                "A worker has merged {} runs into {} by itself, and removed what was merged, in {}.\n",
                thousands(background.runs_before),
                thousands(background.runs_after),
                seconds(background.elapsed)
            )?;
        }
        writeln!(
            out,
            "| `trips_compact()` | trips | runs before | after | time | trips a second | memory of \
             the backend, growth | runs removed after |\n|---|---:|---:|---:|---:|---:|---:|---:|"
        )?;
        write_row(out, "alone", self.quiet)?;
        if let Some(watched) = self.watched {
            write_row(out, "while another session asks", &watched.compaction)?;
            writeln!(
                out,
                "\nThat session asks about boxes of 5 x 5 km all the time and checks that the answers stay the same. \
                 Waits by the client's clock:\n\n| | answers | median | longest |\n|---|---:|---:|---:|\n\
                 | {} s before | {} |\n| during the compaction and the removal | {} |",
                ALONE.as_secs(),
                watched.alone.cells(),
                watched.meanwhile.cells()
            )?;
        }
        writeln!(
            out,
            "\nA background worker removes the runs that were merged, after the commit: the last column is how long after. \
             Memory is the growth of `RssAnon`, sampled every {} ms; shared buffers are not in it.\n",
            memory::INTERVAL.as_millis()
        )
    }
}

fn write_row(out: &mut fmt::Formatter<'_>, label: &str, compaction: &Compaction) -> fmt::Result {
    writeln!(
        out,
        "| {label} | {} | {} | {} | {} | {} | {} | {} |",
        thousands(compaction.trips),
        thousands(compaction.runs_before),
        thousands(compaction.runs_after),
        seconds(compaction.run.elapsed),
        compaction.speed(),
        mebibytes(compaction.memory_growth()),
        seconds(compaction.removal)
    )
}
