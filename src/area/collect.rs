//! Runs of the trips that a transaction adds: they are collected until they fill the memory allowed, then built by
//! threads while some of the next are collected.

use std::sync::Arc;
use std::time::Duration;

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::area::Entry;
use trips_core::area::indexer::{BYTES_PER_ENTRY, Indexer, Step};

use super::writer::{Run, Tables, Writer};
use crate::postgres::disk::Use;
use crate::postgres::large_pages;
use crate::postgres::signals::AllBlocked;
use crate::settings;
use crate::threads::{self, Registered};

/// How long the backend waits for the threads before it looks at interrupts again.
const POLL: Duration = Duration::from_millis(20);

/// Of a run's entries this part is collected while the run before it is built. On two cores the threads that build take
/// those that parse and load, so room for more would only make runs smaller, which questions pay for. Where cores are left,
/// the load goes on meanwhile, with as much room again.
fn meanwhile() -> usize {
    if settings::cores() > 2 { 1 } else { 8 }
}

/// Trips that a run gets at most when it is built.
pub fn capacity() -> usize {
    // An entry of a run that is built, and its part of what is collected meanwhile.
    let bytes = BYTES_PER_ENTRY + size_of::<Entry>() / meanwhile();
    (settings::area_memory() / bytes).max(1)
}

/// Collects trips and writes runs of them. Without `finish` the transaction must abort.
pub struct Collector<'t> {
    tables: &'t Tables,
    writer: Writer<'t>,
    sign: i16,
    ingest: Option<i64>,
    /// What is collected while no run is built. A run that is built has its room, and gives it back: memory that is new
    /// costs more than what it is filled with.
    entries: Vec<Entry>,
    /// What is collected while one is.
    meanwhile: Vec<Entry>,
    /// Entries of a run.
    capacity: usize,
    /// Entries of `meanwhile`.
    meanwhile_capacity: usize,
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
    ///
    /// # Errors
    /// As [`Writer::begin`].
    pub fn begin(
        tables: &'t Tables,
        sign: i16,
        ingest: Option<i64>,
    ) -> Result<Collector<'t>, Error> {
        // Who takes trips away means to free room.
        let disk = if sign < 0 { Use::Whole } else { Use::Sparing };
        let capacity = capacity();
        Ok(Collector {
            tables,
            writer: Writer::begin(tables, disk)?,
            sign,
            ingest,
            entries: Vec::new(),
            meanwhile: Vec::new(),
            capacity,
            meanwhile_capacity: (capacity / meanwhile()).max(1),
            building: None,
        })
    }

    /// Adds trips, and stores what the threads have ready.
    ///
    /// # Errors
    /// What the threads meet.
    pub fn add(&mut self, mut entries: impl ExactSizeIterator<Item = Entry>) -> Result<(), Error> {
        while entries.len() > 0 {
            let (collected, capacity) = match self.building {
                None => (&mut self.entries, self.capacity),
                Some(_) => (&mut self.meanwhile, self.meanwhile_capacity),
            };
            if collected.capacity() == 0 {
                // Memory that is not written to costs nothing; moving what is there does.
                collected.reserve_exact(capacity);
                large_pages::ask_for(collected.spare_capacity_mut());
            }
            let room = capacity.saturating_sub(collected.len());
            collected.extend(entries.by_ref().take(room));
            if entries.len() > 0 {
                match self.building {
                    None => self.build()?,
                    Some(_) => self.wait()?,
                }
            }
        }
        while self.store(Duration::ZERO)? {}
        Ok(())
    }

    /// Builds what is left and ends the writing.
    ///
    /// # Errors
    /// As [`Collector::add`].
    pub fn finish(mut self) -> Result<(), Error> {
        self.wait()?;
        if !self.entries.is_empty() {
            self.build()?;
            self.wait()?;
        }
        self.writer.finish();
        Ok(())
    }

    /// Has the collected entries built. No run is being built.
    fn build(&mut self) -> Result<(), Error> {
        let run = self.tables.next_run()?;
        let entries = Arc::new(std::mem::take(&mut self.entries));
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

    /// Stores what is ready next; waits at most `timeout` for it. Gives whether there was anything.
    fn store(&mut self, timeout: Duration) -> Result<bool, Error> {
        let Some(building) = &mut self.building else {
            return Ok(false);
        };
        match building.indexer.next(timeout)? {
            Some(Step::Row(row)) => self.writer.add(row),
            Some(Step::Waiting) => return Ok(false),
            Some(Step::Leaves(_)) => {
                return Err(Error::Internal {
                    what: "a run that is built asked for leaves".to_owned(),
                });
            }
            None => self.complete()?,
        }
        Ok(true)
    }

    /// Writes the run that has been built.
    fn complete(&mut self) -> Result<(), Error> {
        if let Some(building) = self.building.take() {
            let (trees, _) = building.indexer.finish()?;
            self.entries = Arc::into_inner(building.entries).unwrap_or_default();
            self.entries.clear();
            if self.meanwhile_capacity == self.capacity {
                std::mem::swap(&mut self.entries, &mut self.meanwhile);
            } else {
                self.entries.append(&mut self.meanwhile);
            }
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
