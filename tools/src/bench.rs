//! Times `trips_ingest` against `COPY` of the same file, in alternation on one server.
//!
//! `COPY` gets what favours it: a table of the file's own columns, typed, without an index or a constraint.
//! Every run starts from empty tables, after a checkpoint, in a session of its own.

mod report;

use std::error::Error;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use crate::memory::Sampler;

pub use report::Report;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to connect, as a superuser, to a database that has the extension and nothing in its tables.
    pub conninfo: String,
    /// The file to load; the server must be able to read it.
    pub file: PathBuf,
    /// The rows that the file holds.
    pub rows: u64,
    /// How often each side runs.
    pub repeats: usize,
}

/// One timed load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// From the statement's start to its committed end.
    pub elapsed: Duration,
    /// Growth of the loading backend's private memory, in bytes.
    pub memory_growth: u64,
}

/// A way to load the file, and how to clean up after it.
struct Contestant {
    load: String,
    count: &'static str,
    clean: &'static [&'static str],
}

const CREATE_PLAIN: &str = "
    DROP TABLE IF EXISTS plain;
    CREATE TABLE plain (
        region      text,
        origin      geometry(Point, 4326),
        destination geometry(Point, 4326),
        departed_at timestamp,
        datasource  text
    )";

/// Runs the plan and collects what happened.
///
/// # Errors
/// Those of the server, of reading the file, and a load that did not bring every row.
pub fn run(plan: &Plan) -> Result<Report, Box<dyn Error>> {
    let mut control = Client::connect(&plan.conninfo, NoTls)?;
    control.batch_execute(CREATE_PLAIN)?;
    let file = quote_literal(&plan.file.to_string_lossy());
    let copy = copy(&file);
    let ingest = ingest(&file);
    warm_page_cache(&plan.file)?;

    let mut copy_runs = Vec::new();
    let mut ingest_runs = Vec::new();
    for _ in 0..plan.repeats {
        copy_runs.push(copy.run(plan, &mut control)?);
        ingest_runs.push(ingest.run(plan, &mut control)?);
    }
    control.batch_execute("DROP TABLE plain")?;
    Report::new(plan, &mut control, copy_runs, ingest_runs)
}

fn copy(file: &str) -> Contestant {
    Contestant {
        load: format!("COPY plain FROM {file} (FORMAT csv, HEADER)"),
        count: "SELECT count(*) FROM plain",
        clean: &["TRUNCATE plain", "CHECKPOINT"],
    }
}

fn ingest(file: &str) -> Contestant {
    Contestant {
        load: format!("SELECT * FROM trips_ingest({file})"),
        count: "SELECT count(*) FROM trips.trip",
        clean: &[
            "SELECT trips_forget(id) FROM trips.ingest",
            "VACUUM trips.trip",
            "CHECKPOINT",
        ],
    }
}

impl Contestant {
    /// One load in a new session, checked, with the cleaning outside of its time.
    fn run(&self, plan: &Plan, control: &mut Client) -> Result<Run, Box<dyn Error>> {
        let run = self.timed(&plan.conninfo)?;
        let loaded: i64 = control.query_one(self.count, &[])?.get(0);
        if u64::try_from(loaded) != Ok(plan.rows) {
            return Err(format!("{}: {loaded} rows of {}", self.load, plan.rows).into());
        }
        for statement in self.clean {
            control.batch_execute(statement)?;
        }
        Ok(run)
    }

    fn timed(&self, conninfo: &str) -> Result<Run, Box<dyn Error>> {
        let mut session = Client::connect(conninfo, NoTls)?;
        let backend: i32 = session.query_one("SELECT pg_backend_pid()", &[])?.get(0);
        let sampler = Sampler::start(backend.unsigned_abs())?;
        let start = Instant::now();
        session.batch_execute(&self.load)?;
        let elapsed = start.elapsed();
        Ok(Run {
            elapsed,
            memory_growth: sampler.stop(),
        })
    }
}

/// Reads the file once, so that the first run does not pay for the disk.
fn warm_page_cache(file: &Path) -> io::Result<()> {
    io::copy(&mut File::open(file)?, &mut io::sink()).map(drop)
}

/// A string constant that means the same whatever `standard_conforming_strings` says.
fn quote_literal(text: &str) -> String {
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
