//! The background worker that pushes the status of one transaction's loads.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::event::{self, Counts, Failure, Kind, Phase};

use super::attempt::{self, Attempt, Status};
use super::ended;
use super::shared::{Shared, State, Transaction};
use crate::postgres::shared_memory::Segment;
use crate::postgres::{latch, session, spi, worker};

/// Longest sleep: a wake-up that comes before the worker has published how to wake it is lost.
const IDLE: Duration = Duration::from_secs(1);

/// The name under which [`main`](trips_ext_status_worker) is found.
pub const FUNCTION: &str = "trips_ext_status_worker";

/// Where a status worker starts; its argument is the handle of a [`Segment<Shared>`].
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn trips_ext_status_worker(handle: pg_sys::Datum) {
    // SAFETY: the reporter, which alone starts this function, passes the handle of its `Segment<Shared>`.
    let Some(shared) = (unsafe { Segment::<Shared>::attach(handle.value() as u32) }) else {
        return;
    };
    super::unpin(&shared);
    worker::connect(
        pg_sys::Oid::from(shared.database.load(Ordering::Acquire)),
        pg_sys::Oid::from(shared.role.load(Ordering::Relaxed)),
    );
    shared.worker.store(latch::address(), Ordering::Release);
    worker::transaction(|| logged(ended::tidy()));
    let mut teller = Teller::new(&shared);
    loop {
        match teller.tell() {
            Transaction::Open => {
                if !worker::wait(teller.pause()) {
                    break;
                }
            }
            Transaction::Committed => {
                teller.note_completed();
                break;
            }
            Transaction::RolledBack => break,
        }
    }
}

/// A load as its events name it.
#[derive(Debug, Clone)]
struct Load {
    attempt: Attempt,
    counts: Counts,
    /// How many events have been pushed of it.
    events: u32,
}

/// What has been told so far.
struct Teller<'s> {
    shared: &'s Shared,
    channel: String,
    /// The last load that was announced.
    announced: u32,
    last_event: Instant,
    /// How long after that nothing is told of progress.
    interval: Duration,
    /// How long the last commit of an event took.
    last_commit: Duration,
    /// The finished loads that a rollback would undo.
    finished: Vec<Load>,
}

impl<'s> Teller<'s> {
    fn new(shared: &'s Shared) -> Teller<'s> {
        Teller {
            shared,
            channel: shared.channel.get(),
            announced: 0,
            last_event: Instant::now(),
            interval: event::INTERVAL,
            last_commit: Duration::ZERO,
            finished: Vec::new(),
        }
    }

    /// Tells what is new, and what became of the transaction. That is read first: all that was written
    /// before the transaction ended is then seen below.
    fn tell(&mut self) -> Transaction {
        let transaction = self.shared.transaction();
        self.tell_rolled_back(transaction);
        let (load, state) = self.shared.load();
        if load > self.announced {
            self.announced = load;
            self.push(Kind::Started, state, self.current(), None);
        }
        if load > self.shared.acknowledged.load(Ordering::Relaxed) {
            self.tell_state(state, load);
            if transaction == Transaction::RolledBack && !state.is_final() {
                // The session had no time to say why.
                self.push(Kind::Failed, state, self.current(), Some(rolled_back()));
            }
        }
        self.tell_rolled_back(transaction);
        transaction
    }

    /// Tells which of the finished loads are no more.
    fn tell_rolled_back(&mut self, transaction: Transaction) {
        let kept = match transaction {
            Transaction::RolledBack => 0,
            _ => self.shared.kept.load(Ordering::Acquire) as usize,
        };
        while self.finished.len() > kept {
            if let Some(load) = self.finished.pop() {
                self.push(Kind::Failed, State::Failed, load, Some(rolled_back()));
            }
        }
    }

    fn tell_state(&mut self, state: State, load: u32) {
        match state {
            State::Checking | State::Loading if self.last_event.elapsed() >= self.interval => {
                self.push(Kind::Progress, state, self.current(), None);
            }
            State::Finished => self.finished.push(self.current()),
            State::Failed => {
                self.push(Kind::Failed, state, self.current(), Some(self.failure()));
            }
            State::Skipped => note(self.current(), Status::Skipped),
            State::None | State::Checking | State::Loading => {}
        }
        if state.is_final() {
            self.shared.acknowledged.store(load, Ordering::Release);
            self.shared.wake_session();
        }
    }

    /// How long to wait until there may be something to tell that nobody wakes the worker for.
    fn pause(&self) -> Duration {
        match self.shared.load().1 {
            State::Checking | State::Loading => self
                .interval
                .saturating_sub(self.last_event.elapsed())
                .max(Duration::from_millis(1)),
            _ => IDLE,
        }
    }

    /// Notes what an event says, and pushes it once that is on disk: after a crash, what comes has a higher number than
    /// whatever was heard.
    fn push(&mut self, kind: Kind, state: State, load: Load, error: Option<Failure>) {
        let sequence = load.events + 1;
        let phase = match (kind, state) {
            (Kind::Failed, _) => Phase::Done,
            (_, State::Loading | State::Finished) => Phase::Loading,
            _ => Phase::Checking,
        };
        let status = match kind {
            Kind::Failed => Status::Failed,
            _ => Status::Running,
        };
        let Load {
            attempt, counts, ..
        } = &load;
        let error = error.as_ref();
        worker::transaction(|| {
            logged(attempt::write(
                attempt, status, phase, sequence, counts, error,
            ));
        });
        let pushed = worker::transaction(|| {
            let event = attempt.event(kind, sequence, phase, *counts, error);
            logged(commit_without_waiting().and_then(|()| attempt.push(&event)));
            Instant::now()
        });
        let commit = pushed.elapsed();
        self.interval = event::interval_after(self.last_commit, commit);
        self.last_commit = commit;
        if attempt.ingest == self.shared.ingest.load(Ordering::Relaxed) {
            self.shared.events.store(sequence, Ordering::Release);
        }
        self.last_event = Instant::now();
    }

    /// Notes that the finished loads can be seen; their own transaction has pushed it.
    fn note_completed(&mut self) {
        for load in self.finished.drain(..) {
            note(load, Status::Completed);
        }
    }

    fn current(&self) -> Load {
        let shared = self.shared;
        let started_at = shared.started_at.load(Ordering::Relaxed);
        Load {
            attempt: Attempt {
                ingest: shared.ingest.load(Ordering::Relaxed),
                file: shared.file.get(),
                channel: self.channel.clone(),
                role: shared.loader.load(Ordering::Relaxed).into(),
                started_at: Some(started_at),
                is_job: shared.is_job.load(Ordering::Relaxed) != 0,
            },
            events: shared.events.load(Ordering::Relaxed),
            counts: Counts {
                bytes_done: shared.bytes_done.load(Ordering::Relaxed),
                bytes_total: shared.bytes_total.load(Ordering::Relaxed),
                rows: shared.rows.load(Ordering::Relaxed),
                rejected: shared.rejected.load(Ordering::Relaxed),
                elapsed_micros: u64::try_from(session::now() - started_at).unwrap_or(0),
            },
        }
    }

    fn failure(&self) -> Failure {
        let line = self.shared.error_line.load(Ordering::Relaxed);
        let column = self.shared.error_column.get();
        Failure {
            sqlstate: self.shared.error_sqlstate.get(),
            message: self.shared.error_message.get(),
            line: (line > 0).then_some(line),
            column: (!column.is_empty()).then_some(column),
        }
    }
}

/// What is only a notification need not be on disk.
fn commit_without_waiting() -> Result<(), Error> {
    spi::run(
        "SELECT pg_catalog.set_config('synchronous_commit', 'off', true)",
        &[],
    )
}

/// Notes the end of a load that the loading transaction pushes.
fn note(load: Load, status: Status) {
    let Load {
        attempt,
        counts,
        events,
    } = load;
    worker::transaction(move || {
        logged(attempt::write(
            &attempt,
            status,
            Phase::Done,
            events + 1,
            &counts,
            None,
        ));
    });
}

/// Logs what cannot be raised: there is nobody to raise it to.
fn logged(result: Result<(), Error>) {
    if let Err(error) = result {
        log!("trips_ext could not push status: {}", error.message());
    }
}

fn rolled_back() -> Failure {
    Failure::new(
        "40000",
        "the transaction that loaded the file was rolled back",
    )
}
