//! Many small loads against one large one: what the many runs cost the questions.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use super::ask::{Asker, Timing};
use super::checks::Checks;
use super::compaction::Compaction;
use super::facts::Facts;
use super::question::{Question, Series};
use super::trips::{count, empty, runs, settle};
use crate::bench::figures::{median, milliseconds, seconds, thousands, times_as_long};
use crate::bench::session::{create_readable, ingest};
use crate::generate::{Contents, REGIONS, write_trips};

/// What to load in pieces.
pub(super) struct Plan<'a> {
    pub(super) conninfo: &'a str,
    /// For files that the server can read.
    pub(super) directory: &'a Path,
    /// How many loads.
    pub(super) loads: u64,
    /// Trips in each of them.
    pub(super) rows_each: u64,
    pub(super) seed: u64,
    /// What is asked.
    pub(super) series: &'a Series,
}

/// The same trips, loaded in one way.
#[derive(Debug)]
struct Loaded {
    /// Of all loads.
    total: Duration,
    median: Duration,
    longest: Duration,
    runs: u64,
    asked: Timing,
    runs_compacted: u64,
    asked_compacted: Timing,
}

/// Both ways; [`fmt::Display`] writes the section.
#[derive(Debug)]
pub(super) struct SmallLoads {
    loads: u64,
    rows_each: u64,
    one: Loaded,
    many: Loaded,
}

impl Plan<'_> {
    /// Loads the trips in one file and then in many, and asks the same questions.
    pub(super) fn run(
        &self,
        control: &mut Client,
        checks: &mut Checks,
    ) -> Result<SmallLoads, Box<dyn Error>> {
        let rows = self.loads * self.rows_each;
        let whole = self.directory.join("whole.csv");
        let contents = Contents {
            rows,
            seed: self.seed,
            regions: REGIONS.len(),
        };
        write_trips(create_readable(&whole)?, &contents)?;
        let one = self.loaded(control, &whole, 1, rows, checks)?;
        let many = self.loaded(control, &whole, self.loads, self.rows_each, checks)?;
        fs::remove_file(&whole)?;
        Ok(SmallLoads {
            loads: self.loads,
            rows_each: self.rows_each,
            one,
            many,
        })
    }

    fn loaded(
        &self,
        control: &mut Client,
        whole: &Path,
        loads: u64,
        rows_each: u64,
        checks: &mut Checks,
    ) -> Result<Loaded, Box<dyn Error>> {
        empty(control)?;
        let times = self.load_pieces(whole, loads, rows_each)?;
        let rows = count(control, "trips.trip")?;
        if rows != loads * rows_each {
            return Err(format!("{loads} loads of {rows_each} rows brought {rows}").into());
        }
        settle(control)?;
        let questions: Vec<&Question> = self.series.questions.iter().collect();
        let facts = Facts::count(control, &questions)?;
        let mut asker = Asker::connect(self.conninfo)?;
        let mut ask = || -> Result<Timing, Box<dyn Error>> {
            let answers = asker.ask(self.series)?;
            checks.compare(&facts, 0, self.series, &answers);
            Ok(Timing::of(&answers))
        };
        let (runs_loaded, asked) = (runs(control)?, ask()?);
        Compaction::run(self.conninfo, control, rows)?;
        settle(control)?;
        Ok(Loaded {
            total: times.iter().sum(),
            median: median(&times),
            longest: times.iter().max().copied().unwrap_or_default(),
            runs: runs_loaded,
            asked,
            runs_compacted: runs(control)?,
            asked_compacted: ask()?,
        })
    }

    /// Loads the trips of `whole` in pieces, in one session.
    fn load_pieces(
        &self,
        whole: &Path,
        loads: u64,
        rows_each: u64,
    ) -> Result<Vec<Duration>, Box<dyn Error>> {
        let mut session = Client::connect(self.conninfo, NoTls)?;
        let mut pieces = Pieces::open(whole, self.directory.join("piece.csv"))?;
        let load = ingest(&pieces.piece);
        let mut times = Vec::new();
        for _ in 0..loads {
            pieces.write_next(rows_each)?;
            let start = Instant::now();
            session.batch_execute(&load)?;
            times.push(start.elapsed());
        }
        fs::remove_file(&pieces.piece)?;
        Ok(times)
    }
}

/// Cuts a file of trips into files with the same header, one at a time in the same place.
struct Pieces {
    lines: BufReader<File>,
    header: Vec<u8>,
    piece: PathBuf,
}

impl Pieces {
    fn open(whole: &Path, piece: PathBuf) -> io::Result<Self> {
        let mut lines = BufReader::new(File::open(whole)?);
        let mut header = Vec::new();
        lines.read_until(b'\n', &mut header)?;
        Ok(Self {
            lines,
            header,
            piece,
        })
    }

    fn write_next(&mut self, rows: u64) -> io::Result<()> {
        let mut out = BufWriter::new(create_readable(&self.piece)?);
        out.write_all(&self.header)?;
        let mut line = Vec::new();
        for _ in 0..rows {
            line.clear();
            if self.lines.read_until(b'\n', &mut line)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            out.write_all(&line)?;
        }
        out.flush()
    }
}

impl SmallLoads {
    /// How many times as long a question takes after many loads as after one: as they are, and after compaction.
    pub(super) fn ratios(&self) -> [f64; 2] {
        let (many, one) = (&self.many, &self.one);
        [
            times_as_long(many.asked.median, one.asked.median),
            times_as_long(many.asked_compacted.median, one.asked_compacted.median),
        ]
    }

    pub(super) fn loads(&self) -> u64 {
        self.loads
    }
}

impl fmt::Display for SmallLoads {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [as_loaded, compacted] = self.ratios();
        let (loads, rows_each) = (thousands(self.loads), thousands(self.rows_each));
        writeln!(
            out,
            "## Small loads\n\n{} trips in one load, and the same in {loads} loads of {rows_each}, in one session; \
             the boxes of 5 x 5 km over all of the time. After the small loads a question takes {as_loaded:.2} times \
             as long as after one load, and after compaction of both {compacted:.2} times.\n",
            thousands(self.loads * self.rows_each)
        )?;
        writeln!(
            out,
            "| | loads, together | median | longest | runs | question, median | 95 % | runs, compacted | question, \
             median | 95 % |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
        )?;
        for (label, loaded) in [("one load", &self.one), ("small loads", &self.many)] {
            writeln!(
                out,
                "| {label} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                seconds(loaded.total),
                seconds(loaded.median),
                seconds(loaded.longest),
                thousands(loaded.runs),
                milliseconds(loaded.asked.median),
                milliseconds(loaded.asked.p95),
                thousands(loaded.runs_compacted),
                milliseconds(loaded.asked_compacted.median),
                milliseconds(loaded.asked_compacted.p95)
            )?;
        }
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_the_header_and_all_rows_in_order() {
        let directory = std::env::temp_dir().join(format!("trips-pieces-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory for the test");
        let (whole, piece) = (directory.join("whole.csv"), directory.join("piece.csv"));
        fs::write(&whole, "head\n1\n2\n3\n4\n").expect("a file for the test");
        let mut pieces = Pieces::open(&whole, piece.clone()).expect("the file is there");
        for expected in ["head\n1\n2\n", "head\n3\n4\n"] {
            pieces.write_next(2).expect("there are rows left");
            assert_eq!(fs::read_to_string(&piece).expect("a piece"), expected);
        }
        assert!(pieces.write_next(1).is_err());
        fs::remove_dir_all(&directory).expect("the directory of the test");
    }
}
