//! What is pushed about an ingest: one JSON object an event, small enough for NOTIFY.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Version of the event contract; it grows when a field changes its meaning.
pub const VERSION: u32 = 1;

/// Most bytes that a payload has. NOTIFY takes 7,999; small ones leave its queue room.
pub const MAX_PAYLOAD: usize = 1023;

/// The least time between two events that tell of progress: at most four a second.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// The most time between them, however much they cost.
const LONGEST_INTERVAL: Duration = Duration::from_secs(10);

/// How long to wait after an event of progress, by what its commit and the one before took. To push to thousands of sessions
/// takes tens of milliseconds and keeps all of them busy; it shall take no more than a fiftieth of the time. One slow commit
/// tells of a busy machine, not of many sessions: the quicker of the two counts.
pub fn interval_after(before: Duration, commit: Duration) -> Duration {
    before
        .min(commit)
        .saturating_mul(50)
        .clamp(INTERVAL, LONGEST_INTERVAL)
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The load waits for a background worker.
    Queued,
    /// The load began.
    Started,
    /// The load goes on.
    Progress,
    /// The trips can be seen: sent by the loading transaction's commit.
    Completed,
    /// Nothing of the file was loaded.
    Failed,
    /// The file had been loaded before.
    Skipped,
}

/// What the load is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Waiting for a background worker.
    Queued,
    /// Opening the file and asking the ledger whether it is known; may wait for another load of it.
    Checking,
    /// Reading, parsing and inserting.
    Loading,
    /// The load is over.
    Done,
}

impl Phase {
    /// The word in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Queued => "queued",
            Phase::Checking => "checking",
            Phase::Loading => "loading",
            Phase::Done => "done",
        }
    }
}

/// Why a load failed. All fields are there in JSON, though some may be null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// SQLSTATE of the error.
    pub sqlstate: String,
    /// Its primary message.
    pub message: String,
    /// The line of the file at which it stopped, where there is one.
    #[serde(deserialize_with = "Option::deserialize")]
    pub line: Option<u64>,
    /// The column at fault, where there is one.
    #[serde(deserialize_with = "Option::deserialize")]
    pub column: Option<String>,
}

impl Failure {
    /// A failure that the file is not at fault for.
    pub fn new(sqlstate: &str, message: &str) -> Failure {
        Failure {
            sqlstate: sqlstate.to_owned(),
            message: message.to_owned(),
            line: None,
            column: None,
        }
    }

    /// The same with `"..."` for the quoted name of the file. A message that was cut may end within the name.
    #[must_use]
    pub fn without_file(self, file: &str) -> Failure {
        let whole = format!("\"{file}\"");
        let message = match self.message.split_once('"') {
            _ if self.message.contains(&whole) => self.message.replace(&whole, "\"...\""),
            Some((before, rest)) if file.starts_with(rest) => format!("{before}\"..."),
            _ => return self,
        };
        Failure { message, ..self }
    }
}

/// Counts of a load at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes of the file that are dealt with.
    pub bytes_done: u64,
    /// Size of the file.
    pub bytes_total: u64,
    /// Rows inserted.
    pub rows: u64,
    /// Rows rejected.
    pub rejected: u64,
    /// Since the load began, in microseconds.
    pub elapsed_micros: u64,
}

impl Counts {
    /// Rows dealt with: inserted and rejected ones.
    pub fn rows_read(&self) -> u64 {
        self.rows + self.rejected
    }

    /// Rows inserted a second, over the whole time.
    pub fn rows_per_second(&self) -> u64 {
        per_second(self.rows, self.elapsed_micros)
    }

    /// Seconds to the end of the file at the speed so far; none before anything is read.
    pub fn eta_seconds(&self) -> Option<f64> {
        if self.bytes_done == 0 || self.elapsed_micros == 0 {
            return None;
        }
        let left = self.bytes_total.saturating_sub(self.bytes_done) as f64;
        Some(tenths(
            left / self.bytes_done as f64 * self.elapsed_micros as f64 / 1e6,
        ))
    }
}

/// `count` over `micros` microseconds, a second; 0 where no time has passed.
pub fn per_second(count: u64, micros: u64) -> u64 {
    match micros {
        0 => 0,
        _ => (count as f64 * 1e6 / micros as f64) as u64,
    }
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// What happened.
    pub kind: Kind,
    /// Its place among the events of its ingest, from 1.
    pub sequence: u32,
    /// The ingest.
    pub ingest: i64,
    /// The file as the caller named it; none where only those shall know who may ask for it.
    pub file: Option<&'a str>,
    /// What the load is busy with.
    pub phase: Phase,
    /// How far it is.
    pub counts: Counts,
    /// Why it failed, in `failed` only.
    pub error: Option<Failure>,
    /// The ingest that has loaded the same content, in `skipped` only.
    pub duplicate_of: Option<i64>,
}

#[derive(Serialize)]
struct Payload<'a> {
    version: u32,
    event: Kind,
    sequence: u32,
    ingest: i64,
    file: Option<&'a str>,
    phase: Phase,
    bytes_done: u64,
    bytes_total: u64,
    rows: u64,
    rejected: u64,
    rows_per_second: u64,
    eta_seconds: Option<f64>,
    elapsed_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<i64>,
}

impl Event<'_> {
    /// The payload: JSON of at most [`MAX_PAYLOAD`] bytes. What is too long is cut at its end, first the
    /// message, then the file, and gets an ellipsis.
    pub fn payload(&self) -> String {
        let mut limit = MAX_PAYLOAD;
        loop {
            let text = self.render(limit);
            if text.len() <= MAX_PAYLOAD || limit == 0 {
                return text;
            }
            limit /= 2;
        }
    }

    fn render(&self, limit: usize) -> String {
        let file = self.file.map(|file| cut(file, limit));
        let error = self.error.clone().map(|failure| Failure {
            message: cut(&failure.message, limit / 2),
            ..failure
        });
        let payload = Payload {
            version: VERSION,
            event: self.kind,
            sequence: self.sequence,
            ingest: self.ingest,
            file: file.as_deref(),
            phase: self.phase,
            bytes_done: self.counts.bytes_done,
            bytes_total: self.counts.bytes_total,
            rows: self.counts.rows,
            rejected: self.counts.rejected,
            rows_per_second: self.counts.rows_per_second(),
            eta_seconds: match self.kind {
                Kind::Started | Kind::Progress => self.counts.eta_seconds(),
                _ => None,
            },
            elapsed_seconds: tenths(self.counts.elapsed_micros as f64 / 1e6),
            error,
            duplicate_of: self.duplicate_of,
        };
        // A struct of strings and numbers cannot fail to serialize.
        serde_json::to_string(&payload).unwrap_or_default()
    }
}

/// `text`, or as many of its first bytes as `limit` allows with an ellipsis.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn what_costs_much_to_push_is_pushed_less_often() {
        let milliseconds = Duration::from_millis;
        for (commit, interval) in [(0, 250), (5, 250), (6, 300), (50, 2_500), (500, 10_000)] {
            let commit = milliseconds(commit);
            assert_eq!(interval_after(commit, commit), milliseconds(interval));
        }
    }

    #[test]
    fn one_slow_commit_does_not_make_a_load_silent() {
        let (quick, slow) = (Duration::from_millis(1), Duration::from_secs(1));
        for (before, commit) in [(quick, slow), (slow, quick)] {
            assert_eq!(interval_after(before, commit), INTERVAL);
        }
    }

    fn event(file: &str, message: &str) -> String {
        Event {
            kind: Kind::Failed,
            sequence: 4,
            ingest: 7,
            file: Some(file),
            phase: Phase::Loading,
            counts: Counts {
                bytes_done: 50,
                bytes_total: 200,
                rows: 3,
                rejected: 1,
                elapsed_micros: 2_000_000,
            },
            error: Some(Failure {
                sqlstate: "22P02".into(),
                message: message.into(),
                line: Some(3),
                column: Some("origin_coord".into()),
            }),
            duplicate_of: None,
        }
        .payload()
    }

    #[test]
    fn an_event_is_one_json_object_with_every_field_of_the_contract() {
        let value: Value = serde_json::from_str(&event("/data/t.csv", "bad")).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"version": 1, "event": "failed", "sequence": 4, "ingest": 7, "file": "/data/t.csv",
                "phase": "loading", "bytes_done": 50, "bytes_total": 200, "rows": 3, "rejected": 1,
                "rows_per_second": 1, "eta_seconds": null, "elapsed_seconds": 2.0,
                "error": {"sqlstate": "22P02", "message": "bad", "line": 3, "column": "origin_coord"}})
        );
    }

    #[test]
    fn a_payload_stays_within_its_limit_however_long_its_texts_are() {
        for texts in ["x".repeat(5000), "\u{1}".repeat(5000), "é".repeat(2500)] {
            let payload = event(&texts, &texts);
            assert!(payload.len() <= MAX_PAYLOAD, "{}", payload.len());
            assert!(serde_json::from_str::<Value>(&payload).is_ok());
        }
    }

    #[test]
    fn a_failure_without_its_file_says_all_the_rest() {
        let without = |message: &str, file: &str| {
            let failure = Failure::new("58P01", message).without_file(file);
            assert_eq!(failure.sqlstate, "58P01");
            failure.message
        };
        for file in ["/data/t.csv", "a", "", "a \"b\".csv"] {
            let message = format!("path \"{file}\" is not absolute");
            assert_eq!(without(&message, file), "path \"...\" is not absolute");
        }
        assert_eq!(
            without("could not open file \"/da", "/data/t.csv"),
            "could not open file \"..."
        );
        let other = "missing data for column \"datetime\"";
        assert_eq!(without(other, "/data/t.csv"), other);
    }

    #[test]
    fn the_time_left_is_what_the_speed_so_far_says() {
        let counts = Counts {
            bytes_done: 50,
            bytes_total: 200,
            elapsed_micros: 2_000_000,
            ..Counts::default()
        };
        assert_eq!(counts.eta_seconds(), Some(6.0));
        assert_eq!(Counts::default().eta_seconds(), None);
    }
}
