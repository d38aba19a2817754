//! Merging runs, so that questions have fewer to ask.

use std::time::Duration;

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::area::End;
use trips_core::area::indexer::{Indexer, LeavesRequest, Step, Trees as BuiltTrees};

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

/// Runs of about one size that are let be. One more, and they are merged with all smaller ones; so their number
/// grows with the logarithm of the trips.
const RUNS_OF_A_SIZE: usize = 7;

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
        merge(&runs)?;
        summary.after = runs::all(Snapshot::Latest)?.len() as u64;
    } else {
        // What a worker that was ended has left.
        removal::arrange()?;
    }
    Ok(summary)
}

/// Merges small runs where there are many. Leaves it to others where they are at it, or where this transaction may not
/// see all that others have done.
///
/// # Errors
/// As [`all`].
pub fn small() -> Result<(), Error> {
    if transaction::keeps_snapshot() {
        return Ok(());
    }
    if crowded(runs::all_and_pending(Snapshot::Latest)?).is_empty() {
        return Ok(());
    }
    let table = Relation::open(c"trips", c"area_run", LockMode::AccessShare);
    if !table.try_lock(LockMode::ShareUpdateExclusive) {
        return Ok(());
    }
    // Another may have merged them before the lock was had.
    let runs = crowded(runs::all_and_pending(Snapshot::Latest)?);
    match runs.is_empty() {
        true => Ok(()),
        false => merge(&runs),
    }
}

/// The runs to merge: those of the largest size that has too many, and all that are smaller. Runs that fill the memory
/// of an ingest by half are large enough.
fn crowded(mut runs: Vec<Run>) -> Vec<Run> {
    let enough = (super::collect::capacity() / 2) as i64;
    runs.retain(|run| run.sign != 0 && run.trips < enough);
    // Sizes differ by a factor of eight.
    let size = |run: &Run| (run.trips.max(1) as u64).ilog2() / 3;
    let crowded = (0..=u64::BITS / 3)
        .rev()
        .find(|wanted| runs.iter().filter(|run| size(run) == *wanted).count() > RUNS_OF_A_SIZE);
    runs.retain(|run| crowded.is_some_and(|crowded| size(run) <= crowded));
    runs
}

/// Replaces runs by one of the same trips. The caller has [`runs::lock`].
fn merge(runs: &[Run]) -> Result<(), Error> {
    let tables = Tables::open();
    let signs: Vec<i8> = runs.iter().map(|run| run.sign.signum() as i8).collect();
    let (plus, minus) = (tables.next_run()?, tables.next_run()?);
    let mut writer = Writer::begin(&tables, Use::Sparing)?;
    let (added, taken) = {
        let blocked = AllBlocked::new();
        let mut indexer = Indexer::merge(&signs, plus, minus)?;
        drop(blocked);
        let _registered = threads::register(indexer.control());
        feed(&mut indexer, runs, &mut writer)?;
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
fn feed(indexer: &mut Indexer, runs: &[Run], writer: &mut Writer<'_>) -> Result<(), Error> {
    let mut reader = Reader::new(runs)?;
    while let Some(step) = indexer.next(POLL)? {
        match step {
            Step::Row(row) => writer.add(row),
            Step::Leaves(request) => reader.answer(request)?,
            Step::Waiting => {}
        }
        check_for_interrupts!();
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
