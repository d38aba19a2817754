//! Looking at all that the trees hold, to compare it with the trips.

use std::collections::BTreeMap;

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::area::build::{Nodes, Row};
use trips_core::area::days::each_encoded;
use trips_core::area::digest::digest;
use trips_core::area::search::{NodeRow, Store};
use trips_core::area::{End, Entry, leaf};

use super::ask;
use super::runs::{self, DAYS, Run};
use super::store::Trees;
use crate::postgres::query::Snapshot;

/// Trips, and the sum of the digests of their points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub trips: i64,
    /// The sum of the digests of their points.
    pub digest: i64,
}

/// What is held of each region and day.
pub type Contents = BTreeMap<(i16, i32), Sum>;

/// Leaves that are read at a time.
const LEAVES: usize = 64;

/// What all runs hold, by `origin` or `destination`: the leaves of these trees; by `region`: the days of regions; or by
/// `run`: the days of runs, of region 0.
///
/// # Errors
/// 22023 for any other word; 55000 where trips are in no tree; XX002 where a tree contradicts itself.
pub fn contents(tree: &str) -> Result<Contents, Error> {
    let mut contents = match tree {
        "origin" => leaves(End::Origin)?,
        "destination" => leaves(End::Destination)?,
        "region" => regions()?,
        "run" => days()?,
        _ => {
            return Err(Error::InvalidOption {
                name: "tree",
                value: tree.to_owned(),
                allowed: r#""origin", "destination", "region", "run""#,
            });
        }
    };
    contents.retain(|_, sum| *sum != Sum::default());
    Ok(contents)
}

fn days() -> Result<Contents, Error> {
    let mut contents = Contents::new();
    runs::each(Snapshot::Caller, |run, row| {
        Ok(each_encoded(
            row.bytes(DAYS).unwrap_or_default(),
            |day, trips| {
                contents.entry((0, day)).or_default().trips += i64::from(run.sign) * trips;
            },
        )?)
    })?;
    Ok(contents)
}

fn regions() -> Result<Contents, Error> {
    let mut contents = Contents::new();
    ask::each_region(|region, sign, days| {
        Ok(each_encoded(days, |day, trips| {
            contents.entry((region, day)).or_default().trips += sign * trips;
        })?)
    })?;
    Ok(contents)
}

fn leaves(end: End) -> Result<Contents, Error> {
    let mut contents = Contents::new();
    let mut trees = Trees::open(Snapshot::Caller)?;
    for run in runs::all(Snapshot::Caller)? {
        add_tree(&mut trees, &run, end, &mut contents)?;
    }
    Ok(contents)
}

/// Adds what the leaves of a tree hold; its nodes must be those that follow from the leaves.
fn add_tree(trees: &mut Trees, run: &Run, end: End, contents: &mut Contents) -> Result<(), Error> {
    let mut nodes = Nodes::new(run.id, end);
    let mut entries = Vec::new();
    let (mut number, mut trips, mut in_days) = (0, 0, true);
    loop {
        let read = trees.leaves_from(run.id, end, number, LEAVES)?;
        if read.is_empty() {
            break;
        }
        for columns in &read {
            check_for_interrupts!();
            entries.clear();
            leaf::decode(columns, end, &mut entries)?;
            for entry in &entries {
                in_days &= (run.first_day..=run.last_day).contains(&entry.day);
                let sum = contents.entry((entry.region_id, entry.day)).or_default();
                sum.trips += i64::from(run.sign);
                sum.digest += i64::from(run.sign) * i64::from(digest_of(entry, end));
            }
            nodes.add_leaf(&entries, &mut |row| compare(trees, row))?;
            number += 1;
            trips += entries.len() as i64;
        }
    }
    let height = nodes.finish(&mut |row| compare(trees, row))?;
    let known = match end {
        End::Origin => run.origin_height,
        End::Destination => run.destination_height,
    };
    // Trips that are taken away may have cancelled in this tree and not in the other.
    let same_trips = end == End::Destination || trips == run.trips;
    match height == known && same_trips && in_days {
        true => Ok(()),
        false => Err(damaged(run.id, end, "has other leaves than the run says")),
    }
}

/// The digest of what a tree keeps of a trip's ends: the tree of origins has both.
fn digest_of(entry: &Entry, end: End) -> u32 {
    match end {
        End::Origin => digest(entry.point) ^ digest(entry.other) >> 1,
        End::Destination => digest(entry.point),
    }
}

/// Whether a node is stored as it follows from the leaves.
fn compare(trees: &mut Trees, row: Row) -> Result<(), Error> {
    let Row::Node { id, children, days } = row else {
        return Ok(());
    };
    let mut equal = false;
    trees.nodes(&[id], &mut |_, stored: &dyn NodeRow| {
        equal = stored.children() == children && *stored.days() == days;
        Ok(())
    })?;
    match equal {
        true => Ok(()),
        false => Err(damaged(
            trips_core::area::id::run(id),
            trips_core::area::id::end(id),
            "has a node that does not follow from its leaves",
        )),
    }
}

fn damaged(run: i64, end: End, what: &str) -> Error {
    Error::CorruptTree {
        what: format!("the {} tree of run {run} {what}", end.as_str()),
    }
}
