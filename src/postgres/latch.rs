//! Waiting for another process of the server, and waking it.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use pgrx::prelude::*;

/// Waits until somebody sets this process's latch, at most `timeout`; then serves pending interrupts, so it
/// leaves by a panic when the statement is cancelled.
pub fn wait(timeout: Duration) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    let millis = std::ffi::c_long::try_from(timeout.as_millis()).unwrap_or(std::ffi::c_long::MAX);
    // SAFETY: MyLatch points to this process's latch from its start to its end.
    unsafe {
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            events as std::ffi::c_int,
            millis,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    check_for_interrupts!();
}

/// As [`wait`], also until something can be read from `from`; without a timeout, for as long as that takes.
pub fn wait_for(from: BorrowedFd<'_>, timeout: Option<Duration>) {
    let mut events =
        pg_sys::WL_LATCH_SET | pg_sys::WL_SOCKET_READABLE | pg_sys::WL_EXIT_ON_PM_DEATH;
    if timeout.is_some() {
        events |= pg_sys::WL_TIMEOUT;
    }
    let millis = timeout.map_or(-1, |timeout| {
        // A part of a millisecond is waited for as a whole one, not looked at again and again.
        let millis = timeout.as_micros().div_ceil(1000);
        std::ffi::c_long::try_from(millis).unwrap_or(std::ffi::c_long::MAX)
    });
    // SAFETY: as in `wait`; the descriptor is open for as long as it is borrowed, and of a kind that can be polled.
    unsafe {
        pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as std::ffi::c_int,
            from.as_raw_fd(),
            millis,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    check_for_interrupts!();
}

/// How to wake this process: the address of its entry in the server's process table, which is the same in
/// every process.
pub fn address() -> usize {
    // SAFETY: reading a pointer; a process that runs extension code has an entry.
    unsafe { pg_sys::MyProc as usize }
}

/// The [`address`] of another process; 0 if there is none with this number.
pub fn address_of(process: i32) -> usize {
    // SAFETY: looks the process up in the server's table; the entry found is not followed here.
    unsafe { pg_sys::BackendPidGetProc(process) as usize }
}

/// Wakes the process whose [`address`] was published; 0 is nobody. One that has ended meanwhile does no harm: the
/// entry stays, and whoever uses it next finds its latch set for nothing, which every waiter expects.
pub fn wake(address: usize) {
    if address == 0 {
        return;
    }
    let process = address as *mut pg_sys::PGPROC;
    // SAFETY: the address came from `address()` in a process of this server, and the process table
    // lives as long as the server.
    unsafe { pg_sys::SetLatch(&raw mut (*process).procLatch) };
}
