//! The ledger `trips.ingest`: which files are loaded, known by their content.

use trips_core::Error;
use trips_core::event::Counts;

use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::{session, spi};

/// First key of the advisory locks by which loads of what may be the same file wait for each other: the bytes
/// "trip". The second key is taken from the file's head.
const LOCK_CLASS: i32 = i32::from_be_bytes(*b"trip");

/// What the ledger keeps of a load beside its number and file.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Number of the ingest.
    pub ingest: i64,
    /// The file as the caller named it.
    pub file: &'a str,
    /// Its bytes and rows.
    pub counts: Counts,
    /// When the load began, microseconds since 2000-01-01 UTC.
    pub started_at: i64,
    /// BLAKE3 of the file.
    pub content_hash: [u8; 32],
    /// BLAKE3 of its size and first 64 KiB.
    pub head_hash: [u8; 32],
}

/// A number for a new ingest; failed ones keep theirs.
///
/// # Errors
/// None of its own: what the server raises, as in all functions here, leaves as a panic.
pub fn next_ingest() -> Result<i64, Error> {
    // The first that is asked for by its name: whoever has waited for DROP EXTENSION is told that it is gone.
    drop(Relation::open(c"trips", c"ingest", LockMode::AccessShare));
    spi::value("SELECT pg_catalog.nextval('trips.ingest_id')", &[])
}

/// Waits until no other open transaction loads a file with this head, and keeps others waiting until this
/// transaction ends.
pub fn lock_head(head_hash: &[u8; 32]) -> Result<(), Error> {
    let [a, b, c, d, ..] = *head_hash;
    spi::run(
        "SELECT pg_catalog.pg_advisory_xact_lock($1, $2)",
        &[LOCK_CLASS.into(), i32::from_be_bytes([a, b, c, d]).into()],
    )
}

/// Whether a file with this head is loaded: only then can one with this content be.
pub fn knows_head(head_hash: &[u8; 32]) -> Result<bool, Error> {
    spi::value(
        "SELECT EXISTS (SELECT FROM trips.ingest WHERE head_hash OPERATOR(pg_catalog.=) $1)",
        &[head_hash.as_slice().into()],
    )
}

/// The ingest that has loaded this content.
pub fn find(content_hash: &[u8; 32]) -> Result<Option<i64>, Error> {
    spi::nullable(
        "SELECT (SELECT id FROM trips.ingest WHERE content_hash OPERATOR(pg_catalog.=) $1)",
        &[content_hash.as_slice().into()],
    )
}

/// Enters a load. A content that another transaction has entered meanwhile raises 23505.
pub fn enter(entry: &Entry<'_>) -> Result<(), Error> {
    spi::run(
        "INSERT INTO trips.ingest (id, file, bytes, rows_read, rows_loaded, rows_rejected, \
                                   started_at, finished_at, loaded_by, content_hash, head_hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, pg_catalog.clock_timestamp(), current_user, $8, $9)",
        &[
            entry.ingest.into(),
            entry.file.into(),
            (entry.counts.bytes_total as i64).into(),
            (entry.counts.rows_read() as i64).into(),
            (entry.counts.rows as i64).into(),
            (entry.counts.rejected as i64).into(),
            session::timestamp(entry.started_at).into(),
            entry.content_hash.as_slice().into(),
            entry.head_hash.as_slice().into(),
        ],
    )
}
