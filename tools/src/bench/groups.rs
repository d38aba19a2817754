//! Times `trips_groups` on invented trips: in one city, on four times as many there, in five cities; and on the first of these what
//! PostGIS has, `ST_ClusterDBSCAN`, which groups origins alone.

mod report;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use super::conditions::Conditions;
use super::session::{create_readable, execute, ingest};
use crate::generate::{self, Contents};
use crate::memory::Sampler;
use crate::with_causes;

pub use report::Report;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How the benchmark was called.
    pub command: String,
    /// Where to connect, as a superuser, to a database that has the extension and nothing in its tables.
    pub conninfo: String,
    /// Where the server can read files that are written here.
    pub directory: PathBuf,
    /// Trips of the first city.
    pub rows: u64,
    /// How often each grouping runs.
    pub repeats: usize,
    /// Whether `ST_ClusterDBSCAN` runs, too: that takes longer than all the rest.
    pub rival: bool,
    /// Told what is going on.
    pub progress: fn(&str),
}

/// Trips that are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trips {
    OneCity,
    FourTimes,
    FiveCities,
    TwentyTimes,
}

impl Trips {
    const ALL: [Trips; 4] = [
        Trips::OneCity,
        Trips::FourTimes,
        Trips::FiveCities,
        Trips::TwentyTimes,
    ];

    /// How many cities there are, and how many times the trips of the first.
    const fn size(self) -> (usize, u64) {
        match self {
            Trips::OneCity => (1, 1),
            Trips::FourTimes => (1, 4),
            Trips::FiveCities => (5, 5),
            Trips::TwentyTimes => (5, 20),
        }
    }
}

/// How far similar trips may be apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limits {
    /// 250 metres, 15 minutes.
    Narrow,
    /// The defaults: 500 metres, 30 minutes.
    Default,
}

/// One grouping and what it took.
#[derive(Clone, Debug)]
struct Grouping {
    trips: Trips,
    limits: Limits,
    method: &'static str,
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    elapsed: Duration,
    /// Of all threads of the backend.
    processor: Duration,
    /// Growth of the backend's private memory, in bytes.
    memory: u64,
    groups: u64,
    grouped: u64,
}

/// Runs the plan and collects what happened.
///
/// # Errors
/// Those of the server and of writing files; groupings that differ from one run to the next.
pub fn run(plan: &Plan) -> Result<Report, Box<dyn Error>> {
    let (mut groupings, mut failures) = (Vec::new(), Vec::new());
    let mut rival = None;
    let mut control = Client::connect(&plan.conninfo, NoTls)?;
    for trips in Trips::ALL {
        load(plan, trips, &mut control)?;
        for (limits, method) in [
            (Limits::Narrow, "representative"),
            (Limits::Narrow, "density"),
            (Limits::Narrow, "cell"),
            (Limits::Default, "representative"),
        ] {
            // By density this many trips need more than the memory that is set by default.
            if trips == Trips::TwentyTimes && method != "representative" {
                continue;
            }
            (plan.progress)(&format!("{method}, {trips:?}, {limits:?}"));
            let runs: Result<Vec<Run>, _> = (0..plan.repeats)
                .map(|_| timed(&plan.conninfo, &statement(limits, method)))
                .collect();
            match runs {
                Ok(runs) => groupings.push(Grouping {
                    trips,
                    limits,
                    method,
                    runs,
                }),
                Err(error) => failures.push(format!(
                    "{method}, {trips:?}, {limits:?}: {}",
                    with_causes(error.as_ref())
                )),
            }
        }
        if plan.rival && trips == Trips::OneCity {
            (plan.progress)("ST_ClusterDBSCAN");
            rival = Some(timed(&plan.conninfo, RIVAL)?);
        }
        execute(
            &mut control,
            &[
                "SELECT trips_forget(id) FROM trips.ingest",
                "VACUUM trips.trip",
            ],
        )?;
    }
    let same = |runs: &[Run]| {
        runs.windows(2)
            .all(|two| two[0].grouped == two[1].grouped && two[0].groups == two[1].groups)
    };
    if let Some(one) = groupings.iter().find(|grouping| !same(&grouping.runs)) {
        return Err(format!("not the same groups each time: {one:?}").into());
    }
    Ok(Report {
        command: plan.command.clone(),
        rows: plan.rows,
        groupings,
        failures,
        rival,
        conditions: Conditions::read(&mut control, &report::SETTINGS)?,
    })
}

/// Metres of the zone that the first city, Prague, lies in; 250 of these are what the others are given.
const RIVAL: &str = "
    SELECT count(DISTINCT cluster), count(cluster)
      FROM (SELECT ST_ClusterDBSCAN(ST_Transform(origin, 32633), 250, 2) OVER () AS cluster FROM trips.trip) AS c";

fn statement(limits: Limits, method: &str) -> String {
    let limits = match limits {
        Limits::Narrow => "250, 250, '15 minutes', ",
        Limits::Default => "",
    };
    format!(
        "SELECT count(*), coalesce(sum(trips), 0)::bigint FROM trips_groups({limits}method => '{method}')"
    )
}

fn load(plan: &Plan, trips: Trips, control: &mut Client) -> Result<(), Box<dyn Error>> {
    let (regions, times) = trips.size();
    let rows = plan.rows * times;
    (plan.progress)(&format!("loading {rows} trips"));
    let file = plan.directory.join("groups.csv");
    let contents = Contents {
        rows,
        seed: 1,
        regions,
    };
    generate::write_trips(create_readable(&file)?, &contents)?;
    control.batch_execute(&ingest(&file))?;
    fs::remove_file(&file)?;
    execute(control, &["VACUUM ANALYZE trips.trip", "CHECKPOINT"])?;
    Ok(())
}

/// Runs a statement that gives the number of groups and that of their trips, in a new session.
fn timed(conninfo: &str, statement: &str) -> Result<Run, Box<dyn Error>> {
    let mut session = Client::connect(conninfo, NoTls)?;
    session.batch_execute("SET client_min_messages = warning; SELECT count(*) FROM trips.trip")?;
    let backend: i32 = session.query_one("SELECT pg_backend_pid()", &[])?.get(0);
    let sampler = Sampler::start(backend.unsigned_abs())?;
    let before = processor_time(backend)?;
    let start = Instant::now();
    let row = session.query_one(statement, &[])?;
    let elapsed = start.elapsed();
    Ok(Run {
        elapsed,
        processor: processor_time(backend)?.saturating_sub(before),
        memory: sampler.stop(),
        groups: u64::try_from(row.get::<_, i64>(0))?,
        grouped: u64::try_from(row.get::<_, i64>(1))?,
    })
}

/// The processor time that a process has used so far, with its threads.
fn processor_time(pid: i32) -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    ticks(&stat)
        .map(|ticks| Duration::from_millis(10 * ticks))
        .ok_or_else(|| format!("no times in the stat of {pid}").into())
}

/// Ticks in user and in kernel mode, of which a second has a hundred: the 14th and 15th fields, behind a name that may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_the_sum_of_user_and_kernel_time() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194368 1446 0 13 0 296 108 5 6 20 0 1 0 2008374";
        assert_eq!(ticks(stat), Some(404));
        assert_eq!(ticks("7 (a) S 1"), None);
    }
}
