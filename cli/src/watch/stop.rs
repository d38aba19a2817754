//! How a watch ends, or loses its connection.

use std::io;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::error::SqlState;

use super::ingest::End;
use crate::error::Error;

/// How long an answer may take before the connection counts as lost.
const ANSWER: Duration = Duration::from_secs(20);

/// How the watching ended.
#[derive(Debug)]
pub enum Outcome {
    /// The ingest that was waited for has ended.
    Done(End),
    /// There is no such ingest to be seen.
    NoSuchIngest(u32),
    /// By Ctrl-C.
    Interrupted,
    /// By SIGTERM.
    Terminated,
}

/// Why the watching cannot go on.
#[derive(Debug)]
pub enum Stop {
    /// Nothing can be shown any more.
    Output(io::Error),
    /// Something else.
    Error(Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Output(error)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Error(error)
    }
}

/// Why a session is of no use any more.
pub enum Broken {
    /// The connection is lost.
    Lost,
    /// The watching cannot go on.
    Stop(Stop),
}

impl Broken {
    /// What an error of a statement means. The server ends sessions with an error, too: of the classes "connection" and "operator intervention".
    pub fn of(error: tokio_postgres::Error) -> Broken {
        let code = error.code().map(SqlState::code).unwrap_or_default();
        if error.is_closed()
            || error.as_db_error().is_none()
            || code.starts_with("08")
            || code.starts_with("57P")
        {
            return Broken::Lost;
        }
        Broken::Stop(Stop::Error(error.into()))
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken::Stop(Stop::Output(error))
    }
}

/// An answer that comes in time.
///
/// # Errors
/// There is none, or an error.
pub async fn answer<T>(
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Broken> {
    match timeout(ANSWER, asked).await {
        Ok(answer) => answer.map_err(Broken::of),
        Err(_) => Err(Broken::Lost),
    }
}

/// Whether the server is there and will not let us in however long we wait.
pub fn is_for_good(error: &Error) -> bool {
    error.sqlstate().is_some_and(|code| {
        code.code().starts_with("28") || *code == SqlState::INVALID_CATALOG_NAME
    })
}
