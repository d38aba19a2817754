//! Dynamic background workers: they need no preloaded library, only a free slot of `max_worker_processes`.

use std::ffi::CStr;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use pgrx::bgworkers::{
    BackgroundWorker, BackgroundWorkerBuilder, BackgroundWorkerStatus, BgWorkerStartTime,
    DynamicBackgroundWorker, SignalWakeFlags,
};
use pgrx::prelude::*;
use trips_core::Error;

use super::{memory, session};
use crate::error;

/// A worker that this session has started in the current transaction.
pub struct Worker(DynamicBackgroundWorker);

impl Worker {
    /// Starts a worker that runs `function` of this library with `argument`; none where no slot is free. What is
    /// given back may be used until the transaction ends.
    pub fn start(name: &str, function: &str, argument: u64) -> Option<Worker> {
        let builder = builder(name, function).set_argument(Some(pg_sys::Datum::from(argument)));
        // The handle is allocated in the current memory context.
        let _transaction = memory::enter_transaction();
        builder.load_dynamic().ok().map(Worker)
    }

    /// Starts a worker that runs `function` of this library, which finds `text`, of less than 128 bytes, by [`text`]. What is
    /// given back may be used until this process ends.
    pub fn start_with(name: &str, function: &str, text: &str) -> Option<Worker> {
        let builder = builder(name, function).set_extra(text);
        let _process = memory::enter_process();
        builder.load_dynamic().ok().map(Worker)
    }

    /// Whether it has ended, or never came up.
    pub fn has_stopped(&self) -> bool {
        matches!(
            self.0.pid(),
            Err(BackgroundWorkerStatus::Stopped | BackgroundWorkerStatus::PostmasterDied)
        )
    }
}

/// Has the server run `function` of this library in a worker from its start on, once it takes writes. One that has ended by an
/// error, or by [`start_again`], is started again after `pause`. To be called while the server loads its preloaded libraries.
pub fn run_with_server(name: &str, function: &str, pause: Duration) {
    builder(name, function)
        .set_notify_pid(0)
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(Some(pause))
        .load();
}

/// Whether the server loads the libraries of `shared_preload_libraries` right now.
pub fn is_preloading() -> bool {
    // SAFETY: reading a global that only this process writes.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}

/// Ends this worker, to be started again.
// The bindings of PostgreSQL 18 alone do not know that it never returns.
#[allow(unreachable_code)]
pub fn start_again() -> ! {
    // SAFETY: ends the process as the server's own workers do; nothing that this thread owns outlives it.
    unsafe { pg_sys::proc_exit(1) };
    unreachable!("the process has ended")
}

fn builder(name: &str, function: &str) -> BackgroundWorkerBuilder {
    BackgroundWorkerBuilder::new(name)
        .set_type(name)
        .set_library("trips_ext")
        .set_function(function)
        .set_notify_pid(session::process())
        .enable_spi_access()
}

/// What this worker was given by [`Worker::start_with`].
pub fn text() -> &'static str {
    BackgroundWorker::get_extra()
}

/// Takes the server's signals; to be called first in a worker that does not connect at once.
pub fn take_signals() {
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGHUP | SignalWakeFlags::SIGTERM);
}

/// To be called first in a worker: takes the server's signals and connects.
pub fn connect(database: pg_sys::Oid, role: pg_sys::Oid) {
    take_signals();
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(database), Some(role));
}

/// As [`connect`], with the rights of the superuser that the cluster was made with.
pub fn connect_as_superuser(database: pg_sys::Oid) {
    connect(database, pg_sys::InvalidOid);
}

/// Connects to the database of that name, with the rights of the superuser that the cluster was made with. Where there is none,
/// the worker ends by an error.
pub fn connect_to(database: &str) {
    BackgroundWorker::connect_worker_to_spi(Some(database), None);
}

/// Has SIGTERM end what the worker does, wherever that waits or polls interrupts, as it ends a session. Before, SIGTERM
/// only ends [`wait`].
pub fn end_on_sigterm() {
    let handler: pg_sys::pqsigfunc = Some(sigterm);
    // SAFETY: the handler does nothing but what a signal handler may do.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(pg_sys::SIGTERM as i32, handler);
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(pg_sys::SIGTERM as i32, handler);
    }
}

/// What the server's own handler does for a session.
unsafe extern "C-unwind" fn sigterm(_signal: std::ffi::c_int) {
    // SAFETY: both are flags that handlers set; the latch is this process's own, and SetLatch may be called in a handler.
    unsafe {
        (&raw mut pg_sys::InterruptPending).write_volatile(1);
        (&raw mut pg_sys::ProcDiePending).write_volatile(1);
        pg_sys::SetLatch(pg_sys::MyLatch);
    }
}

/// Reads the server's settings again if it was told to.
pub fn reload_settings() {
    if BackgroundWorker::sighup_received() {
        // SAFETY: what the server's own processes do on SIGHUP, outside of signal handlers and transactions.
        unsafe { pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP) };
    }
}

/// What `pg_stat_activity` shows that the worker does.
pub fn show_activity(text: &CStr) {
    // SAFETY: the server copies the text.
    unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text.as_ptr()) };
}

/// Ends a transaction of [`transaction`] that was left by an error.
pub fn abort_transaction() {
    // SAFETY: no arguments; outside of a transaction it does nothing.
    unsafe { pg_sys::AbortCurrentTransaction() };
}

/// Runs `work` in a transaction of its own.
pub fn transaction<T>(
    work: impl FnOnce() -> T + std::panic::UnwindSafe + std::panic::RefUnwindSafe,
) -> T {
    BackgroundWorker::transaction(work)
}

/// Runs `work` in a transaction of its own; raises its error.
pub fn in_transaction<T>(
    work: impl FnOnce() -> Result<T, Error> + UnwindSafe + RefUnwindSafe,
) -> T {
    transaction(|| work().unwrap_or_else(|error| error::raise(&error)))
}

/// Has autovacuum, and who else looks at statistics, see what this worker's transactions have changed. A session does so whenever it
/// waits for its client.
pub fn report_statistics() {
    // SAFETY: outside of a transaction it only sends what is pending.
    unsafe { pg_sys::pgstat_report_stat(true) };
}

/// Waits to be woken; false when the worker is to end.
pub fn wait_for_ever() -> bool {
    BackgroundWorker::wait_latch(None)
}

/// Waits to be woken, at most `timeout`; false when the worker is to end.
pub fn wait(timeout: Duration) -> bool {
    BackgroundWorker::wait_latch(Some(timeout))
}
