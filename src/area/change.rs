//! Changes of trips.trip that are no ingest: rows that are inserted, changed or removed by hand, or forgotten. The
//! triggers of the table call these.

use trips_core::Error;
use trips_core::area::Entry;
use trips_core::area::days::day_of;
use trips_core::ingest::parse::point::Point;

use super::collect::Collector;
use super::compact;
use super::removal;
use super::runs;
use super::writer::Tables;
use crate::ingest::guard;
use crate::postgres::planner::KeyLookups;
use crate::postgres::privileges;
use crate::postgres::query::{self, Snapshot, Statement};
use crate::postgres::receiver::Row;
use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::role::ActingAsOwner;
use crate::postgres::value::{Type, Value};

/// Writes runs of the rows of an open cursor: they are added where `sign` is 1, taken away where it is -1. Gives their
/// number.
///
/// # Errors
/// 22003 and 22008 for rows that are no trips; 42501 unless the cursor reads what a statement has just changed in
/// trips.trip, or the caller owns that.
pub fn index(cursor: &str, sign: i16) -> Result<i64, Error> {
    let trip = open_trip();
    if !query::reads_changes_of(cursor, &trip) {
        require_owner(&trip)?;
    }
    let tables = Tables::open();
    let mut collector = Collector::begin(&tables, sign, None);
    let mut count = 0;
    query::cursor(cursor, |row| {
        count += 1;
        match entry(row) {
            Ok(entry) => collector.add(&[entry]),
            // What is no trip is in no tree.
            Err(_) if sign < 0 => Ok(()),
            Err(error) => Err(error),
        }
    })?;
    collector.finish()?;
    if count > 0 {
        guard::keep(&trip)?;
        compact::small()?;
    }
    Ok(count)
}

/// The trip of a row: longitude and latitude of origin and destination, departure, region.
fn entry(row: &Row<'_>) -> Result<Entry, Error> {
    let point = |what, columns: (usize, usize)| {
        let (lon, lat) = (row.float8(columns.0), row.float8(columns.1));
        match (lon, lat) {
            (Some(lon), Some(lat)) if lon.abs() <= 180.0 && lat.abs() <= 90.0 => {
                Ok(Point { lon, lat })
            }
            (Some(lon), Some(lat)) => Err(Error::InvalidTrip {
                what,
                detail: format!(
                    "It is POINT({lon} {lat}); longitudes are -180 to 180 degrees, latitudes -90 to 90."
                ),
            }),
            _ => Err(Error::InvalidTrip {
                what,
                detail: "It is an empty point.".to_owned(),
            }),
        }
    };
    let departed_at = row
        .timestamp(5)
        .filter(|at| !matches!(*at, i64::MIN | i64::MAX));
    let region_id = row.int2(6).unwrap_or_default();
    if region_id <= 0 {
        return Err(Error::InvalidTrip {
            what: "region_id",
            detail: format!("It is {region_id}; the ids of regions are above 0."),
        });
    }
    let day = departed_at.map(day_of).ok_or(Error::InvalidTrip {
        what: "departed_at",
        detail: "It is not a finite time.".to_owned(),
    })?;
    let (origin, destination) = (point("origin", (1, 2))?, point("destination", (3, 4))?);
    Ok(Entry::new(origin, destination, day, region_id))
}

static RELEASE: Statement = Statement::new(
    c"UPDATE trips.area_run SET ingest_id = NULL \
       WHERE ingest_id OPERATOR(pg_catalog.=) ANY ($1) AND sign OPERATOR(pg_catalog.<>) 0",
    &[Type::Int8s],
);

/// Forgets of the runs of some ingests that they have just the ingest's trips.
///
/// # Errors
/// As `runs::all`.
pub fn release(ingests: &[i64]) -> Result<(), Error> {
    let runs = runs::all_and_pending(Snapshot::Latest)?;
    if !runs.iter().any(|run| is_of(run.ingest, ingests)) {
        return Ok(());
    }
    let table = runs::lock();
    let _owner = ActingAsOwner::of(&table);
    RELEASE.run(&[Value::Int8s(ingests)])?;
    Ok(())
}

fn is_of(ingest: Option<i64>, ingests: &[i64]) -> bool {
    ingest.is_some_and(|ingest| ingests.contains(&ingest))
}

static HAS_TRIPS: Statement = Statement::new(
    c"SELECT WHERE EXISTS (SELECT FROM trips.trip \
       WHERE id OPERATOR(pg_catalog.>=) $1 AND id OPERATOR(pg_catalog.<=) $2)",
    &[Type::Int8, Type::Int8],
);

/// Removes the runs of an ingest if they have just so many trips, and trips.trip has none of the ingest any more. Gives
/// whether it did.
///
/// # Errors
/// As `runs::all`.
pub fn drop_runs(ingest: i64, trips: i64) -> Result<bool, Error> {
    let are_its = |run: &runs::Run| run.ingest == Some(ingest) && run.sign >= 0;
    if !runs::all_and_pending(Snapshot::Latest)?.iter().any(are_its) {
        return Ok(false);
    }
    let _lock = runs::lock();
    let mut runs = runs::all_and_pending(Snapshot::Latest)?;
    runs.retain(are_its);
    if runs.iter().map(|run| run.trips).sum::<i64>() != trips || has_trips(ingest)? {
        return Ok(false);
    }
    for run in runs {
        removal::remove(run.id)?;
    }
    Ok(true)
}

/// Whether trips.trip has trips of the ingest, or may have some that are hidden from its owner.
fn has_trips(ingest: i64) -> Result<bool, Error> {
    let trip = open_trip();
    let _owner = ActingAsOwner::of(&trip);
    if privileges::row_security_hides(&trip) {
        return Ok(true);
    }
    let _lookups = KeyLookups::by_range();
    let (first, last) = (ingest << 32, ingest << 32 | 0xffff_ffff);
    let arguments = [Value::Int8(first), Value::Int8(last)];
    Ok(HAS_TRIPS.each(&arguments, Snapshot::Latest, |_| Ok(()))? > 0)
}

static ANY_TRIP: Statement = Statement::new(c"SELECT WHERE EXISTS (SELECT FROM trips.trip)", &[]);

static EMPTY: [Statement; 6] = [
    Statement::new(c"DELETE FROM trips.area_run", &[]),
    Statement::new(c"DELETE FROM trips.area_node", &[]),
    Statement::new(c"DELETE FROM trips.area_leaf", &[]),
    Statement::new(c"DELETE FROM trips.area_part", &[]),
    Statement::new(c"DELETE FROM trips.region_day", &[]),
    Statement::new(c"DELETE FROM trips.area_obsolete", &[]),
];

/// Removes all runs; who has an older snapshot goes on to see them.
///
/// # Errors
/// 42501 unless trips.trip is empty or the caller owns it.
pub fn drop_all() -> Result<(), Error> {
    let trip = open_trip();
    let owner = ActingAsOwner::of(&trip);
    let any = privileges::row_security_hides(&trip)
        || ANY_TRIP.each(&[], Snapshot::Latest, |_| Ok(()))? > 0;
    drop(owner);
    if any {
        require_owner(&trip)?;
    }
    let table = runs::lock();
    let _obsolete = removal::lock();
    let _owner = ActingAsOwner::of(&table);
    for statement in &EMPTY {
        statement.run(&[])?;
    }
    Ok(())
}

fn open_trip() -> Relation {
    Relation::open(c"trips", c"trip", LockMode::AccessShare)
}

fn require_owner(trip: &Relation) -> Result<(), Error> {
    match privileges::owns(trip) {
        true => Ok(()),
        false => Err(Error::NotPermitted {
            what: "change the area trees",
            detail: "Only the owner of trips.trip may do so; changes of its rows do it by themselves.",
        }),
    }
}
