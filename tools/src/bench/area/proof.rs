//! The proof at scale: a table that grows file by file, and what loads, questions, groups and checks take on the way.
//!
//! The first file is loaded in two parts, a tenth and the rest, so that the first questions are about a small table.

mod curves;

use std::error::Error;
use std::fmt;
use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use super::SETTINGS;
use super::answers::{Answers, Extremes, When};
use super::checks::Checks;
use super::compaction::{Background, Compaction};
use super::question;
use super::size::Sizes;
use super::trips::{centres, count, empty, leave_merging_to_us, months, runs, settle};
use crate::bench::Run;
use crate::bench::conditions::Conditions;
use crate::bench::figures::{mebibytes, milliseconds, per_second, seconds, thousands};
use crate::bench::session::{create_readable, ingest, timed};
use crate::generate::{Contents, REGIONS, write_trips};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How the proof was called, for the page.
    pub command: String,
    /// Where to connect, as a superuser, to a database that has the extension and nothing in its tables.
    pub conninfo: String,
    /// Where files are written for the server to read, one at a time.
    pub directory: PathBuf,
    /// How many files there are.
    pub files: u64,
    /// The rows of each; at least ten.
    pub rows_each: u64,
    /// Seed of the first file, and of the places that are asked about.
    pub seed: u64,
    /// Where the curves are written, as SVG.
    pub curves: PathBuf,
    /// Is told of each step as it begins.
    pub progress: fn(&str),
}

/// One load.
#[derive(Debug)]
struct Load {
    rows_before: u64,
    rows: u64,
    run: Run,
    wal_bytes: u64,
    /// From the commit to the first answer about a city, in the same session that waited for the load.
    first_answer: Duration,
}

/// All questions at one size of the table.
#[derive(Debug)]
struct Moment {
    rows: u64,
    runs: u64,
    extremes: Extremes,
    five_km: Duration,
}

/// What was measured; [`fmt::Display`] writes the page.
#[derive(Debug, Default)]
pub struct Proof {
    command: String,
    loads: Vec<Load>,
    moments: Vec<Moment>,
    merged: Option<Moment>,
    compacted: Option<(Compaction, Moment)>,
    sizes: Option<Sizes>,
    checks: Checks,
    recount: Option<(Duration, u64)>,
    groups: Option<Groups>,
    one_file: Option<Load>,
    conditions: Option<Conditions>,
}

/// Groups of one city.
#[derive(Debug)]
struct Groups {
    city: &'static str,
    trips: u64,
    groups: u64,
    run: Run,
}

impl Proof {
    /// Whether every answer was right.
    #[must_use]
    pub fn all_right(&self) -> bool {
        self.checks.all_right()
            && self
                .recount
                .is_some_and(|(_, differences)| differences == 0)
    }

    /// Runs the plan.
    ///
    /// # Errors
    /// Those of the server, of files, and a load that did not bring every row.
    pub fn run(plan: &Plan) -> Result<Self, Box<dyn Error>> {
        let control = &mut Client::connect(&plan.conninfo, NoTls)?;
        leave_merging_to_us(control)?;
        let mut proof = Proof {
            command: plan.command.clone(),
            conditions: Some(Conditions::read(control, &SETTINGS)?),
            ..Proof::default()
        };
        let small = plan.rows_each / 10;
        let firsts = [(plan.seed, small), (plan.seed + 1, plan.rows_each - small)];
        let others = (2..=plan.files).map(|file| (plan.seed + file, plan.rows_each));
        let mut asked = None;
        for (seed, rows) in firsts.into_iter().chain(others) {
            (plan.progress)(&format!("loading {} rows", thousands(rows)));
            let load = load(plan, control, seed, rows)?;
            let total = load.rows_before + rows;
            proof.loads.push(load);
            if [small, plan.rows_each, plan.files * plan.rows_each].contains(&total) {
                (plan.progress)(&format!("asking about {} trips", thousands(total)));
                settle(control)?;
                let mut answers = Proof::prepare(plan, control, rows)?;
                let moment = proof.ask(plan, control, total, When::Loaded, &mut answers)?;
                proof.moments.push(moment);
                asked = Some(answers);
            }
        }
        proof.look(plan, control, asked.ok_or("nothing was asked")?)?;
        (plan.progress)("loading all rows as one file");
        empty(control)?;
        let rows = plan.files * plan.rows_each;
        proof.one_file = Some(load(plan, control, plan.seed, rows)?);
        fs::write(&plan.curves, curves::draw(&proof.curves()))?;
        Ok(proof)
    }

    /// What is asked of the whole table, once: compacted questions, groups, sizes, a recount.
    fn look(
        &mut self,
        plan: &Plan,
        control: &mut Client,
        mut asked: Answers,
    ) -> Result<(), Box<dyn Error>> {
        let total = plan.files * plan.rows_each;
        self.sizes = Some(Sizes::read(control)?);
        (plan.progress)("merging in the background, and asking again");
        if Background::run(&plan.conninfo, control)?.merged() {
            settle(control)?;
            self.merged = Some(self.ask(plan, control, total, When::Merged, &mut asked)?);
        }
        (plan.progress)("compacting, and asking again");
        let compaction = Compaction::run(&plan.conninfo, control, total)?;
        settle(control)?;
        let moment = self.ask(plan, control, total, When::Compacted, &mut asked)?;
        self.compacted = Some((compaction, moment));
        (plan.progress)("grouping the trips of a city");
        let city = REGIONS[0].name;
        let trips = count(control, &format!("trips.trips WHERE region = '{city}'"))?;
        let grouping = format!(
            "CREATE TEMP TABLE grouping AS SELECT * FROM trips_groups(region => '{city}', min_trips => 1);
             CREATE TABLE IF NOT EXISTS grouped AS SELECT count(*) AS groups, sum(trips)::bigint AS trips FROM grouping"
        );
        let settings = "DROP TABLE IF EXISTS grouped; SET trips_ext.group_memory = '2GB'";
        let run = timed(&plan.conninfo, settings, &grouping)?;
        let row = control.query_one("SELECT groups, trips FROM grouped", &[])?;
        let number = |column| row.try_get(column).map(i64::unsigned_abs);
        self.checks.same("the groups of a city", trips, number(1)?);
        self.groups = Some(Groups {
            city,
            trips,
            groups: number(0)?,
            run,
        });
        (plan.progress)("recounting");
        let start = Instant::now();
        let differences = count(control, "trips_check()")?;
        self.recount = Some((start.elapsed(), differences));
        Ok(())
    }

    /// Counts what all series are to find in the table, whose last load brought so many rows.
    fn prepare(plan: &Plan, control: &mut Client, last: u64) -> Result<Answers, Box<dyn Error>> {
        let mut draw = question::draw(plan.seed);
        let centres = centres(control, last, &mut draw)?;
        let series = question::all_series(&centres, &months(control)?, &mut draw);
        Answers::prepare(control, series)
    }

    /// Asks them, at `rows` rows.
    fn ask(
        &mut self,
        plan: &Plan,
        control: &mut Client,
        rows: u64,
        when: When,
        answers: &mut Answers,
    ) -> Result<Moment, Box<dyn Error>> {
        answers.ask(&plan.conninfo, control, when, &mut self.checks)?;
        Ok(Moment {
            rows,
            runs: runs(control)?,
            extremes: answers.extremes().pop().ok_or("nothing was asked")?,
            five_km: answers.five_km_median().unwrap_or_default(),
        })
    }

    fn curves(&self) -> curves::Curves {
        curves::Curves {
            loads: self
                .loads
                .iter()
                .map(|load| {
                    let rate = per_second(load.rows, load.run.elapsed);
                    ((load.rows_before + load.rows) as f64, rate)
                })
                .collect(),
            questions: self
                .moments
                .iter()
                .map(|moment| {
                    (
                        moment.rows as f64,
                        moment.extremes.boxes.median.as_secs_f64() * 1e3,
                    )
                })
                .collect(),
        }
    }
}

/// Writes a file of so many rows, loads it, asks once, and removes it.
fn load(plan: &Plan, control: &mut Client, seed: u64, rows: u64) -> Result<Load, Box<dyn Error>> {
    let file = write(&plan.directory, seed, rows)?;
    let rows_before = count(control, "trips.trip")?;
    control.batch_execute("CHECKPOINT")?;
    let wal = |control: &mut Client| -> Result<u64, postgres::Error> {
        let row = control.query_one("SELECT (pg_current_wal_lsn() - '0/0')::bigint", &[])?;
        row.try_get(0).map(i64::unsigned_abs)
    };
    let wal_before = wal(control)?;
    let run = timed(&plan.conninfo, "", &ingest(&file))?;
    let start = Instant::now();
    let city = question::city(&REGIONS[0]).arguments();
    control.query_one(&format!("SELECT trips_weekly_average({city})"), &[])?;
    let first_answer = start.elapsed();
    let wal_bytes = wal(control)? - wal_before;
    fs::remove_file(&file)?;
    let loaded = count(control, "trips.trip")? - rows_before;
    if loaded != rows {
        return Err(format!("{loaded} rows of {rows} were loaded").into());
    }
    Ok(Load {
        rows_before,
        rows,
        run,
        wal_bytes,
        first_answer,
    })
}

fn write(directory: &Path, seed: u64, rows: u64) -> Result<PathBuf, Box<dyn Error>> {
    let file = directory.join("proof.csv");
    let contents = Contents {
        rows,
        seed,
        regions: REGIONS.len(),
    };
    write_trips(BufWriter::new(create_readable(&file)?), &contents)?;
    Ok(file)
}

impl fmt::Display for Proof {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: u64 = self.loads.iter().map(|load| load.rows).sum();
        writeln!(
            out,
            "# {} trips, file by file\n\nMade by `{}`.\n",
            thousands(rows),
            self.command
        )?;
        writeln!(
            out,
            "![Rows a second and times of questions, over the rows of the table](PROOF.svg)\n"
        )?;
        self.write_summary(out)?;
        self.write_loads(out)?;
        self.write_moments(out)?;
        if let Some(sizes) = &self.sizes {
            writeln!(out, "## Size, before compaction\n\n{sizes}")?;
        }
        self.checks.fmt(out)?;
        match &self.conditions {
            Some(conditions) => conditions.fmt(out),
            None => Ok(()),
        }
    }
}

impl Proof {
    fn write_summary(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "| | |\n|---|---:|")?;
        let full = self.loads.iter().skip(1);
        if let (Some(first), Some(last)) = (full.clone().next(), full.last()) {
            let [first, last] = [first, last].map(|load| per_second(load.rows, load.run.elapsed));
            writeln!(
                out,
                "| speed of the last file, of the first's | {:.0} % |",
                last / first * 100.0
            )?;
        }
        let growth = self.loads.iter().map(|load| load.run.memory_growth).max();
        writeln!(
            out,
            "| memory of a loading backend, growth | {} |",
            mebibytes(growth.unwrap_or(0))
        )?;
        if let Some(load) = &self.one_file {
            writeln!(
                out,
                "| all rows as one file | {} |",
                seconds(load.run.elapsed)
            )?;
            let rate = per_second(load.rows, load.run.elapsed) as u64;
            writeln!(out, "| the same, rows a second | {} |", thousands(rate))?;
            writeln!(
                out,
                "| the same, memory of the backend, growth | {} |",
                mebibytes(load.run.memory_growth)
            )?;
            writeln!(out, "| the same, WAL | {} |", mebibytes(load.wal_bytes))?;
        }
        if let Some((compaction, _)) = &self.compacted {
            writeln!(
                out,
                "| compaction, trips a second | {} |",
                compaction.speed()
            )?;
        }
        if let Some(groups) = &self.groups {
            writeln!(
                out,
                "| groups of {}: {} of {} trips | {}, {} |",
                groups.city,
                thousands(groups.groups),
                thousands(groups.trips),
                seconds(groups.run.elapsed),
                mebibytes(groups.run.memory_growth)
            )?;
        }
        if let Some((elapsed, differences)) = &self.recount {
            writeln!(
                out,
                "| `trips_check()`, which counts all trips again | {}, {differences} differences |",
                seconds(*elapsed)
            )?;
        }
        writeln!(out)
    }

    fn write_loads(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "## Loads\n\n| rows in the table | rows of the file | time | rows a second | memory, growth | WAL | first answer |\n|---:|---:|---:|---:|---:|---:|---:|"
        )?;
        for load in self.loads.iter().chain(&self.one_file) {
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                thousands(load.rows_before),
                thousands(load.rows),
                seconds(load.run.elapsed),
                thousands(per_second(load.rows, load.run.elapsed) as u64),
                mebibytes(load.run.memory_growth),
                mebibytes(load.wal_bytes),
                milliseconds(load.first_answer),
            )?;
        }
        writeln!(
            out,
            "\nEach file is loaded by `trips_ingest` in a session of its own, after a checkpoint; the last line is all rows as one file, into empty \
             tables. The first answer is the weekly average of a whole city, asked as soon as the load has committed.\n"
        )
    }

    fn write_moments(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "## Questions\n\n| trips | runs | boxes: slowest median | slowest 95 % | 5 x 5 km, all of the time | regions: slowest median |\n|---:|---:|---:|---:|---:|---:|"
        )?;
        let merged = self.merged.iter().map(|moment| (moment, ", merged"));
        let compacted = self.compacted.iter();
        let compacted = compacted.map(|(_, moment)| (moment, ", compacted"));
        for (moment, how) in self
            .moments
            .iter()
            .map(|moment| (moment, ""))
            .chain(merged)
            .chain(compacted)
        {
            let boxes = &moment.extremes.boxes;
            writeln!(
                out,
                "| {}{how} | {} | {} | {} | {} | {} |",
                thousands(moment.rows),
                moment.runs,
                milliseconds(boxes.median),
                milliseconds(boxes.p95),
                milliseconds(moment.five_km),
                milliseconds(moment.extremes.regions.median),
            )?;
        }
        writeln!(
            out,
            "\nThe questions are those of [AREA.md](AREA.md), around the origins of random trips of the last file, each asked before in the same \
             session and timed inside the server.\n"
        )
    }
}
