//! Safe wrappers around what the extension needs of the server. All unsafe code of the extension is here.
//!
//! Every function of `pg_sys` that is called below is wrapped by pgrx: an ERROR inside it arrives as a Rust
//! panic at the call, so that destructors run before it leaves.

mod brin;
pub mod bulk_insert;
pub mod copy_progress;
pub mod disk;
pub mod exit;
#[cfg(feature = "fault_points")]
pub mod fault;
pub mod key_scan;
pub mod large_pages;
pub mod latch;
pub mod memory;
pub mod message;
pub mod own_statement;
mod page_append;
pub mod planner;
pub mod privileges;
pub mod query;
pub mod receiver;
pub mod relation;
pub mod role;
mod row_former;
pub mod session;
pub mod shared_memory;
pub mod signals;
pub mod spi;
mod statement_insert;
pub mod storage;
pub mod table_insert;
pub mod temporary_file;
pub mod transaction;
pub mod trigger;
pub mod value;
pub mod worker;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Raises an error that only the server's own words fit.
fn raise(code: PgSqlErrorCode, message: String) -> ! {
    ErrorReport::new(code, message, "trips_ext").report(PgLogLevel::ERROR);
    unreachable!("the server came back from an error")
}
