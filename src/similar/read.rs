//! Reading the trips that are asked about. Statements run as the caller, who sees what policies let them see.

use std::collections::BTreeMap;
use std::ops::Range;

use trips_core::Error;
use trips_core::area::days::day_of;
use trips_core::ingest::tuple::{point_of, trip_id};
use trips_core::similar::islands::{Islands, Survey};
use trips_core::similar::{Memory, Trip};

use super::Asked;
use super::progress::Progress;
use crate::postgres::query::{Snapshot, Statement};
use crate::postgres::receiver::{Geometry, Row};
use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::value::{Type, Value};

static TRIPS: Statement = Statement::new(
    c"SELECT id, departed_at, origin, destination FROM trips.trip \
       WHERE departed_at OPERATOR(pg_catalog.>=) $1 AND departed_at OPERATOR(pg_catalog.<) $2",
    &[Type::Date, Type::Date],
);

static TRIPS_OF_REGION: Statement = Statement::new(
    c"SELECT id, departed_at, origin, destination FROM trips.trip \
       WHERE departed_at OPERATOR(pg_catalog.>=) $1 AND departed_at OPERATOR(pg_catalog.<) $2 \
         AND region_id OPERATOR(pg_catalog.=) $3",
    &[Type::Date, Type::Date, Type::Int2],
);

static TRIPS_OF_INGEST: Statement = Statement::new(
    c"SELECT id, departed_at, origin, destination FROM trips.trip \
       WHERE departed_at OPERATOR(pg_catalog.>=) $1 AND departed_at OPERATOR(pg_catalog.<) $2 \
         AND id OPERATOR(pg_catalog.>=) $3 AND id OPERATOR(pg_catalog.<=) $4 \
         AND ($5 IS NULL OR region_id OPERATOR(pg_catalog.=) $5)",
    &[Type::Date, Type::Date, Type::Int8, Type::Int8, Type::Int2],
);

/// Calls `take` with each trip that departs on these days and is asked about, in any order; gives up at the first error.
///
/// # Errors
/// That of `take`; 22003 for a trip that has no points.
pub fn each(
    asked: &Asked,
    days: Range<i32>,
    mut take: impl FnMut(Trip) -> Result<(), Error>,
) -> Result<(), Error> {
    let table = Relation::open(c"trips", c"trip", LockMode::AccessShare);
    let geometry = Geometry::of(&table, "origin")?;
    let mut each = |row: &Row<'_>| {
        let point = |what, column| {
            let point = row.geometry(column, geometry).and_then(point_of);
            point.ok_or_else(|| no_point(what))
        };
        let origin = point("origin", 3)?;
        match &asked.area {
            Some(area) if !area.contains(origin) => Ok(()),
            _ => take(Trip {
                id: row.int8(1).unwrap_or_default(),
                departed_at: row.timestamp(2).unwrap_or_default(),
                origin,
                destination: point("destination", 4)?,
            }),
        }
    };
    let (from, to) = (Value::Date(days.start), Value::Date(days.end));
    if let Some(ingests) = &asked.ingests {
        let region = asked.region.map_or(Value::Null, Value::Int2);
        for ingest in ingests {
            let (first, last) = (trip_id(*ingest, 0), trip_id(*ingest, u64::MAX));
            let arguments = [from, to, first.into(), last.into(), region];
            TRIPS_OF_INGEST.each(&arguments, Snapshot::Caller, &mut each)?;
        }
        return Ok(());
    }
    match asked.region {
        Some(region) => TRIPS_OF_REGION.each(&[from, to, region.into()], Snapshot::Caller, each)?,
        None => TRIPS.each(&[from, to], Snapshot::Caller, each)?,
    };
    Ok(())
}

fn no_point(what: &'static str) -> Error {
    Error::InvalidTrip {
        what,
        detail: "It is an empty point.".to_owned(),
    }
}

/// The wanted trips that depart on these days and are asked about, so many of them.
///
/// # Errors
/// As [`each`]; 53200 if they are more.
pub fn all(
    asked: &Asked,
    days: Range<i32>,
    wanted: &dyn Fn(&Trip) -> bool,
    most: usize,
    memory: &Memory,
    progress: &mut Progress,
) -> Result<Vec<Trip>, Error> {
    let mut trips = Vec::new();
    each(asked, days, |trip| {
        if wanted(&trip) {
            if trips.len() == most {
                return Err(memory.short());
            }
            progress.read(1);
            trips.push(trip);
        }
        Ok(())
    })?;
    Ok(trips)
}

/// Trips, or where they are.
pub enum Look {
    /// All trips that are asked about.
    Trips(Vec<Trip>),
    /// The islands that they are on, where they are too many.
    Islands(Islands),
}

/// Reads the trips that are asked about if they are at most so many, or else finds out where they are.
///
/// # Errors
/// As [`each`]; 53200 where memory is short.
pub fn look(
    asked: &Asked,
    most: usize,
    memory: &Memory,
    progress: &mut Progress,
) -> Result<Look, Error> {
    let mut trips = Vec::new();
    let mut survey: Option<Survey> = None;
    each(asked, asked.days.clone(), |trip| {
        if let Some(survey) = &mut survey {
            return survey.add(&trip);
        }
        if trips.len() < most {
            progress.read(1);
            trips.push(trip);
            return Ok(());
        }
        let mut islands = Survey::new(&asked.limits, memory);
        for trip in trips.drain(..).chain([trip]) {
            islands.add(&trip)?;
        }
        survey = Some(islands);
        Ok(())
    })?;
    Ok(match survey {
        Some(survey) => {
            progress.read_again();
            Look::Islands(survey.islands())
        }
        None => Look::Trips(trips),
    })
}

/// The days that are asked about in stretches of at most so many wanted trips each, but for single days that have more.
///
/// # Errors
/// As [`each`].
pub fn stretches(
    asked: &Asked,
    wanted: &dyn Fn(&Trip) -> bool,
    most: usize,
) -> Result<Vec<Range<i32>>, Error> {
    let mut counts = BTreeMap::<i32, usize>::new();
    each(asked, asked.days.clone(), |trip| {
        if wanted(&trip) {
            *counts.entry(day_of(trip.departed_at)).or_default() += 1;
        }
        Ok(())
    })?;
    let mut stretches = Vec::new();
    let (mut start, mut trips) = (asked.days.start, 0);
    for (day, count) in counts {
        if trips > 0 && trips + count > most {
            stretches.push(start..day);
            (start, trips) = (day, 0);
        }
        trips += count;
    }
    stretches.push(start..asked.days.end);
    Ok(stretches)
}
