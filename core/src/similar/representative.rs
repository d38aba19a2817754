//! Groups around representatives: in the order of time, a trip joins the most similar representative there is so far, or becomes one.

use std::sync::Arc;

use super::crew::Crew;
use super::grid::{Around, Grid};
use super::islands::Survey;
use super::kept;
use super::metric::{Limits, Place};
use super::nearby::{Found, Nearby};
use super::sketch::{Sketch, Sketcher};
use super::summary::Summary;
use super::{Group, Groups, How, Memory, Share, Trip};
use crate::Error;

/// Trips that a thread prepares at a time.
const PIECE: usize = 1024;

/// Trips of an island that are added at a time.
const ADDED: usize = 1 << 17;

/// Trips that are looked up together, so that what is fetched for one does not wait for another: some tens of kilobytes.
const BLOCK: usize = 16;

/// No summary.
const NONE: u32 = u32::MAX;

/// A trip that the others of its group are similar to.
#[derive(Debug, Clone, Copy)]
struct Representative {
    trip: Trip,
    /// Its summary; [`NONE`] for a group of one.
    summary: u32,
}

/// Bytes that [`group`] takes for each trip besides the trip itself.
pub const BYTES_PER_TRIP: usize = size_of::<u32>();

/// Islands that are grouped one by one, of all trips at once; smaller ones go together.
const SHARES: usize = 16;

/// Groups trips, which come in the order of (departed_at, id), island after island. Adds the groups of at least `min_trips` trips
/// to `groups` with their numbers, which begin with `first_number`; gives the first number that is free then. `joined` is told each trip's
/// id and the number of its group, also of those that are left out.
///
/// # Errors
/// 53200 where memory is short; what `tick` and `joined` give.
pub fn group(
    trips: &[Trip],
    how: &How<'_>,
    first_number: u32,
    groups: &mut Groups,
    tick: &mut dyn FnMut() -> Result<(), Error>,
    joined: &mut dyn FnMut(i64, u32) -> Result<(), Error>,
) -> Result<u32, Error> {
    let mut survey = Survey::new(&how.limits, &how.memory);
    for trip in trips {
        survey.add(trip)?;
    }
    let islands = survey.islands();
    let (part_of, parts) = islands.parts(trips.len() / SHARES);
    let of = |trip| {
        islands
            .of(trip)
            .and_then(|island| part_of.get(island as usize))
    };
    let of: Vec<_> = trips
        .iter()
        .map(|trip| of(trip).copied().unwrap_or_default())
        .collect();
    tick()?;
    let mut next = first_number;
    for part in 0..parts.len() as u32 {
        let mut own = trips.iter().zip(&of).filter(|(_, of)| **of == part);
        let mut representatives = Representatives::new(how.limits, &how.memory, next);
        loop {
            let some: Vec<_> = own.by_ref().take(ADDED).map(|(trip, _)| *trip).collect();
            if some.is_empty() {
                break;
            }
            representatives.add(some, how.crew, tick, joined)?;
        }
        groups.extend(representatives.groups(how.min_trips))?;
        next = representatives.next_number();
    }
    Ok(next)
}

/// Groups as far as trips have come; they come in the order of (departed_at, id).
#[derive(Debug)]
pub struct Representatives {
    limits: Limits,
    grid: Arc<Grid>,
    sketcher: Sketcher,
    /// The number of the first one.
    first_number: u32,
    /// Places of representatives by their keys in the grid.
    nearby: Nearby,
    representatives: Vec<Representative>,
    summaries: Vec<Summary>,
    share: Share,
}

/// A trip that is ready to be looked up.
#[derive(Debug, Clone, Copy)]
struct Ready {
    trip: Trip,
    place: Place,
    sketch: Sketch,
    key: u32,
    around: Around,
}

impl Representatives {
    /// None so far; `memory` is what they may take, and the first will have this number.
    pub fn new(limits: Limits, memory: &Memory, first_number: u32) -> Representatives {
        Representatives {
            first_number,
            grid: Arc::new(Grid::new(&limits)),
            sketcher: Sketcher::new(&limits),
            limits,
            nearby: Nearby::new(),
            representatives: Vec::new(),
            summaries: Vec::new(),
            share: memory.share(),
        }
    }

    /// The number that the next one will have.
    pub fn next_number(&self) -> u32 {
        self.first_number + self.representatives.len() as u32
    }

    /// Bytes that are taken with `more` representatives. Room that nothing has been written to takes none.
    fn bytes(&self, more: usize) -> usize {
        (self.representatives.len() + more) * size_of::<Representative>()
            + (self.summaries.len() + more) * size_of::<Summary>()
            + self.nearby.bytes(more)
    }

    /// Adds trips, all later than those before. `joined` is told each trip's id and the number of its representative.
    ///
    /// # Errors
    /// 53200 where memory is short; what `tick` and `joined` give.
    pub fn add(
        &mut self,
        trips: Vec<Trip>,
        crew: &Crew,
        tick: &mut dyn FnMut() -> Result<(), Error>,
        joined: &mut dyn FnMut(i64, u32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let pieces = trips.len().div_ceil(PIECE);
        let (grid, sketcher) = (Arc::clone(&self.grid), self.sketcher);
        let prepare = move |piece: usize| {
            let from = piece * PIECE;
            let trips = trips
                .get(from..trips.len().min(from + PIECE))
                .unwrap_or_default();
            let ready = |trip: &Trip| {
                let place = Place::of(trip);
                Ready {
                    trip: *trip,
                    place,
                    sketch: sketcher.sketch(&place),
                    key: grid.key(trip) as u32,
                    around: grid.around(trip),
                }
            };
            trips.iter().map(ready).collect::<Vec<_>>()
        };
        let mut found = Found::default();
        let mut new = Vec::new();
        crew.in_order(pieces, prepare, tick, |ready| {
            self.share.hold(self.bytes(ready.len()))?;
            for block in ready.chunks(BLOCK) {
                self.find(block, &mut found);
                for (ready, candidates) in block.iter().zip(found.each()) {
                    let number = match self.nearest(ready, candidates, &new) {
                        Some((number, place)) => self.join(number, &place, ready),
                        None => self.found(ready, &mut new),
                    };
                    joined(ready.trip.id, self.first_number + number)?;
                }
                for (number, new) in new.drain(..) {
                    self.nearby.add(new.key, number, new.sketch);
                }
            }
            Ok(())
        })
    }

    /// Finds the representatives that may be similar to each trip of a block.
    fn find(&self, block: &[Ready], found: &mut Found) {
        let keys = |ready: &Ready, take: &mut dyn FnMut(u32)| {
            ready.around.each(|key| take(key as u32));
        };
        let probe = |ready: &Ready| self.sketcher.probe(ready.sketch);
        self.nearby.find(block, keys, probe, &self.sketcher, found);
        // Has the processor fetch them, all at once.
        let all = found.all().iter();
        let fetched = all.filter_map(|number| self.representatives.get(*number as usize));
        let of = |one: &Representative| one.trip.departed_at ^ i64::from(one.summary);
        std::hint::black_box(fetched.fold(0, |sum, one| sum ^ of(one)));
    }

    /// The most similar representative of the candidates and those of the block, and its place; the earliest of equals.
    fn nearest(
        &self,
        ready: &Ready,
        candidates: &[u32],
        new: &[(u32, Ready)],
    ) -> Option<(u32, Place)> {
        let mut nearest: Option<(f64, u32, Place)> = None;
        let mut look = |number: u32, place: Place| {
            if let Some(unlikeness) = self.limits.unlikeness(&place, &ready.place) {
                let nearer = |(least, earliest, _): (f64, u32, _)| {
                    unlikeness < least || unlikeness == least && number < earliest
                };
                if nearest.is_none_or(nearer) {
                    nearest = Some((unlikeness, number, place));
                }
            }
        };
        for number in candidates {
            if let Some(other) = self.representatives.get(*number as usize) {
                look(*number, Place::of(&other.trip));
            }
        }
        let probe = self.sketcher.probe(ready.sketch);
        for (number, other) in new {
            if self.sketcher.may_be_similar(probe, other.sketch) {
                look(*number, other.place);
            }
        }
        nearest.map(|(_, number, place)| (number, place))
    }

    fn join(&mut self, number: u32, place: &Place, ready: &Ready) -> u32 {
        if let Some(representative) = self.representatives.get_mut(number as usize) {
            if representative.summary == NONE {
                representative.summary = self.summaries.len() as u32;
                self.summaries.push(Summary::of(&representative.trip));
            }
            if let Some(summary) = self.summaries.get_mut(representative.summary as usize) {
                summary.add(place, ready.trip.departed_at, &ready.place);
            }
        }
        number
    }

    fn found(&mut self, ready: &Ready, new: &mut Vec<(u32, Ready)>) -> u32 {
        let number = self.representatives.len() as u32;
        self.representatives.push(Representative {
            trip: ready.trip,
            summary: NONE,
        });
        new.push((number, *ready));
        number
    }

    /// Adds a group as [`Representatives::kept`] has given it; all of them, in the order of their numbers, before any trips.
    ///
    /// # Errors
    /// 53200 where memory is short; XX001 for other bytes.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let (trip, summary) = kept::restore(bytes).ok_or(Error::NoGroup)?;
        if self.representatives.len().is_multiple_of(PIECE) {
            self.share.hold(self.bytes(PIECE))?;
        }
        let number = self.representatives.len() as u32;
        self.representatives.push(Representative {
            trip,
            summary: summary.map_or(NONE, |_| self.summaries.len() as u32),
        });
        self.summaries.extend(summary);
        let sketch = self.sketcher.sketch(&Place::of(&trip));
        self.nearby.add(self.grid.key(&trip) as u32, number, sketch);
        Ok(())
    }

    /// The group with a number, and the bytes that it can be restored from.
    pub fn kept(&self, number: u32) -> Option<(Group, Vec<u8>)> {
        let place = number.checked_sub(self.first_number)? as usize;
        let Representative { trip, summary } = self.representatives.get(place)?;
        let summary = self.summaries.get(*summary as usize);
        let one = Summary::of(trip);
        let group = summary.unwrap_or(&one).group(trip, &Place::of(trip));
        Some((group, kept::keep(trip, summary)))
    }

    /// The groups of at least `min_trips` trips with the numbers of their representatives, in the order of these.
    pub fn groups(&self, min_trips: u64) -> impl Iterator<Item = (u32, Group)> {
        let all = (self.first_number..).zip(&self.representatives);
        all.filter_map(move |(number, Representative { trip, summary })| {
            let one = Summary::of(trip);
            let summary = self.summaries.get(*summary as usize).unwrap_or(&one);
            (summary.trips() >= min_trips).then(|| (number, summary.group(trip, &Place::of(trip))))
        })
    }
}
