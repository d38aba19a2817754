//! Events as they are pushed. docs/events.md and docs/event.schema.json are the contract.

use serde::{Deserialize, Serialize};
use trips_core::event::VERSION;

pub use trips_core::event::{Failure, Kind, Phase};

/// A pushed event, or one of the same form that was made of a row of `trips.ingest_progress`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Of the contract.
    pub version: u32,
    /// What happened.
    pub event: Kind,
    /// Its place among the events of the ingest, from 1.
    pub sequence: u64,
    /// The ingest.
    pub ingest: u32,
    /// Path of the file on the server, where it is told.
    #[serde(deserialize_with = "Option::deserialize")]
    pub file: Option<String>,
    /// What the ingest is busy with.
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
    #[serde(deserialize_with = "Option::deserialize")]
    pub eta_seconds: Option<f64>,
    /// Seconds since the load began.
    pub elapsed_seconds: f64,
    /// Of a failed one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Of a skipped one only: the ingest that has loaded the same content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<u64>,
    /// Whether it was not pushed but read when catching up.
    #[serde(skip_deserializing, skip_serializing_if = "std::ops::Not::not")]
    pub caught_up: bool,
}

impl Event {
    /// The event that a payload reports; none where it is no event by the contract: anybody may NOTIFY.
    pub fn of_payload(payload: &str) -> Option<Event> {
        // JSON may have line ends between its tokens; events have none, and lines of output must stay lines.
        if payload.bytes().any(|byte| byte < b' ') {
            return None;
        }
        let event: Event = serde_json::from_str(payload).ok()?;
        event.keeps_contract().then_some(event)
    }

    /// Whether nothing comes after it.
    pub fn ends(&self) -> bool {
        matches!(self.event, Kind::Completed | Kind::Failed | Kind::Skipped)
    }

    fn keeps_contract(&self) -> bool {
        let phase = match self.event {
            Kind::Queued => self.phase == Phase::Queued,
            Kind::Started | Kind::Progress => {
                matches!(self.phase, Phase::Checking | Phase::Loading)
            }
            Kind::Completed | Kind::Failed | Kind::Skipped => self.phase == Phase::Done,
        };
        let of_numbers = self.version == VERSION
            && self.sequence >= 1
            && (1..=i32::MAX as u32).contains(&self.ingest)
            && self.bytes_done <= self.bytes_total
            && self.elapsed_seconds >= 0.0
            && self.eta_seconds.is_none_or(|seconds| seconds >= 0.0);
        let of_ends = self.error.is_some() == (self.event == Kind::Failed)
            && self.duplicate_of.is_some() == (self.event == Kind::Skipped);
        phase && of_numbers && of_ends && self.error.as_ref().is_none_or(is_sound)
    }
}

fn is_sound(failure: &Failure) -> bool {
    let is_code = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    failure.sqlstate.len() == 5
        && failure.sqlstate.bytes().all(is_code)
        && failure.line.is_none_or(|line| line >= 1)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A `progress`, in the form of the server's events.
    pub const PROGRESS: &str = r#"{"version":1,"event":"progress","sequence":3,"ingest":2,"file":"/data/trips.csv","phase":"loading","bytes_done":500,"bytes_total":1000,"rows":5,"rejected":1,"rows_per_second":10,"eta_seconds":0.5,"elapsed_seconds":0.5}"#;

    /// An event of this kind.
    pub fn event(kind: Kind, sequence: u64) -> Event {
        let mut event = Event::of_payload(PROGRESS).unwrap();
        event.event = kind;
        event.sequence = sequence;
        event.phase = match kind {
            Kind::Queued => Phase::Queued,
            Kind::Started => Phase::Checking,
            Kind::Progress => Phase::Loading,
            _ => Phase::Done,
        };
        event.error = (kind == Kind::Failed).then(|| Failure {
            sqlstate: "22007".to_owned(),
            message: "bad".to_owned(),
            line: Some(4),
            column: None,
        });
        event.duplicate_of = (kind == Kind::Skipped).then_some(1);
        event
    }

    #[test]
    fn what_keeps_the_contract_is_an_event() {
        for kind in [
            Kind::Queued,
            Kind::Started,
            Kind::Progress,
            Kind::Completed,
            Kind::Failed,
            Kind::Skipped,
        ] {
            let event = event(kind, 7);
            let payload = serde_json::to_string(&event).unwrap();
            assert_eq!(Event::of_payload(&payload), Some(event), "{payload}");
        }
        // New fields may come without a new version.
        let grown = PROGRESS.replace("{\"version\"", "{\"new\":[1],\"version\"");
        assert!(Event::of_payload(&grown).is_some());
    }

    #[test]
    fn what_breaks_the_contract_is_none() {
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("progress", "finished"),
            ("\"sequence\":3", "\"sequence\":0"),
            ("\"sequence\":3", "\"sequence\":-3"),
            ("\"sequence\":3", "\"sequence\":\"3\""),
            ("\"ingest\":2", "\"ingest\":0"),
            ("\"ingest\":2", "\"ingest\":2147483648"),
            ("\"file\":\"/data/trips.csv\",", ""),
            ("\"phase\":\"loading\"", "\"phase\":\"done\""),
            ("\"bytes_done\":500", "\"bytes_done\":1001"),
            ("\"eta_seconds\":0.5", "\"eta_seconds\":-1"),
            ("\"elapsed_seconds\":0.5", "\"elapsed_seconds\":null"),
            (
                "\"elapsed_seconds\":0.5",
                "\"elapsed_seconds\":0.5,\"duplicate_of\":1",
            ),
            ("progress", "completed"),
            (",", ",\n"),
            ("{", "[{"),
        ] {
            let payload = PROGRESS.replacen(from, to, 1);
            assert_ne!(payload, PROGRESS);
            assert_eq!(Event::of_payload(&payload), None, "{payload}");
        }
        assert_eq!(Event::of_payload(""), None);
    }

    #[test]
    fn one_that_was_not_pushed_says_so() {
        let mut event = event(Kind::Progress, 3);
        assert_eq!(serde_json::to_string(&event).unwrap(), PROGRESS);
        event.caught_up = true;
        let json = serde_json::to_string(&event).unwrap();
        assert!(json.ends_with("\"caught_up\":true}"), "{json}");
    }
}
