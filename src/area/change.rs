//! Changes of trips.trip that are no ingest: rows that are inserted, changed or removed by hand, or forgotten. The
//! triggers of the table call these.

use trips_core::Error;
use trips_core::area::Entry;
use trips_core::area::days::day_of;
use trips_core::ingest::parse::point::Point;
use trips_core::ingest::tuple::{point_of, trip_id};

use super::collect::Collector;
use super::compact;
use super::removal;
use super::runs;
use super::writer::Tables;
use crate::ingest::guard;
use crate::postgres::own_statement::OwnStatement;
use crate::postgres::planner::KeyLookups;
use crate::postgres::privileges;
use crate::postgres::query::{self, Snapshot, Statement};
use crate::postgres::receiver::{Geometry, Row};
use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::role::ActingAsOwner;
use crate::postgres::spi;
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
    let mut collector = Collector::begin(&tables, sign, None)?;
    let mut count = 0;
    query::cursor(cursor, |row| {
        count += 1;
        match entry(row) {
            Ok(entry) => collector.add(std::iter::once(entry)),
            // What is no trip is in no tree.
            Err(_) if sign < 0 => Ok(()),
            Err(error) => Err(error),
        }
    })?;
    collector.finish()?;
    if count > 0 {
        guard::keep(&trip)?;
        compact::crowded()?;
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
    c"SELECT 1 FROM trips.trip \
       WHERE id OPERATOR(pg_catalog.>=) $1 AND id OPERATOR(pg_catalog.<=) $2 LIMIT 1",
    &[Type::Int8, Type::Int8],
);

/// Removes the runs of an ingest if they have just so many trips, and trips.trip has none of the ingest any more. Gives
/// whether it did.
///
/// # Errors
/// As `runs::all`.
pub fn drop_runs(ingest: i64, trips: i64) -> Result<bool, Error> {
    if own_runs(ingest)?.is_empty() {
        return Ok(false);
    }
    let _lock = runs::lock();
    let runs = own_runs(ingest)?;
    if trips_of(&runs) != trips || has_trips(ingest)? {
        return Ok(false);
    }
    remove(&runs)?;
    Ok(true)
}

/// The runs that have trips of the ingest and no others.
fn own_runs(ingest: i64) -> Result<Vec<runs::Run>, Error> {
    let mut runs = runs::all_and_pending(Snapshot::Latest)?;
    runs.retain(|run| run.ingest == Some(ingest) && run.sign >= 0);
    Ok(runs)
}

fn trips_of(runs: &[runs::Run]) -> i64 {
    runs.iter().map(|run| run.trips).sum()
}

fn remove(runs: &[runs::Run]) -> Result<(), Error> {
    runs.iter().try_for_each(|run| removal::remove(run.id))
}

static COUNT_TRIPS: Statement = Statement::new(
    c"SELECT pg_catalog.count(*) FROM trips.trip \
       WHERE id OPERATOR(pg_catalog.>=) $1 AND id OPERATOR(pg_catalog.<=) $2",
    &[Type::Int8, Type::Int8],
);

static READ_TRIPS: Statement = Statement::new(
    c"SELECT origin, destination, departed_at, region_id FROM trips.trip \
       WHERE id OPERATOR(pg_catalog.>=) $1 AND id OPERATOR(pg_catalog.<=) $2",
    &[Type::Int8, Type::Int8],
);

static DELETE_TRIPS: Statement = Statement::new(
    c"DELETE FROM trips.trip \
       WHERE id OPERATOR(pg_catalog.>=) $1 AND id OPERATOR(pg_catalog.<=) $2",
    &[Type::Int8, Type::Int8],
);

/// Deletes the trips of an ingest, and has the trees forget them where no trigger does. Gives their number.
///
/// # Errors
/// 0A000 where policies hide trips and no trigger tells which are deleted; as `runs::all`.
pub fn forget(ingest: i64) -> Result<i64, Error> {
    let trip = open_trip();
    let _own = OwnStatement::begin();
    let delete = || {
        DELETE_TRIPS
            .run(&ids_of(ingest))
            .map(|deleted| deleted as i64)
    };
    let follows: bool = spi::value(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger \
                         WHERE tgrelid OPERATOR(pg_catalog.=) $1 \
                           AND tgfoid OPERATOR(pg_catalog.=) pg_catalog.to_regprocedure('trips.trip_deleted()'))",
        &[trip.oid().into()],
    )?;
    if follows {
        return delete();
    }
    if privileges::row_security_hides(&trip) {
        return Err(Error::Unsupported {
            what: "forgetting trips with row-level security on a trips.trip without triggers"
                .to_owned(),
            hint: String::new(),
        });
    }
    let _lock = runs::lock();
    let mut known = 0;
    COUNT_TRIPS.each(&ids_of(ingest), Snapshot::Latest, |row| {
        known = row.int8(1).unwrap_or_default();
        Ok(())
    })?;
    let runs = own_runs(ingest)?;
    let are_theirs = trips_of(&runs) == known;
    if !are_theirs {
        release(&[ingest])?;
        take_away(ingest, &trip)?;
    }
    let deleted = delete()?;
    if deleted != known {
        return Err(Error::Internal {
            what: format!(
                "{deleted} trips of ingest {ingest} were removed, and there had been {known}"
            ),
        });
    }
    if are_theirs {
        remove(&runs)?;
    }
    Ok(deleted)
}

/// Writes runs that take away the trips of an ingest.
fn take_away(ingest: i64, trip: &Relation) -> Result<(), Error> {
    let geometry = Geometry::of(trip, "origin")?;
    let tables = Tables::open();
    let mut collector = Collector::begin(&tables, -1, None)?;
    READ_TRIPS.each(&ids_of(ingest), Snapshot::Latest, |row| {
        let point = |column| row.geometry(column, geometry).and_then(point_of);
        let (departed_at, region) = (row.timestamp(3), row.int2(4));
        match (point(1), point(2), departed_at, region) {
            (Some(origin), Some(destination), Some(at), Some(region)) => {
                let entry = Entry::new(origin, destination, day_of(at), region);
                collector.add(std::iter::once(entry))
            }
            // What is no trip is in no tree.
            _ => Ok(()),
        }
    })?;
    collector.finish()
}

/// The first and the last id that trips of an ingest can have.
fn ids_of(ingest: i64) -> [Value<'static>; 2] {
    [trip_id(ingest, 0).into(), trip_id(ingest, u64::MAX).into()]
}

/// Whether trips.trip has trips of the ingest, or may have some that are hidden from its owner.
fn has_trips(ingest: i64) -> Result<bool, Error> {
    let trip = open_trip();
    let _owner = ActingAsOwner::of(&trip);
    if privileges::row_security_hides(&trip) {
        return Ok(true);
    }
    let _lookups = KeyLookups::by_range();
    Ok(HAS_TRIPS.each(&ids_of(ingest), Snapshot::Latest, |_| Ok(()))? > 0)
}

static ANY_TRIP: Statement = Statement::new(c"SELECT 1 FROM trips.trip LIMIT 1", &[]);

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
