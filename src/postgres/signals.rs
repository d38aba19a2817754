//! Threads that are started under this guard never receive a signal: the server's handlers belong to its
//! one thread.

use std::mem::MaybeUninit;

/// Blocks all signals of the calling thread until it is dropped; threads inherit the mask.
pub struct AllBlocked {
    before: libc::sigset_t,
}

impl AllBlocked {
    /// Blocks them.
    pub fn new() -> AllBlocked {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigfillset initializes the set that it is given, and pthread_sigmask the old mask; neither
        // fails with valid pointers and a valid `how`.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            AllBlocked {
                before: before.assume_init(),
            }
        }
    }
}

impl Drop for AllBlocked {
    fn drop(&mut self) {
        // SAFETY: `before` is a mask that pthread_sigmask gave.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut()) };
    }
}

/// Cancels what another process of the server runs, as `pg_cancel_backend` does. Whether it could be told.
pub fn cancel(process: i32) -> bool {
    // SAFETY: sends a signal, which processes of the server expect at any time.
    unsafe { libc::kill(process, libc::SIGINT) == 0 }
}
