//! What questions about areas cost: their time, the room of the trees that answer them, the time that the trees add to
//! a load, and the same questions without them.
//!
//! Every answer that is timed is compared with a count of the rows themselves.

mod answers;
mod ask;
mod checks;
mod compaction;
mod facts;
mod gist;
mod ingest;
mod proof;
mod question;
mod reading;
mod report;
mod shape;
mod size;
mod small_loads;
mod table;
mod trips;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use postgres::{Client, NoTls};
use serde_json::{Value, json};

use self::answers::{Answers, When};
use self::compaction::{Background, Compaction, Watched};
use self::gist::Gist;
use self::size::Sizes;
use self::trips::{centres, leave_merging_to_us, months, settle};
use super::conditions::Conditions;
use crate::with_causes;

pub use proof::{Plan as ProofPlan, Proof};
pub use report::Report;

/// Settings that decide how fast questions, loads and index builds are.
const SETTINGS: [&str; 12] = [
    "shared_buffers",
    "effective_cache_size",
    "work_mem",
    "maintenance_work_mem",
    "max_parallel_workers_per_gather",
    "jit",
    "wal_level",
    "fsync",
    "synchronous_commit",
    "max_wal_size",
    "checkpoint_timeout",
    "autovacuum",
];

/// The part of the rows that is loaded in many small loads.
const SMALL_SHARE: u64 = 4;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How the benchmark was called, for the page.
    pub command: String,
    /// Where to connect, as a superuser, to a database that has the extension and nothing in its tables.
    pub conninfo: String,
    /// The file to load, written by the generator for five cities; the server must be able to read it, and files
    /// beside it.
    pub file: PathBuf,
    /// The rows that the file holds.
    pub rows: u64,
    /// Seed of the places that are asked about.
    pub seed: u64,
    /// How often the file is loaded without the trees, and with them; at least once.
    pub repeats: usize,
    /// Whether to build a GiST index and to count by it.
    pub gist: bool,
    /// In how many loads to bring a quarter of the rows; 0 leaves that part out.
    pub small_loads: u64,
    /// Where to write the answers about whole cities, as JSON, for a comparison with other systems.
    pub cities: Option<PathBuf>,
    /// Is told of each step as it begins.
    pub progress: fn(&str),
}

/// Runs the plan. What was measured before an error is in the report too, beside the error.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    let mut report = Report {
        command: plan.command.clone(),
        rows: plan.rows,
        ..Report::default()
    };
    if let Err(error) = measure(plan, &mut report) {
        report.ended_by = Some(with_causes(error.as_ref()));
    }
    report
}

fn measure(plan: &Plan, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let control = &mut Client::connect(&plan.conninfo, NoTls)?;
    leave_merging_to_us(control)?;
    report.conditions = Some(Conditions::read(control, &SETTINGS)?);
    (plan.progress)("loading, without the trees and with them");
    let ingest = ingest::measure(&plan.conninfo, control, &plan.file, plan.rows, plan.repeats)?;
    report.ingest = Some(ingest);
    settle(control)?;
    report.sizes = Some(Sizes::read(control)?);

    (plan.progress)("counting the trips of every question");
    let mut draw = question::draw(plan.seed);
    let centres = centres(control, plan.rows, &mut draw)?;
    let series = question::all_series(&centres, &months(control)?, &mut draw);
    let mut answers = Answers::prepare(control, series)?;
    let asked = ask(plan, control, &mut answers, report);
    let series = answers.five_km().cloned();
    let cities = answers.cities();
    // What was asked belongs to the page even if the rest was not.
    report.answers = Some(answers);
    asked?;
    write_cities(plan, &cities)?;

    if plan.gist {
        (plan.progress)("building a GiST index and counting cities by it");
        report.gist = Some(Gist::measure(control, cities, &mut report.checks)?);
    }
    let series = series.ok_or("there are no boxes of 5 x 5 km")?;
    (plan.progress)("compacting while another session asks");
    let boxes = series
        .questions
        .iter()
        .filter_map(question::Question::bounds);
    report.watched = Some(Watched::run(
        &plan.conninfo,
        control,
        &plan.file,
        plan.rows,
        boxes.collect(),
    )?);
    if plan.small_loads > 0 {
        (plan.progress)("loading the same trips at once and in small loads");
        report.small_loads = Some(small_loads(plan, control, &series, report)?);
    }
    Ok(())
}

/// Asks as loaded, after what a worker merges by itself, and after a compaction.
fn ask(
    plan: &Plan,
    control: &mut Client,
    answers: &mut Answers,
    report: &mut Report,
) -> Result<(), Box<dyn Error>> {
    (plan.progress)("asking");
    answers.ask(&plan.conninfo, control, When::Loaded, &mut report.checks)?;
    (plan.progress)("merging in the background");
    let background = Background::run(&plan.conninfo, control)?;
    if background.merged() {
        settle(control)?;
        report.sizes_merged = Some(Sizes::read(control)?);
        answers.ask(&plan.conninfo, control, When::Merged, &mut report.checks)?;
    }
    report.background = Some(background);
    (plan.progress)("compacting, and asking again");
    report.compaction = Some(Compaction::run(&plan.conninfo, control, plan.rows)?);
    settle(control)?;
    report.sizes_compacted = Some(Sizes::read(control)?);
    answers.ask(&plan.conninfo, control, When::Compacted, &mut report.checks)
}

fn small_loads(
    plan: &Plan,
    control: &mut Client,
    series: &question::Series,
    report: &mut Report,
) -> Result<small_loads::SmallLoads, Box<dyn Error>> {
    let directory = plan.file.parent().ok_or("the file is in no directory")?;
    let small = small_loads::Plan {
        conninfo: &plan.conninfo,
        directory,
        loads: plan.small_loads,
        rows_each: (plan.rows / SMALL_SHARE / plan.small_loads).max(1),
        seed: plan.seed,
        series,
    };
    small.run(control, &mut report.checks)
}

/// The whole cities for a comparison: name, box, trips that start there, median seconds at first and at last.
fn write_cities(plan: &Plan, cities: &[answers::City]) -> Result<(), Box<dyn Error>> {
    let Some(path) = &plan.cities else {
        return Ok(());
    };
    let cities: Vec<Value> = cities
        .iter()
        .map(|city| {
            let seconds: Vec<f64> = city.times.iter().map(|time| time.as_secs_f64()).collect();
            let bounds = city.bounds;
            json!({
                "city": city.region.name,
                "box": [bounds.min_lon, bounds.min_lat, bounds.max_lon, bounds.max_lat],
                "trips": city.trips,
                "seconds": seconds,
            })
        })
        .collect();
    fs::write(path, serde_json::to_vec_pretty(&cities)?)?;
    Ok(())
}
