//! `trips_ingest`.

use std::panic::AssertUnwindSafe;

use pgrx::prelude::*;
use trips_core::Error;

use super::given;
use crate::error;
use crate::ingest::load::{self, Summary};
use crate::ingest::options::Options;
use crate::ingest::{self, ledger};
use crate::postgres::{exit, privileges, session};
use crate::settings;
use crate::status::reporter::Reporter;

/// Loads a file of trips; the comment in `sql/ingest.sql` is its documentation.
#[pg_extern(volatile, parallel_unsafe)]
// pgrx reads the columns off the signature: a type alias would hide them.
#[allow(clippy::type_complexity)]
fn trips_ingest(
    source: Option<&str>,
    on_error: default!(Option<&str>, "'stop'"),
    reject_limit: default!(Option<i64>, "NULL"),
    if_loaded: default!(Option<&str>, "'skip'"),
    dry_run: default!(Option<bool>, "false"),
) -> TableIterator<
    'static,
    (
        name!(ingest, Option<i64>),
        name!(file, String),
        name!(status, String),
        name!(rows_read, i64),
        name!(rows_loaded, i64),
        name!(rows_rejected, i64),
        name!(bytes, i64),
        name!(elapsed, Interval),
        name!(rows_per_second, i64),
    ),
> {
    let run = || -> Result<_, Error> {
        let file = given("source", source)?;
        let options = Options::new(
            given("on_error", on_error)?,
            reject_limit,
            given("if_loaded", if_loaded)?,
            given("dry_run", dry_run)?,
        )?;
        require_rights()?;
        exit::before_exit(ingest::session_ends);
        let summary = match options.dry_run {
            true => load::check(file, &options)?,
            false => load_and_report(file, &options)?,
        };
        Ok(row(file, &summary))
    };
    match run() {
        Ok(row) => TableIterator::once(row),
        Err(error) => error::raise(&error),
    }
}

fn require_rights() -> Result<(), Error> {
    session::require_write_access(c"trips_ingest()");
    if !privileges::may_read_server_files() {
        return Err(Error::NotPermitted {
            what: "ingest a file of the server",
            detail: "Only roles with privileges of the \"pg_read_server_files\" role may ingest files of the server.",
        });
    }
    if !session::encoding_is_utf8() {
        return Err(Error::Unsupported {
            what: "ingest into a database whose encoding is not UTF8".to_owned(),
            hint: String::new(),
        });
    }
    settings::check_channel()
}

/// Loads a file; whatever fails is pushed, whoever raises it.
fn load_and_report(file: &str, options: &Options) -> Result<Summary, Error> {
    let ingest = ledger::next_ingest()?;
    let reporter = AssertUnwindSafe(Reporter::start(ingest, file));
    let load = AssertUnwindSafe(|| load::load(file, ingest, options, &reporter));
    let result = PgTryBuilder::new(load)
        .catch_others(|caught| {
            reporter.failed(&error::caught_failure(&caught));
            caught.rethrow()
        })
        .execute();
    if let Err(error) = &result {
        reporter.failed(&error::failure(error));
    }
    result
}

/// The row of the result.
fn row(
    file: &str,
    summary: &Summary,
) -> (
    Option<i64>,
    String,
    String,
    i64,
    i64,
    i64,
    i64,
    Interval,
    i64,
) {
    let counts = &summary.counts;
    (
        summary.ingest,
        file.to_owned(),
        summary.status.as_str().to_owned(),
        counts.rows_read() as i64,
        counts.rows as i64,
        counts.rejected as i64,
        counts.bytes_total as i64,
        Interval::from_micros(counts.elapsed_micros as i64),
        counts.rows_per_second() as i64,
    )
}
