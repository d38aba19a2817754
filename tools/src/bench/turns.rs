//! Two ways to do the same, run in turns.

use std::fmt;
use std::time::Duration;

use super::Run;
use super::figures::{MIB, median, per_second, seconds, thousands};

/// The runs of both; [`fmt::Display`] writes them as a table.
#[derive(Debug)]
pub(super) struct Turns {
    /// What each is called.
    pub(super) names: [&'static str; 2],
    /// The runs of the first and of the second, in order.
    pub(super) runs: [Vec<Run>; 2],
    /// The rows that each run handles.
    pub(super) rows: u64,
}

impl Turns {
    /// The median times of the first and of the second.
    pub(super) fn medians(&self) -> [Duration; 2] {
        self.each(|runs| {
            let times: Vec<Duration> = runs.iter().map(|run| run.elapsed).collect();
            median(&times)
        })
    }

    /// The largest growth of a backend's memory, in bytes.
    fn largest_growths(&self) -> [u64; 2] {
        self.each(|runs| runs.iter().map(|run| run.memory_growth).max().unwrap_or(0))
    }

    fn each<T>(&self, figure: impl Fn(&[Run]) -> T) -> [T; 2] {
        let [first, second] = &self.runs;
        [figure(first), figure(second)]
    }
}

impl fmt::Display for Turns {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([first, second], [one, other]) = (&self.runs, self.names);
        writeln!(out, "| | {one} | {other} |\n|---|---:|---:|")?;
        for (number, (first, second)) in (1..).zip(first.iter().zip(second)) {
            let (first, second) = (seconds(first.elapsed), seconds(second.elapsed));
            writeln!(out, "| run {number} | {first} | {second} |")?;
        }
        let [first, second] = self.medians().map(seconds);
        writeln!(out, "| **median** | **{first}** | **{second}** |")?;
        let speeds = self
            .medians()
            .map(|median| thousands(per_second(self.rows, median) as u64));
        let [first, second] = speeds;
        writeln!(out, "| rows a second | {first} | {second} |")?;
        let growths = self.largest_growths().map(|bytes| bytes as f64 / MIB);
        let [first, second] = growths;
        writeln!(
            out,
            "| memory of the backend, growth | {first:.1} MiB | {second:.1} MiB |"
        )
    }
}
