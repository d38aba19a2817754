//! The loading session's side of pushed status.
//!
//! The first load of a transaction starts a worker; the others share it. Where no worker can be had, loads go
//! on without pushed progress.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::SubXactCallbackReceipt;
use pgrx::prelude::*;
use trips_core::event::{Counts, Failure};

use super::shared::{Shared, State, Transaction};
use super::worker;
use crate::postgres::shared_memory::Segment;
use crate::postgres::transaction::{self, End};
use crate::postgres::worker::Worker;
use crate::postgres::{latch, message, session};
use crate::settings;

/// How long a load waits for its worker to have said what came before; a worker starts in a few milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

thread_local! {
    /// The worker of the transaction that is open in this session.
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

struct Current {
    line: Line,
    /// The subtransactions in which loads have finished, in their order.
    finished: Vec<pg_sys::SubTransactionId>,
    rollbacks: Option<SubXactCallbackReceipt>,
}

/// What a load holds of the worker that reports it.
#[derive(Clone)]
struct Line {
    shared: Rc<Segment<Shared>>,
    worker: Rc<Worker>,
}

/// Reports one load; without a worker it reports to nobody.
pub struct Reporter {
    line: Option<Line>,
    started_at: i64,
    /// How many events came before those of the worker.
    queued: Option<u32>,
}

impl Reporter {
    /// Announces the load of `file`. Warns where nobody can be told. `queued` is the number of events that were pushed of an
    /// ingest that a background worker runs.
    pub fn start(ingest: i64, file: &str, queued: Option<u32>) -> Reporter {
        let started_at = session::now();
        let line = worker_of_transaction();
        match &line {
            Some(line) => announce(&line.shared, ingest, file, started_at, queued),
            None => message::warning(
                "status of this ingest is not pushed: no background worker could be started",
                "You may need to increase max_worker_processes.",
            ),
        }
        Reporter {
            line,
            started_at,
            queued,
        }
    }

    /// Whether there is a worker that pushes what happens.
    pub fn is_pushed(&self) -> bool {
        self.line.is_some()
    }

    /// Whether the ingest is one that a background worker runs.
    pub fn is_of_job(&self) -> bool {
        self.queued.is_some()
    }

    /// When the load began, microseconds since 2000-01-01 UTC.
    pub fn started_at(&self) -> i64 {
        self.started_at
    }

    /// The number of the event that the loading transaction itself pushes: what the worker has to say comes before. To be
    /// asked once that has ended.
    pub fn last_sequence(&self) -> u32 {
        let told = match &self.line {
            Some(line) => line.shared.events.load(Ordering::Acquire),
            None => self.queued.unwrap_or(0),
        };
        told + 1
    }

    /// Rows of a file of so many bytes are being loaded now.
    pub fn loading(&self, bytes_total: u64) {
        if let Some(Line { shared, .. }) = &self.line {
            shared.bytes_total.store(bytes_total, Ordering::Relaxed);
            shared.set_state(State::Loading);
        }
    }

    /// How far the load is.
    pub fn progress(&self, counts: &Counts) {
        if let Some(Line { shared, .. }) = &self.line {
            shared
                .bytes_done
                .store(counts.bytes_done, Ordering::Relaxed);
            shared.rows.store(counts.rows, Ordering::Relaxed);
            shared.rejected.store(counts.rejected, Ordering::Relaxed);
        }
    }

    /// The file was known. Returns when the worker has said all that it will say.
    pub fn skipped(&self) {
        self.end(State::Skipped);
    }

    /// All rows are in. Returns when the worker has said all that it will say, unless the load is
    /// rolled back.
    pub fn finished(&self) {
        CURRENT.with_borrow_mut(|current| {
            if let (Some(current), Some(Line { shared, .. })) = (current, &self.line) {
                current.finished.push(transaction::current_subtransaction());
                shared
                    .kept
                    .store(current.finished.len() as u32, Ordering::Release);
            }
        });
        self.end(State::Finished);
    }

    /// The load has failed. Calls nothing of the server that could fail: an error is on its way already.
    pub fn failed(&self, failure: &Failure) {
        if let Some(Line { shared, .. }) = &self.line {
            fail(shared, failure);
        }
    }

    fn end(&self, state: State) {
        let Some(line) = &self.line else { return };
        line.shared.set_state(state);
        line.shared.wake_worker();
        if !line.is_acknowledged() {
            forget();
            message::warning(
                "status of this ingest was not pushed: its background worker does not answer",
                "The server log may say why.",
            );
        }
    }
}

/// What [`crate::postgres::exit`] calls when the session ends in the middle of whatever it does.
pub fn session_ends() {
    let shared = CURRENT.with(|current| {
        let current = current.try_borrow().ok()?;
        Some(Rc::clone(&current.as_ref()?.line.shared))
    });
    if let Some(shared) = shared
        && !shared.load().1.is_final()
    {
        fail(
            &shared,
            &Failure::new("57P01", "the session that loaded the file was terminated"),
        );
    }
}

fn fail(shared: &Shared, failure: &Failure) {
    shared.error_sqlstate.set(&failure.sqlstate);
    shared.error_message.set(&failure.message);
    shared
        .error_line
        .store(failure.line.unwrap_or(0), Ordering::Relaxed);
    shared
        .error_column
        .set(failure.column.as_deref().unwrap_or(""));
    shared.set_state(State::Failed);
    shared.wake_worker();
}

/// The worker that serves this transaction, started now if there is none yet.
fn worker_of_transaction() -> Option<Line> {
    match CURRENT.with_borrow(|current| Some(current.as_ref()?.line.clone())) {
        Some(line) if line.is_acknowledged() => Some(line),
        Some(_) => {
            forget();
            None
        }
        None => start_worker(),
    }
}

fn start_worker() -> Option<Line> {
    let shared = Rc::new(Segment::<Shared>::create()?);
    shared
        .role
        .store(session::authenticated_role().to_u32(), Ordering::Relaxed);
    shared.channel.set(&settings::channel());
    shared.session.store(latch::address(), Ordering::Relaxed);
    shared
        .database
        .store(session::database().to_u32(), Ordering::Release);
    // A transaction that fails at once unmaps the segment before the worker has come up.
    shared.pin();
    shared.pinned.store(1, Ordering::Release);
    let Some(worker) = Worker::start("trips_ext status", worker::FUNCTION, shared.handle().into())
    else {
        super::unpin(&shared);
        return None;
    };
    let worker = Rc::new(worker);
    transaction::on_end(transaction_ended);
    let line = Line { shared, worker };
    CURRENT.set(Some(Current {
        line: line.clone(),
        finished: Vec::new(),
        rollbacks: Some(transaction::on_subtransaction_rollback(
            subtransaction_rolled_back,
        )),
    }));
    Some(line)
}

fn announce(shared: &Shared, ingest: i64, file: &str, started_at: i64, queued: Option<u32>) {
    shared.ingest.store(ingest, Ordering::Relaxed);
    shared.events.store(queued.unwrap_or(0), Ordering::Relaxed);
    shared
        .is_job
        .store(u32::from(queued.is_some()), Ordering::Relaxed);
    shared
        .loader
        .store(session::role().to_u32(), Ordering::Relaxed);
    shared.file.set(file);
    shared.started_at.store(started_at, Ordering::Relaxed);
    for counter in [
        &shared.bytes_total,
        &shared.bytes_done,
        &shared.rows,
        &shared.rejected,
    ] {
        counter.store(0, Ordering::Relaxed);
    }
    shared.set_load(shared.load().0 + 1, State::Checking);
    shared.wake_worker();
}

impl Line {
    /// Has the worker see that the transaction has ended. One that will never come up cannot unpin the segment.
    fn leave(&self) {
        self.shared.wake_worker();
        if self.worker.has_stopped() {
            super::unpin(&self.shared);
        }
    }

    /// Waits until the worker knows the end of the last load; false when it does not answer. Serves interrupts.
    fn is_acknowledged(&self) -> bool {
        let (load, _) = self.shared.load();
        let since = Instant::now();
        while self.shared.acknowledged.load(Ordering::Acquire) < load {
            if self.worker.has_stopped() || since.elapsed() > PATIENCE {
                return false;
            }
            latch::wait(Duration::from_millis(10));
        }
        true
    }
}

/// Lets go of the worker; it ends when it sees that the transaction has.
fn forget() {
    if let Some(current) = CURRENT.take() {
        // A worker that starts late, after all, is to say nothing.
        current.line.shared.set_transaction(Transaction::Committed);
        current.line.leave();
        if let Some(rollbacks) = current.rollbacks {
            rollbacks.unregister_callback();
        }
    }
}

fn transaction_ended(end: End) {
    let Some(current) = CURRENT.take() else {
        return;
    };
    current.line.shared.set_transaction(match end {
        End::Committed => Transaction::Committed,
        End::RolledBack => Transaction::RolledBack,
    });
    current.line.leave();
    if let Some(rollbacks) = current.rollbacks {
        rollbacks.unregister_callback();
    }
}

/// Subtransactions nest, and are numbered upwards: the loads that one takes with it are those that finished in it
/// or in a later one.
fn subtransaction_rolled_back(subtransaction: pg_sys::SubTransactionId) {
    CURRENT.with_borrow_mut(|current| {
        let Some(current) = current else { return };
        let before = current.finished.len();
        current
            .finished
            .retain(|finished_in| *finished_in < subtransaction);
        if current.finished.len() < before {
            current
                .line
                .shared
                .kept
                .store(current.finished.len() as u32, Ordering::Release);
            current.line.shared.wake_worker();
        }
    });
}
