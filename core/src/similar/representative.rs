//! Groups around representatives: in the order of time, a trip joins the most similar representative there is so far, or becomes one.

use std::mem;
use std::sync::Arc;

use hashbrown::HashMap;

use super::crew::Crew;
use super::grid::{Around, Grid};
use super::metric::{Limits, Place};
use super::summary::Summary;
use super::{Group, Hashed, Memory, Trip};
use crate::Error;

/// Trips that a thread prepares at a time.
const PIECE: usize = 4096;

/// Trips whose candidates are fetched into the cache together: some tens of kilobytes.
const BLOCK: usize = 32;

/// No further representative.
const NONE: u32 = u32::MAX;

/// A trip that the others of its group are similar to: a line of the processor's cache.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Representative {
    place: Place,
    /// Another one with the same key.
    next: u32,
    /// Its summary; [`NONE`] for a group of one.
    summary: u32,
}

/// Groups as far as trips have come; they come in the order of (departed_at, id).
#[derive(Debug)]
pub struct Representatives {
    limits: Limits,
    grid: Arc<Grid>,
    /// The last representative with each key.
    last: HashMap<u64, u32, Hashed>,
    representatives: Vec<Representative>,
    /// Their trips.
    trips: Vec<Trip>,
    summaries: Vec<Summary>,
    memory: Memory,
    /// What [`Representatives::fetch`] works with, kept for its room.
    fetched: Vec<u32>,
    next: Vec<u32>,
}

/// A trip that is ready to be looked up.
struct Ready {
    trip: Trip,
    place: Place,
    key: u64,
    around: Around,
}

impl Representatives {
    /// None so far; `memory` is what they may take.
    pub fn new(limits: Limits, memory: Memory) -> Representatives {
        Representatives {
            grid: Arc::new(Grid::new(&limits)),
            limits,
            last: HashMap::default(),
            representatives: Vec::new(),
            trips: Vec::new(),
            summaries: Vec::new(),
            memory,
            fetched: Vec::new(),
            next: Vec::new(),
        }
    }

    /// Bytes that are taken with `more` representatives. Room that nothing has been written to takes none; but while the
    /// table grows the smaller one is there as well.
    fn bytes(&self, more: usize) -> usize {
        let count = self.representatives.len() + more;
        let each = size_of::<Representative>() + size_of::<Trip>();
        let buckets = match self.last.len() + more > self.last.capacity() {
            true => 3 * self.last.capacity().max(more),
            false => self.last.capacity(),
        };
        // Seven eighths of a table are filled.
        let table = buckets * 8 / 7 * (size_of::<(u64, u32)>() + 1);
        count * each + (self.summaries.len() + more) * size_of::<Summary>() + table
    }

    /// Adds trips, all later than those before. `joined` is told each trip's id and the number of its representative.
    ///
    /// # Errors
    /// 53200 where memory is short; what `tick` gives.
    pub fn add(
        &mut self,
        trips: Vec<Trip>,
        crew: &Crew,
        tick: &mut dyn FnMut() -> Result<(), Error>,
        joined: &mut dyn FnMut(i64, u32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let pieces = trips.len().div_ceil(PIECE);
        let grid = Arc::clone(&self.grid);
        let prepare = move |piece: usize| {
            let from = piece * PIECE;
            let trips = trips
                .get(from..trips.len().min(from + PIECE))
                .unwrap_or_default();
            let ready = |trip: &Trip| Ready {
                trip: *trip,
                place: Place::of(trip),
                key: grid.key(trip),
                around: grid.around(trip),
            };
            trips.iter().map(ready).collect::<Vec<_>>()
        };
        crew.in_order(pieces, prepare, tick, |ready| {
            self.memory.require(self.bytes(ready.len()))?;
            for block in ready.chunks(BLOCK) {
                self.fetch(block);
                for ready in block {
                    let representative = self.place(ready);
                    joined(ready.trip.id, representative)?;
                }
            }
            Ok(())
        })
    }

    /// Has the processor fetch what [`Representatives::place`] will look at: reads that do not wait for one another, where
    /// there they would follow each other.
    fn fetch(&mut self, block: &[Ready]) {
        let (mut numbers, mut next) = (mem::take(&mut self.fetched), mem::take(&mut self.next));
        numbers.clear();
        for ready in block {
            ready.around.each(|key| numbers.extend(self.last.get(&key)));
        }
        while !numbers.is_empty() {
            next.clear();
            for number in &numbers {
                if let Some(representative) = self.representatives.get(*number as usize)
                    && representative.next != NONE
                {
                    next.push(representative.next);
                }
            }
            mem::swap(&mut numbers, &mut next);
        }
        (self.fetched, self.next) = (numbers, next);
    }

    /// The representative that a trip joins; it may be itself.
    fn place(&mut self, ready: &Ready) -> u32 {
        let mut nearest: Option<(f64, u32)> = None;
        ready.around.each(|key| {
            let mut number = self.last.get(&key).copied().unwrap_or(NONE);
            while let Some(other) = self.representatives.get(number as usize) {
                if let Some(unlikeness) = self.limits.unlikeness(&other.place, &ready.place) {
                    let nearer = |(least, earliest): (f64, u32)| {
                        unlikeness < least || unlikeness == least && number < earliest
                    };
                    if nearest.is_none_or(nearer) {
                        nearest = Some((unlikeness, number));
                    }
                }
                number = other.next;
            }
        });
        match nearest {
            Some((_, number)) => {
                self.join(number, ready);
                number
            }
            None => self.found(ready),
        }
    }

    fn join(&mut self, number: u32, ready: &Ready) {
        let (Some(representative), Some(trip)) = (
            self.representatives.get_mut(number as usize),
            self.trips.get(number as usize),
        ) else {
            return;
        };
        if representative.summary == NONE {
            representative.summary = self.summaries.len() as u32;
            self.summaries.push(Summary::of(trip));
        }
        if let Some(summary) = self.summaries.get_mut(representative.summary as usize) {
            summary.add(&representative.place, ready.trip.departed_at, &ready.place);
        }
    }

    fn found(&mut self, ready: &Ready) -> u32 {
        let number = self.representatives.len() as u32;
        let before = self.last.insert(ready.key, number);
        self.representatives.push(Representative {
            place: ready.place,
            next: before.unwrap_or(NONE),
            summary: NONE,
        });
        self.trips.push(ready.trip);
        number
    }

    /// The groups of at least `min_trips` trips with the numbers of their representatives, in the order of these.
    pub fn groups(&self, min_trips: u64) -> impl Iterator<Item = (u32, Group)> {
        let all = (0u32..).zip(self.representatives.iter().zip(&self.trips));
        all.filter_map(move |(number, (representative, trip))| {
            let one = Summary::of(trip);
            let summary = self
                .summaries
                .get(representative.summary as usize)
                .unwrap_or(&one);
            (summary.trips() >= min_trips)
                .then(|| (number, summary.group(trip, &representative.place)))
        })
    }
}
