//! The result as a page of Markdown: what counts first, then all groupings, then what they were measured on.

use std::fmt;
use std::time::Duration;

use super::{Grouping, Limits, Run, Trips};
use crate::bench::conditions::Conditions;
use crate::bench::figures::{mebibytes, median, per_second, seconds, thousands, times_as_long};
use crate::memory;

/// Settings that matter to a grouping.
pub(super) const SETTINGS: [&str; 5] = [
    "trips_ext.group_memory",
    "trips_ext.group_threads",
    "shared_buffers",
    "work_mem",
    "max_parallel_workers_per_gather",
];

/// All that was measured; [`fmt::Display`] writes the page.
#[derive(Debug)]
pub struct Report {
    pub(super) command: String,
    pub(super) rows: u64,
    pub(super) groupings: Vec<Grouping>,
    /// What ended in an error.
    pub(super) failures: Vec<String>,
    pub(super) rival: Option<Run>,
    pub(super) conditions: Conditions,
}

impl Grouping {
    fn median(&self) -> Duration {
        let times: Vec<Duration> = self.runs.iter().map(|run| run.elapsed).collect();
        median(&times)
    }

    fn processor(&self) -> Duration {
        let times: Vec<Duration> = self.runs.iter().map(|run| run.processor).collect();
        median(&times)
    }

    fn memory(&self) -> u64 {
        self.runs.iter().map(|run| run.memory).max().unwrap_or(0)
    }
}

impl Report {
    /// Why something is missing.
    pub fn failure(&self) -> Option<String> {
        (!self.failures.is_empty()).then(|| self.failures.join("; "))
    }

    fn find(&self, trips: Trips, limits: Limits, method: &str) -> Option<&Grouping> {
        self.groupings.iter().find(|grouping| {
            grouping.trips == trips && grouping.limits == limits && grouping.method == method
        })
    }

    fn cities(&self, trips: Trips) -> String {
        let (cities, times) = trips.size();
        let cities = if cities == 1 {
            "one city"
        } else {
            "five cities"
        };
        format!("{} in {cities}", thousands(self.rows * times))
    }

    fn write_headline(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "| 250 m, 250 m, 15 minutes | representative | density | cell |\n|---|---:|---:|---:|"
        )?;
        let methods = ["representative", "density", "cell"];
        let of = |trips, method: &str| {
            let grouping = self.find(trips, Limits::Narrow, method);
            grouping.map(Grouping::median).unwrap_or_default()
        };
        let mut row = |name: String, figure: &dyn Fn(&str) -> String| {
            let figures = methods.map(figure).join(" | ");
            writeln!(out, "| {name} | {figures} |")
        };
        for trips in [Trips::OneCity, Trips::FourTimes, Trips::FiveCities] {
            row(self.cities(trips), &|method| seconds(of(trips, method)))?;
        }
        if let Some(rival) = self.rival {
            row(
                "times as fast as `ST_ClusterDBSCAN` on the origins alone".to_owned(),
                &|method| {
                    format!(
                        "{:.0}",
                        times_as_long(rival.elapsed, of(Trips::OneCity, method))
                    )
                },
            )?;
        }
        for (name, trips) in [
            (
                "four times the trips of a city, times as long",
                Trips::FourTimes,
            ),
            ("five such cities, times as long as one", Trips::FiveCities),
        ] {
            row(name.to_owned(), &|method| {
                format!(
                    "{:.2}",
                    times_as_long(of(trips, method), of(Trips::OneCity, method))
                )
            })?;
        }
        writeln!(out)
    }

    fn write_all(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "| trips | limits | method | median | processor | trips a second | memory, growth | groups | their trips |"
        )?;
        writeln!(out, "|---|---|---|---:|---:|---:|---:|---:|---:|")?;
        for grouping in &self.groupings {
            let (_, times) = grouping.trips.size();
            let limits = match grouping.limits {
                Limits::Narrow => "250 m, 15 min",
                Limits::Default => "500 m, 30 min",
            };
            let Some(run) = grouping.runs.last() else {
                continue;
            };
            writeln!(
                out,
                "| {} | {limits} | {} | {} | {} | {} | {} | {} | {} |",
                self.cities(grouping.trips),
                grouping.method,
                seconds(grouping.median()),
                seconds(grouping.processor()),
                thousands(per_second(self.rows * times, grouping.median()) as u64),
                mebibytes(grouping.memory()),
                thousands(run.groups),
                thousands(run.grouped),
            )?;
        }
        if let Some(run) = self.rival {
            writeln!(
                out,
                "| {} | 250 m, origins alone | `ST_ClusterDBSCAN` | {} | {} | {} | {} | {} | {} |",
                self.cities(Trips::OneCity),
                seconds(run.elapsed),
                seconds(run.processor),
                thousands(per_second(self.rows, run.elapsed) as u64),
                mebibytes(run.memory),
                thousands(run.groups),
                thousands(run.grouped),
            )?;
        }
        writeln!(out)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self
            .groupings
            .first()
            .map_or(0, |grouping| grouping.runs.len());
        writeln!(out, "# Groups of similar trips\n")?;
        writeln!(
            out,
            "Made by `{}`: trips of the generator over two years. Medians of {runs}.\n",
            self.command
        )?;
        self.write_headline(out)?;
        self.write_all(out)?;
        for failure in &self.failures {
            writeln!(out, "Ended in an error: {failure}\n")?;
        }
        writeln!(
            out,
            "Each run is `SELECT count(*), sum(trips) FROM trips_groups(...)` in a session of its own that has read the trips once; \
             the groups of all runs are the same. `ST_ClusterDBSCAN(ST_Transform(origin, 32633), 250, 2)` runs once. \
             Processor is the time of all threads of the backend. Memory is the largest growth of its `RssAnon`, \
             sampled every {} ms; shared buffers are not in it.\n",
            memory::INTERVAL.as_millis()
        )?;
        self.conditions.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_begins_with_times_and_ratios() {
        let grouping = |trips, method, elapsed| Grouping {
            trips,
            limits: Limits::Narrow,
            method,
            runs: vec![Run {
                elapsed: Duration::from_secs(elapsed),
                processor: Duration::from_secs(2 * elapsed),
                memory: 3 << 20,
                groups: 5,
                grouped: 1234,
            }],
        };
        let mut groupings = Vec::new();
        for method in ["representative", "density", "cell"] {
            groupings.push(grouping(Trips::OneCity, method, 2));
            groupings.push(grouping(Trips::FourTimes, method, 9));
            groupings.push(grouping(Trips::FiveCities, method, 11));
        }
        let report = Report {
            command: "make bench-groups".to_owned(),
            rows: 1_000_000,
            rival: Some(grouping(Trips::OneCity, "", 300).runs[0]),
            groupings,
            failures: Vec::new(),
            conditions: Conditions {
                versions: Vec::new(),
                machine: "a processor".to_owned(),
                settings: Vec::new(),
            },
        };
        let page = report.to_string();
        for line in [
            "| 4,000,000 in one city | 9.000 s | 9.000 s | 9.000 s |",
            "| times as fast as `ST_ClusterDBSCAN` on the origins alone | 150 | 150 | 150 |",
            "| four times the trips of a city, times as long | 4.50 | 4.50 | 4.50 |",
            "| five such cities, times as long as one | 5.50 | 5.50 | 5.50 |",
            "| 5,000,000 in five cities | 250 m, 15 min | cell | 11.000 s | 22.000 s | 454,545 | 3.0 MiB | 5 | 1,234 |",
        ] {
            assert!(
                page.lines().any(|written| written == line),
                "{line}\n{page}"
            );
        }
    }
}
