//! Groups by density: DBSCAN (Ester and others, 1996), exact.
//!
//! A trip that has at least `min_trips` similar ones, itself among them, is a core. Cores that are similar are of one
//! group; any other trip that is similar to a core is of the group of the most similar one, and the rest is of none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::HashMap;

use super::crew::Crew;
use super::grid::Grid;
use super::metric::{Limits, Place};
use super::summary::Summary;
use super::{Group, Hashed, Memory, Trip};
use crate::Error;

/// Trips that a thread looks at at a time.
const PIECE: usize = 1024;

/// Of no group.
pub const NONE: u32 = u32::MAX;

/// What each trip takes: itself, its place, its key, and its group.
pub const BYTES_PER_TRIP: usize = size_of::<Trip>()
    + size_of::<Located>()
    + size_of::<(u64, u32)>()
    + 2 * size_of::<(u64, Stretch)>()
    + 3 * size_of::<u32>();

/// A trip's place, beside those of other trips with the same key.
#[derive(Debug, Clone, Copy)]
struct Located {
    place: Place,
    /// Its number in the order of (departed_at, id).
    number: u32,
}

/// Places that follow each other.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: u32,
    len: u32,
}

/// All trips, found by their keys.
struct Scene {
    limits: Limits,
    grid: Grid,
    /// In the order of (departed_at, id).
    trips: Vec<Trip>,
    /// In the order of their keys.
    located: Vec<Located>,
    stretches: HashMap<u64, Stretch, Hashed>,
}

impl Scene {
    fn trip(&self, located: &Located) -> Option<&Trip> {
        self.trips.get(located.number as usize)
    }

    /// Calls `visit` with the place of each trip that is similar to one, itself among them, and how unlike they are, until it says stop.
    fn each_similar(&self, one: &Located, mut visit: impl FnMut(usize, &Located, f64) -> bool) {
        let Some(trip) = self.trip(one) else {
            return;
        };
        // Two cells that have one key are one stretch, which is to be looked at once.
        let mut seen = [u32::MAX; 32];
        let mut count = 0;
        let mut stopped = false;
        self.grid.around(trip).each(|key| {
            let Some(stretch) = self.stretches.get(&key).filter(|_| !stopped) else {
                return;
            };
            if seen.iter().take(count).any(|first| *first == stretch.first) {
                return;
            }
            if let Some(place) = seen.get_mut(count) {
                *place = stretch.first;
                count += 1;
            }
            let first = stretch.first as usize;
            let others = self.located.get(first..first + stretch.len as usize);
            for (place, other) in (first..).zip(others.unwrap_or_default()) {
                if let Some(unlikeness) = self.limits.unlikeness(&one.place, &other.place)
                    && !visit(place, other, unlikeness)
                {
                    stopped = true;
                    return;
                }
            }
        });
    }
}

/// Which trips are of one group, found by many threads at once: the least number of each group is its root.
struct Union(Vec<AtomicU32>);

impl Union {
    fn new(count: usize) -> Union {
        Union((0..count as u32).map(AtomicU32::new).collect())
    }

    /// The root of a trip as far as groups have been joined.
    fn root(&self, mut number: u32) -> u32 {
        while let Some(parent) = self.0.get(number as usize) {
            let above = parent.load(Ordering::Relaxed);
            if above == number {
                break;
            }
            // Halves the path; who fails has been overtaken by one who did it.
            let higher = self
                .0
                .get(above as usize)
                .map_or(above, |above| above.load(Ordering::Relaxed));
            let _ =
                parent.compare_exchange_weak(above, higher, Ordering::Relaxed, Ordering::Relaxed);
            number = higher;
        }
        number
    }

    fn join(&self, one: u32, other: u32) {
        loop {
            let (one, other) = (self.root(one), self.root(other));
            if one == other {
                return;
            }
            let (least, greatest) = (one.min(other), one.max(other));
            let Some(parent) = self.0.get(greatest as usize) else {
                return;
            };
            if parent
                .compare_exchange(greatest, least, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            {
                return;
            }
        }
    }
}

/// The groups and which trip is of which.
#[derive(Debug)]
pub struct Grouped {
    /// In the order of their first trips.
    pub groups: Vec<Group>,
    /// The trips in the order of (departed_at, id), with the place of their group; [`NONE`] for none.
    pub members: Vec<(i64, u32)>,
}

/// Groups trips, which come in the order of (departed_at, id).
///
/// # Errors
/// 53200 where memory is short; what `tick` gives.
pub fn group(
    trips: Vec<Trip>,
    limits: Limits,
    min_trips: u64,
    memory: Memory,
    crew: &Crew,
    tick: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Grouped, Error> {
    memory.require(trips.len() * BYTES_PER_TRIP)?;
    let scene = Arc::new(locate(trips, limits, crew, tick)?);
    let count = scene.located.len();
    let pieces = count.div_ceil(PIECE);
    let piece = |scene: &Scene, piece: usize| {
        let from = piece * PIECE;
        from..scene.located.len().min(from + PIECE)
    };

    // Which places are cores.
    let mut cores = Vec::with_capacity(count);
    let find_cores = {
        let scene = Arc::clone(&scene);
        move |number| {
            let is_core = |one: &Located| {
                let mut similar = 0;
                scene.each_similar(one, |_, _, _| {
                    similar += 1;
                    similar < min_trips
                });
                similar >= min_trips
            };
            let located = scene.located.get(piece(&scene, number)).unwrap_or_default();
            located.iter().map(is_core).collect::<Vec<bool>>()
        }
    };
    crew.in_order(pieces, find_cores, tick, |found| {
        cores.extend(found);
        Ok(())
    })?;

    // Cores that are similar.
    let cores = Arc::new(cores);
    let union = Arc::new(Union::new(count));
    let join_cores = {
        let (scene, cores, union) = (Arc::clone(&scene), Arc::clone(&cores), Arc::clone(&union));
        move |number| {
            let places = piece(&scene, number);
            let located = scene.located.get(places.clone()).unwrap_or_default();
            for (place, one) in places.zip(located) {
                if cores.get(place) == Some(&true) {
                    scene.each_similar(one, |other, located, _| {
                        // Each pair is met from both sides.
                        if other < place && cores.get(other) == Some(&true) {
                            union.join(one.number, located.number);
                        }
                        true
                    });
                }
            }
        }
    };
    crew.in_order(pieces, join_cores, tick, |()| Ok(()))?;

    // The core that each trip belongs to: itself, or the most similar one.
    let mut roots = vec![NONE; count];
    let find_roots = {
        let scene = Arc::clone(&scene);
        move |number| {
            let places = piece(&scene, number);
            let located = scene.located.get(places.clone()).unwrap_or_default();
            let root = |(place, one): (usize, &Located)| {
                if cores.get(place) == Some(&true) {
                    return (one.number, union.root(one.number));
                }
                let mut nearest: Option<(f64, i64, u32)> = None;
                scene.each_similar(one, |other, located, unlikeness| {
                    let id = scene.trip(located).map_or(i64::MAX, |trip| trip.id);
                    let nearer = |(least, lowest, _): (f64, i64, u32)| {
                        unlikeness < least || unlikeness == least && id < lowest
                    };
                    if cores.get(other) == Some(&true) && nearest.is_none_or(nearer) {
                        nearest = Some((unlikeness, id, located.number));
                    }
                    true
                });
                (
                    one.number,
                    nearest.map_or(NONE, |(_, _, core)| union.root(core)),
                )
            };
            places.zip(located).map(root).collect::<Vec<_>>()
        }
    };
    crew.in_order(pieces, find_roots, tick, |found| {
        for (number, root) in found {
            if let Some(place) = roots.get_mut(number as usize) {
                *place = root;
            }
        }
        Ok(())
    })?;
    Ok(summarize(&scene, &roots))
}

/// Finds each trip's place and its key.
fn locate(
    trips: Vec<Trip>,
    limits: Limits,
    crew: &Crew,
    tick: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Scene, Error> {
    let grid = Arc::new(Grid::new(&limits));
    let trips = Arc::new(trips);
    let count = trips.len();
    let mut keys = Vec::with_capacity(count);
    let mut places = Vec::with_capacity(count);
    let work = {
        let (grid, trips) = (Arc::clone(&grid), Arc::clone(&trips));
        move |piece: usize| {
            let from = piece * PIECE;
            let trips = trips
                .get(from..trips.len().min(from + PIECE))
                .unwrap_or_default();
            trips
                .iter()
                .map(|trip| (grid.key(trip), Place::of(trip)))
                .collect::<Vec<_>>()
        }
    };
    crew.in_order(count.div_ceil(PIECE), work, tick, |found| {
        for (key, place) in found {
            keys.push((key, keys.len() as u32));
            places.push(place);
        }
        Ok(())
    })?;
    keys.sort_unstable();
    tick()?;
    let mut located = Vec::with_capacity(count);
    let mut stretches: HashMap<u64, Stretch, Hashed> = HashMap::default();
    for same in keys.chunk_by(|(one, _), (other, _)| one == other) {
        let first = located.len() as u32;
        if let Some((key, _)) = same.first() {
            stretches.insert(
                *key,
                Stretch {
                    first,
                    len: same.len() as u32,
                },
            );
        }
        for (_, number) in same {
            if let Some(place) = places.get(*number as usize) {
                located.push(Located {
                    place: *place,
                    number: *number,
                });
            }
        }
    }
    // The threads may not have dropped the last piece of work yet.
    let trips = Arc::try_unwrap(trips).unwrap_or_else(|trips| trips.to_vec());
    let grid = Arc::try_unwrap(grid).unwrap_or_else(|grid| (*grid).clone());
    Ok(Scene {
        limits,
        grid,
        trips,
        located,
        stretches,
    })
}

/// Adds up the groups, in the order of the trips.
fn summarize(scene: &Scene, roots: &[u32]) -> Grouped {
    let mut numbers: HashMap<u32, u32, Hashed> = HashMap::default();
    let mut sums: Vec<(u32, Place, Summary)> = Vec::new();
    let mut members = Vec::with_capacity(roots.len());
    for ((number, trip), root) in (0u32..).zip(&scene.trips).zip(roots) {
        if *root == NONE {
            members.push((trip.id, NONE));
            continue;
        }
        let place = Place::of(trip);
        let group = *numbers.entry(*root).or_insert(sums.len() as u32);
        match sums.get_mut(group as usize) {
            Some((_, first, sum)) => sum.add(first, trip.departed_at, &place),
            None => sums.push((number, place, Summary::of(trip))),
        }
        members.push((trip.id, group));
    }
    let group = |(first, place, sum): &(u32, Place, Summary)| {
        scene
            .trips
            .get(*first as usize)
            .map(|trip| sum.group(trip, place))
    };
    Grouped {
        groups: sums.iter().filter_map(group).collect(),
        members,
    }
}
