//! Similar trips: those whose origins, destinations and times of day are near each other, put into groups.
//!
//! Two trips are similar when their origins are at most so many metres apart, their destinations at most so many, and
//! their times of day at most so long, round the clock ([`Limits`]). How they make groups is a method: [`representative`]
//! and [`density`] are exact, [`cell`] is cheap. What a method gives depends on the trips alone: not on the order in which
//! they come, nor on the number of threads ([`Crew`]).

pub mod cell;
mod crew;
pub mod density;
mod grid;
mod index;
pub mod islands;
mod kept;
mod memory;
mod metric;
mod nearby;
pub mod representative;
mod sketch;
mod summary;

use std::hash::{BuildHasherDefault, Hasher};

pub use crew::Crew;
pub use memory::{Memory, Share};
pub use metric::{DAY, Limits, Place, Position, time_of_day};

use crate::Error;
use crate::ingest::parse::point::Point;

/// A trip as it is grouped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trip {
    /// Its id.
    pub id: i64,
    /// Microseconds since 2000-01-01, local civil time.
    pub departed_at: i64,
    /// Where it begins.
    pub origin: Point,
    /// Where it ends.
    pub destination: Point,
}

/// Puts trips into the order that methods want: by departure, then by id.
pub fn sort(trips: &mut [Trip]) {
    trips.sort_unstable_by_key(|trip| (trip.departed_at, trip.id));
}

/// What is said of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// How many trips it has.
    pub trips: u64,
    /// The id of its first trip, by departure and then by id.
    pub first: i64,
    /// The middle of its origins.
    pub origin: Point,
    /// The middle of its destinations.
    pub destination: Point,
    /// The root of the mean square of the distances of its origins from their middle, metres.
    pub origin_radius: f64,
    /// That of its destinations.
    pub destination_radius: f64,
    /// The circular mean of its times of day, microseconds since midnight.
    pub time_of_day: i64,
    /// Their circular standard deviation, microseconds; at most half a day.
    pub time_spread: i64,
    /// The departure of its first trip, microseconds since 2000-01-01.
    pub first_departure: i64,
    /// That of its last.
    pub last_departure: i64,
}

/// How trips are grouped.
#[derive(Debug)]
pub struct How<'c> {
    /// What similar trips differ by at most.
    pub limits: Limits,
    /// Groups of fewer are left out; by density, trips with fewer similar ones are no cores.
    pub min_trips: u64,
    /// What may be taken.
    pub memory: Memory,
    /// Who does it.
    pub crew: &'c Crew,
}

/// Groups with their numbers, within the memory.
#[derive(Debug)]
pub struct Groups {
    all: Vec<(u32, Group)>,
    share: Share,
}

impl Groups {
    /// None so far.
    pub fn new(memory: &Memory) -> Groups {
        Groups {
            all: Vec::new(),
            share: memory.share(),
        }
    }

    /// Adds some.
    ///
    /// # Errors
    /// 53200 where memory is short.
    pub fn extend(&mut self, groups: impl Iterator<Item = (u32, Group)>) -> Result<(), Error> {
        for group in groups {
            if self.all.len() == self.all.capacity() {
                let more = (self.all.len() / 4).max(64);
                self.share
                    .hold((self.all.len() + more) * size_of::<(u32, Group)>())?;
                self.all.reserve_exact(more);
            }
            self.all.push(group);
        }
        Ok(())
    }

    /// All of them.
    pub fn into_all(self) -> Vec<(u32, Group)> {
        self.all
    }
}

/// Takes keys as they are: they look random already.
type Hashed = BuildHasherDefault<Identity>;

/// The hasher of [`Hashed`], for keys that look random.
#[derive(Debug, Default, Clone, Copy)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
