//! Facts about this session.

use std::ffi::CStr;

use pgrx::prelude::*;

/// The database that the session is connected to.
pub fn database() -> pg_sys::Oid {
    // SAFETY: reading a global that is set when the session starts.
    unsafe { pg_sys::MyDatabaseId }
}

/// The role that logged in: unlike the current one it may connect.
pub fn authenticated_role() -> pg_sys::Oid {
    // SAFETY: no arguments; the role is set when the session starts.
    unsafe { pg_sys::GetAuthenticatedUserId() }
}

/// The current role, whose rights count.
pub fn role() -> pg_sys::Oid {
    // SAFETY: no arguments; inside a transaction there is a current role.
    unsafe { pg_sys::GetUserId() }
}

/// Whether a setting has a value, be it one of a module that is not loaded.
pub fn knows_setting(name: &CStr) -> bool {
    // SAFETY: a C string that outlives the call; a name that is unknown gives null and no error.
    unsafe { !pg_sys::GetConfigOption(name.as_ptr(), true, false).is_null() }
}

/// The process that serves the session.
pub fn process() -> i32 {
    // SAFETY: reading a global that is set when the process starts.
    unsafe { pg_sys::MyProcPid }
}

/// Microseconds since 2000-01-01 UTC.
pub fn now() -> i64 {
    // SAFETY: no arguments, no state.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// The SQL value of microseconds since 2000-01-01 UTC; none outside the range of the type.
pub fn timestamp(micros: i64) -> Option<TimestampWithTimeZone> {
    TimestampWithTimeZone::try_from(micros).ok()
}

/// Whether text in this database is UTF-8.
pub fn encoding_is_utf8() -> bool {
    // SAFETY: no arguments; the encoding is set when the session starts.
    unsafe { pg_sys::GetDatabaseEncoding() == pg_sys::pg_enc::PG_UTF8 as i32 }
}

/// Raises 25006 in a read-only transaction and during recovery, 25000 in a parallel worker.
pub fn require_write_access(function: &CStr) {
    // SAFETY: the functions take a C string that they print.
    unsafe {
        pg_sys::PreventCommandDuringRecovery(function.as_ptr());
        if pg_sys::XactReadOnly {
            pg_sys::PreventCommandIfReadOnly(function.as_ptr());
        }
        pg_sys::PreventCommandIfParallelMode(function.as_ptr());
    }
}
