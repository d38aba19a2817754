//! From the product's one error type to PostgreSQL's reports and to pushed failures.

use pgrx::pg_sys::panic::{CaughtError, ErrorReport, ErrorReportWithLevel};
use pgrx::prelude::*;
use trips_core::Error;
use trips_core::event::Failure;

use crate::postgres::message;

/// Raises `error`.
#[track_caller]
pub fn raise(error: &Error) -> ! {
    report(error).report(PgLogLevel::ERROR);
    unreachable!("the server came back from an error")
}

/// Tells of `error` as a WARNING.
pub fn warn(error: &Error) {
    message::send(PgLogLevel::WARNING, report(error));
}

#[track_caller]
fn report(error: &Error) -> ErrorReport {
    let mut report = ErrorReport::new(
        PgSqlErrorCode::from(pack(error.sqlstate())),
        error.message(),
        "trips_ext",
    );
    if let Some(detail) = error.detail() {
        report = report.set_detail(detail);
    }
    if let Some(hint) = error.hint() {
        report = report.set_hint(hint);
    }
    report
}

/// What a listener learns of `error`.
pub fn failure(error: &Error) -> Failure {
    Failure {
        sqlstate: error.sqlstate().to_owned(),
        message: error.message(),
        line: error.line(),
        column: error.column(),
    }
}

/// What a listener learns of an error that the server raised.
pub fn caught_failure(error: &CaughtError) -> Failure {
    let report: &ErrorReportWithLevel = match error {
        CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic {
            ereport: report, ..
        } => report,
    };
    Failure::new(&unpack(report.sql_error_code() as i32), report.message())
}

/// Five characters as the server packs them: six bits each, the first lowest.
pub(crate) fn pack(sqlstate: &str) -> i32 {
    sqlstate.bytes().rev().fold(0, |code, byte| {
        code << 6 | i32::from(byte.wrapping_sub(b'0') & 0x3f)
    })
}

/// The inverse of [`pack`].
pub(crate) fn unpack(code: i32) -> String {
    (0..5)
        .map(|place| char::from(((code >> (6 * place)) & 0x3f) as u8 + b'0'))
        .collect()
}
