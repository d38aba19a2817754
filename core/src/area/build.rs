//! Bulk load: entries in Morton order become leaves, leaves become nodes, up to the root.

use hashbrown::HashMap;

use super::days::{DayCounts, DayTally};
use super::leaf::{self, LeafColumns};
use super::node::{self, Summary};
use super::{End, Entry, FANOUT, id, morton};
use crate::Error;

/// A row of the tables that hold trees.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// Trips that follow each other on the Morton curve.
    Leaf {
        /// See [`id::leaf`].
        id: i64,
        /// What the leaf holds.
        columns: LeafColumns,
    },
    /// What lies below a node.
    Node {
        /// See [`id::node`].
        id: i64,
        /// The children's summaries, see [`node::encode`].
        children: Vec<u8>,
        /// The trips of each day, see [`DayCounts::encode`].
        days: Vec<u8>,
    },
}

/// What is known of a tree when it is complete.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    /// The level of the root, at least 1; 0 for a tree without trips, which has no row.
    pub height: u8,
    /// How many trips it has.
    pub trips: u64,
    /// Its first and its last day.
    pub days: Option<(i32, i32)>,
    /// The trips of each region and day, by region.
    pub regions: Vec<(i16, DayCounts)>,
}

/// Writes one tree, row by row.
pub struct TreeWriter<W> {
    run: i64,
    end: End,
    emit: W,
    /// Entries that no leaf has yet.
    waiting: Vec<Entry>,
    encoder: leaf::Encoder,
    leaves: u32,
    trips: u64,
    days: Option<(i32, i32)>,
    nodes: Nodes,
    regions: HashMap<i16, DayTally>,
}

impl<W: FnMut(Row) -> Result<(), Error>> TreeWriter<W> {
    /// A tree of `end` in the run `run`, whose rows go to `emit`.
    pub fn new(run: i64, end: End, emit: W) -> TreeWriter<W> {
        TreeWriter {
            run,
            end,
            emit,
            waiting: Vec::with_capacity(leaf::MAX_TRIPS),
            encoder: leaf::Encoder::default(),
            leaves: 0,
            trips: 0,
            days: None,
            nodes: Nodes::new(run, end),
            regions: HashMap::new(),
        }
    }

    /// Adds an entry; they come in Morton order, or the tree is a poor one.
    ///
    /// # Errors
    /// What `emit` gives, here and below.
    #[inline]
    pub fn push(&mut self, entry: Entry) -> Result<(), Error> {
        self.waiting.push(entry);
        if self.waiting.len() >= leaf::MAX_TRIPS {
            self.write_leaf()?;
        }
        Ok(())
    }

    /// Writes what is left, up to the root.
    ///
    /// # Errors
    /// As [`TreeWriter::push`].
    pub fn finish(mut self) -> Result<Tree, Error> {
        while !self.waiting.is_empty() {
            self.write_leaf()?;
        }
        let height = self.nodes.finish(&mut self.emit)?;
        let regions = self.regions.into_iter();
        let mut regions: Vec<_> = regions
            .map(|(region, days)| (region, days.into_counts()))
            .collect();
        regions.sort_unstable_by_key(|(region, _)| *region);
        Ok(Tree {
            height,
            trips: self.trips,
            days: self.days,
            regions,
        })
    }

    /// Makes a leaf of the first waiting entries.
    fn write_leaf(&mut self) -> Result<(), Error> {
        let take = leaf::capacity(&self.waiting).clamp(1, self.waiting.len());
        let entries = self.waiting.get(..take).unwrap_or_default();
        let (columns, summary) = self.encoder.encode(entries, self.end);
        if let Some(node) = self.nodes.with_room(&mut self.emit)? {
            node.children.push(summary);
            self.encoder.tally(&mut node.days);
        }
        let days = (summary.first_day, summary.last_day);
        self.days = join(self.days, Some(days));
        if self.end == End::Origin {
            self.add_regions(summary.region, take);
        }
        let id = id::leaf(self.run, self.end, self.leaves);
        self.leaves += 1;
        self.trips += take as u64;
        self.waiting.drain(..take);
        (self.emit)(Row::Leaf { id, columns })
    }

    /// Adds the trips of the leaf that was made of the first waiting entries.
    fn add_regions(&mut self, one: Option<i16>, trips: usize) {
        if let Some(region) = one {
            return self.encoder.tally(self.regions.entry(region).or_default());
        }
        let entries = self.waiting.get(..trips).unwrap_or_default();
        for (day, region, trips) in days_and_regions(entries) {
            self.regions.entry(region).or_default().add(day, trips);
        }
    }
}

/// The days from the first of both to the last.
pub fn join(one: Option<(i32, i32)>, other: Option<(i32, i32)>) -> Option<(i32, i32)> {
    match (one, other) {
        (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
        (one, other) => one.or(other),
    }
}

/// The days and regions of a leaf's entries, which are in the order of a leaf, and the trips of each.
fn days_and_regions(entries: &[Entry]) -> impl Iterator<Item = (i32, i16, i64)> {
    entries
        .chunk_by(|a, b| a.day == b.day && a.region_id == b.region_id)
        .filter_map(|group| {
            let first = group.first()?;
            Some((first.day, first.region_id, group.len() as i64))
        })
}

/// The inner nodes of a tree: what follows from its leaves.
pub struct Nodes {
    run: i64,
    end: End,
    /// The unfinished node of each level, from level 1.
    open: Vec<OpenNode>,
}

/// A node that may still get children.
#[derive(Default)]
struct OpenNode {
    number: u32,
    children: Vec<Summary>,
    days: DayTally,
}

impl Nodes {
    /// Those of the tree of `end` in the run `run`.
    pub fn new(run: i64, end: End) -> Nodes {
        Nodes {
            run,
            end,
            open: Vec::new(),
        }
    }

    /// Adds the next leaf, of entries in the order of a leaf.
    ///
    /// # Errors
    /// What `emit` gives, here and below.
    pub fn add_leaf(
        &mut self,
        entries: &[Entry],
        emit: &mut impl FnMut(Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let end = self.end;
        if let Some(node) = self.with_room(emit)? {
            node.children.push(Summary::of(entries, end));
            for (day, _, trips) in days_and_regions(entries) {
                node.days.add(day, trips);
            }
        }
        Ok(())
    }

    /// The node that takes the next leaf.
    fn with_room(
        &mut self,
        emit: &mut impl FnMut(Row) -> Result<(), Error>,
    ) -> Result<Option<&mut OpenNode>, Error> {
        self.make_room(0, emit)?;
        Ok(self.open.first_mut())
    }

    /// Writes what is left; gives the level of the root, 0 where there is none.
    ///
    /// # Errors
    /// As [`Nodes::add_leaf`].
    pub fn finish(&mut self, emit: &mut impl FnMut(Row) -> Result<(), Error>) -> Result<u8, Error> {
        let mut place = 0;
        while let Some(open) = self.open.get(place) {
            let is_root = open.number == 0;
            self.close(place, is_root, emit)?;
            place += 1;
            if is_root {
                break;
            }
        }
        Ok(place as u8)
    }

    /// Makes sure that the node at `place` can take a child.
    fn make_room(
        &mut self,
        place: usize,
        emit: &mut impl FnMut(Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self.open.get(place) {
            None => self.open.push(OpenNode::default()),
            Some(open) if open.children.len() >= FANOUT => self.close(place, false, emit)?,
            Some(_) => {}
        }
        Ok(())
    }

    /// Writes the node at `place`, and tells the one above unless it is the root.
    fn close(
        &mut self,
        place: usize,
        is_root: bool,
        emit: &mut impl FnMut(Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(open) = self.open.get_mut(place) else {
            return Ok(());
        };
        let id = id::node(self.run, self.end, place as u8 + 1, open.number);
        open.number += 1;
        let days = std::mem::take(&mut open.days).into_counts();
        let children = std::mem::take(&mut open.children);
        if !is_root && let Some(summary) = Summary::join(&children) {
            self.make_room(place + 1, emit)?;
            if let Some(above) = self.open.get_mut(place + 1) {
                above.children.push(summary);
                above.days.add_all(&days, 1);
            }
        }
        emit(Row::Node {
            id,
            children: node::encode(&children),
            days: days.encode(),
        })
    }
}

/// Entries that are fetched into the processor's cache together: a fraction of what it holds.
const AT_A_TIME: usize = 256;

/// Builds the tree of `end` over `entries`, which are those of a tree of origins.
///
/// # Errors
/// What `emit` gives.
pub fn build(
    entries: &[Entry],
    run: i64,
    end: End,
    emit: impl FnMut(Row) -> Result<(), Error>,
) -> Result<Tree, Error> {
    let mut writer = TreeWriter::new(run, end, emit);
    let places = in_morton_order(entries, end);
    for places in places.chunks(AT_A_TIME) {
        let here = places.iter();
        let entries = || {
            here.clone()
                .filter_map(|place| Some(entries.get(*place as usize)?.in_tree(end)))
        };
        touch(entries());
        for entry in entries() {
            writer.push(entry)?;
        }
    }
    writer.finish()
}

/// The lowest bits of their codes by which the entries of a tree may be out of order, from one leaf to another: what
/// [`in_morton_order`] has no room for where the place of an entry takes 32 bits, the most that leaves can have numbers for.
pub(super) const UNORDERED_BITS: u32 = 16;

/// The places of the entries in Morton order of the end.
///
/// Sorts one word for each entry: as many bits of the code as leave room for the place, without those that
/// all codes share. What is equal by these stays in its order: of a million trips around the world, those within ten
/// metres.
fn in_morton_order(entries: &[Entry], end: End) -> Vec<u64> {
    let code = |entry: &Entry| morton::code(entry.in_tree(end).point);
    let mut keys: Vec<u64> = entries.iter().map(code).collect();
    let (any, all) = keys
        .iter()
        .fold((0, !0), |(any, all), key| (any | key, all & key));
    let varying = 64 - u64::leading_zeros(any & !all);
    let place_bits = 64 - (entries.len() as u64).leading_zeros();
    let dropped = varying.saturating_sub(64 - place_bits);
    let mask = (1u64 << varying) - 1;
    for (place, key) in keys.iter_mut().enumerate() {
        *key = (*key & mask) >> dropped << place_bits | place as u64;
    }
    keys.sort_unstable();
    for key in &mut keys {
        *key &= (1 << place_bits) - 1;
    }
    keys
}

/// Reads a little of each entry, which lie all over the memory: so many reads wait for it together, where those of the
/// work that follows would wait one after the other.
fn touch(entries: impl Iterator<Item = Entry>) {
    let read = entries.fold(0, |read, entry| {
        read ^ entry.point.lon.to_bits() ^ entry.day as u64
    });
    std::hint::black_box(read);
}
