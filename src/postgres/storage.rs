//! Where the rows of a table are kept, which says how they get there.

use pgrx::prelude::*;
use trips_core::Error;

use super::relation::Relation;
use super::spi;

/// Where rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// In an ordinary table of this server, which the heap stores.
    Heap,
    /// In partitions.
    Partitioned,
    /// On another server.
    Foreign,
    /// In shards, which Citus knows.
    Distributed,
    /// In a table of another access method's, or in none: a view.
    Other,
}

impl Storage {
    /// That of a table.
    ///
    /// # Errors
    /// XX000; what the server raises leaves as a panic.
    pub fn of(relation: &Relation) -> Result<Storage, Error> {
        // What Citus has distributed looks like any other table: rows that are written to that itself are lost.
        if is_distributed(relation)? {
            return Ok(Storage::Distributed);
        }
        Ok(match relation.kind() {
            pg_sys::RELKIND_PARTITIONED_TABLE => Storage::Partitioned,
            pg_sys::RELKIND_FOREIGN_TABLE => Storage::Foreign,
            _ if relation.is_heap() => Storage::Heap,
            _ => Storage::Other,
        })
    }

    /// The word for such a table.
    pub fn as_str(self) -> &'static str {
        match self {
            Storage::Heap => "ordinary",
            Storage::Partitioned => "partitioned",
            Storage::Foreign => "foreign",
            Storage::Distributed => "distributed",
            Storage::Other => "of another access method",
        }
    }
}

/// Whether the database has Citus.
pub fn has_citus() -> bool {
    Relation::exists(c"pg_catalog", c"pg_dist_partition")
}

/// Whether Citus has distributed the table.
fn is_distributed(relation: &Relation) -> Result<bool, Error> {
    if !has_citus() {
        return Ok(false);
    }
    spi::value(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_dist_partition WHERE logicalrelid OPERATOR(pg_catalog.=) $1)",
        &[relation.oid().into()],
    )
}
