//! Groups by cells: trips whose origins lie in one cell, whose destinations lie in one, and whose times lie in one slot of
//! the day. Cheap; but near trips on two sides of a cell's edge are of two groups.
//!
//! Rows of cells are counted from the equator. A degree of latitude is 111,694 m long at the poles of WGS84, and nowhere
//! longer (a² / b π / 180). The columns of a row are as wide as a cell on the row's edge that is nearer to the equator. So
//! a cell is nowhere higher or wider than the distance asked for.

use hashbrown::HashMap;

use super::metric::{Limits, Place, time_of_day};
use super::summary::Summary;
use super::{Group, Memory, Trip};
use crate::Error;
use crate::ingest::parse::point::Point;

/// Metres of a degree of latitude where it is longest; no degree of longitude is longer than this times the cosine of its
/// latitude.
const DEGREE: f64 = 111_694.0;

/// No summary yet.
const NONE: u32 = u32::MAX;

/// Rows and columns of both ends, and the slot.
type Key = ([i64; 4], i64);

/// A cell that has a trip.
#[derive(Debug, Clone, Copy)]
struct Cell {
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
    /// How many columns of the cells of a row a degree has, for rows that have been met: of origins and of destinations.
    columns: [HashMap<i64, f64>; 2],
    numbers: HashMap<Key, u32>,
    cells: Vec<Cell>,
    summaries: Vec<(Place, Summary)>,
    memory: Memory,
}

impl Cells {
    /// None so far; `memory` is what they may take.
    pub fn new(limits: Limits, memory: Memory) -> Cells {
        Cells {
            limits,
            columns: [HashMap::new(), HashMap::new()],
            numbers: HashMap::new(),
            cells: Vec::new(),
            summaries: Vec::new(),
            memory,
        }
    }

    /// Adds a trip; the number of its cell.
    ///
    /// # Errors
    /// 53200 where memory is short.
    pub fn add(&mut self, trip: &Trip) -> Result<u32, Error> {
        let key = self.key(trip);
        let next = self.cells.len() as u32;
        let number = *self.numbers.entry(key).or_insert(next);
        let Some(cell) = self.cells.get_mut(number as usize) else {
            if self.cells.len() == self.cells.capacity() {
                self.memory.require(self.bytes_when_grown())?;
            }
            self.cells.push(Cell {
                trip: *trip,
                first: (trip.departed_at, trip.id),
                summary: NONE,
            });
            return Ok(number);
        };
        cell.first = cell.first.min((trip.departed_at, trip.id));
        if cell.summary == NONE {
            cell.summary = self.summaries.len() as u32;
            self.summaries
                .push((Place::of(&cell.trip), Summary::of(&cell.trip)));
        }
        if let Some((place, summary)) = self.summaries.get_mut(cell.summary as usize) {
            summary.add(place, trip.departed_at, &Place::of(trip));
        }
        Ok(number)
    }

    /// Bytes when the cells have twice the room, and as many of them as now have summaries.
    fn bytes_when_grown(&self) -> usize {
        let cells = 2 * self.cells.capacity().max(1024);
        // Of a table seven eighths are filled; while it grows the smaller one is there as well.
        let table = 2 * size_of::<(Key, u32)>() + 2;
        cells * (size_of::<Cell>() + table)
            + 2 * self.summaries.capacity() * size_of::<(Place, Summary)>()
    }

    fn key(&mut self, trip: &Trip) -> Key {
        let [origins, destinations] = &mut self.columns;
        let limits = &self.limits;
        let [row, column] = cell(trip.origin, limits.origin_distance, origins);
        let [to_row, to_column] = cell(trip.destination, limits.destination_distance, destinations);
        let slot = time_of_day(trip.departed_at) / limits.time_difference;
        ([row, column, to_row, to_column], slot)
    }

    /// The groups of at least `min_trips` trips with the numbers of their cells, in the order of these.
    pub fn groups(&self, min_trips: u64) -> impl Iterator<Item = (u32, Group)> {
        (0u32..).zip(&self.cells).filter_map(move |(number, cell)| {
            let one;
            let (place, summary) = match self.summaries.get(cell.summary as usize) {
                Some(several) => several,
                None if min_trips > 1 => return None,
                None => {
                    one = (Place::of(&cell.trip), Summary::of(&cell.trip));
                    &one
                }
            };
            (summary.trips() >= min_trips).then(|| {
                let group = summary.group(&cell.trip, place);
                let (_, first) = cell.first;
                (number, Group { first, ..group })
            })
        })
    }
}

/// Row and column of a point.
fn cell(point: Point, distance: f64, known: &mut HashMap<i64, f64>) -> [i64; 2] {
    let row = (point.lat * DEGREE / distance).floor();
    let columns = *known.entry(row as i64).or_insert_with(|| {
        let edge = row.abs().min((row + 1.0).abs()) * distance / DEGREE;
        DEGREE * libm::cos(edge.to_radians()) / distance
    });
    [row as i64, (point.lon * columns).floor() as i64]
}
