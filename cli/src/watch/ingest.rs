//! An ingest as far as it is known, from events and from rows of the server's view.

use trips_core::event::VERSION;

use super::event::{Event, Failure, Kind, Phase};

/// SQLSTATE of an end that nobody could tell of, as the server gives it.
const DIED: &str = "57P02";

/// An ingest.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingest {
    /// Its number.
    pub id: u32,
    /// Path of its file on the server, where that is told.
    pub file: Option<String>,
    /// The number of the last event that is known.
    pub sequence: u64,
    /// What it is busy with.
    pub phase: Phase,
    /// Bytes of the file that are dealt with.
    pub bytes_done: u64,
    /// Its size in bytes; 0 before it is known.
    pub bytes_total: u64,
    /// Rows inserted.
    pub rows: u64,
    /// Rows rejected.
    pub rejected: u64,
    /// Rows inserted a second, over the whole time.
    pub rows_per_second: u64,
    /// Seconds to the end of the file at the speed so far.
    pub eta_seconds: Option<f64>,
    /// Seconds since it began.
    pub elapsed_seconds: f64,
    /// How it ended, if it has.
    pub end: Option<End>,
}

/// How an ingest ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// Its trips can be seen.
    Completed,
    /// Nothing was loaded: the content was there, by this ingest where that is known.
    Skipped(Option<u64>),
    /// Nothing was loaded.
    Failed(Failure),
    /// It runs no more, and the role may not read how it ended.
    Unknown,
}

impl End {
    /// That of an ingest that died without a word.
    pub fn died() -> End {
        End::Failed(Failure {
            sqlstate: DIED.to_owned(),
            message: "it ended with the server, or with its session".to_owned(),
            line: None,
            column: None,
        })
    }
}

impl Ingest {
    /// What an event says of its ingest. The name of the file may be known better.
    pub fn of_event(event: &Event, name: Option<String>) -> Ingest {
        Ingest {
            id: event.ingest,
            file: name.or_else(|| event.file.clone()),
            sequence: event.sequence,
            phase: event.phase,
            bytes_done: event.bytes_done,
            bytes_total: event.bytes_total,
            rows: event.rows,
            rejected: event.rejected,
            rows_per_second: event.rows_per_second,
            eta_seconds: event.eta_seconds,
            elapsed_seconds: event.elapsed_seconds,
            end: match (&event.event, &event.error) {
                (Kind::Completed, _) => Some(End::Completed),
                (Kind::Skipped, _) => Some(End::Skipped(event.duplicate_of)),
                (Kind::Failed, Some(failure)) => Some(End::Failed(failure.clone())),
                (Kind::Failed, None) => Some(End::died()),
                (Kind::Queued | Kind::Started | Kind::Progress, _) => None,
            },
        }
    }

    /// An event that says what is known; none of an end that is not known.
    pub fn as_event(&self) -> Option<Event> {
        let event = match &self.end {
            Some(End::Completed) => Kind::Completed,
            Some(End::Skipped(_)) => Kind::Skipped,
            Some(End::Failed(_)) => Kind::Failed,
            Some(End::Unknown) => return None,
            None if self.phase == Phase::Queued => Kind::Queued,
            None => Kind::Progress,
        };
        Some(Event {
            version: VERSION,
            event,
            sequence: self.sequence,
            ingest: self.id,
            file: self.file.clone(),
            phase: self.phase,
            bytes_done: self.bytes_done,
            bytes_total: self.bytes_total,
            rows: self.rows,
            rejected: self.rejected,
            rows_per_second: self.rows_per_second,
            eta_seconds: self.eta_seconds,
            elapsed_seconds: self.elapsed_seconds,
            error: match &self.end {
                Some(End::Failed(failure)) => Some(failure.clone()),
                _ => None,
            },
            duplicate_of: match self.end {
                Some(End::Skipped(by)) => by,
                _ => None,
            },
            caught_up: true,
        })
    }

    /// Bytes that are dealt with by now, `seconds` after that was last told: at the speed so far, and never to the very
    /// end, which only the server knows.
    pub fn estimate(&self, seconds: f64) -> u64 {
        if self.phase != Phase::Loading || self.elapsed_seconds <= 0.0 {
            return self.bytes_done;
        }
        // Where progress is told rarely it is so every 2.5 s; after more the load has stopped, or the server is gone.
        let ahead = self.bytes_done as f64 / self.elapsed_seconds * seconds.clamp(0.0, 3.0);
        let last = self.bytes_total - self.bytes_total / 500;
        (self.bytes_done + ahead as u64).min(last.max(self.bytes_done))
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::event;
    use super::*;

    #[test]
    fn what_is_made_of_an_event_says_the_same_when_caught_up() {
        for kind in [
            Kind::Queued,
            Kind::Progress,
            Kind::Completed,
            Kind::Failed,
            Kind::Skipped,
        ] {
            let mut event = event(kind, 9);
            event.caught_up = true;
            assert_eq!(Ingest::of_event(&event, None).as_event(), Some(event));
        }
    }

    #[test]
    fn a_bar_goes_on_at_the_speed_so_far_but_not_to_the_end() {
        let ingest = Ingest::of_event(&event(Kind::Progress, 3), None);
        assert_eq!(ingest.estimate(0.0), 500);
        assert_eq!(ingest.estimate(0.1), 600);
        assert_eq!(ingest.estimate(60.0), 998);
        let checking = Ingest::of_event(&event(Kind::Started, 3), None);
        assert_eq!(checking.estimate(1.0), 500);
    }
}
