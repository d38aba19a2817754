//! Where batches go: into the database, or nowhere in a dry run.

use trips_core::Error;
use trips_core::ingest::batch::{Batch, Dimension};
use trips_core::ingest::pipeline::KnownNames;
use trips_core::ingest::tuple::TUPLE_LENGTH;

use super::dimension::Dimensions;
use super::rejects;
use crate::postgres::bulk_insert::BulkInsert;
use crate::postgres::memory::Context;
use crate::postgres::relation::Relation;

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
    file: &'t str,
    ingest: i64,
    insert: BulkInsert<'t>,
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
    ) -> Result<(Database<'t>, KnownNames), Error> {
        let dimensions = Dimensions::open(ingest);
        let known = dimensions.known()?;
        let database = Database {
            file,
            ingest,
            insert: BulkInsert::begin(trip),
            dimensions,
            arguments: Context::new(c"trips_ext statement arguments"),
        };
        Ok((database, known))
    }

    /// Ends the insert.
    pub fn finish(self) {
        self.insert.finish();
    }
}

impl Sink for Database<'_> {
    fn store(&mut self, batch: &Batch) -> Result<(), Error> {
        // SAFETY: target::open has checked that the table has the columns that the parsers form tuples of,
        // and they leave none null.
        unsafe { self.insert.insert(&batch.tuples, TUPLE_LENGTH) };
        self.arguments
            .lend(|| rejects::store(self.ingest, self.file, &batch.rejects))
    }

    fn id(&mut self, dimension: Dimension, name: &str) -> Result<i16, Error> {
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
