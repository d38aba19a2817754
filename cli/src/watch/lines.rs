//! One line for each thing worth telling, for files, pipes and logs: a start, progress about once a second, an end.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::display::{Display, Source};
use super::event::Phase;
use super::ingest::Ingest;
use super::words;

/// How long an ingest's line waits for the last one.
const APART: Duration = Duration::from_millis(950);

/// Lines on standard output; what is about the watching itself goes to standard error.
#[derive(Debug, Default)]
pub struct Lines {
    told: BTreeMap<u32, (Instant, Phase)>,
}

impl Lines {
    /// The line for this news, if it is time for one.
    fn line(&mut self, ingest: &Ingest, now: Instant) -> Option<String> {
        let name = words::name(ingest);
        if let Some(end) = &ingest.end {
            self.told.remove(&ingest.id);
            return Some(format!("{name}: {}", words::end(ingest, end)));
        }
        let told = self.told.get(&ingest.id);
        let is_due = told.is_none_or(|(at, phase)| {
            *phase != ingest.phase || now.saturating_duration_since(*at) >= APART
        });
        if !is_due {
            return None;
        }
        self.told.insert(ingest.id, (now, ingest.phase));
        Some(format!("{name}: {}", words::progress(ingest)))
    }
}

impl Display for Lines {
    fn show(&mut self, ingest: &Ingest, _source: Source<'_>) -> io::Result<()> {
        match self.line(ingest, Instant::now()) {
            Some(line) => {
                let mut out = io::stdout().lock();
                writeln!(out, "{line}")?;
                out.flush()
            }
            None => Ok(()),
        }
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(io::stderr(), "trips: {text}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Kind;
    use super::super::event::tests::event;
    use super::*;

    #[test]
    fn starts_ends_and_now_and_then_progress_are_told() {
        let mut lines = Lines::default();
        let begun = Instant::now();
        let mut tell = |kind, milliseconds| {
            let ingest = Ingest::of_event(&event(kind, 3), None);
            lines
                .line(&ingest, begun + Duration::from_millis(milliseconds))
                .is_some()
        };
        let told = [
            (Kind::Started, 0),
            (Kind::Progress, 10),
            (Kind::Progress, 500),
            (Kind::Progress, 1000),
            (Kind::Progress, 1500),
            (Kind::Completed, 1501),
        ]
        .map(|(kind, at)| tell(kind, at));
        assert_eq!(told, [true, true, false, true, false, true]);
    }
}
