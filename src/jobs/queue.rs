//! The queue: ingests that wait for a worker, and the locks by which those who queue and the dispatcher agree.
//!
//! Who has queued an ingest passes the gate, shared, and holds it until the commit. The dispatcher passes it, exclusively, when it begins and
//! before it ends: so it ends only when all that was queued while it was there is done, and who finds none may start one.

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::event::{Counts, Failure, Kind, Phase};

use crate::ingest::options::{OnError, Options};
use crate::ingest::{ledger, target};
use crate::postgres::{session, spi};
use crate::settings;
use crate::status::attempt::{self, Attempt, lock_key};

/// The key of the lock that the dispatcher of a database holds; those of ingests begin with 1.
const DISPATCHER: i64 = lock_key(0);

/// The key of the gate; no ingest has that number.
const GATE: i64 = lock_key(0xffff_ffff);

/// The arguments of `trips_ingest_async` that are words and numbers.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// As in `trips_ingest`, here and below.
    pub on_error: String,
    pub reject_limit: Option<i64>,
    pub if_loaded: String,
}

impl From<Options> for Arguments {
    fn from(options: Options) -> Arguments {
        let reject_limit = match options.on_error {
            OnError::Ignore { reject_limit } => reject_limit,
            OnError::Stop => None,
        };
        Arguments {
            on_error: options.on_error.as_str().to_owned(),
            reject_limit: reject_limit.and_then(|limit| i64::try_from(limit).ok()),
            if_loaded: options.if_loaded.as_str().to_owned(),
        }
    }
}

/// Whose ingest it is.
#[derive(Debug, Clone, Copy)]
pub struct Roles {
    /// The role that its worker connects as.
    pub login: pg_sys::Oid,
    /// The role whose rights it has.
    pub current: pg_sys::Oid,
}

/// An ingest that waits for a worker.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// Number of the ingest.
    pub ingest: i64,
    /// The role that its worker connects as.
    pub login: pg_sys::Oid,
    /// Whether that role may log in.
    pub may_log_in: bool,
}

/// What a worker is to run.
#[derive(Debug, Clone)]
pub struct Job {
    /// The ingest.
    pub attempt: Attempt,
    /// How many events have been pushed of it.
    pub events: u32,
    /// What was asked for.
    pub arguments: Arguments,
    /// The directory that the file must lie in, if it came to the watched folder.
    pub directory: Option<String>,
}

/// Queues an ingest of `file` for who calls; its number. It may run once this transaction has committed.
///
/// # Errors
/// Those that a load would raise before it opens the file.
pub fn submit(file: &str, arguments: &Arguments) -> Result<i64, Error> {
    target::open()?;
    let roles = Roles {
        login: session::authenticated_role(),
        current: session::role(),
    };
    enter(file, arguments, roles, None)
}

/// As [`submit`], for somebody else, without a look at what that one may do; the file must lie in `directory`, if any.
///
/// # Errors
/// None of its own; what the server raises leaves as a panic, here and below.
pub fn enter(
    file: &str,
    arguments: &Arguments,
    roles: Roles,
    directory: Option<&str>,
) -> Result<i64, Error> {
    let attempt = Attempt {
        ingest: ledger::next_ingest()?,
        file: file.to_owned(),
        channel: settings::channel(),
        role: roles.current,
        started_at: None,
        is_job: true,
    };
    insert(&attempt, arguments, roles.login, directory)?;
    attempt.push(&attempt.event(Kind::Queued, 1, Phase::Queued, Counts::default(), None))?;
    Ok(attempt.ingest)
}

fn insert(
    attempt: &Attempt,
    arguments: &Arguments,
    login: pg_sys::Oid,
    directory: Option<&str>,
) -> Result<(), Error> {
    let _owner = attempt::owner()?;
    spi::run(
        "INSERT INTO trips.ingest_attempt \
                (id, file, channel, role, status, phase, events, bytes_done, bytes_total, rows_loaded, rows_rejected, \
                 elapsed, queued_at, updated_at, login_role, on_error, reject_limit, if_loaded, directory) \
         VALUES ($1, $2, $3, $4, 'queued', 'queued', 1, 0, 0, 0, 0, \
                 '0', pg_catalog.clock_timestamp(), pg_catalog.clock_timestamp(), $5, $6, $7, $8, $9)",
        &[
            attempt.ingest.into(),
            attempt.file.as_str().into(),
            attempt.channel.as_str().into(),
            attempt.role.into(),
            login.into(),
            arguments.on_error.as_str().into(),
            arguments.reject_limit.into(),
            arguments.if_loaded.as_str().into(),
            directory.into(),
        ],
    )
}

/// What to start next, the longest waiting first; not all, if many.
pub fn waiting() -> Result<Vec<Waiting>, Error> {
    spi::rows(
        "SELECT a.id, a.login_role, coalesce(r.rolcanlogin, false) \
           FROM trips.ingest_attempt a \
           LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) a.login_role \
          WHERE a.status OPERATOR(pg_catalog.=) 'queued' ORDER BY a.id LIMIT 100",
        &[],
        |row| {
            Ok(Waiting {
                ingest: row.get(1)?.unwrap_or_default(),
                login: row.get(2)?.unwrap_or(pg_sys::InvalidOid),
                may_log_in: row.get(3)?.unwrap_or_default(),
            })
        },
    )
}

/// Takes an ingest out of the queue, to be run by this process; none if it is not there any more.
pub fn claim(ingest: i64) -> Result<Option<Job>, Error> {
    let Some(_owner) = attempt::owner()? else {
        return Ok(None);
    };
    let claimed = spi::rows(
        "UPDATE trips.ingest_attempt \
            SET status = 'running', phase = 'checking', \
                started_at = pg_catalog.clock_timestamp(), updated_at = pg_catalog.clock_timestamp() \
          WHERE id OPERATOR(pg_catalog.=) $1 AND status OPERATOR(pg_catalog.=) 'queued' \
         RETURNING id, file, channel, role, started_at, events, on_error, reject_limit, if_loaded, directory",
        &[ingest.into()],
        |row| {
            Ok(Job {
                attempt: Attempt {
                    ingest: row.get(1)?.unwrap_or_default(),
                    file: row.get(2)?.unwrap_or_default(),
                    channel: row.get(3)?.unwrap_or_default(),
                    role: row.get(4)?.unwrap_or(pg_sys::InvalidOid),
                    started_at: row.get::<TimestampWithTimeZone>(5)?.map(i64::from),
                    is_job: true,
                },
                events: row.get::<i32>(6)?.unwrap_or_default() as u32,
                arguments: Arguments {
                    on_error: row.get(7)?.unwrap_or_default(),
                    reject_limit: row.get(8)?,
                    if_loaded: row.get(9)?.unwrap_or_default(),
                },
                directory: row.get(10)?,
            })
        },
    )?;
    Ok(claimed.into_iter().next())
}

/// Whether the end of an ingest is not noted yet.
pub fn is_open(ingest: i64) -> Result<bool, Error> {
    spi::value(
        "SELECT EXISTS (SELECT FROM trips.ingest_attempt \
          WHERE id OPERATOR(pg_catalog.=) $1 AND status OPERATOR(pg_catalog.=) ANY ('{queued,running}'))",
        &[ingest.into()],
    )
}

/// What to tell of an ingest that was cancelled.
pub fn cancelled() -> Failure {
    Failure::new("57014", "canceling ingest due to user request")
}

/// Passes the gate as one who has queued an ingest, until the transaction ends.
pub fn pass_gate() -> Result<(), Error> {
    spi::run(
        "SELECT pg_catalog.pg_advisory_xact_lock_shared($1)",
        &[GATE.into()],
    )
}

/// The process of the dispatcher, if there is one. One that waits at the gate, to begin or to end, is one, too: it looks at the queue
/// once it has passed. Asked behind the gate.
pub fn dispatcher() -> Result<Option<i32>, Error> {
    match process("l.granted", DISPATCHER)? {
        None => process(
            "NOT l.granted AND l.mode OPERATOR(pg_catalog.=) 'ExclusiveLock'",
            GATE,
        ),
        found => Ok(found),
    }
}

/// The process that holds the lock of an ingest.
pub fn runner(ingest: i64) -> Result<Option<i32>, Error> {
    process("l.granted", lock_key(ingest))
}

/// A process that has or wants the advisory lock `key`, as `condition` on `pg_locks` says.
fn process(condition: &str, key: i64) -> Result<Option<i32>, Error> {
    spi::nullable(
        &format!(
            "SELECT (SELECT l.pid FROM pg_catalog.pg_locks l \
                      WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND {condition} \
                        AND l.objsubid OPERATOR(pg_catalog.=) 1 \
                        AND l.database OPERATOR(pg_catalog.=) $1 \
                        AND l.classid::bigint OPERATOR(pg_catalog.=) $2 \
                        AND l.objid::bigint OPERATOR(pg_catalog.=) $3 LIMIT 1)"
        ),
        &[
            session::database().into(),
            (key >> 32).into(),
            (key & 0xffff_ffff).into(),
        ],
    )
}

/// Makes this process the dispatcher, until it ends; false if there is another.
pub fn take_over() -> Result<bool, Error> {
    close_gate()?;
    spi::value(
        "SELECT pg_catalog.pg_try_advisory_lock($1)",
        &[DISPATCHER.into()],
    )
}

/// Ends that, if nothing is queued; whether it did.
pub fn hand_over() -> Result<bool, Error> {
    close_gate()?;
    if !waiting()?.is_empty() {
        return Ok(false);
    }
    spi::value(
        "SELECT pg_catalog.pg_advisory_unlock($1)",
        &[DISPATCHER.into()],
    )
}

/// Waits until nobody is passing the gate, and keeps others out until the transaction ends.
fn close_gate() -> Result<(), Error> {
    spi::run(
        "SELECT pg_catalog.pg_advisory_xact_lock($1)",
        &[GATE.into()],
    )
}
