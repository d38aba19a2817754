//! Merging runs, so that questions have fewer to ask.

use std::time::{Duration, Instant};

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::area::End;
use trips_core::area::crowd::{self, Extent};
use trips_core::area::indexer::{Indexer, LeavesRequest, Step, Trees as BuiltTrees};

use super::background;
use super::removal;
use super::runs::{self, Run};
use super::store::Trees;
use super::writer::{self, Tables, Writer};
use crate::fault::{self, Point};
use crate::postgres::disk::Use;
use crate::postgres::query::Snapshot;
use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::signals::AllBlocked;
use crate::postgres::transaction;
use crate::settings;
use crate::threads;

/// How long the backend waits for the threads before it looks at interrupts again.
const POLL: Duration = Duration::from_millis(20);

/// How often a merge in the background looks whether anybody waits for the runs.
const COURTESY: Duration = Duration::from_millis(100);

/// What a merge did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Runs that there were.
    pub before: u64,
    /// Runs that there are.
    pub after: u64,
    /// Trips in the runs that were merged, those that are taken away counted as such.
    pub trips: i64,
}

/// Merges all runs into one, or two where trips are taken away that are nowhere to be found.
///
/// # Errors
/// As `runs::all`, and what the threads meet.
pub fn all() -> Result<Summary, Error> {
    fault::arm();
    let _lock = runs::lock();
    let runs = runs::all(Snapshot::Latest)?;
    let mut summary = Summary {
        before: runs.len() as u64,
        after: runs.len() as u64,
        trips: runs.iter().map(|run| run.trips * i64::from(run.sign)).sum(),
    };
    if runs.len() > 1 {
        merge(&runs, None)?;
        summary.after = runs::all(Snapshot::Latest)?.len() as u64;
    } else {
        // What a worker that was ended has left.
        removal::arrange()?;
    }
    Ok(summary)
}

/// Merges runs where they are many: small ones at once, large ones in the background after the commit.
///
/// # Errors
/// As [`all`].
pub fn crowded() -> Result<(), Error> {
    let mut runs = runs_in_trees()?;
    if merge_small(&runs)? {
        runs = runs_in_trees()?;
    }
    match neighbours(&runs).is_empty() {
        true => Ok(()),
        false => background::arrange(),
    }
}

/// Merges small runs where there are many of these; whether it did. Leaves it to others where they are at it, or where this
/// transaction may not see all that others have done.
fn merge_small(runs: &[Run]) -> Result<bool, Error> {
    if transaction::keeps_snapshot() || small(runs).is_empty() {
        return Ok(false);
    }
    let table = Relation::open(c"trips", c"area_run", LockMode::AccessShare);
    if !table.try_lock(LockMode::ShareUpdateExclusive) {
        return Ok(false);
    }
    // Another may have merged them before the lock was had.
    let runs = small(&runs_in_trees()?);
    if !runs.is_empty() {
        merge(&runs, None)?;
    }
    Ok(true)
}

/// Whether [`step`] has anything to merge.
///
/// # Errors
/// As [`all`].
pub fn is_crowded() -> Result<bool, Error> {
    Ok(!neighbours(&runs_in_trees()?).is_empty())
}

/// Merges some runs where there are many, as [`crowd::neighbours`] says; whether it did.
///
/// # Errors
/// As [`all`]; 57014 where somebody waits for the runs.
pub fn step() -> Result<bool, Error> {
    let lock = runs::lock();
    let runs = neighbours(&runs_in_trees()?);
    if runs.is_empty() {
        return Ok(false);
    }
    merge(&runs, Some(&lock))?;
    Ok(true)
}

/// The runs that stand for trips in trees.
fn runs_in_trees() -> Result<Vec<Run>, Error> {
    let mut runs = runs::all_and_pending(Snapshot::Latest)?;
    runs.retain(|run| run.sign != 0);
    Ok(runs)
}

/// The runs that a load merges by itself, none where they are few. Those that fill the memory of an ingest by half are not
/// among them: to merge these takes as long as to load them.
fn small(runs: &[Run]) -> Vec<Run> {
    let enough = (super::collect::capacity() / 2) as i64;
    let small: Vec<Run> = runs
        .iter()
        .filter(|run| run.trips < enough)
        .copied()
        .collect();
    choose(&small, crowd::smallest)
}

/// The runs that are merged next in the background, none where they are few.
fn neighbours(runs: &[Run]) -> Vec<Run> {
    choose(runs, crowd::neighbours)
}

/// The runs at the places that are chosen.
fn choose(runs: &[Run], places: impl Fn(&[Extent]) -> Vec<usize>) -> Vec<Run> {
    let extents: Vec<Extent> = runs.iter().map(Run::extent).collect();
    let chosen = places(&extents).into_iter();
    chosen
        .filter_map(|place| runs.get(place).copied())
        .collect()
}

/// Replaces runs by one of the same trips. The caller has [`runs::lock`]; with `lock`, which is that, the merge fails where
/// anybody waits for it.
fn merge(runs: &[Run], lock: Option<&Relation>) -> Result<(), Error> {
    let tables = Tables::open();
    let signs: Vec<i8> = runs.iter().map(|run| run.sign.signum() as i8).collect();
    let (plus, minus) = (tables.next_run()?, tables.next_run()?);
    let mut writer = Writer::begin(&tables, Use::Sparing)?;
    let (added, taken) = {
        let blocked = AllBlocked::new();
        let mut indexer = Indexer::merge(&signs, plus, minus)?;
        drop(blocked);
        let _registered = threads::register(indexer.control());
        feed(&mut indexer, runs, &mut writer, lock)?;
        indexer.finish()?
    };
    require_all(runs, &added, &taken)?;
    let written = |id, sign, ingest, trees: &BuiltTrees, writer: &mut Writer<'_>| {
        writer.complete(writer::Run { id, sign, ingest }, trees);
    };
    written(plus, 1, common_ingest(runs), &added, &mut writer);
    written(minus, -1, None, &taken, &mut writer);
    writer.finish();
    fault::reach(Point::Merge);
    removal::replaced(runs)?;
    removal::arrange()
}

/// The ingest that all of the runs have all their trips of.
fn common_ingest(runs: &[Run]) -> Option<i64> {
    let first = runs.first().and_then(|run| run.ingest)?;
    let is_its = |run: &Run| run.sign > 0 && run.ingest == Some(first);
    runs.iter().all(is_its).then_some(first)
}

/// Gives the threads what they ask for and stores what they make.
fn feed(
    indexer: &mut Indexer,
    runs: &[Run],
    writer: &mut Writer<'_>,
    lock: Option<&Relation>,
) -> Result<(), Error> {
    let mut looked: Option<Instant> = None;
    let mut reader = Reader::new(runs)?;
    while let Some(step) = indexer.next(POLL)? {
        match step {
            Step::Row(row) => writer.add(row),
            Step::Leaves(request) => reader.answer(request)?,
            Step::Waiting => {}
        }
        check_for_interrupts!();
        if let Some(lock) = lock
            && looked.is_none_or(|looked| looked.elapsed() >= COURTESY)
        {
            if lock.has_waiters(LockMode::ShareUpdateExclusive) {
                return Err(Error::MergeGivesWay);
            }
            looked = Some(Instant::now());
        }
    }
    Ok(())
}

/// Reads the leaves of the runs that are merged.
struct Reader<'r> {
    trees: Trees,
    runs: &'r [Run],
    /// How many leaves of each run's trees have been read: of origins and of destinations.
    read: Vec<[u32; 2]>,
    /// Leaves that are read at a time.
    limit: usize,
}

/// What a leaf takes while it waits and after it has been decoded, and a little more.
const BYTES_PER_LEAF: usize = 64 * 1024;

/// Leaves that are read at a time where there is memory for more.
const MOST_LEAVES: usize = 32;

impl<'r> Reader<'r> {
    fn new(runs: &'r [Run]) -> Result<Reader<'r>, Error> {
        let leaves = settings::area_memory() / BYTES_PER_LEAF;
        Ok(Reader {
            trees: Trees::open(Snapshot::Latest)?,
            runs,
            read: vec![[0; 2]; runs.len()],
            // Two trees; of each run some leaves are merged while the next are at hand.
            limit: (leaves / (4 * runs.len().max(1))).clamp(1, MOST_LEAVES),
        })
    }

    fn answer(&mut self, request: LeavesRequest) -> Result<(), Error> {
        let place = usize::from(request.end == End::Destination);
        let input = request.input;
        let run = self.runs.get(input);
        let read = self
            .read
            .get_mut(input)
            .and_then(|read| read.get_mut(place));
        let (Some(run), Some(read)) = (run, read) else {
            return Err(Error::Internal {
                what: "a merge asked for an input that it does not have".to_owned(),
            });
        };
        let leaves = self
            .trees
            .leaves_from(run.id, request.end, *read, self.limit)?;
        *read += leaves.len() as u32;
        request.answer(leaves);
        Ok(())
    }
}

/// Refuses trees that a merge has found to hold other trips than their runs say. Only origins are known: of trips that are
/// taken away, more may have cancelled in one tree than in the other.
fn require_all(runs: &[Run], added: &BuiltTrees, taken: &BuiltTrees) -> Result<(), Error> {
    let expected: i64 = runs
        .iter()
        .map(|run| run.trips * i64::from(run.sign.signum()))
        .sum();
    let found = added.origin.trips as i64 - taken.origin.trips as i64;
    match found == expected {
        true => Ok(()),
        false => Err(Error::CorruptTree {
            what: format!("runs of {expected} trips have {found} origins"),
        }),
    }
}
