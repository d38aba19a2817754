//! An error that the server raises, for tests.

use pgrx::prelude::*;
use pgrx::{direct_function_call, pg_sys};

/// Raises 22012 out of the server's own code.
pub fn division_by_zero() {
    let arguments = [1i32.into_datum(), 0i32.into_datum()];
    // SAFETY: int4div takes two integers and gives one.
    let _ = unsafe { direct_function_call::<i32>(pg_sys::int4div, &arguments) };
}
