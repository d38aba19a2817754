//! The dispatcher: a background worker that starts one for each queued ingest, in turn.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::event::Failure;

use super::{queue, runner};
use crate::postgres::transaction::{self, End};
use crate::postgres::worker::{self, Worker, in_transaction};
use crate::postgres::{latch, session};
use crate::settings;
use crate::status::{attempt, ended};

/// The name under which [`main`](trips_ext_dispatcher) is found.
const FUNCTION: &str = "trips_ext_dispatcher";

/// How long a slot for a worker is waited for before the caller is told that there is none.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks for what nobody wakes the dispatcher for: a slot, the end of a worker's status worker.
const SOON: Duration = Duration::from_millis(200);

/// Between two looks where all is well.
const LATER: Duration = Duration::from_secs(10);

/// How long a worker's status worker may take to say how the ingest ended.
const GRACE: Duration = Duration::from_secs(3);

thread_local! {
    /// Whether this transaction has seen to the dispatcher.
    static SEEN: Cell<bool> = const { Cell::new(false) };
    /// The dispatcher to be woken when it commits.
    static WOKEN: RefCell<Option<usize>> = const { RefCell::new(None) };
}

/// Sees to it that what this transaction has queued is run once it has committed.
///
/// # Errors
/// 53000 where no dispatcher runs and none can be started.
pub fn see_to_it() -> Result<(), Error> {
    if SEEN.get() {
        return Ok(());
    }
    queue::pass_gate()?;
    let since = Instant::now();
    let woken = loop {
        if let Some(process) = queue::dispatcher()? {
            break Some(latch::address_of(process));
        }
        let database = session::database().to_u32().to_string();
        if Worker::start_with("trips_ext dispatcher", FUNCTION, &database).is_some() {
            break None;
        }
        if since.elapsed() > PATIENCE {
            return Err(Error::NoWorker);
        }
        latch::wait(Duration::from_millis(20));
    };
    SEEN.set(true);
    WOKEN.set(woken);
    transaction::on_end(transaction_ended);
    Ok(())
}

fn transaction_ended(end: End) {
    SEEN.set(false);
    if let (Some(address), End::Committed) = (WOKEN.take(), end) {
        latch::wake(address);
    }
}

/// An ingest that was given to a worker.
struct Started {
    ingest: i64,
    worker: Worker,
    /// When the worker was found to have ended.
    ended: Option<Instant>,
}

/// Where the dispatcher starts; its text is the database.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn trips_ext_dispatcher(_argument: pg_sys::Datum) {
    let Ok(database) = worker::text().parse::<u32>() else {
        return;
    };
    worker::connect_as_superuser(database.into());
    worker::end_on_sigterm();
    if !in_transaction(queue::take_over) {
        return;
    }
    let mut started = Vec::new();
    // Without the table, the extension was dropped.
    while in_transaction(|| Ok(attempt::owner()?.is_some())) {
        worker::reload_settings();
        in_transaction(ended::tidy);
        started.retain_mut(|one| !is_over(one));
        let waits = start_some(&mut started);
        if started.is_empty() && !waits && in_transaction(queue::hand_over) {
            return;
        }
        let ends = started.iter().any(|one| one.ended.is_some());
        latch::wait(if waits || ends { SOON } else { LATER });
    }
}

/// Whether nothing more is to be done about an ingest. One whose worker has ended without a word has failed.
fn is_over(one: &mut Started) -> bool {
    if !one.worker.has_stopped() {
        return false;
    }
    let since = *one.ended.get_or_insert_with(Instant::now);
    let ingest = one.ingest;
    if !in_transaction(move || queue::is_open(ingest)) {
        return true;
    }
    if since.elapsed() < GRACE {
        return false;
    }
    in_transaction(move || {
        ended::fail(
            ingest,
            &Failure::new(
                "57P01",
                "the background worker of the ingest ended; the server log may say why",
            ),
        )
    });
    true
}

/// Starts workers as far as settings and slots allow; whether an ingest still waits for one.
fn start_some(started: &mut Vec<Started>) -> bool {
    let waiting = in_transaction(queue::waiting);
    let is_new = |ingest: i64, started: &[Started]| started.iter().all(|one| one.ingest != ingest);
    for next in waiting {
        if !is_new(next.ingest, started) {
            continue;
        }
        if !next.may_log_in {
            in_transaction(move || {
                ended::fail(
                    next.ingest,
                    &Failure::new(
                        "28000",
                        "the role that queued the ingest is not permitted to log in",
                    ),
                )
            });
            continue;
        }
        let running = started.iter().filter(|one| one.ended.is_none()).count();
        if running >= settings::max_jobs() {
            return true;
        }
        match runner::start(next) {
            Some(worker) => started.push(Started {
                ingest: next.ingest,
                worker,
                ended: None,
            }),
            None => return true,
        }
    }
    false
}
