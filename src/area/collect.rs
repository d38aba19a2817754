//! Runs of the trips that a transaction adds: they are collected until they fill the memory allowed, then built by
//! threads while the next are collected.

use std::sync::Arc;
use std::time::Duration;

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::area::Entry;
use trips_core::area::indexer::{BYTES_PER_ENTRY, Indexer, Step};

use super::writer::{Run, Tables, Writer};
use crate::postgres::disk::Use;
use crate::postgres::signals::AllBlocked;
use crate::settings;
use crate::threads::{self, Registered};

/// How long the backend waits for the threads before it looks at interrupts again.
const POLL: Duration = Duration::from_millis(20);

/// Entries of one run under way, and of the next.
const BYTES_PER_COLLECTED: usize = size_of::<Entry>() + BYTES_PER_ENTRY;

/// Trips that a run gets at most when it is built.
pub fn capacity() -> usize {
    (settings::area_memory() / BYTES_PER_COLLECTED).max(1)
}

/// Collects trips and writes runs of them. Without `finish` the transaction must abort.
pub struct Collector<'t> {
    tables: &'t Tables,
    writer: Writer<'t>,
    sign: i16,
    ingest: Option<i64>,
    entries: Vec<Entry>,
    /// Room of a run that has been built: memory that is new costs more than what it is filled with.
    spare: Vec<Entry>,
    /// Entries of a run.
    capacity: usize,
    building: Option<Building>,
}

struct Building {
    run: i64,
    entries: Arc<Vec<Entry>>,
    indexer: Indexer,
    _registered: Registered,
}

impl<'t> Collector<'t> {
    /// Prepares to write runs of this sign, whose trips are all of `ingest` if it is given.
    pub fn begin(tables: &'t Tables, sign: i16, ingest: Option<i64>) -> Collector<'t> {
        // Who takes trips away means to free room.
        let disk = if sign < 0 { Use::Whole } else { Use::Sparing };
        Collector {
            tables,
            writer: Writer::begin(tables, disk),
            sign,
            ingest,
            entries: Vec::new(),
            spare: Vec::new(),
            capacity: capacity(),
            building: None,
        }
    }

    /// Adds trips, and stores what the threads have ready.
    ///
    /// # Errors
    /// What the threads meet.
    pub fn add(&mut self, mut entries: &[Entry]) -> Result<(), Error> {
        while !entries.is_empty() {
            if self.entries.len() >= self.capacity {
                self.build()?;
            }
            if self.entries.capacity() == 0 {
                // Memory that is not written to costs nothing; moving what is there does.
                self.entries.reserve_exact(self.capacity);
            }
            let room = self.capacity - self.entries.len();
            let (now, later) = entries.split_at(room.min(entries.len()));
            self.entries.extend_from_slice(now);
            entries = later;
        }
        self.store(Duration::ZERO)
    }

    /// Builds what is left and ends the writing.
    ///
    /// # Errors
    /// As [`Collector::add`].
    pub fn finish(mut self) -> Result<(), Error> {
        if !self.entries.is_empty() {
            self.build()?;
        }
        self.wait()?;
        self.writer.finish();
        Ok(())
    }

    /// Has the collected entries built, once the run before them is complete.
    fn build(&mut self) -> Result<(), Error> {
        self.wait()?;
        let run = self.tables.next_run()?;
        let next = std::mem::take(&mut self.spare);
        let entries = Arc::new(std::mem::replace(&mut self.entries, next));
        let blocked = AllBlocked::new();
        let indexer = Indexer::build(run, &entries)?;
        drop(blocked);
        self.building = Some(Building {
            run,
            entries,
            _registered: threads::register(indexer.control()),
            indexer,
        });
        Ok(())
    }

    /// Waits until no run is being built.
    fn wait(&mut self) -> Result<(), Error> {
        while self.building.is_some() {
            self.store(POLL)?;
            check_for_interrupts!();
        }
        Ok(())
    }

    /// Stores what is ready; waits at most `timeout` for the first of it.
    fn store(&mut self, timeout: Duration) -> Result<(), Error> {
        while let Some(building) = &mut self.building {
            match building.indexer.next(timeout)? {
                Some(Step::Row(row)) => self.writer.add(row),
                Some(Step::Waiting) => return Ok(()),
                Some(Step::Leaves(_)) => {
                    return Err(Error::Internal {
                        what: "a run that is built asked for leaves".to_owned(),
                    });
                }
                None => self.complete()?,
            }
        }
        Ok(())
    }

    /// Writes the run that has been built.
    fn complete(&mut self) -> Result<(), Error> {
        if let Some(building) = self.building.take() {
            let (trees, _) = building.indexer.finish()?;
            self.spare = Arc::into_inner(building.entries).unwrap_or_default();
            self.spare.clear();
            let run = Run {
                id: building.run,
                sign: self.sign,
                ingest: self.ingest,
            };
            self.writer.complete(run, &trees);
        }
        Ok(())
    }
}
