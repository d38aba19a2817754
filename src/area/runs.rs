//! The runs that a statement sees.

use trips_core::Error;
use trips_core::area::crowd::Extent;

use crate::postgres::query::{Snapshot, Statement};
use crate::postgres::receiver::Row;
use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::role::ActingAsOwner;

/// A row of `trips.area_run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// 1 for a run that adds, -1 for one that takes away.
    pub sign: i16,
    /// The ingest whose trips it has, where they are of one and it is known.
    pub ingest: Option<i64>,
    /// How many trips it has.
    pub trips: i64,
    /// Its first day, since 2000-01-01.
    pub first_day: i32,
    /// Its last day.
    pub last_day: i32,
    /// The height of its tree of origins.
    pub origin_height: u8,
    /// The height of its tree of destinations.
    pub destination_height: u8,
}

impl Run {
    /// What counts of it where runs are many.
    pub fn extent(&self) -> Extent {
        Extent {
            trips: self.trips,
            first_day: self.first_day,
            last_day: self.last_day,
        }
    }
}

static RUNS: Statement = Statement::new(
    c"SELECT id, sign, ingest_id, trips, first_day, last_day, origin_height, destination_height, days FROM trips.area_run",
    &[],
);

/// The column of the rows that [`each`] gives.
pub const DAYS: usize = 9;

/// Locks the runs so that none but this transaction removes or changes any; new ones may come. Reading goes on.
pub fn lock() -> Relation {
    Relation::open(c"trips", c"area_run", LockMode::ShareUpdateExclusive)
}

/// All runs, in the order of their ids.
///
/// # Errors
/// 55000 where trips are in no tree; XX002 where a row is not what was written.
pub fn all(snapshot: Snapshot) -> Result<Vec<Run>, Error> {
    let mut runs = all_and_pending(snapshot)?;
    runs.iter().try_for_each(refuse_pending)?;
    runs.sort_unstable_by_key(|run| run.id);
    Ok(runs)
}

/// All runs, and what stands for trips that are in no tree: its sign is 0.
///
/// # Errors
/// XX002 where a row is not what was written.
pub fn all_and_pending(snapshot: Snapshot) -> Result<Vec<Run>, Error> {
    let mut runs = Vec::new();
    each_row(snapshot, |row| {
        runs.push(run(row)?);
        Ok(())
    })?;
    Ok(runs)
}

fn refuse_pending(run: &Run) -> Result<(), Error> {
    match run.sign {
        0 => Err(Error::PendingTrees {
            ingest: run.ingest.unwrap_or_default(),
        }),
        _ => Ok(()),
    }
}

/// Calls `each` with all runs and their rows, whose column [`DAYS`] has the trips of their days, see
/// `DayCounts::encode`.
///
/// # Errors
/// As [`all`].
pub fn each(
    snapshot: Snapshot,
    mut each: impl FnMut(Run, &Row<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    each_row(snapshot, |row| {
        let run = run(row)?;
        refuse_pending(&run)?;
        each(run, row)
    })
}

fn each_row(
    snapshot: Snapshot,
    each: impl FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let table = Relation::open(c"trips", c"area_run", LockMode::AccessShare);
    let _owner = ActingAsOwner::of(&table);
    RUNS.each(&[], snapshot, each)?;
    Ok(())
}

fn run(row: &Row<'_>) -> Result<Run, Error> {
    let read = || {
        Some(Run {
            id: row.int8(1)?,
            sign: row.int2(2)?,
            ingest: row.int8(3),
            trips: row.int8(4)?,
            first_day: row.date(5)?,
            last_day: row.date(6)?,
            origin_height: u8::try_from(row.int2(7)?).ok()?,
            destination_height: u8::try_from(row.int2(8)?).ok()?,
        })
    };
    read().ok_or_else(|| Error::CorruptTree {
        what: "a run lacks a value".to_owned(),
    })
}
