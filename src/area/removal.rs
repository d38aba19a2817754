//! Removing runs: at once, or where that takes long by a background worker, so that whoever merges runs need not wait.
//!
//! A run is gone for all questions when its row of `trips.area_run` is. Its nodes and leaves may stay for a while:
//! `trips.area_obsolete` says whose they were.

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::area::id;

use super::runs::Run;
use crate::postgres::planner::KeyLookups;
use crate::postgres::query::{Snapshot, Statement};
use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::role::ActingAsOwner;
use crate::postgres::session;
use crate::postgres::value::{Type, Value};
use crate::postgres::worker::{self, Worker};

/// From how many trips on a worker removes what a merge has replaced: what takes a tenth of a second or more.
const LATER_FROM: i64 = 1_000_000;

/// The name under which [`main`](trips_ext_removal_worker) is found.
const FUNCTION: &str = "trips_ext_removal_worker";

static REMOVE_RUN: Statement = Statement::new(
    c"DELETE FROM trips.area_run WHERE id OPERATOR(pg_catalog.=) $1",
    &[Type::Int8],
);

static REMOVE_REGIONS: Statement = Statement::new(
    c"DELETE FROM trips.region_day WHERE run_id OPERATOR(pg_catalog.=) $1",
    &[Type::Int8],
);

static REMOVE_NODES: Statement = Statement::new(
    c"DELETE FROM trips.area_node WHERE id OPERATOR(pg_catalog.>=) $1 AND id OPERATOR(pg_catalog.<=) $2",
    &[Type::Int8, Type::Int8],
);

static REMOVE_LEAVES: Statement = Statement::new(
    c"DELETE FROM trips.area_leaf WHERE id OPERATOR(pg_catalog.>=) $1 AND id OPERATOR(pg_catalog.<=) $2",
    &[Type::Int8, Type::Int8],
);

static REMOVE_PARTS: Statement = Statement::new(
    c"DELETE FROM trips.area_part WHERE leaf_id OPERATOR(pg_catalog.>=) $1 AND leaf_id OPERATOR(pg_catalog.<=) $2",
    &[Type::Int8, Type::Int8],
);

static ADD_OBSOLETE: Statement = Statement::new(
    c"INSERT INTO trips.area_obsolete (run_id) VALUES ($1)",
    &[Type::Int8],
);

static FIRST_OBSOLETE: Statement = Statement::new(
    c"SELECT run_id FROM trips.area_obsolete ORDER BY run_id LIMIT 1",
    &[],
);

static REMOVE_OBSOLETE: Statement = Statement::new(
    c"DELETE FROM trips.area_obsolete WHERE run_id OPERATOR(pg_catalog.=) $1",
    &[Type::Int8],
);

/// Removes a run and all its rows.
///
/// # Errors
/// None of its own.
pub fn remove(run: i64) -> Result<(), Error> {
    remove_run(run)?;
    remove_tree(run)
}

/// Removes runs that another has all trips of now; where these are many, [`arrange`] sees to their nodes and leaves.
///
/// # Errors
/// None of its own.
pub fn replaced(runs: &[Run]) -> Result<(), Error> {
    let is_long = runs.iter().map(|run| run.trips).sum::<i64>() >= LATER_FROM;
    for run in runs {
        remove_run(run.id)?;
        if is_long {
            let table = obsolete(LockMode::RowExclusive);
            let _owner = ActingAsOwner::of(&table);
            ADD_OBSOLETE.run(&[Value::Int8(run.id)])?;
        } else {
            remove_tree(run.id)?;
        }
    }
    Ok(())
}

/// Has a worker remove what there is to remove when this transaction has committed, or removes it where no worker is free.
///
/// # Errors
/// None of its own.
pub fn arrange() -> Result<(), Error> {
    if !is_pending()? {
        return Ok(());
    }
    let argument = u64::from(session::database().to_u32()) << 32
        | u64::from(session::authenticated_role().to_u32());
    if Worker::start("trips_ext removal", FUNCTION, argument).is_none() {
        while remove_first()? {}
    }
    Ok(())
}

/// Whether there is anything to remove.
///
/// # Errors
/// None of its own.
pub fn is_pending() -> Result<bool, Error> {
    Ok(first_obsolete()?.is_some())
}

/// Where a worker starts; its argument is the database and, in the lower 32 bits, the role.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn trips_ext_removal_worker(argument: pg_sys::Datum) {
    let argument = argument.value() as u64;
    worker::connect(
        pg_sys::Oid::from((argument >> 32) as u32),
        pg_sys::Oid::from(argument as u32),
    );
    worker::end_on_sigterm();
    // Whoever has added runs holds a lock that conflicts with this one until the transaction ends.
    worker::transaction(|| drop(obsolete(LockMode::Share)));
    // One at a time, so that no transaction is long.
    loop {
        match worker::transaction(remove_first) {
            Ok(true) => worker::report_statistics(),
            Ok(false) => break,
            Err(error) => {
                log!("trips_ext could not remove a run: {}", error.message());
                break;
            }
        }
    }
}

/// Locks the obsolete runs so that none but this transaction removes their nodes and leaves.
pub fn lock() -> Relation {
    obsolete(LockMode::ShareUpdateExclusive)
}

/// Removes the nodes and leaves of one obsolete run; false where there is none.
fn remove_first() -> Result<bool, Error> {
    let table = lock();
    let Some(run) = first_obsolete()? else {
        return Ok(false);
    };
    remove_tree(run)?;
    let _owner = ActingAsOwner::of(&table);
    REMOVE_OBSOLETE.run(&[Value::Int8(run)])?;
    Ok(true)
}

fn first_obsolete() -> Result<Option<i64>, Error> {
    let table = obsolete(LockMode::AccessShare);
    let _owner = ActingAsOwner::of(&table);
    let mut first = None;
    FIRST_OBSOLETE.each(&[], Snapshot::Latest, |row| {
        first = row.int8(1);
        Ok(())
    })?;
    Ok(first)
}

fn obsolete(mode: LockMode) -> Relation {
    Relation::open(c"trips", c"area_obsolete", mode)
}

/// Removes what makes a run one.
fn remove_run(run: i64) -> Result<(), Error> {
    let table = Relation::open(c"trips", c"area_run", LockMode::RowExclusive);
    let _owner = ActingAsOwner::of(&table);
    let _lookups = KeyLookups::begin();
    REMOVE_RUN.run(&[Value::Int8(run)])?;
    REMOVE_REGIONS.run(&[Value::Int8(run)])?;
    Ok(())
}

/// Removes the nodes and leaves of a run.
fn remove_tree(run: i64) -> Result<(), Error> {
    let table = Relation::open(c"trips", c"area_leaf", LockMode::RowExclusive);
    let _owner = ActingAsOwner::of(&table);
    let _lookups = KeyLookups::begin();
    let (first, last) = id::of_run(run);
    for rows in [&REMOVE_NODES, &REMOVE_LEAVES, &REMOVE_PARTS] {
        rows.run(&[Value::Int8(first), Value::Int8(last)])?;
    }
    Ok(())
}
