//! Questions to the trees: trips of an area, of a region, and the days that are known.

use std::collections::BTreeMap;
use std::ops::Range;

use trips_core::Error;
use trips_core::area::days::{each_encoded, sum_encoded, week_of};
use trips_core::area::search::{self, Answer, Effort, Question};
use trips_core::area::{Area, End, Rect, wkb};

use super::runs::{self, DAYS, Run};
use super::store::Trees;
use crate::postgres::planner::KeyLookups;
use crate::postgres::privileges;
use crate::postgres::query::{Snapshot, Statement};
use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::role::ActingAsOwner;
use crate::postgres::value::{Type, Value};

/// Trips in all, or those of each week that has any, by its Monday.
pub type Weeks = Vec<(Option<i32>, i64)>;

/// Which end of a trip must lie in an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// Its origin.
    Origin,
    /// Its destination.
    Destination,
    /// One of them at least.
    Either,
    /// Both.
    Both,
}

impl Matching {
    /// The value of an option.
    ///
    /// # Errors
    /// 22023 for any other; 'crosses' is none that trees can answer.
    pub fn new(value: &str) -> Result<Matching, Error> {
        match value {
            "origin" => Ok(Matching::Origin),
            "destination" => Ok(Matching::Destination),
            "either" => Ok(Matching::Either),
            "both" => Ok(Matching::Both),
            _ => Err(Error::InvalidOption {
                name: "matching",
                value: value.to_owned(),
                allowed: r#""origin", "destination", "either", "both""#,
            }),
        }
    }

    /// The searches whose signed sum is the answer: tree, whether the other end counts, sign.
    fn searches(self) -> &'static [(End, bool, i64)] {
        const ORIGIN: (End, bool, i64) = (End::Origin, false, 1);
        const DESTINATION: (End, bool, i64) = (End::Destination, false, 1);
        match self {
            Matching::Origin => &[ORIGIN],
            Matching::Destination => &[DESTINATION],
            Matching::Either => &[ORIGIN, DESTINATION, (End::Origin, true, -1)],
            Matching::Both => &[(End::Origin, true, 1)],
        }
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Where.
    pub area: Area,
    /// Which end lies there.
    pub matching: Matching,
    /// When: days since 2000-01-01.
    pub days: Range<i32>,
    /// Of which region, if of one.
    pub region: Option<i16>,
    /// Whether weeks are told apart.
    pub by_week: bool,
}

/// The area of a box, which may cross the antimeridian, or of a polygon.
///
/// # Errors
/// 22023 where it is neither, or has a coordinate that is no number.
pub fn area(bounds: Option<&[f64]>, polygons: Option<&[u8]>) -> Result<Area, Error> {
    if let Some(bytes) = polygons {
        let polygons = wkb::polygons(bytes).map_err(|corrupt| Error::InvalidArea {
            what: corrupt.0.to_owned(),
        })?;
        return Area::polygons(polygons).map_err(|error| Error::InvalidArea {
            what: error.to_string(),
        });
    }
    let Some(&[min_x, min_y, max_x, max_y]) = bounds else {
        return Err(Error::InvalidArea {
            what: "neither a box nor a polygon".to_owned(),
        });
    };
    let rect = |min_x, max_x| Rect {
        min_x,
        min_y,
        max_x,
        max_y,
    };
    Ok(match min_x <= max_x {
        true => Area::boxes(&[rect(min_x, max_x)]),
        false => Area::boxes(&[rect(min_x, f64::INFINITY), rect(f64::NEG_INFINITY, max_x)]),
    })
}

/// The trips that are asked for.
///
/// # Errors
/// 55000 where trips are in no tree, XX002 where a tree is not whole.
pub fn weeks(asked: &Asked) -> Result<Weeks, Error> {
    let mut trips = 0;
    let mut weeks = BTreeMap::new();
    for (_, _, sign, answer) in answers(asked)? {
        trips += sign * answer.trips;
        for (week, count) in answer.weeks {
            *weeks.entry(week).or_insert(0) += sign * count;
        }
    }
    Ok(result(asked.by_week, trips, weeks))
}

/// One search of the trees and what it took.
#[derive(Debug, Clone)]
pub struct Step {
    /// What was searched.
    pub tree: &'static str,
    /// What was done.
    pub effort: Effort,
    /// What it found.
    pub trips: i64,
}

/// What is done for an answer.
///
/// # Errors
/// As [`weeks`].
pub fn plan(asked: &Asked) -> Result<Vec<Step>, Error> {
    let steps = answers(asked)?
        .into_iter()
        .map(|(end, both, _, answer)| Step {
            tree: match (end, both) {
                (End::Origin, false) => "origin",
                (End::Destination, _) => "destination",
                (End::Origin, true) => "origin, both ends",
            },
            effort: answer.effort,
            trips: answer.trips,
        });
    Ok(steps.collect())
}

/// Whether the trees may answer the current role: it may read all trips, and all trips are in the table that they are made
/// of.
pub fn may_answer() -> bool {
    let trip = Relation::open(c"trips", c"trip", LockMode::AccessShare);
    privileges::may_select(&trip)
        && !privileges::row_security_applies(&trip)
        && (!trip.has_children() || trip.is_partitioned())
}

/// # Errors
/// 42501 unless [`may_answer`].
pub fn require_answer() -> Result<(), Error> {
    match may_answer() {
        true => Ok(()),
        false => Err(Error::NotPermitted {
            what: "read the area trees",
            detail: "Only roles that may read all rows of trips.trip may do so, and only while no table inherits from it.",
        }),
    }
}

fn answers(asked: &Asked) -> Result<Vec<(End, bool, i64, Answer)>, Error> {
    let runs = runs::all(Snapshot::Caller)?;
    let mut trees = Trees::open(Snapshot::Caller)?;
    let searches = asked.matching.searches().iter();
    searches
        .map(|&(end, both, sign)| {
            let question = Question {
                end,
                area: &asked.area,
                both,
                days: asked.days.clone(),
                region: asked.region,
                by_week: asked.by_week,
            };
            let runs = in_period(&runs, end, &asked.days);
            let answer = search::count(&question, &runs, &mut trees)?;
            Ok((end, both, sign, answer))
        })
        .collect()
}

/// The trees of `end` that have trips in the period.
fn in_period(runs: &[Run], end: End, days: &Range<i32>) -> Vec<search::Run> {
    runs.iter()
        .filter(|run| run.first_day < days.end && run.last_day >= days.start)
        .map(|run| search::Run {
            id: run.id,
            sign: i64::from(run.sign),
            height: match end {
                End::Origin => run.origin_height,
                End::Destination => run.destination_height,
            },
            // Of trips that are taken away more may have cancelled in one tree than in the other: trips counts origins.
            trips: (end == End::Origin).then_some(run.trips as u64),
        })
        .collect()
}

fn result(by_week: bool, trips: i64, weeks: BTreeMap<i32, i64>) -> Weeks {
    match by_week {
        false => vec![(None, trips)],
        true => weeks
            .into_iter()
            .filter(|(_, trips)| *trips != 0)
            .map(|(week, trips)| (Some(week), trips))
            .collect(),
    }
}

/// The trips of a region, or of all, in a period.
///
/// # Errors
/// As [`weeks`].
pub fn region_weeks(region: Option<i16>, days: Range<i32>, by_week: bool) -> Result<Weeks, Error> {
    let mut trips = 0;
    let mut weeks = BTreeMap::new();
    each_run(region, |sign, run_days| {
        if !by_week {
            trips += sign * sum_encoded(run_days, days.clone())?;
            return Ok(());
        }
        Ok(each_encoded(run_days, |day, count| {
            if days.contains(&day) {
                *weeks.entry(week_of(day)).or_insert(0) += sign * count;
            }
        })?)
    })?;
    Ok(result(by_week, trips, weeks))
}

/// The first and the last day on which a region, or any, has trips.
///
/// # Errors
/// As [`weeks`].
pub fn known_days(region: Option<i16>) -> Result<Option<(i32, i32)>, Error> {
    let runs = runs::all(Snapshot::Caller)?;
    let ends = |(first, last): (i32, i32), (other_first, other_last): (i32, i32)| {
        (first.min(other_first), last.max(other_last))
    };
    if runs.iter().any(|run| run.sign < 0) {
        return known_days_left(region);
    }
    if region.is_none() {
        let days = runs.iter().map(|run| (run.first_day, run.last_day));
        return Ok(days.reduce(ends));
    }
    let mut known = None;
    each_run(region, |_, days| {
        Ok(each_encoded(days, |day, _| {
            known = Some(known.map_or((day, day), |known| ends(known, (day, day))));
        })?)
    })?;
    Ok(known)
}

/// The same where trips are taken away: of some days nothing may be left.
fn known_days_left(region: Option<i16>) -> Result<Option<(i32, i32)>, Error> {
    let mut days = BTreeMap::new();
    each_run(region, |sign, run_days| {
        Ok(each_encoded(run_days, |day, count| {
            *days.entry(day).or_insert(0) += sign * count;
        })?)
    })?;
    days.retain(|_, trips| *trips != 0);
    let first = days.first_key_value().map(|(day, _)| *day);
    Ok(first.zip(days.last_key_value().map(|(day, _)| *day)))
}

static REGION_DAYS: Statement = Statement::new(
    c"SELECT run_id, days, region_id FROM trips.region_day WHERE region_id OPERATOR(pg_catalog.=) $1",
    &[Type::Int2],
);

static ALL_REGION_DAYS: Statement =
    Statement::new(c"SELECT run_id, days, region_id FROM trips.region_day", &[]);

/// Calls `each` with the sign of every run and its trips by day: those of a region, or all.
fn each_run(
    region: Option<i16>,
    mut each: impl FnMut(i64, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some(region) = region else {
        return runs::each(Snapshot::Caller, |run, row| {
            each(i64::from(run.sign), row.bytes(DAYS).unwrap_or_default())
        });
    };
    let _lookups = KeyLookups::begin();
    each_region_day(&REGION_DAYS, &[Value::Int2(region)], |_, sign, days| {
        each(sign, days)
    })
}

/// Calls `each` with every region, the sign of every run that has it, and the region's trips there by day.
///
/// # Errors
/// As [`weeks`], and what `each` gives.
pub fn each_region(each: impl FnMut(i16, i64, &[u8]) -> Result<(), Error>) -> Result<(), Error> {
    each_region_day(&ALL_REGION_DAYS, &[], each)
}

fn each_region_day(
    statement: &Statement,
    arguments: &[Value<'_>],
    mut each: impl FnMut(i16, i64, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let runs = runs::all(Snapshot::Caller)?;
    let table = Relation::open(c"trips", c"region_day", LockMode::AccessShare);
    let _owner = ActingAsOwner::of(&table);
    statement.each(arguments, Snapshot::Caller, |row| {
        let id = row.int8(1).unwrap_or_default();
        let place = runs.binary_search_by_key(&id, |run| run.id);
        let run = place.ok().and_then(|place| runs.get(place));
        let run = run.ok_or_else(|| Error::CorruptTree {
            what: format!("days of run {id}, which does not exist"),
        })?;
        let region = row.int2(3).unwrap_or_default();
        each(
            region,
            i64::from(run.sign),
            row.bytes(2).unwrap_or_default(),
        )
    })?;
    Ok(())
}
