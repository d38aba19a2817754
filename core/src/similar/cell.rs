//! Groups by cells: trips whose origins lie in one cell, whose destinations lie in one, and whose times lie in one slot of
//! the day. Cheap; but near trips on two sides of a cell's edge are of two groups.
//!
//! Rows of cells are counted from the equator. A degree of latitude is 111,694 m long at the poles of WGS84, and nowhere
//! longer (a² / b π / 180). The columns of a row are as wide as a cell on the row's edge that is nearer to the equator. So
//! a cell is nowhere higher or wider than the distance asked for.

use super::grid::mix;
use super::index::Index;
use super::metric::{Limits, Place, sin_cos, time_of_day};
use super::summary::Summary;
use super::{Group, Memory, Share, Trip};
use crate::Error;
use crate::ingest::parse::point::Point;

/// Metres of a degree of latitude where it is longest; no degree of longitude is longer than this times the cosine of its
/// latitude.
const DEGREE: f64 = 111_694.0;

/// No summary yet.
const NONE: u32 = u32::MAX;

/// Trips whose cells are fetched into the cache together.
const BLOCK: usize = 64;

/// Row and column of the origin's cell, those of the destination's, and the slot of the day.
type Key = [i64; 5];

/// A cell that has a trip.
#[derive(Debug, Clone, Copy)]
struct Cell {
    key: Key,
    /// The trip that came first to the cell.
    trip: Trip,
    /// Departure and id of the trip that is first by these.
    first: (i64, i64),
    /// Its summary; [`NONE`] for a group of one.
    summary: u32,
}

/// Groups as far as trips have come; they come in any order.
#[derive(Debug)]
pub struct Cells {
    limits: Limits,
    /// Numbers of cells by their keys.
    numbers: Index,
    cells: Vec<Cell>,
    summaries: Vec<Summary>,
    share: Share,
    /// What [`Cells::fetch`] works with, kept for its room.
    fetched: Vec<u32>,
}

impl Cells {
    /// None so far; `memory` is what they may take.
    pub fn new(limits: Limits, memory: &Memory) -> Cells {
        Cells {
            limits,
            numbers: Index::default(),
            cells: Vec::new(),
            summaries: Vec::new(),
            share: memory.share(),
            fetched: Vec::new(),
        }
    }

    /// Adds trips. `joined` is told each trip's id and the number of its cell.
    ///
    /// # Errors
    /// 53200 where memory is short; what `joined` gives.
    pub fn add(
        &mut self,
        trips: &[Trip],
        joined: &mut dyn FnMut(i64, u32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut keys = Vec::with_capacity(BLOCK);
        for block in trips.chunks(BLOCK) {
            keys.clear();
            keys.extend(
                block
                    .iter()
                    .map(|trip| self.key(trip))
                    .map(|key| (key, hash(&key))),
            );
            self.fetch(&keys);
            for (trip, (key, hash)) in block.iter().zip(&keys) {
                joined(trip.id, self.place(trip, key, *hash)?)?;
            }
        }
        Ok(())
    }

    /// Has the processor fetch what [`Cells::place`] will look at: reads that do not wait for one another, where there they
    /// would follow each other.
    fn fetch(&mut self, keys: &[(Key, u32)]) {
        self.fetched.clear();
        for (_, hash) in keys {
            self.numbers.each(*hash, |number| self.fetched.push(number));
        }
        let mut seen = 0;
        for number in &self.fetched {
            if let Some(cell) = self.cells.get(*number as usize) {
                seen ^= cell.key[0] ^ i64::from(cell.summary);
            }
        }
        std::hint::black_box(seen);
    }

    /// The number of a trip's cell.
    fn place(&mut self, trip: &Trip, key: &Key, hashed: u32) -> Result<u32, Error> {
        let cells = &self.cells;
        let is_same = |number: u32| {
            cells
                .get(number as usize)
                .is_some_and(|cell| cell.key == *key)
        };
        let Some(number) = self.numbers.find(hashed, is_same) else {
            return self.found(trip, key, hashed);
        };
        if let Some(cell) = self.cells.get_mut(number as usize) {
            cell.first = cell.first.min((trip.departed_at, trip.id));
            if cell.summary == NONE {
                cell.summary = self.summaries.len() as u32;
                self.summaries.push(Summary::of(&cell.trip));
            }
            if let Some(summary) = self.summaries.get_mut(cell.summary as usize) {
                summary.add(&Place::of(&cell.trip), trip.departed_at, &Place::of(trip));
            }
        }
        Ok(number)
    }

    fn found(&mut self, trip: &Trip, key: &Key, hashed: u32) -> Result<u32, Error> {
        if self.cells.len() == self.cells.capacity() {
            let more = (self.cells.len() / 4).max(256);
            self.share.hold(self.bytes(more))?;
            self.cells.reserve_exact(more);
        }
        let number = self.cells.len() as u32;
        self.cells.push(Cell {
            key: *key,
            trip: *trip,
            first: (trip.departed_at, trip.id),
            summary: NONE,
        });
        self.numbers.add(hashed, number);
        Ok(number)
    }

    /// Bytes that are taken with `more` cells, and a summary for as many of these as have one now.
    fn bytes(&self, more: usize) -> usize {
        let cells = self.cells.len() + more;
        let summaries = self.summaries.len() + self.summaries.len() / 4 + 256;
        cells * size_of::<Cell>() + summaries * size_of::<Summary>() + self.numbers.bytes(more)
    }

    fn key(&self, trip: &Trip) -> Key {
        let limits = &self.limits;
        let [row, column] = cell(trip.origin, limits.origin_distance);
        let [to_row, to_column] = cell(trip.destination, limits.destination_distance);
        let slot = time_of_day(trip.departed_at) / limits.time_difference;
        [row, column, to_row, to_column, slot]
    }

    /// The groups of at least `min_trips` trips with the numbers of their cells, in the order of these.
    pub fn groups(&self, min_trips: u64) -> impl Iterator<Item = (u32, Group)> {
        (0u32..).zip(&self.cells).filter_map(move |(number, cell)| {
            let one;
            let summary = match self.summaries.get(cell.summary as usize) {
                Some(several) => several,
                None if min_trips > 1 => return None,
                None => {
                    one = Summary::of(&cell.trip);
                    &one
                }
            };
            (summary.trips() >= min_trips).then(|| {
                let group = summary.group(&cell.trip, &Place::of(&cell.trip));
                let (_, first) = cell.first;
                (number, Group { first, ..group })
            })
        })
    }
}

/// Row and column of a point.
fn cell(point: Point, distance: f64) -> [i64; 2] {
    let row = floor(point.lat * DEGREE / distance);
    let edge = row.max(-1 - row) as f64 * distance / DEGREE;
    let (_, shrunk) = sin_cos(edge);
    [row, floor(point.lon * (DEGREE * shrunk / distance))]
}

/// The greatest whole number that is not above.
fn floor(number: f64) -> i64 {
    let whole = number as i64;
    whole - i64::from((whole as f64) > number)
}

fn hash([row, column, to_row, to_column, slot]: &Key) -> u32 {
    let one = |row: &i64, column: &i64| (*row as u64) << 32 ^ *column as u64;
    mix(one(row, column), one(to_row, to_column), *slot as u64) as u32
}
