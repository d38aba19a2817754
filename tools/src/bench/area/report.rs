//! The result of the benchmark as a page of Markdown: the figures that matter first, then all of them.

use std::fmt;

use super::answers::{Answers, When};
use super::checks::Checks;
use super::compaction::{Background, Compaction, Section, Watched};
use super::gist::Gist;
use super::ingest::Ingest;
use super::size::Sizes;
use super::small_loads::SmallLoads;
use crate::bench::conditions::Conditions;
use crate::bench::figures::{mebibytes, milliseconds, thousands};

/// What was measured until the end, or until something went wrong; [`fmt::Display`] writes the page.
#[derive(Default)]
pub struct Report {
    pub(super) command: String,
    pub(super) rows: u64,
    pub(super) ingest: Option<Ingest>,
    pub(super) sizes: Option<Sizes>,
    pub(super) sizes_merged: Option<Sizes>,
    pub(super) sizes_compacted: Option<Sizes>,
    pub(super) answers: Option<Answers>,
    pub(super) background: Option<Background>,
    pub(super) compaction: Option<Compaction>,
    pub(super) watched: Option<Watched>,
    pub(super) gist: Option<Gist>,
    pub(super) small_loads: Option<SmallLoads>,
    pub(super) checks: Checks,
    pub(super) conditions: Option<Conditions>,
    pub(super) ended_by: Option<String>,
}

impl Report {
    /// Why the page is not what it should be: what ended the run early, or answers that were wrong.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        let wrong = (!self.checks.all_right()).then_some("answers differ from the facts");
        self.ended_by.as_deref().or(wrong)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "# Questions about areas\n")?;
        writeln!(
            out,
            "Made by `{}`: {} trips of the generator in five cities over two years.\n",
            self.command,
            thousands(self.rows)
        )?;
        if let Some(reason) = &self.ended_by {
            writeln!(out, "**The run ended early: {reason}**\n")?;
        }
        self.write_headline(out)?;
        write_part(out, self.ingest.as_ref())?;
        self.write_sizes(out)?;
        write_part(out, self.answers.as_ref())?;
        write_part(out, self.gist.as_ref())?;
        write_part(out, self.compaction_section().as_ref())?;
        write_part(out, self.small_loads.as_ref())?;
        self.checks.fmt(out)?;
        writeln!(out, "## Conditions\n")?;
        write_part(out, self.conditions.as_ref())
    }
}

fn write_part(out: &mut fmt::Formatter<'_>, part: Option<&impl fmt::Display>) -> fmt::Result {
    part.map_or(Ok(()), |part| part.fmt(out))
}

impl Report {
    fn compaction_section(&self) -> Option<Section<'_>> {
        let quiet = self.compaction.as_ref()?;
        Some(Section {
            background: self.background.as_ref(),
            quiet,
            watched: self.watched.as_ref(),
        })
    }

    fn write_sizes(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(sizes) = &self.sizes {
            writeln!(out, "## Size\n\n{sizes}")?;
        }
        if let Some(sizes) = &self.sizes_merged {
            writeln!(
                out,
                "After a worker has merged runs, and a vacuum:\n\n{sizes}"
            )?;
        }
        if let Some(sizes) = &self.sizes_compacted {
            writeln!(
                out,
                "After compaction and a vacuum, with the room that the merged runs have left:\n\n{sizes}"
            )?;
        }
        Ok(())
    }

    fn write_headline(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut moments = vec![When::Loaded, When::Merged, When::Compacted];
        moments.retain(|when| *when != When::Merged || self.sizes_merged.is_some());
        let labels: Vec<&str> = moments.into_iter().map(When::label).collect();
        let columns = "---:|".repeat(labels.len());
        writeln!(out, "| | {} |\n|---|{columns}", labels.join(" | "))?;
        let mut row = |label: &str, cells: &[String]| {
            let mut cells = cells.to_vec();
            if cells.is_empty() {
                return Ok(());
            }
            // Two figures are of the first moment and of the last.
            while cells.len() < labels.len() {
                cells.insert(1, String::new());
            }
            writeln!(out, "| {label} | {} |", cells.join(" | "))
        };
        self.each_moment(&mut row)?;
        if let Some(gist) = &self.gist {
            let ratios = gist.least_ratios();
            let cells: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.1}")).collect();
            row(
                "whole city, times as fast as GiST and ST_Intersects (least of five)",
                &cells,
            )?;
        }
        if let Some(small) = &self.small_loads {
            let label = format!(
                "5 x 5 km after {} small loads, times as long as after one",
                thousands(small.loads())
            );
            row(&label, &small.ratios().map(|ratio| format!("{ratio:.2}")))?;
        }
        let sizes = [&self.sizes, &self.sizes_merged, &self.sizes_compacted];
        let sizes = sizes.into_iter().flatten();
        let shares: Vec<String> = sizes
            .map(|sizes| format!("{:.1} %", 100.0 * sizes.share()))
            .collect();
        row("room of the trees, of that of the trips", &shares)?;
        self.each_cost(&mut row)?;
        writeln!(out)
    }

    fn each_moment(&self, row: &mut impl FnMut(&str, &[String]) -> fmt::Result) -> fmt::Result {
        let Some(answers) = &self.answers else {
            return Ok(());
        };
        let extremes = answers.extremes();
        let cells = |figure: &dyn Fn(&super::answers::Extremes) -> String| -> Vec<String> {
            extremes.iter().map(figure).collect()
        };
        row(
            "boxes, slowest median of the eight series",
            &cells(&|extremes| milliseconds(extremes.boxes.median)),
        )?;
        row(
            "boxes, slowest 95th percentile",
            &cells(&|extremes| milliseconds(extremes.boxes.p95)),
        )?;
        row(
            "polygons, most times as long as the box as large",
            &cells(&|extremes| format!("{:.2}", extremes.polygon_ratio)),
        )?;
        row(
            "regions, slower median of the two series",
            &cells(&|extremes| milliseconds(extremes.regions.median)),
        )
    }

    fn each_cost(&self, row: &mut impl FnMut(&str, &[String]) -> fmt::Result) -> fmt::Result {
        if let Some(ingest) = &self.ingest {
            let cell = format!("{:.2}", ingest.ratio());
            row("ingest, times as long as without the trees", &[cell])?;
        }
        if let Some(compaction) = &self.compaction {
            row("compaction, trips a second", &[compaction.speed()])?;
            let memory = mebibytes(compaction.memory_growth());
            row("compaction, memory of the backend", &[memory])?;
        }
        if let Some(watched) = &self.watched {
            let wait = milliseconds(watched.meanwhile.longest);
            row("compaction, longest wait of a session that asks", &[wait])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_ended_early_says_so_first_and_fails() {
        let report = Report {
            command: "make bench-area".to_owned(),
            ended_by: Some("no server".to_owned()),
            ..Report::default()
        };
        let page = report.to_string();
        assert!(page.contains("**The run ended early: no server**"));
        assert_eq!(report.failure(), Some("no server"));
    }

    #[test]
    fn a_wrong_answer_fails_the_run() {
        let mut report = Report::default();
        assert_eq!(report.failure(), None);
        report.checks.same("a city", 1, 2);
        assert!(report.failure().is_some());
    }
}
