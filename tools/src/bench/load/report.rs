//! The result of a benchmark of loads as a page of Markdown: the ratios first, then what they were measured on.

use std::error::Error;
use std::fmt;
use std::fs;
use std::time::Duration;

use postgres::Client;

use super::{Plan, Way, Work};
use crate::bench::conditions::Conditions;
use crate::bench::figures::{MIB, median, per_second, seconds, thousands, times_as_long};
use crate::memory;

/// Settings that decide how fast a load is.
const SETTINGS: [&str; 11] = [
    "wal_level",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_compression",
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
    command: String,
    rows: u64,
    file_bytes: u64,
    /// The first is `trips_ingest`, the second the same without the trees.
    ways: Vec<Times>,
    /// The largest growth of the backend of `trips_ingest`, in bytes.
    memory_growth: u64,
    conditions: Conditions,
}

/// What one way took.
#[derive(Debug)]
struct Times {
    name: String,
    times: Vec<Duration>,
}

impl Times {
    fn median(&self) -> Duration {
        median(&self.times)
    }
}

impl Report {
    pub(super) fn new(
        plan: &Plan,
        session: &mut Client,
        ways: &[Way],
    ) -> Result<Self, Box<dyn Error>> {
        let mut conditions = Conditions::read(session, &SETTINGS)?;
        for way in ways {
            if let Work::Program(rival) = &way.work
                && let Some(version) = &rival.version
            {
                conditions
                    .versions
                    .push((rival.name.clone(), version.clone()));
            }
        }
        let growths = ways.iter().flat_map(|way| &way.runs);
        let times = |way: &Way| Times {
            name: way.name.clone(),
            times: way.runs.iter().map(|run| run.elapsed).collect(),
        };
        Ok(Self {
            command: plan.command.clone(),
            rows: plan.rows,
            file_bytes: fs::metadata(&plan.file)?.len(),
            ways: ways.iter().map(times).collect(),
            memory_growth: growths.map(|run| run.memory_growth).max().unwrap_or(0),
            conditions,
        })
    }

    fn write_headline(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "# Loads\n\nMade by `{}`.\n", self.command)?;
        writeln!(
            out,
            "{} rows, {:.0} MiB; each way runs {} times, in turns with the others, after one that is not counted. Times are medians; the ratios are how many times as \
             long as `trips_ingest` a way takes, with the area trees and without them.\n",
            thousands(self.rows),
            self.file_bytes as f64 / MIB,
            self.ways.first().map_or(0, |way| way.times.len()),
        )
    }

    fn write_ratios(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [with, without, ..] = self.ways.as_slice() else {
            return Ok(());
        };
        writeln!(
            out,
            "| | time | rows a second | of `trips_ingest` | of it without the trees |\n|---|---:|---:|---:|---:|"
        )?;
        for way in &self.ways {
            let time = way.median();
            writeln!(
                out,
                "| {} | {} | {} | {:.2} | {:.2} |",
                way.name,
                seconds(time),
                thousands(per_second(self.rows, time) as u64),
                times_as_long(time, with.median()),
                times_as_long(time, without.median()),
            )?;
        }
        writeln!(out)
    }

    fn write_method(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "`trips_ingest` writes facts, dimensions, ledger and area trees, in one transaction. `COPY` writes the file's five columns, typed, into a \
             table without an index; in two sessions, half of the file each. The usual pipeline copies into an unlogged staging \
             table, fills two dimensions and a table of facts, and builds two GiST indexes and a btree. Each run has sessions of its own, empty tables \
             and a checkpoint before it. DuckDB and chDB fill a table in memory with the same columns, points as two numbers each, and are timed by \
             themselves once they have started ([rivals.py](rivals.py)).\n\n\
             The backend of `trips_ingest` grew by {:.1} MiB at the most (`RssAnon`, sampled every {} ms; shared buffers are not in it).\n",
            self.memory_growth as f64 / MIB,
            memory::INTERVAL.as_millis()
        )
    }

    fn write_runs(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "All runs, in order:\n")?;
        for way in &self.ways {
            let times: Vec<String> = way.times.iter().map(|time| seconds(*time)).collect();
            writeln!(out, "- {}: {}", way.name, times.join(", "))?;
        }
        writeln!(out)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_headline(out)?;
        self.write_ratios(out)?;
        self.write_method(out)?;
        self.write_runs(out)?;
        self.conditions.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(name: &str, milliseconds: &[u64]) -> Times {
        Times {
            name: name.to_owned(),
            times: milliseconds
                .iter()
                .copied()
                .map(Duration::from_millis)
                .collect(),
        }
    }

    fn report() -> Report {
        Report {
            command: "make bench".to_owned(),
            rows: 2_000_000,
            file_bytes: 256 << 20,
            ways: vec![
                way("`trips_ingest`", &[1_000, 1_250, 800]),
                way("without", &[500, 600, 400]),
                way("`COPY`", &[4_000, 9_000, 5_000]),
            ],
            memory_growth: 3 << 20,
            conditions: Conditions {
                versions: vec![("PostgreSQL".to_owned(), "15.20".to_owned())],
                machine: "a processor, 2 cores".to_owned(),
                settings: vec![("fsync".to_owned(), "on".to_owned())],
            },
        }
    }

    #[test]
    fn the_page_begins_with_the_ratios_of_the_medians() {
        let page = report().to_string();
        for line in [
            "| `trips_ingest` | 1.000 s | 2,000,000 | 1.00 | 2.00 |",
            "| `COPY` | 5.000 s | 400,000 | 5.00 | 10.00 |",
        ] {
            assert!(
                page.lines().any(|written| written == line),
                "{line}\n{page}"
            );
        }
    }

    #[test]
    fn the_page_holds_every_run_and_what_it_was_measured_on() {
        let page = report().to_string();
        for line in [
            "- `COPY`: 4.000 s, 9.000 s, 5.000 s",
            "- Versions: PostgreSQL 15.20",
            "- Machine: a processor, 2 cores",
            "- Settings: `fsync = on`",
        ] {
            assert!(
                page.lines().any(|written| written == line),
                "{line}\n{page}"
            );
        }
        assert!(page.contains("grew by 3.0 MiB at the most"));
    }
}
