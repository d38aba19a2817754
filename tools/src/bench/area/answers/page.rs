//! The sections of the page that hold the times of questions.

use std::fmt;

use super::Answers;
use crate::bench::area::question::{JITTER, Kind, Matching, SERIES, Series};
use crate::bench::area::shape::Star;
use crate::bench::figures::{milliseconds, thousands};

impl fmt::Display for Answers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "## Questions\n\n`trips_weekly_average` of {SERIES} places for each row, around the origins of random \
             trips; half and whole cities are the cities' boxes and their west halves, with each edge moved by at most \
             {:.0} % of its side. A month is a random one for each place. Each question was asked before, in the \
             same session, and is timed inside the server: a PL/pgSQL function takes `clock_timestamp()` before and \
             after the call. Trips are the median of the {SERIES} answers.\n",
            100.0 * JITTER
        )?;
        self.write_series(out, "Boxes, by origin", |series| {
            matches!(series.kind, Kind::Box(_)) && series.matching == Matching::Origin
        })?;
        let polygons = format!("Polygons of {} corners in the same boxes", Star::CORNERS);
        self.write_series(out, &polygons, |series| {
            matches!(series.kind, Kind::Star(_))
        })?;
        self.write_series(out, "Boxes as large as these polygons", |series| {
            matches!(series.kind, Kind::AsStar(_))
        })?;
        self.write_ratios(out)?;
        self.write_series(out, "Boxes, by other ends", |series| {
            matches!(series.kind, Kind::Box(_)) && series.matching != Matching::Origin
        })?;
        self.write_series(out, "Regions", |series| series.kind == Kind::Region)?;
        self.write_plans(out)
    }
}

impl Answers {
    fn write_series(
        &self,
        out: &mut fmt::Formatter<'_>,
        title: &str,
        belongs: impl Fn(&Series) -> bool,
    ) -> fmt::Result {
        write!(out, "### {title}\n\n| | period | trips |")?;
        for label in self.labels() {
            write!(out, " median, {label} | 95 % |")?;
        }
        let columns = "---:|---:|".repeat(self.moments.len());
        writeln!(out, "\n|---|---|---:|{columns}")?;
        let mut first = 0;
        for (number, series) in self.series.iter().enumerate() {
            if belongs(series) {
                self.write_row(out, number, first, series)?;
            }
            first += series.questions.len();
        }
        writeln!(out)
    }

    fn labels(&self) -> impl Iterator<Item = &'static str> {
        self.moments.iter().map(|moment| moment.when.label())
    }

    fn write_row(
        &self,
        out: &mut fmt::Formatter<'_>,
        number: usize,
        first: usize,
        series: &Series,
    ) -> fmt::Result {
        let mut trips: Vec<u64> = (first..first + series.questions.len())
            .map(|number| self.facts.trips(number))
            .collect();
        trips.sort_unstable();
        let trips = trips.get(trips.len() / 2).copied().unwrap_or_default();
        let place = match (series.kind, series.matching) {
            (Kind::Region, _) => "a region".to_owned(),
            (Kind::AsStar(size), _) => format!("as the polygon in {size}"),
            (Kind::Box(size) | Kind::Star(size), Matching::Origin) => size.to_string(),
            (Kind::Box(size) | Kind::Star(size), matching) => {
                format!("{size}, '{}'", matching.name())
            }
        };
        write!(out, "| {place} | {} | {} |", series.span, thousands(trips))?;
        for timing in self.moments.iter().map(|moment| moment.timings[number]) {
            let (median, p95) = (milliseconds(timing.median), milliseconds(timing.p95));
            write!(out, " {median} | {p95} |")?;
        }
        writeln!(out)
    }

    fn write_ratios(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "How many times as long as the box of the same area, around the same middle, a polygon takes, and as the box \
             that it lies in (medians):\n\n| | period |"
        )?;
        for kind in ["box as large", "box around it"] {
            for label in self.labels() {
                write!(out, " {kind}, {label} |")?;
            }
        }
        let columns = "---:|---:|".repeat(self.moments.len());
        writeln!(out, "\n|---|---|{columns}")?;
        for (number, series) in self.series.iter().enumerate() {
            let Kind::Star(size) = series.kind else {
                continue;
            };
            write!(out, "| {size} | {} |", series.span)?;
            for kind in [Kind::AsStar, Kind::Box] {
                for moment in &self.moments {
                    let ratio = self.ratio_to_box(number, moment, kind);
                    write!(out, " {:.2} |", ratio.unwrap_or_default())?;
                }
            }
            writeln!(out)?;
        }
        writeln!(out)
    }

    fn write_plans(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let question = self.plan_query();
        writeln!(out, "### The way of one question\n\n`{question}`\n")?;
        for (moment, label) in self.moments.iter().zip(self.labels()) {
            writeln!(out, "The runs {label}:\n\n{}", moment.plan)?;
        }
        Ok(())
    }
}
