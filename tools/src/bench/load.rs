//! Times `trips_ingest` against other ways to load the same file, in turns on one server.
//!
//! Each way gets what favours it: `COPY` a table of the file's own columns, typed, without an index or a constraint; the
//! usual pipeline its indexes built after its rows; other systems a table in memory, and their start for nothing. Every run
//! starts from empty tables, after a checkpoint, in sessions of its own.

mod report;
mod rival;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use super::Run;
use super::session::{execute, ingest, quote_literal, timed, warm_page_cache};

pub use report::Report;
pub use rival::Rival;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to connect, as a superuser, to a database that has the extension and nothing in its tables.
    pub conninfo: String,
    /// The file to load; the server must be able to read it.
    pub file: PathBuf,
    /// The same rows in two halves, for two sessions at once.
    pub halves: [PathBuf; 2],
    /// The rows that the file holds.
    pub rows: u64,
    /// How often each way runs.
    pub repeats: usize,
    /// Other systems, as programs.
    pub rivals: Vec<Rival>,
    /// How the benchmark was called, for the page.
    pub command: String,
}

/// A way to load the file, and what it took.
#[derive(Debug)]
struct Way {
    name: String,
    work: Work,
    runs: Vec<Run>,
}

#[derive(Debug)]
enum Work {
    /// Statements of sessions that run at once, how the rows are counted, and how to clean up.
    Sql {
        settings: &'static str,
        sessions: Vec<String>,
        count: &'static str,
        clean: &'static [&'static str],
    },
    /// Another system.
    Program(Rival),
}

const TABLES: &str = "
    DROP TABLE IF EXISTS plain, staging, fact, dim_region, dim_datasource;
    CREATE TABLE plain (
        region      text,
        origin      geometry(Point, 4326),
        destination geometry(Point, 4326),
        departed_at timestamp,
        datasource  text
    );
    CREATE UNLOGGED TABLE staging (LIKE plain);
    CREATE TABLE dim_region     (id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE);
    CREATE TABLE dim_datasource (id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE);
    CREATE TABLE fact (
        departed_at   timestamp             NOT NULL,
        region_id     smallint              NOT NULL,
        datasource_id smallint              NOT NULL,
        origin        geometry(Point, 4326) NOT NULL,
        destination   geometry(Point, 4326) NOT NULL
    )";

const DROP_TABLES: &str = "DROP TABLE plain, staging, fact, dim_region, dim_datasource";

/// What follows the `COPY` into staging.
const PIPELINE: &str = "
    INSERT INTO dim_region (name) SELECT DISTINCT region FROM staging;
    INSERT INTO dim_datasource (name) SELECT DISTINCT datasource FROM staging;
    INSERT INTO fact
    SELECT s.departed_at, r.id, d.id, s.origin, s.destination
      FROM staging s
      JOIN dim_region r ON r.name = s.region
      JOIN dim_datasource d ON d.name = s.datasource;
    CREATE INDEX fact_origin_idx      ON fact USING gist (origin);
    CREATE INDEX fact_destination_idx ON fact USING gist (destination);
    CREATE INDEX fact_departed_at_idx ON fact (departed_at)";

/// Empties what a load has filled, trees too.
const FORGET: &[&str] = &[
    "SELECT trips_forget(id) FROM trips.ingest",
    "VACUUM trips.trip, trips.area_leaf, trips.area_part, trips.area_node",
    "CHECKPOINT",
];

/// Runs the plan and collects what happened.
///
/// # Errors
/// Those of the server, of reading the file, of a rival, and a load that did not bring every row.
pub fn run(plan: &Plan) -> Result<Report, Box<dyn Error>> {
    let mut control = Client::connect(&plan.conninfo, NoTls)?;
    control.batch_execute(TABLES)?;
    warm_page_cache(&plan.file)?;
    let mut ways = ways(plan);
    for round in 0..=plan.repeats {
        for way in &mut ways {
            let run = way.run(plan, &mut control)?;
            // The first round makes the cluster's WAL files, which later ones find.
            if round > 0 {
                way.runs.push(run);
            }
        }
    }
    control.batch_execute(DROP_TABLES)?;
    Report::new(plan, &mut control, &ways)
}

/// All ways; the first is `trips_ingest`, the second the same without the trees.
fn ways(plan: &Plan) -> Vec<Way> {
    let sql = |name: &str, settings, sessions, count, clean| Way {
        name: name.to_owned(),
        work: Work::Sql {
            settings,
            sessions,
            count,
            clean,
        },
        runs: Vec::new(),
    };
    let trips = "SELECT count(*) FROM trips.trip";
    let plain = "SELECT count(*) FROM plain";
    let pipeline = format!("{}; {PIPELINE}", copy("staging", &plan.file));
    let mut ways = vec![
        sql(
            "`trips_ingest`",
            "",
            vec![ingest(&plan.file)],
            trips,
            FORGET,
        ),
        sql(
            "`trips_ingest` without the trees",
            "SET trips_ext.area_trees = off",
            vec![ingest(&plan.file)],
            trips,
            FORGET,
        ),
        sql(
            "`COPY`",
            "",
            vec![copy("plain", &plan.file)],
            plain,
            &["TRUNCATE plain", "CHECKPOINT"],
        ),
        sql(
            "`COPY` in two sessions",
            "",
            plan.halves.iter().map(|half| copy("plain", half)).collect(),
            plain,
            &["TRUNCATE plain", "CHECKPOINT"],
        ),
        sql(
            "the usual pipeline",
            "",
            vec![pipeline],
            "SELECT count(*) FROM fact",
            &[
                "DROP INDEX fact_origin_idx, fact_destination_idx, fact_departed_at_idx",
                "TRUNCATE staging, fact, dim_region, dim_datasource RESTART IDENTITY",
                "CHECKPOINT",
            ],
        ),
    ];
    ways.extend(plan.rivals.iter().map(|rival| Way {
        name: rival.name.clone(),
        work: Work::Program(rival.clone()),
        runs: Vec::new(),
    }));
    ways
}

fn copy(table: &str, file: &Path) -> String {
    let file = quote_literal(&file.to_string_lossy());
    format!("COPY {table} FROM {file} (FORMAT csv, HEADER)")
}

impl Way {
    /// One load, checked, with the cleaning outside of its time.
    fn run(&mut self, plan: &Plan, control: &mut Client) -> Result<Run, Box<dyn Error>> {
        let (run, loaded) = match &mut self.work {
            Work::Program(rival) => rival.run()?,
            Work::Sql {
                settings,
                sessions,
                count,
                clean,
            } => {
                let run = match sessions.as_slice() {
                    [session] => timed(&plan.conninfo, settings, session)?,
                    sessions => at_once(&plan.conninfo, sessions)?,
                };
                let loaded: i64 = control.query_one(*count, &[])?.get(0);
                execute(control, clean)?;
                (run, loaded as u64)
            }
        };
        match loaded == plan.rows {
            true => Ok(run),
            false => Err(format!("{}: {loaded} rows of {}", self.name, plan.rows).into()),
        }
    }
}

/// Statements in sessions of their own, all at the same time.
fn at_once(conninfo: &str, statements: &[String]) -> Result<Run, Box<dyn Error>> {
    let connect = |_| Client::connect(conninfo, NoTls);
    let sessions: Vec<Client> = statements.iter().map(connect).collect::<Result<_, _>>()?;
    let ready = Barrier::new(statements.len() + 1);
    let (elapsed, results) = thread::scope(|scope| {
        let running: Vec<_> = sessions
            .into_iter()
            .zip(statements)
            .map(|(mut session, statement)| {
                let ready = &ready;
                scope.spawn(move || {
                    ready.wait();
                    session.batch_execute(statement)
                })
            })
            .collect();
        ready.wait();
        let start = Instant::now();
        let results: Vec<_> = running.into_iter().map(|session| session.join()).collect();
        (start.elapsed(), results)
    });
    for result in results {
        result.map_err(|_| "a session's thread panicked")??;
    }
    Ok(Run {
        elapsed,
        memory_growth: 0,
    })
}

/// A run of so many seconds whose memory is not known.
fn run_of(seconds: f64) -> Run {
    Run {
        elapsed: Duration::from_secs_f64(seconds),
        memory_growth: 0,
    }
}
