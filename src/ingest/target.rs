//! The table that trips go into, and the refusal of what cannot be honoured there.

use pgrx::prelude::*;
use trips_core::Error;

use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::storage::Storage;
use crate::postgres::{message, privileges, spi};

/// Names and types of the columns that ready tuples have; the type of a point is the database's own.
const COLUMNS: [(&str, Option<pg_sys::BuiltinOid>); 6] = [
    ("id", Some(pg_sys::BuiltinOid::INT8OID)),
    ("departed_at", Some(pg_sys::BuiltinOid::TIMESTAMPOID)),
    ("region_id", Some(pg_sys::BuiltinOid::INT2OID)),
    ("datasource_id", Some(pg_sys::BuiltinOid::INT2OID)),
    ("origin", None),
    ("destination", None),
];

/// Opens `trips.trip` for the load.
///
/// # Errors
/// 42501 without INSERT, and 0A000 where row-level security, a trigger or the columns ask for more than inserting ready
/// tuples.
pub fn open() -> Result<Relation, Error> {
    let trip = Relation::open(c"trips", c"trip", LockMode::RowExclusive);
    privileges::require_insert(&trip);
    if privileges::row_security_applies(&trip) {
        return Err(refuse(
            "ingest with row-level security on trips.trip",
            "Use INSERT statements instead.",
        ));
    }
    if !has_expected_columns(&trip) {
        return Err(refuse(
            "ingest into a trips.trip whose columns were changed",
            "Keep what belongs to a trip in a table of its own, by trip id.",
        ));
    }
    if trip.has_foreign_insert_triggers(&own_triggers()?) {
        return Err(refuse(
            "ingest with INSERT triggers or foreign keys on trips.trip",
            "Drop or disable the triggers, or do after the ingest what they do.",
        ));
    }
    Ok(trip)
}

/// The functions of the table's own triggers: the load does by itself what they do.
fn own_triggers() -> Result<Vec<pg_sys::Oid>, Error> {
    let oid = |function: &str| {
        spi::value(
            "SELECT pg_catalog.to_regprocedure($1)::pg_catalog.oid",
            &[function.into()],
        )
    };
    [
        "trips.trip_inserted()",
        "trips.trip_not_replicated()",
        "trips.trip_guarded()",
    ]
    .into_iter()
    .map(oid)
    .collect()
}

fn has_expected_columns(trip: &Relation) -> bool {
    let columns = trip.columns();
    columns.len() == COLUMNS.len()
        && columns
            .iter()
            .zip(COLUMNS)
            .all(|((name, oid), (expected, builtin))| {
                name == expected && builtin.is_none_or(|builtin| *oid == pg_sys::Oid::from(builtin))
            })
}

/// Tells the caller where trips do not go the short way.
///
/// # Errors
/// As [`Storage::of`].
pub fn tell(trip: &Relation) -> Result<(), Error> {
    let storage = Storage::of(trip)?;
    if storage != Storage::Heap {
        message::notice(format!(
            "trips.trip is {}: trips go there by INSERT ... SELECT, not in bulk",
            storage.as_str()
        ));
    }
    Ok(())
}

fn refuse(what: &str, hint: &str) -> Error {
    Error::Unsupported {
        what: what.to_owned(),
        hint: hint.to_owned(),
    }
}
