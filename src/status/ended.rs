//! How ingests ended that did not say so themselves: with the server, with their worker, or before they began.

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::event::{Counts, Failure, Kind, Phase};

use super::attempt::{self, Attempt, Status};
use crate::postgres::spi;

/// Forgets old attempts, but those of files that are still in the watched folder, and reports those that have ended without a word: with the server, or after their worker.
///
/// # Errors
/// None of its own; what the server raises leaves as a panic, here and below.
pub fn tidy() -> Result<(), Error> {
    let Some(_owner) = attempt::owner()? else {
        return Ok(());
    };
    spi::run(
        "DELETE FROM trips.ingest_attempt \
          WHERE updated_at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) '30 days'::pg_catalog.interval) \
            AND NOT EXISTS (SELECT FROM trips.inbox_file f WHERE f.ingest OPERATOR(pg_catalog.=) ingest_attempt.id)",
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
/// As [`tidy`].
pub fn fail(ingest: i64, failure: &Failure) -> Result<bool, Error> {
    fail_if("{queued,running}", ingest, failure)
}

/// As [`fail`], if the ingest still waits.
///
/// # Errors
/// As [`tidy`].
pub fn fail_queued(ingest: i64, failure: &Failure) -> Result<bool, Error> {
    fail_if("{queued}", ingest, failure)
}

fn fail_if(statuses: &str, ingest: i64, failure: &Failure) -> Result<bool, Error> {
    let Some(_owner) = attempt::owner()? else {
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
        attempt::write(
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
