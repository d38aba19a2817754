//! What the user sees of a load: a bar while it runs, and words at its end.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client};

use super::input::Input;
use super::send::{Loaded, Rejected, Status};
use crate::connect::{Server, Session};
use crate::error::Error;
use crate::words::{counted, escape, grouped, took};

/// How often the server is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(200);

const SIZED: &str = "{prefix} {msg} {wide_bar} {percent:>3}% {eta:>4} left";
const UNSIZED: &str = "{prefix} {msg} {spinner} {bytes}";

/// How much of a file's name stands before the bar, in characters.
const LONGEST_NAME: usize = 24;

/// How far a load is: a bar where standard error is a terminal, nothing where it is not.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// Asks the server while it loads.
    asking: Option<JoinHandle<()>>,
}

/// A second session, which asks how far the first one's loads are.
#[derive(Debug)]
pub struct Observer {
    /// Whether standard error is a terminal.
    shows: bool,
    /// What asks, and the process of the backend that it asks about; none where there is no second session to be had.
    asks: Option<(Arc<Client>, i32)>,
}

impl Observer {
    /// Of the loads of `session`, where there is a terminal that they are shown on.
    pub async fn of(server: &Server, session: &Session) -> Observer {
        let shows = io::stderr().is_terminal();
        let asks = match shows {
            true => Observer::open(server, session).await.ok(),
            false => None,
        };
        Observer { shows, asks }
    }

    async fn open(server: &Server, session: &Session) -> Result<(Arc<Client>, i32), Error> {
        let backend = session.client.query_one("SELECT pg_backend_pid()", &[]);
        let pid = backend.await?.try_get(0)?;
        Ok((Arc::new(server.connect().await?.client), pid))
    }
}

impl Progress {
    /// Shows the load of `input`.
    pub fn start(observer: &Observer, input: &Input) -> Progress {
        if !observer.shows {
            return Progress {
                bar: ProgressBar::hidden(),
                asking: None,
            };
        }
        let bar = ProgressBar::with_draw_target(input.size(), ProgressDrawTarget::stderr());
        bar.set_style(style(match input.size() {
            Some(_) => SIZED,
            None => UNSIZED,
        }));
        bar.set_prefix(short_name(input.name()));
        bar.set_message("sending");
        let asking = observer.asks.clone();
        let asking = asking.map(|(client, pid)| tokio::spawn(ask(client, pid, bar.clone())));
        Progress { bar, asking }
    }

    /// The server has taken so many bytes more.
    pub fn sent(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// The server has all of it.
    pub fn loading(&self) {
        self.bar.set_message("loading");
        self.bar.set_style(style(SIZED));
        self.bar.set_length(self.bar.position());
        self.bar.reset();
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(asking) = &self.asking {
            asking.abort();
        }
        self.bar.finish_and_clear();
    }
}

/// The last part of a file's path, and of that what there is room for.
fn short_name(name: &str) -> String {
    let last = name.rsplit('/').find(|part| !part.is_empty());
    let shown = escape(last.unwrap_or(name));
    match shown.char_indices().nth(LONGEST_NAME) {
        None => shown,
        Some(_) => shown.chars().take(LONGEST_NAME - 1).chain(['…']).collect(),
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.map_or_else(
        |_| ProgressStyle::default_bar(),
        |style| style.progress_chars("█▉▊▋▌▍▎▏░"),
    )
}

/// Moves the bar while the server loads.
async fn ask(client: Arc<Client>, pid: i32, bar: ProgressBar) {
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        let row = client
            .query_opt(
                "SELECT bytes_processed, bytes_total FROM pg_stat_progress_copy WHERE pid = $1 AND bytes_total > 0",
                &[&pid],
            )
            .await;
        let Ok(row) = row else { return };
        let counts = row.map(|row| (row.try_get::<_, i64>(0), row.try_get::<_, i64>(1)));
        if let Some((Ok(done), Ok(total))) = counts {
            bar.set_length(u64::try_from(total).unwrap_or(0));
            bar.set_position(u64::try_from(done).unwrap_or(0));
        }
    }
}

/// Prints what became of a file.
///
/// # Errors
/// Standard output does not take it.
pub fn result(loaded: &Loaded, json: bool) -> Result<(), Error> {
    let text = match json {
        true => serde_json::to_string(loaded).map_err(|error| Error::new(error.to_string()))?,
        false => in_words(loaded),
    };
    writeln!(io::stdout(), "{text}")
        .map_err(|error| Error::new(format!("could not write to standard output: {error}")))
}

/// Prints why a file was not loaded.
pub fn failure(file: &str, error: &Error) {
    eprintln!("trips: {}: {error}", escape(file));
}

/// Prints what the server had to say meanwhile; what [`result`] says anyway is left out.
pub fn notices(session: &mut Session) {
    while let Ok(message) = session.messages.try_recv() {
        if let AsyncMessage::Notice(notice) = message {
            let text = notice.message();
            if !text.starts_with("ingest of \"") && !text.starts_with("file \"") {
                eprintln!(
                    "trips: {}: {}",
                    notice.severity().to_lowercase(),
                    escape(text)
                );
            }
        }
    }
}

fn in_words(loaded: &Loaded) -> String {
    let file = escape(&loaded.file);
    let took = took(loaded.elapsed_seconds);
    let ingest = loaded.ingest.unwrap_or_default();
    match (loaded.status, loaded.rows_rejected) {
        (Status::Skipped, _) => {
            format!("{file}: skipped, its content is loaded already as ingest {ingest}")
        }
        (Status::Checked, 0) => format!(
            "{file}: checked in {took}, {} would load",
            counted(loaded.rows_read, "row")
        ),
        (Status::Checked, rejected) => format!(
            "{file}: checked in {took}, {} would load, {} would be rejected",
            counted(loaded.rows_loaded, "row"),
            grouped(rejected)
        ),
        (Status::Loaded, 0) => format!(
            "{file}: loaded {} in {took} as ingest {ingest}",
            counted(loaded.rows_loaded, "row")
        ),
        (Status::Loaded, rejected) => format!(
            "{file}: loaded {} of {} in {took} as ingest {ingest}, {} rejected{}",
            grouped(loaded.rows_loaded),
            counted(loaded.rows_read, "row"),
            grouped(rejected),
            rejects_in_words(&loaded.rejected, rejected, ingest)
        ),
    }
}

/// The rejected rows that are known, a line each, and where the others are.
fn rejects_in_words(rejected: &[Rejected], all: u64, ingest: i64) -> String {
    let mut text = String::new();
    for row in rejected {
        let column = row.column.as_ref();
        let column = column.map_or(String::new(), |column| format!(", column {column}"));
        text += &format!(
            "\n  line {}{column}: {} ({})",
            row.line,
            escape(&row.reason),
            row.sqlstate
        );
    }
    let shown = rejected.len() as u64;
    if shown < all {
        text += &format!(
            "\n  {} more in trips.rejected_row, ingest_id {ingest}",
            grouped(all - shown)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_named_by_the_end_of_the_path() {
        assert_eq!(short_name("/data/trips.csv"), "trips.csv");
        assert_eq!(short_name("a/\u{1b}b"), "\\x1bb");
        assert_eq!(
            short_name("2018-05-01-to-2018-06-01.csv"),
            "2018-05-01-to-2018-06-0…"
        );
    }

    #[test]
    fn a_result_says_what_became_of_the_rows() {
        let mut loaded = Loaded::new("a\nb.csv".to_owned(), 7, Status::Loaded);
        (loaded.rows_read, loaded.rows_loaded, loaded.elapsed_seconds) = (2000, 2000, 1.23);
        assert_eq!(
            in_words(&loaded),
            "a\\x0ab.csv: loaded 2,000 rows in 1.2 s as ingest 7"
        );
        (loaded.rows_loaded, loaded.rows_rejected) = (1988, 12);
        loaded.rejected = vec![Rejected {
            line: 5,
            column: Some("datetime".to_owned()),
            sqlstate: "22007".to_owned(),
            reason: "invalid".to_owned(),
        }];
        assert_eq!(
            in_words(&loaded),
            "a\\x0ab.csv: loaded 1,988 of 2,000 rows in 1.2 s as ingest 7, 12 rejected\n  \
             line 5, column datetime: invalid (22007)\n  11 more in trips.rejected_row, ingest_id 7"
        );
        loaded.status = Status::Skipped;
        assert_eq!(
            in_words(&loaded),
            "a\\x0ab.csv: skipped, its content is loaded already as ingest 7"
        );
    }
}
