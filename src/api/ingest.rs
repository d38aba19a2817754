//! `trips_ingest`, and the same for what a client sends.

use std::convert::Infallible;

use pgrx::prelude::*;
use trips_core::Error;

use super::given;
use crate::error;
use crate::ingest::input::Input;
use crate::ingest::load::{self, Summary};
use crate::ingest::options::Options;
use crate::ingest::{ledger, received, run, session_ends};
use crate::postgres::exit;
use crate::postgres::trigger::{Call, Moment};
use crate::settings;

/// What rows that come through the view `trips.inbox` have for a file.
const INBOX: &str = "trips.inbox";

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
        run::require_rights_on_file(c"trips_ingest()")?;
        ingest(Input::on_server(file)?, &options)
    };
    match run() {
        Ok(row) => TableIterator::once(row),
        Err(error) => error::raise(&error),
    }
}

/// Takes a part of a file that the client sends; the comment in `sql/upload.sql` is its documentation.
#[pg_extern(volatile, parallel_unsafe)]
fn trips_upload(part: Option<&[u8]>) -> i64 {
    let take = || -> Result<u64, Error> { received::add_part(given("part", part)?) };
    match take() {
        Ok(bytes) => bytes as i64,
        Err(error) => error::raise(&error),
    }
}

/// Loads what was uploaded; the comment in `sql/upload.sql` is its documentation.
#[pg_extern(volatile, parallel_unsafe)]
// As above.
#[allow(clippy::type_complexity)]
fn trips_ingest_upload(
    file: Option<&str>,
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
        let name = given("file", file)?;
        let options = Options::new(
            given("on_error", on_error)?,
            reject_limit,
            given("if_loaded", if_loaded)?,
            given("dry_run", dry_run)?,
        )?;
        run::require_rights(c"trips_ingest_upload()")?;
        let file = received::upload()?;
        let row = ingest(Input::Received { name, file }, &options)?;
        received::end_upload();
        Ok(row)
    };
    match run() {
        Ok(row) => TableIterator::once(row),
        Err(error) => error::raise(&error),
    }
}

/// The triggers on `trips.inbox`.
#[pg_trigger(sql = false)]
fn inbox_insert<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, AllocatedByPostgres>>, Infallible> {
    let call = Call::of(trigger);
    let result = match call.moment() {
        Moment::BeforeStatement => {
            received::begin_statement();
            Ok(())
        }
        Moment::Row => call.texts(received::add_row),
        Moment::AfterStatement => ingest_rows(),
    };
    match result {
        // A row that is given back is counted.
        Ok(()) => Ok(trigger.new()),
        Err(error) => error::raise(&error),
    }
}

/// Loads the rows of a statement.
fn ingest_rows() -> Result<(), Error> {
    let Some(file) = received::end_statement()? else {
        return Ok(());
    };
    run::require_rights(c"INSERT")?;
    let (name, options) = (INBOX, settings::inbox_options());
    ingest(Input::Received { name, file }, &options).map(drop)
}

/// Loads `input` in this session; the row of the result.
fn ingest(input: Input<'_>, options: &Options) -> Result<Row, Error> {
    exit::before_exit(session_ends);
    let file = input.name();
    let summary = match options.dry_run {
        true => load::check(input, options)?,
        false => run::run(ledger::next_ingest()?, input, options, None)?,
    };
    Ok(row(file, &summary))
}

/// A row of the result, as the signatures above name its columns.
type Row = (
    Option<i64>,
    String,
    String,
    i64,
    i64,
    i64,
    i64,
    Interval,
    i64,
);

fn row(file: &str, summary: &Summary) -> Row {
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
