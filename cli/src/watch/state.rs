//! What is known of the ingests that are watched, and what of that is news. Nothing here talks to anybody.
//!
//! Anybody may send what looks like an event. What can be checked is checked: where the role may read the server's
//! view, an event counts as it stands only if it is the very next one of its ingest and no end; any other is compared
//! with the ingest's row first.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Event, Phase};
use super::ingest::{End, Ingest};

/// What the role may read of `trips.ingest_progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Nothing.
    Nothing,
    /// The ingests of its own roles.
    Own,
    /// All.
    All,
}

/// A row of `trips.ingest_progress`.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it says.
    pub ingest: Ingest,
    /// Whether it says failed, and not why: the server has not yet been able to, or will not be.
    pub unexplained: bool,
}

/// What an event is to those who watch.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// Nothing new, or not about what is watched.
    Nothing,
    /// It is to be compared with the ingest's row.
    Ask,
    /// News.
    News(Box<Ingest>),
}

/// The ingests that are watched.
#[derive(Debug)]
pub struct State {
    wanted: BTreeSet<u32>,
    sight: Sight,
    running: BTreeMap<u32, Ingest>,
    ended: BTreeSet<u32>,
    /// Those that seem to be gone: they are, once they seem so twice.
    suspects: BTreeSet<u32>,
}

impl State {
    /// Watches these ingests, or all where none is named.
    pub fn new(wanted: BTreeSet<u32>) -> State {
        State {
            wanted,
            sight: Sight::Nothing,
            running: BTreeMap::new(),
            ended: BTreeSet::new(),
            suspects: BTreeSet::new(),
        }
    }

    /// Says what the role may read.
    pub fn set_sight(&mut self, sight: Sight) {
        self.sight = sight;
    }

    /// What the role may read.
    pub fn sight(&self) -> Sight {
        self.sight
    }

    /// The ingests that have not ended, by number.
    pub fn running(&self) -> impl Iterator<Item = &Ingest> {
        self.running.values()
    }

    /// Whether an ingest is known, or was.
    pub fn knows(&self, id: u32) -> bool {
        self.running.contains_key(&id) || self.ended.contains(&id)
    }

    /// Whether an ingest seems to be gone.
    pub fn suspects(&self, id: u32) -> bool {
        self.suspects.contains(&id)
    }

    fn is_watched(&self, id: u32) -> bool {
        (self.wanted.is_empty() || self.wanted.contains(&id)) && !self.ended.contains(&id)
    }

    /// Takes an event.
    pub fn hear(&mut self, event: &Event) -> Heard {
        if !self.is_watched(event.ingest) {
            return Heard::Nothing;
        }
        let known = self.running.get(&event.ingest).map(|known| known.sequence);
        // An end is news whatever its number: a stranger may have sent higher ones.
        if known.is_some_and(|known| event.sequence <= known) && !event.ends() {
            return Heard::Nothing;
        }
        let is_next = known.is_some_and(|known| event.sequence == known + 1);
        if self.sight == Sight::Nothing || (is_next && !event.ends()) {
            return Heard::News(Box::new(self.apply(event, None)));
        }
        Heard::Ask
    }

    /// Takes an event that was to be asked about, with its ingest's row if there is one to be seen.
    pub fn judge(&mut self, event: &Event, row: Option<&Row>) -> Option<Ingest> {
        let Some(row) = row else {
            // One of another role is known by its events alone.
            return (self.sight != Sight::All).then(|| self.apply(event, None));
        };
        let says = &row.ingest;
        let agrees = match (&says.end, event.ends()) {
            // A row is written with the event, so that it never lags behind.
            (None, false) => event.sequence <= says.sequence,
            (None, true) => false,
            // What was pushed before the end may be read after it; of a completed one the end itself may not be counted yet.
            (Some(_), false) => event.sequence <= says.sequence,
            (Some(end), true) => {
                let told = Ingest::of_event(event, None).end;
                told.is_some_and(|told| {
                    std::mem::discriminant(&told) == std::mem::discriminant(end)
                })
            }
        };
        agrees.then(|| self.apply(event, says.file.clone()))
    }

    fn apply(&mut self, event: &Event, name: Option<String>) -> Ingest {
        let known = self.running.get(&event.ingest);
        let name = name.or_else(|| known.and_then(|known| known.file.clone()));
        self.keep(Ingest::of_event(event, name))
    }

    fn keep(&mut self, ingest: Ingest) -> Ingest {
        self.suspects.remove(&ingest.id);
        if ingest.end.is_some() {
            self.running.remove(&ingest.id);
            self.ended.insert(ingest.id);
        } else {
            self.running.insert(ingest.id, ingest.clone());
        }
        ingest
    }

    /// Takes a row, which is right whatever was heard before; the ingest if that is news.
    pub fn see(&mut self, row: &Row) -> Option<Ingest> {
        let id = row.ingest.id;
        if !self.is_watched(id) {
            return None;
        }
        if row.unexplained && self.suspects.insert(id) {
            // Its last event may be on its way.
            let still = Ingest {
                end: None,
                ..row.ingest.clone()
            };
            let is_new = self.running.insert(id, still.clone()).is_none();
            return is_new.then_some(still);
        }
        if self.running.get(&id) == Some(&row.ingest) {
            self.suspects.remove(&id);
            return None;
        }
        Some(self.keep(row.ingest.clone()))
    }

    /// Takes that an ingest has no row to be seen, and whether its transaction is open; the ingest if it is given up.
    pub fn miss(&mut self, id: u32, is_open: bool) -> Option<Ingest> {
        let known = self.running.get(&id)?;
        // Nothing tells of one in the queue whose row cannot be read.
        let may_wait = known.phase == Phase::Queued && self.sight != Sight::All;
        if is_open || may_wait {
            self.suspects.remove(&id);
            return None;
        }
        if self.suspects.insert(id) {
            return None;
        }
        let gone = Ingest {
            end: Some(End::Unknown),
            ..known.clone()
        };
        Some(self.keep(gone))
    }
}

#[cfg(test)]
mod tests;
