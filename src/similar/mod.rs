//! Similar trips from the server's side: they are read from trips.trip, with the rights of the caller, and grouped by
//! `trips_core::similar`.

mod islands;
mod progress;
mod read;
mod stored;

use std::cmp::Reverse;
use std::ops::Range;

use trips_core::Error;
use trips_core::area::Area;
use trips_core::similar::cell::Cells;
use trips_core::similar::{Crew, Group, Groups, How, Limits, Memory, Share};

use crate::postgres::signals::AllBlocked;
use crate::{settings, threads};
use progress::Progress;
pub use stored::refresh;

/// How trips make groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Around representatives.
    Representative,
    /// By density.
    Density,
    /// In the same cells.
    Cell,
}

impl Method {
    /// The value of an option.
    ///
    /// # Errors
    /// 22023 for any other.
    pub fn new(value: &str) -> Result<Method, Error> {
        match value {
            "representative" => Ok(Method::Representative),
            "density" => Ok(Method::Density),
            "cell" => Ok(Method::Cell),
            _ => Err(Error::InvalidOption {
                name: "method",
                value: value.to_owned(),
                allowed: r#""representative", "density", "cell""#,
            }),
        }
    }
}

/// Which trips are grouped, and how.
pub struct Asked {
    /// How.
    pub method: Method,
    /// What similar trips differ by at most.
    pub limits: Limits,
    /// Groups of fewer trips are left out; by density, trips with fewer similar ones are no cores.
    pub min_trips: u64,
    /// The region, or any.
    pub region: Option<i16>,
    /// Where they begin, or anywhere.
    pub area: Option<Area>,
    /// Days of departure, since 2000-01-01.
    pub days: Range<i32>,
    /// The ingests that brought them, or any.
    pub ingests: Option<Vec<i64>>,
}

/// The groups, the largest first; of equals, the one whose first trip departs first.
///
/// # Errors
/// 53200 where memory is short; 22003 for a trip that has no points. What the server raises leaves as a panic.
pub fn groups(asked: &Asked) -> Result<Vec<Group>, Error> {
    let Grouped { groups, .. } = group(asked, false)?;
    Ok(groups.into_iter().map(|(_, group)| group).collect())
}

/// The trips of all groups, with the place of their group in [`groups`], counted from 1.
///
/// # Errors
/// As [`groups`].
pub fn members(asked: &Asked) -> Result<Vec<(i64, i64)>, Error> {
    let Grouped {
        groups,
        mut members,
    } = group(asked, true)?;
    let numbers = groups.iter().map(|(number, _)| *number).max();
    let mut ranks = vec![0; numbers.map_or(0, |number| number as usize + 1)];
    for (rank, (number, _)) in (1..).zip(&groups) {
        if let Some(place) = ranks.get_mut(*number as usize) {
            *place = rank;
        }
    }
    let rank_of = |number: u32| ranks.get(number as usize).copied().unwrap_or(0);
    members.retain(|(_, number)| rank_of(*number) > 0);
    members.sort_unstable_by_key(|(id, number)| (rank_of(*number), *id));
    Ok(members
        .into_iter()
        .map(|(id, number)| (rank_of(number), id))
        .collect())
}

/// Groups with their numbers, the largest first, and trips with the numbers of their groups, of which some may have been left out.
struct Grouped {
    groups: Vec<(u32, Group)>,
    members: Vec<(i64, u32)>,
}

fn group(asked: &Asked, with_members: bool) -> Result<Grouped, Error> {
    let memory = Memory::new(settings::group_memory());
    let mut members = Members::new(with_members, &memory);
    let mut progress = Progress::new();
    let groups = match asked.method {
        Method::Cell => in_cells(asked, &memory, &mut members, &mut progress)?,
        Method::Representative | Method::Density => {
            let crew = start_crew()?;
            let _registered = threads::register(crew.control());
            let how = How {
                limits: asked.limits,
                min_trips: asked.min_trips,
                memory,
                crew: &crew,
            };
            islands::group(asked, &how, &mut members, &mut progress)?
        }
    };
    let mut groups = groups.into_all();
    let rank =
        |(_, group): &(u32, Group)| (Reverse(group.trips), group.first_departure, group.first);
    groups.sort_unstable_by_key(rank);
    Ok(Grouped {
        groups,
        members: members.all,
    })
}

fn start_crew() -> Result<Crew, Error> {
    let _blocked = AllBlocked::new();
    Crew::new(settings::group_threads())
}

/// Trips that are added to cells at a time.
const BLOCK: usize = 1024;

fn in_cells(
    asked: &Asked,
    memory: &Memory,
    members: &mut Members,
    progress: &mut Progress,
) -> Result<Groups, Error> {
    let mut cells = Cells::new(asked.limits, memory);
    let mut block = Vec::with_capacity(BLOCK);
    let mut joined = |id, number| members.add(id, number);
    read::each(asked, asked.days.clone(), |trip| {
        progress.read(1);
        block.push(trip);
        if block.len() == BLOCK {
            cells.add(&block, &mut joined)?;
            block.clear();
        }
        Ok(())
    })?;
    cells.add(&block, &mut joined)?;
    let mut groups = Groups::new(memory);
    groups.extend(cells.groups(asked.min_trips))?;
    Ok(groups)
}

/// Which trip is of which group, where that is asked for.
struct Members {
    wanted: bool,
    all: Vec<(i64, u32)>,
    share: Share,
}

impl Members {
    fn new(wanted: bool, memory: &Memory) -> Members {
        Members {
            wanted,
            all: Vec::new(),
            share: memory.share(),
        }
    }

    /// What is taken for each trip, with the room that may be left.
    const fn bytes_per_trip(&self) -> usize {
        match self.wanted {
            true => 2 * size_of::<(i64, u32)>(),
            false => 0,
        }
    }

    fn add(&mut self, id: i64, number: u32) -> Result<(), Error> {
        if self.wanted {
            if self.all.len() == self.all.capacity() {
                let grown = 2 * self.all.capacity().max(1024);
                self.share.hold(grown * size_of::<(i64, u32)>())?;
            }
            self.all.push((id, number));
        }
        Ok(())
    }
}
