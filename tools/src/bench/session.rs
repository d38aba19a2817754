//! Statements timed in sessions of their own, with the memory that their backends take.

use std::error::Error;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use crate::memory::Sampler;

/// One timed statement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// From the statement's start to its committed end.
    pub elapsed: Duration,
    /// Growth of the backend's private memory, in bytes.
    pub memory_growth: u64,
}

/// Runs `statement` in a new session, after the statements `settings`, which are not in its time.
pub(super) fn timed(
    conninfo: &str,
    settings: &str,
    statement: &str,
) -> Result<Run, Box<dyn Error>> {
    let mut session = Client::connect(conninfo, NoTls)?;
    session.batch_execute(settings)?;
    let backend: i32 = session.query_one("SELECT pg_backend_pid()", &[])?.get(0);
    let sampler = Sampler::start(backend.unsigned_abs())?;
    let start = Instant::now();
    session.batch_execute(statement)?;
    let elapsed = start.elapsed();
    Ok(Run {
        elapsed,
        memory_growth: sampler.stop(),
    })
}

/// Runs statements one by one, each in a transaction of its own.
pub(super) fn execute(session: &mut Client, statements: &[&str]) -> Result<(), postgres::Error> {
    statements
        .iter()
        .try_for_each(|statement| session.batch_execute(statement))
}

/// The statement that loads `file`.
pub(super) fn ingest(file: &Path) -> String {
    let file = quote_literal(&file.to_string_lossy());
    format!("SELECT * FROM trips_ingest({file})")
}

/// A new file that the server can read, whatever the umask is.
pub(super) fn create_readable(path: &Path) -> io::Result<File> {
    let file = File::create(path)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    Ok(file)
}

/// Reads the file once, so that the first run does not pay for the disk.
pub(super) fn warm_page_cache(file: &Path) -> io::Result<()> {
    io::copy(&mut File::open(file)?, &mut io::sink()).map(drop)
}

/// A string constant that means the same whatever `standard_conforming_strings` says.
pub(super) fn quote_literal(text: &str) -> String {
    if text.contains('\\') {
        format!(" E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_as_a_string_constant() {
        assert_eq!(quote_literal("/data/trips.csv"), "'/data/trips.csv'");
        assert_eq!(quote_literal("/it's"), "'/it''s'");
        assert_eq!(quote_literal(r"/a\b"), r" E'/a\\b'");
    }
}
