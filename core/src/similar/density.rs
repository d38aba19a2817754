//! Groups by density: DBSCAN (Ester and others, 1996), exact.
//!
//! A trip that has at least `min_trips` similar ones, itself among them, is a core. Cores that are similar are of one
//! group; any other trip that is similar to a core is of the group of the most similar one, and the rest is of none.

//! Trips are put beside their neighbours first, in the order of the cells of their origins: so what one trip looks at is still at hand
//! for the next one.

mod scene;
mod union;

use std::sync::Arc;

use super::crew::Crew;
use super::summary::Summary;
use super::{Group, How, Trip};
use crate::Error;
use scene::Scene;
use union::{BLOCK, Union};

/// Trips that a thread looks at at a time.
const PIECE: usize = 1024;

/// Of no group.
pub const NONE: u32 = u32::MAX;

/// What each trip takes at most: what comes after it has its place, the tree of its group, whether it is a core, and its group, is less than
/// the trip as it came, which is gone then.
pub const BYTES_PER_TRIP: usize = scene::BYTES_PER_TRIP;

/// Groups trips, which come in any order. The groups in the order of their first trips; `joined` is told each trip's id and the place
/// of its group, or [`NONE`].
///
/// # Errors
/// 53200 where memory is short; what `tick` and `joined` give.
pub fn group(
    trips: Vec<Trip>,
    how: &How<'_>,
    tick: &mut dyn FnMut() -> Result<(), Error>,
    joined: &mut dyn FnMut(i64, u32) -> Result<(), Error>,
) -> Result<Vec<Group>, Error> {
    let mut share = how.memory.share();
    share.hold(trips.len() * BYTES_PER_TRIP)?;
    let search = Search {
        crew: how.crew,
        scene: Arc::new(Scene::new(trips, how.limits, how.crew, tick)?),
    };
    let cores = Arc::new(search.cores(how.min_trips, tick)?);
    let union = search.join(&cores, tick)?;
    let mut roots = search.roots(&cores, &union, tick)?;
    // Of two similar trips both are cores here, so who is alone is no core.
    if how.min_trips == PAIR {
        alone_are_none(&mut roots);
    }
    tick()?;
    summarize(&search.scene, &roots, joined)
}

/// The least number of trips that makes a trip with any neighbour a core.
const PAIR: u64 = 2;

/// What threads do with all trips, a piece at a time.
struct Search<'c> {
    crew: &'c Crew,
    scene: Arc<Scene>,
}

impl Search<'_> {
    /// Has `look` look at each piece, of which it gets the places.
    fn in_pieces<T: Send + 'static>(
        &self,
        tick: &mut dyn FnMut() -> Result<(), Error>,
        look: impl Fn(&Scene, std::ops::Range<usize>) -> T + Send + Sync + 'static,
        take: impl FnMut(T),
    ) -> Result<(), Error> {
        let (scene, count) = (Arc::clone(&self.scene), self.scene.len());
        let mut take = take;
        let look = move |piece| {
            let from = piece * PIECE;
            look(&scene, from..count.min(from + PIECE))
        };
        self.crew
            .in_order(count.div_ceil(PIECE), look, tick, |found| {
                take(found);
                Ok(())
            })
    }

    /// Which places are cores; where two trips are enough, all that may be.
    fn cores(
        &self,
        min_trips: u64,
        tick: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Vec<bool>, Error> {
        let count = self.scene.len();
        if min_trips <= PAIR {
            return Ok(vec![true; count]);
        }
        let mut cores = Vec::with_capacity(count);
        let look = move |scene: &Scene, places: std::ops::Range<usize>| {
            let is_core = |place| {
                let mut similar = 0;
                scene.each_similar(
                    place,
                    |_| false,
                    |_| true,
                    |_, _| {
                        similar += 1;
                        similar < min_trips
                    },
                );
                similar >= min_trips
            };
            places.map(is_core).collect::<Vec<_>>()
        };
        self.in_pieces(tick, look, |found| cores.extend(found))?;
        Ok(cores)
    }

    /// Joins cores that are similar.
    fn join(
        &self,
        cores: &Arc<Vec<bool>>,
        tick: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Arc<Union>, Error> {
        let union = Arc::new(Union::new(self.scene.len()));
        let look = {
            let (cores, union) = (Arc::clone(cores), Arc::clone(&union));
            let is_core = move |place: usize| cores.get(place) == Some(&true);
            move |scene: &Scene, places: std::ops::Range<usize>| {
                for place in places.filter(|place| is_core(*place)) {
                    // Each pair is met from both sides; of most others it is known that they are of one group.
                    let may_be_new = |other: usize| {
                        other < place
                            && !union.are_one(place as u32, other as u32)
                            && is_core(other)
                    };
                    let is_known = |block| {
                        block * BLOCK > place || union.are_one_with_block(place as u32, block)
                    };
                    scene.each_similar(place, is_known, may_be_new, |other, _| {
                        union.join(place as u32, other as u32);
                        true
                    });
                }
            }
        };
        self.in_pieces(tick, look, |()| ())?;
        Ok(union)
    }

    /// The root of the core that each place belongs to: itself, or the most similar one; [`NONE`] where there is none.
    fn roots(
        &self,
        cores: &Arc<Vec<bool>>,
        union: &Arc<Union>,
        tick: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Vec<u32>, Error> {
        let mut roots = Vec::with_capacity(self.scene.len());
        let look = {
            let (cores, union) = (Arc::clone(cores), Arc::clone(union));
            let is_core = move |place: usize| cores.get(place) == Some(&true);
            move |scene: &Scene, places: std::ops::Range<usize>| {
                let root = |place: usize| {
                    if is_core(place) {
                        return union.root(place as u32);
                    }
                    let mut nearest: Option<(f64, i64, usize)> = None;
                    scene.each_similar(
                        place,
                        |_| false,
                        &is_core,
                        |core, unlikeness| {
                            let id = scene.trip(core).map_or(i64::MAX, |trip| trip.id);
                            let nearer = |(least, lowest, _): (f64, i64, usize)| {
                                unlikeness < least || unlikeness == least && id < lowest
                            };
                            if nearest.is_none_or(nearer) {
                                nearest = Some((unlikeness, id, core));
                            }
                            true
                        },
                    );
                    nearest.map_or(NONE, |(_, _, core)| union.root(core as u32))
                };
                places.map(root).collect::<Vec<_>>()
            }
        };
        self.in_pieces(tick, look, |found| roots.extend(found))?;
        Ok(roots)
    }
}

/// Takes trips that share their root with no other one out of all groups.
fn alone_are_none(roots: &mut [u32]) {
    let mut others = vec![false; roots.len()];
    for (place, root) in (0u32..).zip(&*roots) {
        if *root != place
            && let Some(root) = others.get_mut(*root as usize)
        {
            *root = true;
        }
    }
    for (others, root) in others.iter().zip(roots.iter_mut().enumerate()) {
        let (place, root) = root;
        if !others && *root as usize == place {
            *root = NONE;
        }
    }
}

/// Adds up the groups, in the order of the places.
fn summarize(
    scene: &Scene,
    roots: &[u32],
    joined: &mut dyn FnMut(i64, u32) -> Result<(), Error>,
) -> Result<Vec<Group>, Error> {
    // The first trip of each group, by its root.
    let mut firsts = vec![NONE; roots.len()];
    let when = |place: u32| {
        scene
            .trip(place as usize)
            .map(|trip| (trip.departed_at, trip.id))
    };
    for (place, root) in (0u32..).zip(roots) {
        if let Some(first) = firsts.get_mut(*root as usize)
            && (*first == NONE || when(place) < when(*first))
        {
            *first = place;
        }
    }
    let mut in_order: Vec<(u32, u32)> = (0u32..)
        .zip(firsts.iter().copied())
        .filter(|(_, first)| *first != NONE)
        .collect();
    in_order.sort_unstable_by_key(|(_, first)| when(*first));
    let mut sums = Vec::with_capacity(in_order.len());
    let mut numbers = firsts;
    for (root, first) in in_order {
        if let (Some(number), Some(trip), Some(place)) = (
            numbers.get_mut(root as usize),
            scene.trip(first as usize),
            scene.place(first as usize),
        ) {
            *number = sums.len() as u32;
            sums.push((first, *trip, *place, Summary::of(trip)));
        }
    }
    for (at, root) in roots.iter().enumerate() {
        let (Some(trip), Some(place)) = (scene.trip(at), scene.place(at)) else {
            continue;
        };
        let number = numbers.get(*root as usize).copied().unwrap_or(NONE);
        if let Some((first, _, first_place, sum)) = sums.get_mut(number as usize)
            && *first as usize != at
        {
            sum.add(first_place, trip.departed_at, place);
        }
        joined(trip.id, number)?;
    }
    let group = |(_, trip, place, sum): &(u32, Trip, super::Place, Summary)| sum.group(trip, place);
    Ok(sums.iter().map(group).collect())
}
