//! The runs of the area trees, and how many of a size there are.

use crate::database::Session;

/// Runs of one size, each size eight times the one before, are merged when they are more than this.
pub const RUNS_OF_A_SIZE: i64 = 7;

/// How many runs there are.
pub fn runs(session: &mut Session) -> i64 {
    session.count("trips.area_run")
}

/// How many runs there are of the size that has most: the size is the logarithm of their trips to the base 8.
pub fn most_of_a_size(session: &mut Session) -> i64 {
    session.value(
        "SELECT coalesce(max(n), 0)
           FROM (SELECT count(*) AS n FROM trips.area_run GROUP BY floor(log(2, trips) / 3)) s",
    )
}
