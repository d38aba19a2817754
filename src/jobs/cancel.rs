//! Cancelling a queued or running ingest.

use trips_core::Error;

use super::queue;
use crate::postgres::{signals, spi};
use crate::status::{attempt, ended};

/// Cancels an ingest that a background worker runs or is to run; false if it has ended.
///
/// # Errors
/// 42704 where there is no such ingest, 55000 where a session runs it, 42501 where it is another role's.
pub fn cancel(ingest: i64) -> Result<bool, Error> {
    let Some((is_job, role)) = find(ingest)? else {
        return Err(Error::UnknownIngest { ingest });
    };
    let is_own: bool = spi::value("SELECT pg_catalog.pg_has_role($1, 'USAGE')", &[role.into()])?;
    if !is_own {
        return Err(Error::NotPermitted {
            what: "cancel this ingest",
            detail: "Only roles with privileges of the role that queued the ingest may cancel it.",
        });
    }
    if !is_job {
        return Err(Error::NotQueued { ingest });
    }
    if ended::fail_queued(ingest, &queue::cancelled())? {
        return Ok(true);
    }
    let process = queue::runner(ingest)?;
    Ok(process.is_some_and(signals::cancel))
}

/// Whether a background worker runs the ingest, and the role whose rights it has.
fn find(ingest: i64) -> Result<Option<(bool, pgrx::pg_sys::Oid)>, Error> {
    let _owner = attempt::owner()?;
    let found = spi::rows(
        "SELECT login_role IS NOT NULL, role FROM trips.ingest_attempt WHERE id OPERATOR(pg_catalog.=) $1",
        &[ingest.into()],
        |row| {
            Ok((
                row.get(1)?.unwrap_or_default(),
                row.get(2)?.unwrap_or(pgrx::pg_sys::InvalidOid),
            ))
        },
    )?;
    Ok(found.into_iter().next())
}
