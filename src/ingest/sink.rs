//! Where batches go: into the database, or nowhere in a dry run.

use trips_core::Error;
use trips_core::area::Entry;
use trips_core::ingest::batch::{Batch, Dimension};
use trips_core::ingest::pipeline::KnownNames;

use super::dimension::Dimensions;
use super::rejects::Rejects;
use crate::area::collect::Collector;
use crate::area::compact;
use crate::area::writer::{Tables, Writer};
use crate::fault::{self, Point};
use crate::postgres::disk::Use;
use crate::postgres::memory::Context;
use crate::postgres::relation::Relation;
use crate::postgres::table_insert::TableInsert;
use crate::settings;

/// Takes what the pipeline gives.
pub trait Sink {
    /// Takes the tuples and rejects of a batch.
    ///
    /// # Errors
    /// XX000; what the server raises leaves as a panic, here and below.
    fn store(&mut self, batch: &Batch) -> Result<(), Error>;

    /// The id of a name that was not known when the load began.
    ///
    /// # Errors
    /// 54000 when there are too many.
    fn id(&mut self, dimension: Dimension, name: &str) -> Result<i16, Error>;
}

/// The tables of the schema `trips`.
pub struct Database<'t> {
    ingest: i64,
    rejects: Rejects<'t>,
    insert: TableInsert<'t>,
    trees: Trees<'t>,
    dimensions: Dimensions,
    /// The arguments of statements, which would otherwise stay until the end of the call.
    arguments: Context,
}

impl<'t> Database<'t> {
    /// Prepares to store the trips of `file` as those of `ingest`; also gives the names that are known.
    ///
    /// # Errors
    /// As [`Dimensions::known`].
    pub fn open(
        file: &'t str,
        ingest: i64,
        trip: &'t Relation,
        area: &'t Tables,
        dimensions: Dimensions,
    ) -> Result<(Database<'t>, KnownNames), Error> {
        let known = dimensions.known()?;
        let database = Database {
            ingest,
            rejects: Rejects::of(ingest, file),
            insert: TableInsert::begin(trip, Use::Sparing)?,
            trees: Trees::begin(area, ingest)?,
            dimensions,
            arguments: Context::new(c"trips_ext statement arguments"),
        };
        Ok((database, known))
    }

    /// Ends the insert of `trips` in all.
    ///
    /// # Errors
    /// What the threads that build trees meet.
    pub fn finish(self, trips: u64) -> Result<(), Error> {
        self.insert.finish();
        self.trees.finish(self.ingest, trips)
    }
}

/// What becomes of the area trees.
enum Trees<'t> {
    Built(Box<Collector<'t>>),
    Pending(&'t Tables),
}

impl<'t> Trees<'t> {
    fn begin(tables: &'t Tables, ingest: i64) -> Result<Trees<'t>, Error> {
        Ok(match settings::area_trees() {
            true => Trees::Built(Box::new(Collector::begin(tables, 1, Some(ingest))?)),
            false => Trees::Pending(tables),
        })
    }

    fn add(&mut self, batch: &Batch) -> Result<(), Error> {
        match self {
            Trees::Built(collector) => collector.add(batch.trips().map(Entry::from)),
            Trees::Pending(_) => Ok(()),
        }
    }

    fn finish(self, ingest: i64, trips: u64) -> Result<(), Error> {
        match self {
            Trees::Built(collector) => {
                collector.finish()?;
                compact::crowded()
            }
            Trees::Pending(tables) => {
                let run = tables.next_run()?;
                let mut writer = Writer::begin(tables, Use::Sparing)?;
                writer.pending(run, ingest, trips);
                writer.finish();
                Ok(())
            }
        }
    }
}

impl Sink for Database<'_> {
    fn store(&mut self, batch: &Batch) -> Result<(), Error> {
        self.trees.add(batch)?;
        // SAFETY: target::open has checked that the table has the columns that the parsers form tuples of.
        unsafe { self.insert.insert(&batch.tuples) };
        fault::reach(Point::Insert);
        self.arguments.lend(|| self.rejects.store(&batch.rejects))
    }

    fn id(&mut self, dimension: Dimension, name: &str) -> Result<i16, Error> {
        fault::reach(Point::Name);
        self.arguments.lend(|| self.dimensions.id(dimension, name))
    }
}

/// Keeps nothing.
pub struct Nowhere;

impl Sink for Nowhere {
    fn store(&mut self, _batch: &Batch) -> Result<(), Error> {
        Ok(())
    }

    fn id(&mut self, _dimension: Dimension, _name: &str) -> Result<i16, Error> {
        Ok(0)
    }
}
