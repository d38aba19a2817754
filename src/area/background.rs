//! Merging runs in the background: where a load leaves many that are too large to be merged by itself, a worker merges some of
//! them at a time once nobody loads any more.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use trips_core::Error;

use super::{compact, removal, runs};
use crate::postgres::query::Snapshot;
use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::storage::Storage;
use crate::postgres::worker::{self, Worker};
use crate::postgres::{exit, latch, session, spi};
use crate::status::attempt::lock_key;
use crate::{error, ingest, settings};

/// The name under which [`main`](trips_ext_merging_worker) is found.
const FUNCTION: &str = "trips_ext_merging_worker";

/// Between two looks whether anybody loads.
const PAUSE: Duration = Duration::from_secs(1);

/// How long autovacuum is waited for. By default it looks every minute.
const PATIENCE: Duration = Duration::from_secs(180);

/// The key of the lock that the one worker of a database holds; no ingest has that number.
const MERGING: i64 = lock_key(0xffff_fffe);

/// Has a worker merge runs when this transaction has committed, unless one waits to do so already, or none is free.
///
/// # Errors
/// As [`Storage::of`].
pub fn arrange() -> Result<(), Error> {
    let Some(delay) = settings::merge_delay() else {
        return Ok(());
    };
    if !trees_are_here()? || !try_to_be_the_one()? {
        return Ok(());
    }
    spi::run(
        "SELECT pg_catalog.pg_advisory_unlock($1)",
        &[MERGING.into()],
    )?;
    let text = format!(
        "{} {} {}",
        session::database().to_u32(),
        session::authenticated_role().to_u32(),
        delay.as_secs()
    );
    // Where no slot is free, the next load tries again.
    Worker::start_with("trips_ext merging", FUNCTION, &text);
    Ok(())
}

/// Whether questions read the trees by the snapshot that they read the runs by. Other servers have one of their own, so that a
/// question that meets a merge as it commits may miss a node: nobody shall meet one who has not asked for it.
fn trees_are_here() -> Result<bool, Error> {
    for name in [c"area_node", c"area_leaf", c"area_part"] {
        let table = Relation::open(c"trips", name, LockMode::AccessShare);
        if Storage::of(&table)? != Storage::Heap {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where a worker starts; its text is the database, the role to connect as, and the seconds in which nobody must load.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn trips_ext_merging_worker(_argument: pg_sys::Datum) {
    let mut numbers = worker::text().split(' ').map(str::parse::<u32>);
    let (Some(Ok(database)), Some(Ok(role)), Some(Ok(delay))) =
        (numbers.next(), numbers.next(), numbers.next())
    else {
        return;
    };
    worker::connect(database.into(), role.into());
    worker::end_on_sigterm();
    exit::before_exit(ingest::session_ends);
    if !worker::in_transaction(try_to_be_the_one) {
        return;
    }
    let delay = Duration::from_secs(delay.into());
    while wait_until_quiet(delay) {
        match merge() {
            Merge::Done if worker::in_transaction(compact::is_crowded) => wait_for_room(),
            Merge::GaveWay => {}
            Merge::Done | Merge::Nothing | Merge::Failed => break,
        }
    }
}

/// Waits until nobody has loaded for so long; false where the extension is gone.
fn wait_until_quiet(delay: Duration) -> bool {
    let mut since = Instant::now();
    let mut seen = None;
    loop {
        let Some(now) = worker::in_transaction(activity) else {
            return false;
        };
        if now.is_at_it || seen != Some(now) {
            since = Instant::now();
            seen = Some(now);
        }
        let left = delay.saturating_sub(since.elapsed());
        if left.is_zero() && !now.is_at_it {
            return true;
        }
        worker::show_activity(c"trips_ext: waits until nobody loads");
        latch::wait(if now.is_at_it { PAUSE } else { left.min(PAUSE) });
    }
}

/// Waits until the room of what was merged can be used by the next merge: what autovacuum does, where it is on. Else each merge
/// would make the tables grow by what it writes.
fn wait_for_room() {
    let since = Instant::now();
    worker::report_statistics();
    worker::show_activity(c"trips_ext: waits for autovacuum");
    // The worker that removes what was merged may be about to report it.
    latch::wait(PAUSE);
    while since.elapsed() < PATIENCE && worker::in_transaction(lacks_room) {
        latch::wait(PAUSE);
    }
}

/// Whether much of the trees is to be removed, or vacuumed: as much as autovacuum sees to at its defaults.
fn lacks_room() -> Result<bool, Error> {
    if Relation::find(c"trips", c"area_part", LockMode::AccessShare).is_none() {
        return Ok(false);
    }
    Ok(removal::is_pending()?
        || spi::value(
            "SELECT pg_catalog.current_setting('autovacuum')::boolean \
                AND 5 OPERATOR(pg_catalog.*) n_dead_tup OPERATOR(pg_catalog.>) n_live_tup \
               FROM pg_catalog.pg_stat_all_tables \
              WHERE relid OPERATOR(pg_catalog.=) 'trips.area_part'::pg_catalog.regclass",
            &[],
        )?)
}

/// What became of a merge.
enum Merge {
    Done,
    /// There was nothing to merge.
    Nothing,
    /// Somebody waited for the runs.
    GaveWay,
    Failed,
}

/// Merges once.
fn merge() -> Merge {
    worker::show_activity(c"trips_ext: merges runs");
    let gave_way = Cell::new(false);
    let merged = PgTryBuilder::new(AssertUnwindSafe(|| {
        Ok(worker::in_transaction(AssertUnwindSafe(|| {
            let merged = compact::step();
            gave_way.set(matches!(merged, Err(Error::MergeGivesWay)));
            merged
        })))
    }))
    .catch_others(|caught| Err(error::caught_failure(&caught)))
    .execute();
    match merged {
        Ok(true) => Merge::Done,
        Ok(false) => Merge::Nothing,
        Err(failure) => {
            worker::abort_transaction();
            log!("trips_ext merges no runs: {}", failure.message);
            if gave_way.get() {
                Merge::GaveWay
            } else {
                Merge::Failed
            }
        }
    }
}

/// What tells whether anybody loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Activity {
    /// What changes where somebody has added or removed runs.
    last_run: Option<i64>,
    runs: usize,
    /// Whether somebody is adding or removing some.
    is_at_it: bool,
}

/// None where the extension is gone.
fn activity() -> Result<Option<Activity>, Error> {
    let Some(table) = Relation::find(c"trips", c"area_run", LockMode::AccessShare) else {
        return Ok(None);
    };
    let runs = runs::all_and_pending(Snapshot::Latest)?;
    let is_at_it = spi::value(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks \
                         WHERE relation OPERATOR(pg_catalog.=) $1 AND database OPERATOR(pg_catalog.=) $2 \
                           AND mode OPERATOR(pg_catalog.<>) 'AccessShareLock')",
        &[table.oid().into(), session::database().into()],
    )?;
    Ok(Some(Activity {
        last_run: runs.iter().map(|run| run.id).max(),
        runs: runs.len(),
        is_at_it,
    }))
}

/// Whether no other session has the lock that this one then has.
fn try_to_be_the_one() -> Result<bool, Error> {
    spi::value(
        "SELECT pg_catalog.pg_try_advisory_lock($1)",
        &[MERGING.into()],
    )
}
