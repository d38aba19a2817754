//! Ingests that background workers run: `trips_ingest_async`, `trips_cancel`.

use std::convert::Infallible;

use pgrx::prelude::*;
use pgrx::{AllocatedByRust, WhoAllocated};
use trips_core::Error;

use super::given;
use crate::error;
use crate::ingest::options::Options;
use crate::ingest::run;
use crate::jobs::queue::Arguments;
use crate::jobs::{cancel, dispatcher, queue};

/// Queues an ingest; the comment in `sql/jobs.sql` is its documentation.
#[pg_extern(volatile, parallel_unsafe)]
fn trips_ingest_async(
    source: Option<&str>,
    on_error: default!(Option<&str>, "'stop'"),
    reject_limit: default!(Option<i64>, "NULL"),
    if_loaded: default!(Option<&str>, "'skip'"),
) -> i64 {
    let submit = || -> Result<i64, Error> {
        let file = given("source", source)?;
        let arguments = Arguments {
            on_error: given("on_error", on_error)?.to_owned(),
            reject_limit,
            if_loaded: given("if_loaded", if_loaded)?.to_owned(),
        };
        Options::new(
            &arguments.on_error,
            reject_limit,
            &arguments.if_loaded,
            false,
        )?;
        run::require_rights_on_file(c"trips_ingest_async()")?;
        queue::submit(file, &arguments)
    };
    submit().unwrap_or_else(|error| error::raise(&error))
}

/// Cancels a queued or running ingest; the comment in `sql/jobs.sql` is its documentation.
#[pg_extern(volatile, parallel_unsafe)]
fn trips_cancel(ingest: Option<i64>) -> bool {
    let cancel = || cancel::cancel(given("ingest", ingest)?);
    cancel().unwrap_or_else(|error| error::raise(&error))
}

/// The trigger on queued ingests.
#[pg_trigger(sql = false)]
fn ingest_queued<'a>(
    _trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, Infallible> {
    if let Err(error) = dispatcher::see_to_it() {
        error::raise(&error);
    }
    Ok(None::<PgHeapTuple<'a, AllocatedByRust>>)
}
