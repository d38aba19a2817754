//! Answers against what they must be.

use std::fmt;

use super::ask::Answer;
use super::facts::Facts;
use super::question::Series;
use crate::bench::figures::thousands;

/// Differences that are shown; more are counted only.
const SHOWN: usize = 10;

/// How many answers were compared, and which were wrong; [`fmt::Display`] writes a section.
#[derive(Debug, Default)]
pub(super) struct Checks {
    compared: u64,
    wrong: u64,
    shown: Vec<String>,
}

impl Checks {
    /// Compares the answers to a series with the facts, in which its first question has the number `first`.
    pub(super) fn compare(
        &mut self,
        facts: &Facts,
        first: usize,
        series: &Series,
        answers: &[Answer],
    ) {
        for (number, (question, answer)) in (first..).zip(series.questions.iter().zip(answers)) {
            self.note(facts.difference(number, question, answer));
        }
    }

    /// One more was compared, and differed or not.
    pub(super) fn note(&mut self, difference: Option<String>) {
        self.compared += 1;
        if let Some(difference) = difference {
            self.wrong += 1;
            if self.shown.len() < SHOWN {
                self.shown.push(difference);
            }
        }
    }

    /// Two counts of the same trips.
    pub(super) fn same(&mut self, what: &str, one: u64, other: u64) {
        self.note((one != other).then(|| format!("{what}: {one} trips, another way {other}")));
    }

    pub(super) fn all_right(&self) -> bool {
        self.wrong == 0
    }
}

impl fmt::Display for Checks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "## Checks\n\n{} timed answers were compared with a count of the rows of `trips.trip` by the client, \
             or with the count of a query: **{} differ**.\n",
            thousands(self.compared),
            thousands(self.wrong)
        )?;
        for difference in &self.shown {
            writeln!(out, "- {difference}")?;
        }
        if self.shown.is_empty() {
            return Ok(());
        }
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_counted_and_the_first_are_shown() {
        let mut checks = Checks::default();
        checks.same("a city", 1, 1);
        assert!(checks.all_right());
        for count in 0..12 {
            checks.same("a box", count, count + 1);
        }
        assert!(!checks.all_right());
        let page = checks.to_string();
        assert!(page.contains("13 timed answers") && page.contains("**12 differ**"));
        assert_eq!(page.matches("- a box").count(), SHOWN);
    }
}
