//! Inserting many rows at a time into a table of the schema `trips`, wherever its rows are kept.

use trips_core::Error;
use trips_core::ingest::tuple::Tuple;

use super::bulk_insert::BulkInsert;
use super::disk::Use;
use super::relation::Relation;
use super::statement_insert::StatementInsert;
use super::storage::Storage;
use super::value::Value;

/// An insert that goes on until `finish`. Without that the transaction must abort.
pub enum TableInsert<'r> {
    /// Past the executor, into an ordinary table.
    Bulk(Box<BulkInsert<'r>>),
    /// By statements, into any other.
    Statement(Box<StatementInsert<'r>>),
}

impl<'r> TableInsert<'r> {
    /// Prepares to insert into `relation`, which is locked ROW EXCLUSIVE.
    ///
    /// # Errors
    /// As [`Storage::of`].
    pub fn begin(relation: &'r Relation, disk: Use) -> Result<TableInsert<'r>, Error> {
        Ok(match Storage::of(relation)? {
            Storage::Heap => TableInsert::Bulk(Box::new(BulkInsert::begin(relation, disk))),
            _ => TableInsert::Statement(Box::new(StatementInsert::begin(relation))),
        })
    }

    /// Inserts ready tuples.
    ///
    /// # Safety
    /// The relation has the columns of `trips.trip`.
    pub unsafe fn insert(&mut self, tuples: &[Tuple]) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                TableInsert::Bulk(insert) => insert.insert(tuples),
                TableInsert::Statement(insert) => insert.insert(tuples),
            }
        }
    }

    /// Inserts rows; see [`BulkInsert::insert_rows`].
    pub fn insert_rows<'v, R: AsRef<[Value<'v>]>>(&mut self, rows: &[R]) {
        match self {
            TableInsert::Bulk(insert) => insert.insert_rows(rows),
            TableInsert::Statement(insert) => insert.insert_rows(rows),
        }
    }

    /// Ends the insert; the rows can be seen by the next command of the transaction.
    pub fn finish(self) {
        match self {
            TableInsert::Bulk(insert) => insert.finish(),
            TableInsert::Statement(insert) => insert.finish(),
        }
    }
}
