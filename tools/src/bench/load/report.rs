//! The result of a benchmark of loads as a page of Markdown: the ratio first, then what it was measured on.

use std::error::Error;
use std::fmt;
use std::fs;

use postgres::Client;

use super::{Plan, Run};
use crate::bench::conditions::Conditions;
use crate::bench::figures::{MIB, thousands, times_as_long};
use crate::bench::turns::Turns;
use crate::memory;

/// Settings that decide how fast a load is.
const SETTINGS: [&str; 10] = [
    "wal_level",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "maintenance_work_mem",
    "autovacuum",
    "max_worker_processes",
];

/// Everything that a reader needs to judge the figures; [`fmt::Display`] writes the page.
#[derive(Debug)]
pub struct Report {
    file_bytes: u64,
    turns: Turns,
    conditions: Conditions,
}

impl Report {
    /// `runs` are those of `COPY` and of `trips_ingest`.
    pub(super) fn new(
        plan: &Plan,
        session: &mut Client,
        runs: [Vec<Run>; 2],
    ) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            file_bytes: fs::metadata(&plan.file)?.len(),
            turns: turns(plan.rows, runs),
            conditions: Conditions::read(session, &SETTINGS)?,
        })
    }

    fn write_headline(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [copy, ingest] = self.turns.medians();
        writeln!(out, "# trips_ingest against COPY\n")?;
        writeln!(
            out,
            "`trips_ingest` takes **{:.3}** of the time of `COPY`: it is {:.1} times as fast \
             (medians of {}, {} rows, {:.0} MiB).\n",
            times_as_long(ingest, copy),
            times_as_long(copy, ingest),
            self.turns.runs[0].len(),
            thousands(self.turns.rows),
            self.file_bytes as f64 / MIB,
        )
    }

    fn write_method(out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "`COPY` writes the file's five columns, typed, into a table without an index. The two take turns; each run \
             has a session of its own, empty tables and a checkpoint before it. Memory is the largest growth \
             of `RssAnon` of the loading backend over all runs, sampled every {} ms; shared buffers are not in it.\n",
            memory::INTERVAL.as_millis()
        )
    }
}

fn turns(rows: u64, runs: [Vec<Run>; 2]) -> Turns {
    Turns {
        names: ["`COPY`", "`trips_ingest`"],
        runs,
        rows,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_headline(out)?;
        writeln!(out, "{}", self.turns)?;
        Self::write_method(out)?;
        self.conditions.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn runs(milliseconds: &[u64]) -> Vec<Run> {
        milliseconds
            .iter()
            .map(|&elapsed| Run {
                elapsed: Duration::from_millis(elapsed),
                memory_growth: elapsed << 20,
            })
            .collect()
    }

    fn report() -> Report {
        let runs = [runs(&[4_000, 9_000, 5_000]), runs(&[1_000, 1_250, 800])];
        Report {
            file_bytes: 256 << 20,
            turns: turns(2_000_000, runs),
            conditions: Conditions {
                versions: vec![("PostgreSQL".to_owned(), "15.20".to_owned())],
                machine: "a processor, 2 cores".to_owned(),
                settings: vec![("fsync".to_owned(), "on".to_owned())],
            },
        }
    }

    #[test]
    fn the_page_begins_with_the_ratio_of_the_medians() {
        let page = report().to_string();
        let headline = page.lines().nth(2).expect("a headline");
        assert!(headline.starts_with("`trips_ingest` takes **0.200** of the time of `COPY`"));
        assert!(headline.contains("5.0 times as fast (medians of 3, 2,000,000 rows, 256 MiB)"));
    }

    #[test]
    fn the_page_holds_every_run_and_what_it_was_measured_on() {
        let page = report().to_string();
        for line in [
            "| | `COPY` | `trips_ingest` |",
            "| run 2 | 9.000 s | 1.250 s |",
            "| rows a second | 400,000 | 2,000,000 |",
            "| memory of the backend, growth | 9000.0 MiB | 1250.0 MiB |",
            "- Versions: PostgreSQL 15.20",
            "- Machine: a processor, 2 cores",
            "- Settings: `fsync = on`",
        ] {
            assert!(
                page.lines().any(|written| written == line),
                "{line}\n{page}"
            );
        }
    }
}
