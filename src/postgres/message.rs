//! Messages to the caller. They go through a guard: sending one serves interrupts, and a cancel must not
//! jump over Rust frames.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// A NOTICE.
pub fn notice(text: String) {
    let code = PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION;
    send(
        PgLogLevel::NOTICE,
        ErrorReport::new(code, text, "trips_ext"),
    );
}

/// A WARNING with what can be done about it.
pub fn warning(text: &str, hint: &str) {
    let code = PgSqlErrorCode::ERRCODE_WARNING;
    let report = ErrorReport::new(code, text.to_owned(), "trips_ext");
    send(PgLogLevel::WARNING, report.set_hint(hint.to_owned()));
}

/// A message of a level below ERROR.
pub fn send(level: PgLogLevel, report: ErrorReport) {
    // SAFETY: called on the backend's one thread; what `report` owns is freed before the server can jump.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(move || report.report(level)) };
}
