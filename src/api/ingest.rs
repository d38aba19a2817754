//! `trips_ingest`.

use pgrx::prelude::*;
use trips_core::Error;

use super::given;
use crate::error;
use crate::ingest::load::{self, Summary};
use crate::ingest::options::Options;
use crate::ingest::{self, ledger, run};
use crate::postgres::exit;

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
        run::require_rights(c"trips_ingest()")?;
        exit::before_exit(ingest::session_ends);
        let summary = match options.dry_run {
            true => load::check(file, &options)?,
            false => run::run(ledger::next_ingest()?, file, &options, None)?,
        };
        Ok(row(file, &summary))
    };
    match run() {
        Ok(row) => TableIterator::once(row),
        Err(error) => error::raise(&error),
    }
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
