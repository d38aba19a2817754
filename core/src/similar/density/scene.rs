//! All trips beside their neighbours.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;

use super::super::crew::Crew;
use super::super::grid::Grid;
use super::super::metric::{DAY, Limits, Place};
use super::super::{Hashed, Trip};
use super::union::BLOCK;
use crate::Error;

/// Trips that a thread puts in their places at a time, but for cells that have more.
const PIECE: usize = 8192;

/// What each trip takes while it is put in its place: as it came, its number in the order of cells, itself and its place there, and a
/// stretch of its own in a table that is at least two fifths full.
pub(super) const BYTES_PER_TRIP: usize =
    2 * size_of::<Trip>() + size_of::<u32>() + size_of::<Place>() + 5 * size_of::<Stretch>() / 2;

/// In a stretch of so few a search by time is not worth it.
const FEW: u32 = 16;

/// Trips that follow each other: those of one cell of origins and one of destinations, in the order of their times of day.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    /// The cell of the destinations.
    destination: u64,
    first: u32,
    /// 0 for none.
    len: u32,
}

const NO_STRETCH: Stretch = Stretch {
    destination: 0,
    first: 0,
    len: 0,
};

/// The stretches of a cell of origins: a part of the table of all, a power of two long.
#[derive(Debug, Clone, Copy)]
struct Part {
    start: u32,
    len: u32,
}

/// All trips, found by their cells.
pub(super) struct Scene {
    limits: Limits,
    grid: Arc<Grid>,
    /// In the order of the cells of their origins, then of those of their destinations, then by time of day, departure and id.
    trips: Vec<Trip>,
    places: Vec<Place>,
    parts: HashMap<u64, Part, Hashed>,
    stretches: Vec<Stretch>,
}

/// Some cells of origins with their trips.
struct Located {
    trips: Vec<Trip>,
    places: Vec<Place>,
    /// The cells, and how long their parts of the stretches are.
    parts: Vec<(u64, u32)>,
    stretches: Vec<Stretch>,
}

impl Scene {
    /// Puts trips in their places.
    pub(super) fn new(
        trips: Vec<Trip>,
        limits: Limits,
        crew: &Crew,
        tick: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Scene, Error> {
        let grid = Arc::new(Grid::new(&limits));
        let (order, pieces) = by_origin(&trips, &grid);
        tick()?;
        let mut scene = Scene {
            limits,
            grid: Arc::clone(&grid),
            trips: Vec::with_capacity(trips.len()),
            places: Vec::with_capacity(trips.len()),
            parts: HashMap::default(),
            stretches: Vec::new(),
        };
        let count = pieces.len();
        let work = move |piece: usize| {
            let range = pieces.get(piece).cloned().unwrap_or_default();
            let numbers = order.get(range).unwrap_or_default();
            let own = numbers
                .iter()
                .filter_map(|number| trips.get(*number as usize));
            locate(own.copied(), &grid)
        };
        crew.in_order(count, work, tick, |located| {
            scene.append(located);
            Ok(())
        })?;
        Ok(scene)
    }

    fn append(&mut self, located: Located) {
        let before = self.trips.len() as u32;
        self.trips.extend(located.trips);
        self.places.extend(located.places);
        let mut start = self.stretches.len() as u32;
        for (origin, len) in located.parts {
            self.parts.insert(origin, Part { start, len });
            start += len;
        }
        self.stretches
            .extend(located.stretches.into_iter().map(|stretch| Stretch {
                first: stretch.first + before,
                ..stretch
            }));
    }

    /// How many trips there are.
    pub(super) fn len(&self) -> usize {
        self.trips.len()
    }

    pub(super) fn trip(&self, place: usize) -> Option<&Trip> {
        self.trips.get(place)
    }

    pub(super) fn place(&self, place: usize) -> Option<&Place> {
        self.places.get(place)
    }

    /// Calls `visit` with the place of each trip that is wanted and similar to one, itself among them, and how unlike they are, until it
    /// says stop. `unwanted` may say of a block of places that none of them is wanted.
    pub(super) fn each_similar(
        &self,
        one: usize,
        unwanted: impl Fn(usize) -> bool,
        wanted: impl Fn(usize) -> bool,
        mut visit: impl FnMut(usize, f64) -> bool,
    ) {
        let (Some(trip), Some(place)) = (self.trip(one), self.place(one)) else {
            return;
        };
        let destinations = self.grid.destinations_around(trip);
        for origin in self.grid.origins_around(trip).as_slice() {
            let Some(part) = self.parts.get(origin) else {
                continue;
            };
            for destination in destinations.as_slice() {
                let Some(stretch) = self.stretch(*part, *destination) else {
                    continue;
                };
                for places in self.in_time(stretch, place.time) {
                    let mut next = places.start;
                    while next < places.end {
                        let other = next;
                        if other.is_multiple_of(BLOCK)
                            && other + BLOCK <= places.end
                            && unwanted(other / BLOCK)
                        {
                            next += BLOCK;
                            continue;
                        }
                        next += 1;
                        if wanted(other)
                            && let Some(other_place) = self.place(other)
                            && let Some(unlikeness) = self.limits.unlikeness(place, other_place)
                            && !visit(other, unlikeness)
                        {
                            return;
                        }
                    }
                }
            }
        }
    }

    fn stretch(&self, part: Part, destination: u64) -> Option<Stretch> {
        let stretches = self
            .stretches
            .get(part.start as usize..(part.start + part.len) as usize)?;
        let mut at = first_look(destination, stretches.len());
        loop {
            let stretch = stretches.get(at)?;
            if stretch.len == 0 {
                return None;
            }
            if stretch.destination == destination {
                return Some(*stretch);
            }
            at = (at + 1) & (stretches.len() - 1);
        }
    }

    /// The places of a stretch whose times may be near enough.
    fn in_time(&self, stretch: Stretch, time: i64) -> [Range<usize>; 2] {
        let first = stretch.first as usize;
        let all = first..first + stretch.len as usize;
        if stretch.len <= FEW {
            return [all, 0..0];
        }
        let difference = self.limits.time_difference;
        let near = |from: i64, to: i64| self.between(all.clone(), from, to);
        let here = near(time - difference, time + difference);
        // Round midnight; where half a day is near enough, what was here already is left out.
        let across = if time < difference {
            let late = near(time - difference + DAY, DAY);
            late.start.max(here.end)..late.end
        } else {
            let early = near(0, time + difference - DAY);
            early.start..early.end.min(here.start)
        };
        [here, across]
    }

    /// The places of which the times are from `from` to `to`.
    fn between(&self, places: Range<usize>, from: i64, to: i64) -> Range<usize> {
        let own = self.places.get(places.clone()).unwrap_or_default();
        let start = own.partition_point(|place| place.time < from);
        let end = own.partition_point(|place| place.time <= to);
        places.start + start..places.start + end.max(start)
    }
}

/// Where to look for a destination first in so many stretches, a power of two of them.
fn first_look(destination: u64, stretches: usize) -> usize {
    let spread = (destination ^ destination >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    spread as usize & stretches.wrapping_sub(1)
}

/// The numbers of trips in the order of the cells of their origins, and pieces of it that hold whole cells.
fn by_origin(trips: &[Trip], grid: &Grid) -> (Vec<u32>, Vec<Range<usize>>) {
    let mut order: Vec<(u64, u32)> = (0u32..)
        .zip(trips)
        .map(|(number, trip)| (grid.origin(trip), number))
        .collect();
    order.sort_unstable();
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut end = 0;
    for cell in order.chunk_by(|(one, _), (other, _)| one == other) {
        end += cell.len();
        if end - start >= PIECE {
            pieces.push(start..end);
            start = end;
        }
    }
    if start < end {
        pieces.push(start..end);
    }
    (
        order.into_iter().map(|(_, number)| number).collect(),
        pieces,
    )
}

/// Puts the trips of some cells of origins in their places.
fn locate(trips: impl Iterator<Item = Trip>, grid: &Grid) -> Located {
    let keyed = |trip: Trip| (grid.origin(&trip), grid.destination(&trip), trip);
    let mut keyed: Vec<_> = trips.map(keyed).collect();
    let time = super::super::time_of_day;
    keyed.sort_unstable_by_key(|(origin, destination, trip)| {
        (
            *origin,
            *destination,
            time(trip.departed_at),
            trip.departed_at,
            trip.id,
        )
    });
    let mut located = Located {
        trips: keyed.iter().map(|(_, _, trip)| *trip).collect(),
        places: keyed.iter().map(|(_, _, trip)| Place::of(trip)).collect(),
        parts: Vec::new(),
        stretches: Vec::new(),
    };
    let mut first = 0;
    for cell in keyed.chunk_by(|(one, ..), (other, ..)| one == other) {
        let own = || cell.chunk_by(|(_, one, _), (_, other, _)| one == other);
        let count = own().count();
        let len = (count + count / 4 + 1).next_power_of_two();
        let start = located.stretches.len();
        located.stretches.resize(start + len, NO_STRETCH);
        let table = located.stretches.get_mut(start..).unwrap_or_default();
        for stretch in own() {
            let Some((origin, destination, _)) = stretch.first() else {
                continue;
            };
            let mut at = first_look(*destination, len);
            while table.get(at).is_some_and(|stretch| stretch.len > 0) {
                at = (at + 1) & (len - 1);
            }
            if let Some(place) = table.get_mut(at) {
                *place = Stretch {
                    destination: *destination,
                    first,
                    len: stretch.len() as u32,
                };
            }
            first += stretch.len() as u32;
            if located.parts.last().is_none_or(|(last, _)| last != origin) {
                located.parts.push((*origin, len as u32));
            }
        }
    }
    located
}
