//! What was last said of each ingest, in `trips.ingest_attempt`: for those who come late, and for what ended without a word.
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

/// Forgets old attempts, and reports those that have ended without a word: with the server, or after their worker.
///
/// # Errors
/// As [`hold`].
pub fn tidy() -> Result<(), Error> {
    let Some(_owner) = owner()? else {
        return Ok(());
    };
    spi::run(
        "DELETE FROM trips.ingest_attempt \
          WHERE updated_at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) '30 days'::pg_catalog.interval)",
        &[],
    )?;
    spi::run(
        "UPDATE trips.ingest_attempt SET status = 'completed', phase = 'done' \
          WHERE status OPERATOR(pg_catalog.=) 'running' \
            AND EXISTS (SELECT FROM trips.ingest i WHERE i.id OPERATOR(pg_catalog.=) ingest_attempt.id)",
        &[],
    )?;
    let died = Failure::new(
        "57P02",
        "the ingest ended with the server, or with its session",
    );
    for ingest in silent()? {
        fail(ingest, &died)?;
    }
    Ok(())
}

/// The attempts that have failed without a word. A worker that is about to speak gets some time to do so.
fn silent() -> Result<Vec<i64>, Error> {
    spi::rows(
        "SELECT a.id FROM trips.ingest_attempt a \
          WHERE a.status OPERATOR(pg_catalog.=) 'running' \
            AND a.updated_at OPERATOR(pg_catalog.<) (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) '5 s'::pg_catalog.interval) \
            AND NOT trips.ingest_is_running(a.id) \
            AND NOT EXISTS (SELECT FROM trips.ingest i WHERE i.id OPERATOR(pg_catalog.=) a.id)",
        &[],
        |row| Ok(row.get(1)?.unwrap_or_default()),
    )
}

/// Notes and pushes that an ingest has failed, unless its end is noted already; whether it did.
///
/// # Errors
/// As [`hold`].
pub fn fail(ingest: i64, failure: &Failure) -> Result<bool, Error> {
    fail_if("{queued,running}", ingest, failure)
}

/// As [`fail`], if the ingest still waits.
///
/// # Errors
/// As [`hold`].
pub fn fail_queued(ingest: i64, failure: &Failure) -> Result<bool, Error> {
    fail_if("{queued}", ingest, failure)
}

fn fail_if(statuses: &str, ingest: i64, failure: &Failure) -> Result<bool, Error> {
    let Some(_owner) = owner()? else {
        return Ok(false);
    };
    let open = spi::rows(
        "SELECT id, file, channel, role, started_at, login_role IS NOT NULL, \
                events, bytes_done, bytes_total, rows_loaded, rows_rejected, elapsed \
           FROM trips.ingest_attempt \
          WHERE id OPERATOR(pg_catalog.=) $1 AND status OPERATOR(pg_catalog.=) ANY ($2::text[]) FOR UPDATE",
        &[ingest.into(), statuses.into()],
        |row| {
            let count = |column| -> Result<u64, pgrx::spi::Error> {
                Ok(row.get::<i64>(column)?.unwrap_or_default() as u64)
            };
            let elapsed = row.get::<Interval>(12)?;
            Ok((
                Attempt {
                    ingest: row.get(1)?.unwrap_or_default(),
                    file: row.get(2)?.unwrap_or_default(),
                    channel: row.get(3)?.unwrap_or_default(),
                    role: row.get(4)?.unwrap_or(pg_sys::InvalidOid),
                    started_at: row.get::<TimestampWithTimeZone>(5)?.map(i64::from),
                    is_job: row.get(6)?.unwrap_or_default(),
                },
                row.get::<i32>(7)?.unwrap_or_default() as u32,
                Counts {
                    bytes_done: count(8)?,
                    bytes_total: count(9)?,
                    rows: count(10)?,
                    rejected: count(11)?,
                    elapsed_micros: elapsed.map_or(0, |elapsed| elapsed.as_micros() as u64),
                },
            ))
        },
    )?;
    for (attempt, events, counts) in &open {
        let sequence = events + 1;
        write(
            attempt,
            Status::Failed,
            Phase::Done,
            sequence,
            counts,
            Some(failure),
        )?;
        attempt.push(&attempt.event(
            Kind::Failed,
            sequence,
            Phase::Done,
            *counts,
            Some(failure),
        ))?;
    }
    Ok(!open.is_empty())
}

/// The table's owner as the current role; none where the table cannot be seen.
///
/// # Errors
/// As [`hold`].
pub fn owner() -> Result<Option<ActingAsOwner>, Error> {
    let is_there: bool = spi::value(
        "SELECT pg_catalog.to_regclass('trips.ingest_attempt') IS NOT NULL",
        &[],
    )?;
    Ok(is_there
        .then(|| ActingAsOwner::of(&Relation::open(c"trips", TABLE, LockMode::RowExclusive))))
}
