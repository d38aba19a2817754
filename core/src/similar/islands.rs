//! Islands: parts of the trips that are so far from each other that no trip of one is similar to a trip of another. To group one after
//! the other gives the same groups as to group all at once, and needs less memory at a time, which the processor's cache
//! thanks with speed.

use std::cmp::Reverse;

use hashbrown::HashMap;

use super::grid::Cells;
use super::metric::Limits;
use super::{Hashed, Memory, Share, Trip};
use crate::Error;

/// How many times the distance cells are wide: few origins reach out of theirs.
const WIDE: f64 = 16.0;

/// Finds islands as trips come.
#[derive(Debug)]
pub struct Survey {
    cells: Cells,
    numbers: HashMap<u64, u32, Hashed>,
    /// A cell that each one is joined with, with a lower number; and how many origins lie in it.
    joined: Vec<(u32, usize)>,
    share: Share,
}

/// Which origins are on which island.
#[derive(Debug)]
pub struct Islands {
    cells: Cells,
    /// Islands of cells.
    of: HashMap<u64, u32, Hashed>,
    /// How many trips each has.
    trips: Vec<usize>,
    /// Of the cells.
    _share: Share,
}

impl Survey {
    /// Nothing found so far.
    pub fn new(limits: &Limits, memory: &Memory) -> Survey {
        Survey {
            cells: Cells::wide(limits.origin_distance, WIDE),
            numbers: HashMap::default(),
            joined: Vec::new(),
            share: memory.share(),
        }
    }

    /// Adds a trip.
    ///
    /// # Errors
    /// 53200 where memory is short.
    pub fn add(&mut self, trip: &Trip) -> Result<(), Error> {
        if self.joined.len() == self.joined.capacity() {
            let grown = 2 * self.joined.capacity().max(32);
            self.share
                .hold(grown * 2 * size_of::<(u64, u32, u32, usize)>())?;
        }
        let own = self.number(self.cells.of(trip.origin));
        if let Some((_, trips)) = self.joined.get_mut(own as usize) {
            *trips += 1;
        }
        for other in self.cells.around(trip.origin).as_slice() {
            let other = self.number(*other);
            self.join(own, other);
        }
        Ok(())
    }

    fn number(&mut self, cell: u64) -> u32 {
        let next = self.joined.len() as u32;
        let number = *self.numbers.entry(cell).or_insert(next);
        if number == next {
            self.joined.push((next, 0));
        }
        number
    }

    fn root(&mut self, mut cell: u32) -> u32 {
        let above = |joined: &[(u32, usize)], cell: u32| {
            joined.get(cell as usize).map_or(cell, |(above, _)| *above)
        };
        loop {
            let higher = above(&self.joined, above(&self.joined, cell));
            if higher == cell {
                return cell;
            }
            if let Some((place, _)) = self.joined.get_mut(cell as usize) {
                *place = higher;
            }
            cell = higher;
        }
    }

    fn join(&mut self, one: u32, other: u32) {
        if one != other {
            let (one, other) = (self.root(one), self.root(other));
            if let Some((place, _)) = self.joined.get_mut(one.max(other) as usize) {
                *place = one.min(other);
            }
        }
    }

    /// The islands of all trips that were added.
    pub fn islands(mut self) -> Islands {
        let roots: Vec<_> = (0..self.joined.len() as u32)
            .map(|cell| self.root(cell))
            .collect();
        let mut numbers = HashMap::<u32, u32, Hashed>::default();
        let mut trips = Vec::new();
        let mut island_of = Vec::with_capacity(roots.len());
        for (root, (_, own)) in roots.iter().zip(&self.joined) {
            let island = *numbers.entry(*root).or_insert(trips.len() as u32);
            if island as usize == trips.len() {
                trips.push(0);
            }
            if let Some(trips) = trips.get_mut(island as usize) {
                *trips += own;
            }
            island_of.push(island);
        }
        for number in self.numbers.values_mut() {
            *number = island_of.get(*number as usize).copied().unwrap_or_default();
        }
        Islands {
            cells: self.cells,
            of: self.numbers,
            trips,
            _share: self.share,
        }
    }
}

impl Islands {
    /// The island of a trip that was surveyed.
    pub fn of(&self, trip: &Trip) -> Option<u32> {
        self.of.get(&self.cells.of(trip.origin)).copied()
    }

    /// The islands in parts of at most so many trips, but for islands that have more, which are a part each: for each island
    /// the number of its part, and how many trips each part has.
    pub fn parts(&self, most: usize) -> (Vec<u32>, Vec<usize>) {
        let mut largest_first: Vec<_> = (0..).zip(self.trips.iter().copied()).collect();
        largest_first.sort_by_key(|(_, trips)| Reverse(*trips));
        let mut part_of = vec![0; self.trips.len()];
        let mut parts: Vec<usize> = Vec::new();
        for (island, trips) in largest_first {
            // The emptiest of the last few: each island is looked at, parts may be many.
            let open = parts.len().saturating_sub(OPEN);
            let rest = parts.get_mut(open..).unwrap_or_default();
            let emptiest = (open..).zip(rest).min_by_key(|(_, trips)| **trips);
            let part = match emptiest {
                Some((part, held)) if *held + trips <= most => {
                    *held += trips;
                    part
                }
                _ => {
                    parts.push(trips);
                    parts.len() - 1
                }
            };
            let island: usize = island;
            if let Some(place) = part_of.get_mut(island) {
                *place = part as u32;
            }
        }
        (part_of, parts)
    }
}

/// Parts that still take islands.
const OPEN: usize = 16;
