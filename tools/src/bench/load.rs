//! Times `trips_ingest` against `COPY` of the same file, in alternation on one server.
//!
//! `COPY` gets what favours it: a table of the file's own columns, typed, without an index or a constraint.
//! Every run starts from empty tables, after a checkpoint, in a session of its own.

mod report;

use std::error::Error;
use std::path::PathBuf;

use postgres::{Client, NoTls};

use super::Run;
use super::session::{execute, ingest, quote_literal, timed, warm_page_cache};

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
    let copy = copy(&quote_literal(&plan.file.to_string_lossy()));
    let ingest = Contestant {
        load: ingest(&plan.file),
        count: "SELECT count(*) FROM trips.trip",
        clean: &[
            "SELECT trips_forget(id) FROM trips.ingest",
            "VACUUM trips.trip",
            "CHECKPOINT",
        ],
    };
    warm_page_cache(&plan.file)?;

    let mut copy_runs = Vec::new();
    let mut ingest_runs = Vec::new();
    for _ in 0..plan.repeats {
        copy_runs.push(copy.run(plan, &mut control)?);
        ingest_runs.push(ingest.run(plan, &mut control)?);
    }
    control.batch_execute("DROP TABLE plain")?;
    Report::new(plan, &mut control, [copy_runs, ingest_runs])
}

fn copy(file: &str) -> Contestant {
    Contestant {
        load: format!("COPY plain FROM {file} (FORMAT csv, HEADER)"),
        count: "SELECT count(*) FROM plain",
        clean: &["TRUNCATE plain", "CHECKPOINT"],
    }
}

impl Contestant {
    /// One load in a new session, checked, with the cleaning outside of its time.
    fn run(&self, plan: &Plan, control: &mut Client) -> Result<Run, Box<dyn Error>> {
        let run = timed(&plan.conninfo, "", &self.load)?;
        let loaded: i64 = control.query_one(self.count, &[])?.get(0);
        if u64::try_from(loaded) != Ok(plan.rows) {
            return Err(format!("{}: {loaded} rows of {}", self.load, plan.rows).into());
        }
        execute(control, self.clean)?;
        Ok(run)
    }
}
