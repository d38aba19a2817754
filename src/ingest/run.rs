//! One ingest, from the caller's rights to what listeners are told of its end.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::panic::AssertUnwindSafe;

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::event::Failure;

use super::input::Input;
use super::load::{self, Summary};
use super::options::Options;
use crate::error;
use crate::postgres::{privileges, session};
use crate::settings;
use crate::status::attempt;
use crate::status::reporter::Reporter;

/// Whether the current role may have a file of the server loaded, here and now, by `function`.
///
/// # Errors
/// 42501 without the right to read files, 0A000 and 22023 where the database or a setting does not allow it. A read-only
/// transaction raises 25006.
pub fn require_rights_on_file(function: &CStr) -> Result<(), Error> {
    session::require_write_access(function);
    if !privileges::may_read_server_files() {
        return Err(Error::NotPermitted {
            what: "ingest a file of the server",
            detail: "Only roles with privileges of the \"pg_read_server_files\" role may ingest files of the server.",
        });
    }
    require_rights(function)
}

/// Whether the current role may have `function` load what it is given, here and now.
///
/// # Errors
/// As [`require_rights_on_file`], but for files.
pub fn require_rights(function: &CStr) -> Result<(), Error> {
    session::require_write_access(function);
    if !session::encoding_is_utf8() {
        return Err(Error::Unsupported {
            what: "ingest into a database whose encoding is not UTF8".to_owned(),
            hint: String::new(),
        });
    }
    settings::check_channel()
}

/// What is special about an ingest that a background worker runs.
#[derive(Debug, Default)]
pub struct Job {
    /// How many events have been pushed of it.
    pub events: u32,
    /// Set to whether a status worker pushes what happens.
    pub is_reported: Cell<bool>,
    /// Set to why it failed, if the load says so itself.
    pub failure: RefCell<Option<Failure>>,
}

/// Loads `input` as `ingest`; whatever fails is pushed, whoever raises it.
///
/// # Errors
/// Those of [`load::load`].
pub fn run(
    ingest: i64,
    input: Input<'_>,
    options: &Options,
    job: Option<&Job>,
) -> Result<Summary, Error> {
    attempt::hold(ingest)?;
    let reporter = Reporter::start(ingest, input.name(), job.map(|job| job.events));
    let reporter = AssertUnwindSafe(reporter);
    if let Some(job) = job {
        job.is_reported.set(reporter.is_pushed());
    }
    let load = AssertUnwindSafe(|| load::load(input, ingest, options, &reporter));
    let result = PgTryBuilder::new(load)
        .catch_others(|caught| {
            reporter.failed(&error::caught_failure(&caught));
            caught.rethrow()
        })
        .execute();
    if let Err(error) = &result {
        let failure = error::failure(error);
        reporter.failed(&failure);
        if let Some(job) = job {
            job.failure.replace(Some(failure));
        }
    }
    result
}
