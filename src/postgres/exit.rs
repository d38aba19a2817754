//! What must happen before a session ends by FATAL, which unwinds no frame: `pg_terminate_backend`, a
//! lost client, a server that shuts down.

use std::sync::Once;

use pgrx::prelude::*;

/// Has `callback` called once, before this session's process gives up its shared memory. Later calls with
/// whatever callback do nothing: there is one for the extension.
pub fn before_exit(callback: fn()) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: `run` has the signature of a pg_on_exit_callback, lives as long as the process (the
        // server never unloads a library), and gets back the function pointer that is passed here.
        unsafe { pg_sys::before_shmem_exit(Some(run), pg_sys::Datum::from(callback as usize)) };
    });
}

#[pg_guard]
unsafe extern "C-unwind" fn run(_code: std::ffi::c_int, callback: pg_sys::Datum) {
    // SAFETY: the datum is the `fn()` that `before_exit` registered.
    let callback: fn() = unsafe { std::mem::transmute::<usize, fn()>(callback.value()) };
    callback();
}
