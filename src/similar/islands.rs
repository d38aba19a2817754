//! Groups around representatives and by density: all trips at once where a part of the memory holds them, else island by island. Of an
//! island that is too large for that some days at a time are grouped around representatives; by density it takes too much memory.

use std::cell::Cell;
use std::ops::Range;

use trips_core::Error;
use trips_core::similar::representative::{self, Representatives};
use trips_core::similar::{self, Groups, How, Share, Trip, density};

use super::progress::Progress;
use super::read::{self, Look};
use super::{Asked, Members, Method};

/// Bytes that representatives take for each trip that is read.
const EACH: usize = size_of::<Trip>() + representative::BYTES_PER_TRIP;

/// A grouping on its way.
struct Grouping<'g> {
    asked: &'g Asked,
    how: &'g How<'g>,
    members: &'g mut Members,
    groups: Groups,
    /// The number of the next group.
    next: u32,
    /// How many trips have been grouped.
    grouped: Cell<u64>,
    progress: &'g mut Progress,
    /// For trips that are read, and how many bytes each of them takes.
    share: Share,
    each: usize,
}

/// The groups.
///
/// # Errors
/// As [`super::groups`].
pub fn group(
    asked: &Asked,
    how: &How<'_>,
    members: &mut Members,
    progress: &mut Progress,
) -> Result<Groups, Error> {
    let limit = how.memory.limit();
    // The rest is for representatives, or by density for groups.
    let (each, at_once, in_parts) = match asked.method {
        Method::Density => {
            let each = density::BYTES_PER_TRIP + members.bytes_per_trip();
            let most = (limit - limit / 16) / each;
            (each, most, most)
        }
        // By and by the groups need more of the memory; to read once more takes little time.
        _ => (EACH, limit / 2 / EACH, limit / 4 / EACH),
    };
    let mut share = how.memory.share();
    share.hold(at_once * each)?;
    let look = read::look(asked, at_once, &how.memory, progress)?;
    let mut grouping = Grouping {
        asked,
        how,
        members,
        groups: Groups::new(&how.memory),
        next: 0,
        grouped: Cell::new(0),
        progress,
        share,
        each,
    };
    match look {
        Look::Trips(trips) => grouping.at_once(trips)?,
        Look::Islands(islands) => {
            let most = in_parts.max(1);
            let (part_of, parts) = islands.parts(most);
            for (part, count) in (0u32..).zip(parts) {
                let wanted = |trip: &Trip| {
                    let island = islands.of(trip);
                    island.and_then(|island| part_of.get(island as usize)) == Some(&part)
                };
                if count <= most {
                    let trips = grouping.read(asked.days.clone(), &wanted, count)?;
                    grouping.at_once(trips)?;
                } else if asked.method == Method::Density {
                    return Err(how.memory.short());
                } else {
                    grouping.in_turn(&wanted, most)?;
                }
            }
        }
    }
    Ok(grouping.groups)
}

impl Grouping<'_> {
    /// The wanted trips of some days, at most so many.
    fn read(
        &mut self,
        days: Range<i32>,
        wanted: &dyn Fn(&Trip) -> bool,
        most: usize,
    ) -> Result<Vec<Trip>, Error> {
        self.share.hold(most * self.each)?;
        read::all(
            self.asked,
            days,
            wanted,
            most,
            &self.how.memory,
            self.progress,
        )
    }

    /// Groups trips that no others are similar to.
    fn at_once(&mut self, mut trips: Vec<Trip>) -> Result<(), Error> {
        let mut tick = || {
            self.progress.tick(self.grouped.get());
            Ok(())
        };
        if self.asked.method == Method::Density {
            // It holds what it takes by itself.
            self.share.hold(0)?;
            let first = self.next;
            let mut joined = |id, number| match number {
                density::NONE => Ok(()),
                number => self.members.add(id, first + number),
            };
            let count = trips.len() as u64;
            let groups = density::group(trips, self.how, &mut tick, &mut joined)?;
            self.grouped.set(self.grouped.get() + count);
            self.next += groups.len() as u32;
            return self.groups.extend((first..).zip(groups));
        }
        self.share.hold(trips.len() * EACH)?;
        similar::sort(&mut trips);
        let mut joined = |id, number| {
            self.grouped.set(self.grouped.get() + 1);
            self.members.add(id, number)
        };
        self.next = representative::group(
            &trips,
            self.how,
            self.next,
            &mut self.groups,
            &mut tick,
            &mut joined,
        )?;
        Ok(())
    }

    /// Groups the wanted trips, some days at a time.
    fn in_turn(&mut self, wanted: &dyn Fn(&Trip) -> bool, most: usize) -> Result<(), Error> {
        let mut representatives =
            Representatives::new(self.how.limits, &self.how.memory, self.next);
        for days in read::stretches(self.asked, wanted, most)? {
            let mut trips = self.read(days, wanted, most)?;
            similar::sort(&mut trips);
            let mut tick = || {
                self.progress.tick(self.grouped.get());
                Ok(())
            };
            let mut joined = |id, number| {
                self.grouped.set(self.grouped.get() + 1);
                self.members.add(id, number)
            };
            representatives.add(trips, self.how.crew, &mut tick, &mut joined)?;
        }
        self.next = representatives.next_number();
        self.groups
            .extend(representatives.groups(self.how.min_trips))
    }
}
