//! How news are shown: bars on a terminal, lines elsewhere, or the events' own JSON.

use std::io;
use std::io::Write;

use super::ingest::Ingest;

/// Where an ingest's news came from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// This payload was pushed.
    Pushed(&'a str),
    /// It was read when catching up.
    CaughtUp,
}

/// What shows news. Each call fails as its output does.
pub trait Display {
    /// An ingest is known, got on, or ended.
    fn show(&mut self, ingest: &Ingest, source: Source<'_>) -> io::Result<()>;

    /// Something about the watching itself: a warning, or that the connection is lost, or there again.
    fn note(&mut self, text: &str) -> io::Result<()>;

    /// What the watching is at, for as long as that holds.
    fn status(&mut self, _text: &str) -> io::Result<()> {
        Ok(())
    }

    /// Some time has passed.
    fn tick(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Nothing comes any more, maybe because of Ctrl-C: the output is left tidy.
    fn finish(&mut self, _interrupted: bool) -> io::Result<()> {
        Ok(())
    }
}

/// Events, one a line, as they were pushed. What was caught up has the same form, and says so.
#[derive(Debug)]
pub struct Json;

impl Display for Json {
    fn show(&mut self, ingest: &Ingest, source: Source<'_>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match source {
            Source::Pushed(payload) => writeln!(out, "{}", plain_json(payload))?,
            Source::CaughtUp => {
                if let Some(event) = ingest.as_event() {
                    let json = serde_json::to_string(&event)?;
                    writeln!(out, "{}", plain_json(&json))?;
                }
            }
        }
        out.flush()
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(io::stderr(), "trips: {text}")
    }
}

/// JSON allows control characters from 0x7f on in its strings; terminals obey some of them. As escapes they are the same
/// text.
fn plain_json(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_control() {
            plain += &format!("\\u{:04x}", u32::from(character));
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_no_control_characters_and_is_the_same() {
        let json = "{\"file\":\"a\u{9b}1mé\u{7f}\"}";
        let plain = plain_json(json);
        assert_eq!(plain, "{\"file\":\"a\\u009b1mé\\u007f\"}");
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&plain), parse(json));
    }
}
