//! What was last said of each ingest, in `trips.ingest_attempt`: for those who come late.
//!
//! The status worker writes it in the transaction of the event, with the rights of the table's owner. Whether a load still
//! runs is told by the lock that it holds ([`hold`]): this goes with its transaction, however that ends.

use std::ffi::CStr;

use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use trips_core::Error;
use trips_core::event::{Counts, Event, Failure, Kind, Phase};

use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::role::ActingAsOwner;
use crate::postgres::{session, spi};

/// The key of the advisory lock that the load of `ingest` holds: the upper half is the bytes "trip".
pub const fn lock_key(ingest: i64) -> i64 {
    (i32::from_be_bytes(*b"trip") as i64) << 32 | ingest
}

const TABLE: &CStr = c"ingest_attempt";

/// What does not change while an ingest runs.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Number of the ingest.
    pub ingest: i64,
    /// The file as the caller named it.
    pub file: String,
    /// Where its events are pushed.
    pub channel: String,
    /// The role that loads it.
    pub role: pg_sys::Oid,
    /// When it began, microseconds since 2000-01-01 UTC; none before that.
    pub started_at: Option<i64>,
    /// Whether a background worker loads it. Its events do not name the file: unlike them, that is not for everybody.
    pub is_job: bool,
}

impl Attempt {
    /// An event of it.
    pub fn event(
        &self,
        kind: Kind,
        sequence: u32,
        phase: Phase,
        counts: Counts,
        failure: Option<&Failure>,
    ) -> Event<'_> {
        let error = failure.cloned().map(|failure| match self.is_job {
            true => failure.without_file(&self.file),
            false => failure,
        });
        Event {
            kind,
            sequence,
            ingest: self.ingest,
            file: (!self.is_job).then_some(&self.file),
            phase,
            counts,
            error,
            duplicate_of: None,
        }
    }

    /// Pushes an event of it with the commit of this transaction.
    ///
    /// # Errors
    /// None of its own.
    pub fn push(&self, event: &Event<'_>) -> Result<(), Error> {
        spi::notify(&self.channel, &event.payload())
    }
}

/// Where an ingest stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    Running,
    /// Its trips can be seen.
    Completed,
    /// Nothing of it was loaded.
    Failed,
    /// The file had been loaded before.
    Skipped,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Completed => "completed",
            Status::Failed => "failed",
            Status::Skipped => "skipped",
        }
    }
}

/// Says that this transaction loads `ingest`, until it ends.
///
/// # Errors
/// None of its own; what the server raises leaves as a panic, here and below.
pub fn hold(ingest: i64) -> Result<(), Error> {
    spi::run(
        "SELECT pg_catalog.pg_advisory_xact_lock($1)",
        &[lock_key(ingest).into()],
    )
}

/// Says that this process loads `ingest`, until it ends.
///
/// # Errors
/// As [`hold`].
pub fn hold_for_session(ingest: i64) -> Result<(), Error> {
    spi::run(
        "SELECT pg_catalog.pg_advisory_lock($1)",
        &[lock_key(ingest).into()],
    )
}

/// Writes where an ingest stands after its event number `sequence`. Nothing is written where the table cannot be seen: the
/// transaction that loads may have made the extension.
///
/// # Errors
/// As [`hold`].
pub fn write(
    attempt: &Attempt,
    status: Status,
    phase: Phase,
    sequence: u32,
    counts: &Counts,
    failure: Option<&Failure>,
) -> Result<(), Error> {
    let Some(_owner) = owner()? else {
        return Ok(());
    };
    let bytes = |bytes: u64| DatumWithOid::from(bytes as i64);
    spi::run(
        "INSERT INTO trips.ingest_attempt AS a \
                (id, file, channel, role, status, phase, events, bytes_done, bytes_total, rows_loaded, rows_rejected, \
                 elapsed, started_at, updated_at, error_sqlstate, error_message, error_line, error_column) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
                 $12, $13, pg_catalog.clock_timestamp(), $14, $15, $16, $17) \
         ON CONFLICT (id) DO UPDATE \
            SET status = excluded.status, started_at = excluded.started_at, phase = excluded.phase, events = excluded.events, \
                bytes_done = excluded.bytes_done, bytes_total = excluded.bytes_total, \
                rows_loaded = excluded.rows_loaded, rows_rejected = excluded.rows_rejected, \
                elapsed = excluded.elapsed, updated_at = excluded.updated_at, \
                error_sqlstate = excluded.error_sqlstate, error_message = excluded.error_message, \
                error_line = excluded.error_line, error_column = excluded.error_column",
        &[
            attempt.ingest.into(),
            attempt.file.as_str().into(),
            attempt.channel.as_str().into(),
            attempt.role.into(),
            status.as_str().into(),
            phase.as_str().into(),
            (sequence as i32).into(),
            bytes(counts.bytes_done),
            bytes(counts.bytes_total),
            bytes(counts.rows),
            bytes(counts.rejected),
            Interval::from_micros(counts.elapsed_micros as i64).into(),
            attempt.started_at.and_then(session::timestamp).into(),
            failure.map(|failure| failure.sqlstate.as_str()).into(),
            failure.map(|failure| failure.message.as_str()).into(),
            failure
                .and_then(|failure| failure.line)
                .map(|line| line as i64)
                .into(),
            failure.and_then(|failure| failure.column.as_deref()).into(),
        ],
    )
}

/// The table's owner as the current role; none where the table cannot be seen. Asks for no right: a worker connects as the role
/// that has logged in, which may have none before it takes on another.
///
/// # Errors
/// As [`hold`].
pub fn owner() -> Result<Option<ActingAsOwner>, Error> {
    let table = Relation::find(c"trips", TABLE, LockMode::RowExclusive);
    Ok(table.as_ref().map(ActingAsOwner::of))
}
