//! A session that LISTENs and waits on its socket: nothing here asks the server whether something happened.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use jsonschema::Validator;
use postgres::fallible_iterator::FallibleIterator;
use serde_json::Value;

use crate::database::{Database, Session};

/// The channel at its default.
pub const CHANNEL: &str = "trips_ingest";

/// What every event must be like.
fn contract() -> &'static Validator {
    static CONTRACT: OnceLock<Validator> = OnceLock::new();
    CONTRACT.get_or_init(|| {
        let schema = include_str!("../../docs/event.schema.json");
        let schema: Value = serde_json::from_str(schema).expect("the schema is JSON");
        jsonschema::validator_for(&schema).expect("the schema is one")
    })
}

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
        Listener::in_session(database.connect(), channel)
    }

    /// Has a session listen on a channel.
    pub fn in_session(mut session: Session, channel: &str) -> Listener {
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

    /// Waits until an event tells of rows; that event.
    #[track_caller]
    pub fn until_rows(&mut self) -> Event {
        loop {
            let event = self.next(Duration::from_secs(30));
            let event = event.expect("the load is heard of");
            if event.number("rows") > 0 {
                return event;
            }
        }
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
    /// The event of a payload, which is checked.
    #[track_caller]
    pub fn new(arrived: Instant, payload: &str) -> Event {
        assert!(payload.len() < 1024, "{} bytes: {payload}", payload.len());
        let json: Value = serde_json::from_str(payload)
            .unwrap_or_else(|error| panic!("{error} in the payload {payload}"));
        let event = Event { arrived, json };
        event.assert_form();
        event
    }

    #[track_caller]
    fn assert_form(&self) {
        let wrong: Vec<String> = contract()
            .iter_errors(&self.json)
            .map(|error| error.to_string())
            .collect();
        assert!(wrong.is_empty(), "{wrong:?} in {self:?}");
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
