//! Messages to the caller. They go through a guard: sending one serves interrupts, and a cancel must not
//! jump over Rust frames.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// A NOTICE.
pub fn notice(text: String) {
    send(
        PgLogLevel::NOTICE,
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        text,
        None,
    );
}

/// A WARNING with what can be done about it.
pub fn warning(text: &str, hint: &str) {
    let code = PgSqlErrorCode::ERRCODE_WARNING;
    send(
        PgLogLevel::WARNING,
        code,
        text.to_owned(),
        Some(hint.to_owned()),
    );
}

fn send(level: PgLogLevel, code: PgSqlErrorCode, text: String, hint: Option<String>) {
    let mut report = ErrorReport::new(code, text, "trips_ext");
    if let Some(hint) = hint {
        report = report.set_hint(hint);
    }
    // SAFETY: called on the backend's one thread; what `report` owns is freed before the server can jump.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(move || report.report(level)) };
}
