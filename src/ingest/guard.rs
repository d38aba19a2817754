//! Keeps DROP EXTENSION from taking ingested trips with it.
//!
//! Tables of an extension go with it, full or not. A view that does not belong to the extension but depends on
//! `trips.trip` makes DROP EXTENSION ask for CASCADE. The first trips make it, whoever brings them, not CREATE EXTENSION:
//! pg_dump then brings it back as it does any view of a user's.

use trips_core::Error;

use crate::postgres::relation::{LockMode, Relation};
use crate::postgres::role::ActingAsOwner;
use crate::postgres::spi;

/// Makes the view where it is not there yet, as the owner of the table `trip`.
///
/// # Errors
/// XX000; what the server raises leaves as a panic.
pub fn keep(trip: &Relation) -> Result<(), Error> {
    if exists() {
        return Ok(());
    }
    // Another first load may be about to make it; it is seen once that transaction has ended.
    let _one_at_a_time = Relation::open(c"trips", c"ingest", LockMode::ShareUpdateExclusive);
    if exists() {
        return Ok(());
    }
    let _owner = ActingAsOwner::of(trip);
    spi::run(
        "CREATE VIEW trips.drop_guard AS SELECT id FROM trips.trip WHERE false",
        &[],
    )?;
    spi::run(
        "COMMENT ON VIEW trips.drop_guard IS \
         'Keeps DROP EXTENSION trips_ext from removing ingested trips unless CASCADE says so'",
        &[],
    )
}

fn exists() -> bool {
    Relation::exists(c"trips", c"drop_guard")
}
