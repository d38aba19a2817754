//! Dynamic background workers: they need no preloaded library, only a free slot of `max_worker_processes`.

use std::time::Duration;

use pgrx::bgworkers::{
    BackgroundWorker, BackgroundWorkerBuilder, BackgroundWorkerStatus, DynamicBackgroundWorker,
    SignalWakeFlags,
};
use pgrx::prelude::*;

use super::{memory, session, spi};

/// A worker that this session has started in the current transaction.
pub struct Worker(DynamicBackgroundWorker);

impl Worker {
    /// Starts a worker that runs `function` of this library with `argument`; none where no slot is free. What is
    /// given back may be used until the transaction ends.
    pub fn start(name: &str, function: &str, argument: u64) -> Option<Worker> {
        let builder = BackgroundWorkerBuilder::new(name)
            .set_type(name)
            .set_library("trips_ext")
            .set_function(function)
            .set_argument(Some(pg_sys::Datum::from(argument)))
            .set_notify_pid(session::process())
            .enable_spi_access();
        // The handle is allocated in the current memory context.
        let _transaction = memory::enter_transaction();
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

/// To be called first in a worker: takes the server's signals and connects.
pub fn connect(database: pg_sys::Oid, role: pg_sys::Oid) {
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGHUP | SignalWakeFlags::SIGTERM);
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(database), Some(role));
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

/// Runs `work` in a transaction of its own.
pub fn transaction<T>(
    work: impl FnOnce() -> T + std::panic::UnwindSafe + std::panic::RefUnwindSafe,
) -> T {
    BackgroundWorker::transaction(work)
}

/// Waits to be woken, at most `timeout`; false when the worker is to end.
pub fn wait(timeout: Duration) -> bool {
    BackgroundWorker::wait_latch(Some(timeout))
}

/// Sends a notification in a transaction of its own.
pub fn notify(channel: &str, payload: &str) {
    let (channel, payload) = (channel.to_owned(), payload.to_owned());
    BackgroundWorker::transaction(move || {
        if let Err(error) = spi::notify(&channel, &payload) {
            log!("trips_ext could not push status: {}", error.message());
        }
    });
}
