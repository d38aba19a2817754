//! A session that LISTENs and waits on its socket: nothing here asks the server whether something happened.

use std::time::{Duration, Instant};

use postgres::fallible_iterator::FallibleIterator;
use serde_json::Value;

use crate::database::{Database, Session};

/// The channel at its default.
pub const CHANNEL: &str = "trips_ingest";

/// The fields that every event has, in alphabetical order.
const FIELDS: [&str; 12] = [
    "bytes_done",
    "bytes_total",
    "elapsed_seconds",
    "eta_seconds",
    "event",
    "file",
    "ingest",
    "phase",
    "rejected",
    "rows",
    "rows_per_second",
    "version",
];

/// A session that listens on one channel.
pub struct Listener {
    session: Session,
    channel: String,
}

/// A pushed event, checked against the contract of its form.
#[derive(Debug, Clone)]
pub struct Event {
    /// When it was taken from the socket.
    pub arrived: Instant,
    /// Its JSON.
    pub json: Value,
}

impl Listener {
    /// Listens on the default channel.
    pub fn new(database: &Database) -> Listener {
        Listener::on(database, CHANNEL)
    }

    /// Listens on a channel.
    pub fn on(database: &Database, channel: &str) -> Listener {
        let mut session = database.connect();
        session.run(&format!("LISTEN \"{}\"", channel.replace('"', "\"\"")));
        Listener {
            session,
            channel: channel.to_owned(),
        }
    }

    /// The session that listens, to run statements in it.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// The next event, or none where nothing comes in time.
    #[track_caller]
    pub fn next(&mut self, within: Duration) -> Option<Event> {
        let mut notifications = self.session.notifications();
        let notification = notifications
            .timeout_iter(within)
            .next()
            .expect("the listening session lives")?;
        assert_eq!(notification.channel(), self.channel);
        Some(Event::new(Instant::now(), notification.payload()))
    }

    /// Events up to the first that ends a load (`completed`, `failed` or `skipped`), which is the last given.
    ///
    /// # Panics
    /// Where none comes for 60 seconds.
    #[track_caller]
    pub fn until_end(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next(Duration::from_secs(60));
            let event = event.unwrap_or_else(|| panic!("no end of the load after {events:#?}"));
            let ends = event.ends();
            events.push(event);
            if ends {
                return events;
            }
        }
    }

    /// Nothing comes any more.
    #[track_caller]
    pub fn assert_silent(&mut self, during: Duration) {
        if let Some(event) = self.next(during) {
            panic!("expected silence, but got {event:?}");
        }
    }
}

impl Event {
    #[track_caller]
    fn new(arrived: Instant, payload: &str) -> Event {
        assert!(payload.len() < 1024, "{} bytes: {payload}", payload.len());
        let json: Value = serde_json::from_str(payload)
            .unwrap_or_else(|error| panic!("{error} in the payload {payload}"));
        let event = Event { arrived, json };
        event.assert_form();
        event
    }

    #[track_caller]
    fn assert_form(&self) {
        let fields = self.json.as_object().expect("an event is an object");
        let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
        names.retain(|name| !["error", "duplicate_of"].contains(name));
        names.sort_unstable();
        assert_eq!(names, FIELDS, "{self:?}");
        assert_eq!(self.json["version"], 1, "{self:?}");
        for (field, kind) in [("error", "failed"), ("duplicate_of", "skipped")] {
            assert_eq!(fields.contains_key(field), self.kind() == kind, "{self:?}");
        }
        for number in [
            "bytes_done",
            "bytes_total",
            "rows",
            "rejected",
            "rows_per_second",
        ] {
            assert!(self.json[number].is_u64(), "{number} of {self:?}");
        }
        for (number, nullable) in [
            ("eta_seconds", true),
            ("elapsed_seconds", false),
            ("ingest", true),
        ] {
            let value = &self.json[number];
            assert!(
                value.is_number() || (nullable && value.is_null()),
                "{number} of {self:?}"
            );
        }
        assert!(
            self.number("bytes_done") <= self.number("bytes_total"),
            "{self:?}"
        );
    }

    /// What happened: `started`, `progress`, `completed`, `failed` or `skipped`.
    pub fn kind(&self) -> &str {
        self.json["event"].as_str().unwrap_or_default()
    }

    /// Whether the load is over with it.
    pub fn ends(&self) -> bool {
        matches!(self.kind(), "completed" | "failed" | "skipped")
    }

    /// A field that is a whole number.
    #[track_caller]
    pub fn number(&self, field: &str) -> u64 {
        self.json[field]
            .as_u64()
            .unwrap_or_else(|| panic!("{field} is no number in {self:?}"))
    }

    /// A field that is text.
    #[track_caller]
    pub fn text(&self, field: &str) -> &str {
        self.json[field]
            .as_str()
            .unwrap_or_else(|| panic!("{field} is no text in {self:?}"))
    }

    /// SQLSTATE of a `failed` event.
    #[track_caller]
    pub fn sqlstate(&self) -> &str {
        assert_eq!(self.kind(), "failed", "{self:?}");
        self.json["error"]["sqlstate"]
            .as_str()
            .unwrap_or_else(|| panic!("no SQLSTATE in {self:?}"))
    }
}
