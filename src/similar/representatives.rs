//! Groups around representatives: all trips at once where a part of the memory holds them, else island by island, and of an island
//! that is too large for that some days at a time.

use std::cell::Cell;
use std::ops::Range;

use trips_core::Error;
use trips_core::similar::representative::{self, Representatives};
use trips_core::similar::{self, Groups, How, Share, Trip};

use super::progress::Progress;
use super::read::{self, Look};
use super::{Asked, Members};

/// Bytes that are taken for each trip that is read.
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
    /// For trips that are read.
    share: Share,
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
    // The other half is for representatives.
    let most = (how.memory.limit() / 2 / EACH).max(1);
    let mut share = how.memory.share();
    share.hold(most * EACH)?;
    let look = read::look(asked, most, &how.memory, progress)?;
    let mut grouping = Grouping {
        asked,
        how,
        members,
        groups: Groups::new(&how.memory),
        next: 0,
        grouped: Cell::new(0),
        progress,
        share,
    };
    match look {
        Look::Trips(trips) => grouping.at_once(trips)?,
        Look::Islands(islands) => {
            // By and by the groups need more of the memory; to read once more takes little time.
            let most = (most / 2).max(1);
            let (part_of, parts) = islands.parts(most);
            for (part, count) in (0u32..).zip(parts) {
                let wanted = |trip: &Trip| {
                    let island = islands.of(trip);
                    island.and_then(|island| part_of.get(island as usize)) == Some(&part)
                };
                if count <= most {
                    let trips = grouping.read(asked.days.clone(), &wanted, count)?;
                    grouping.at_once(trips)?;
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
        self.share.hold(most * EACH)?;
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
        similar::sort(&mut trips);
        self.share.hold(trips.len() * EACH)?;
        let mut tick = || {
            self.progress.tick(self.grouped.get());
            Ok(())
        };
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
