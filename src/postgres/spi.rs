//! Statements of the extension's own. They run with the caller's rights and see what is committed
//! when they start, as statements of the caller in READ COMMITTED do. Every name in them is qualified.

use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use pgrx::spi::SpiHeapTupleData;
use trips_core::Error;

/// Runs a statement.
///
/// # Errors
/// XX000 where SPI itself is misused. What the server raises leaves as a panic, here and below.
pub fn run(statement: &str, arguments: &[DatumWithOid<'_>]) -> Result<(), Error> {
    changed(statement, arguments).map(drop)
}

/// Runs a statement; the number of rows that it changed.
///
/// # Errors
/// As [`run`].
pub fn changed(statement: &str, arguments: &[DatumWithOid<'_>]) -> Result<u64, Error> {
    let changed = Spi::connect_mut(|client| {
        let rows = client.update(statement, None, arguments)?;
        Ok(rows.len() as u64)
    });
    changed.map_err(|error: pgrx::spi::Error| internal(&error))
}

/// The one value that a statement gives.
///
/// # Errors
/// As [`run`], and where it is null.
pub fn value<T: FromDatum + IntoDatum>(
    statement: &str,
    arguments: &[DatumWithOid<'_>],
) -> Result<T, Error> {
    nullable(statement, arguments)?.ok_or_else(|| Error::Internal {
        what: format!("no value from: {statement}"),
    })
}

/// The one value that a statement gives, which may be null.
///
/// # Errors
/// As [`run`].
pub fn nullable<T: FromDatum + IntoDatum>(
    statement: &str,
    arguments: &[DatumWithOid<'_>],
) -> Result<Option<T>, Error> {
    Spi::get_one_with_args(statement, arguments).map_err(|error| internal(&error))
}

/// The rows of two columns that a statement gives.
///
/// # Errors
/// As [`run`], and where a value is null.
pub fn pairs<A, B>(statement: &str) -> Result<Vec<(A, B)>, Error>
where
    A: FromDatum + IntoDatum,
    B: FromDatum + IntoDatum,
{
    rows(statement, &[], |row| {
        Ok(row.get::<A>(1)?.zip(row.get::<B>(2)?))
    })?
    .into_iter()
    .collect::<Option<Vec<_>>>()
    .ok_or_else(|| Error::Internal {
        what: format!("null from: {statement}"),
    })
}

/// What `read` makes of the rows that a statement gives.
///
/// # Errors
/// As [`run`].
pub fn rows<T>(
    statement: &str,
    arguments: &[DatumWithOid<'_>],
    read: impl Fn(&SpiHeapTupleData<'_>) -> Result<T, pgrx::spi::Error>,
) -> Result<Vec<T>, Error> {
    let rows: Result<Vec<T>, pgrx::spi::Error> = Spi::connect_mut(|client| {
        client
            .update(statement, None, arguments)?
            .map(|row| read(&row))
            .collect()
    });
    rows.map_err(|error| internal(&error))
}

/// Sends a notification when the current transaction commits.
///
/// # Errors
/// As [`run`].
pub fn notify(channel: &str, payload: &str) -> Result<(), Error> {
    run(
        "SELECT pg_catalog.pg_notify($1, $2)",
        &[channel.into(), payload.into()],
    )
}

fn internal(error: &pgrx::spi::Error) -> Error {
    Error::Internal {
        what: error.to_string(),
    }
}
