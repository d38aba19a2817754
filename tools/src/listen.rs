//! A listener on a notification channel: it waits on the socket and never asks the server for news.

use std::time::{Duration, Instant};

use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, NoTls, Notification};

/// A session that LISTENs.
pub struct Listener {
    client: Client,
}

/// What ended a wait.
#[derive(Debug, PartialEq)]
pub enum Received {
    /// The payload of a notification.
    Payload(String),
    /// Nothing came before the deadline.
    TimedOut,
    /// The server closed the connection.
    Disconnected,
}

impl Listener {
    /// Connects and LISTENs: notifications committed after the return of this function arrive.
    ///
    /// # Errors
    /// Those of the connection and of `LISTEN`.
    pub fn open(conninfo: &str, channel: &str) -> Result<Self, postgres::Error> {
        let mut client = Client::connect(conninfo, NoTls)?;
        client.batch_execute(&format!("LISTEN {}", quote_identifier(channel)))?;
        Ok(Self { client })
    }

    /// Waits for the next notification, until `deadline` or for ever.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn wait(&mut self, deadline: Option<Instant>) -> Result<Received, postgres::Error> {
        Ok(match self.next(deadline)? {
            Some(notification) => Received::Payload(notification.payload().to_owned()),
            None if self.client.is_closed() => Received::Disconnected,
            None => Received::TimedOut,
        })
    }

    fn next(&mut self, deadline: Option<Instant>) -> Result<Option<Notification>, postgres::Error> {
        let mut notifications = self.client.notifications();
        match deadline {
            None => notifications.blocking_iter().next(),
            Some(deadline) => notifications.timeout_iter(time_left(deadline)).next(),
        }
    }
}

fn time_left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// The name of the event that a payload reports: the text in the field `event` of its JSON object.
#[must_use]
pub fn event_name(payload: &str) -> Option<String> {
    let object: serde_json::Value = serde_json::from_str(payload).ok()?;
    object.get("event")?.as_str().map(str::to_owned)
}

fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_of_a_payload_is_its_field_of_that_name() {
        let payload = r#"{"version":1,"event":"completed","error":{"event":"no"}}"#;
        assert_eq!(event_name(payload).as_deref(), Some("completed"));
    }

    #[test]
    fn a_payload_without_an_event_names_none() {
        for payload in [
            "",
            "completed",
            "[]",
            "{}",
            r#"{"event":1}"#,
            r#"{"event":"a""#,
        ] {
            assert_eq!(event_name(payload), None, "{payload}");
        }
    }

    #[test]
    fn a_channel_name_is_quoted_as_an_identifier() {
        assert_eq!(quote_identifier("trips_ingest"), r#""trips_ingest""#);
        assert_eq!(quote_identifier(r#"My "own""#), r#""My ""own""""#);
    }
}
