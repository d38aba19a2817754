//! Groups around representatives that a table keeps: they go on where they were.

use trips_core::Error;
use trips_core::similar::representative::Representatives;
use trips_core::similar::{self, Group, Memory, Trip};

use super::progress::Progress;
use super::{Asked, read, start_crew};
use crate::postgres::query;
use crate::{settings, threads};

/// The part of the memory that trips may take while they are read.
const READ: usize = 4;

/// Groups that have got trips.
pub struct Refreshed {
    representatives: Representatives,
    /// Of each number from 1 on, whether it has got any.
    changed: Vec<bool>,
}

/// Goes on from the groups whose bytes the open cursor `kept` gives, in the order of their numbers, with the trips that are asked about:
/// these come in the order of their departures, and after all that came before.
///
/// # Errors
/// 53200 where memory is short; XX001 for bytes that are no group; 22003 for a trip that has no points. What the server raises leaves as a
/// panic.
pub fn refresh(asked: &Asked, kept: &str) -> Result<Refreshed, Error> {
    let memory = Memory::new(settings::group_memory());
    let most = (memory.limit() / READ / size_of::<Trip>()).max(1);
    let mut share = memory.share();
    share.hold(most * size_of::<Trip>())?;
    let mut representatives = Representatives::new(asked.limits, &memory, 1);
    query::cursor(kept, |row| {
        representatives.restore(row.bytes(1).unwrap_or_default())
    })?;
    let mut changed = vec![false; representatives.next_number() as usize];
    let crew = start_crew()?;
    let _registered = threads::register(crew.control());
    let mut progress = Progress::new();
    let any = |_: &Trip| true;
    let mut grouped = 0;
    for days in read::stretches(asked, &any, most)? {
        let mut trips = read::all(asked, days, &any, most, &memory, &mut progress)?;
        similar::sort(&mut trips);
        let before = grouped;
        grouped += trips.len() as u64;
        let mut tick = || {
            progress.tick(before);
            Ok(())
        };
        let mut joined = |_, number: u32| {
            let number = number as usize;
            if number >= changed.len() {
                changed.resize(number + 1, false);
            }
            if let Some(changed) = changed.get_mut(number) {
                *changed = true;
            }
            Ok(())
        };
        representatives.add(trips, &crew, &mut tick, &mut joined)?;
    }
    Ok(Refreshed {
        representatives,
        changed,
    })
}

impl Refreshed {
    /// The groups with their numbers, and the bytes that they can go on from.
    pub fn groups(self) -> impl Iterator<Item = (i64, Group, Vec<u8>)> {
        let Refreshed {
            representatives,
            changed,
        } = self;
        (0u32..)
            .zip(changed)
            .filter(|(_, changed)| *changed)
            .filter_map(move |(number, _)| {
                let (group, bytes) = representatives.kept(number)?;
                Some((i64::from(number), group, bytes))
            })
    }
}
