//! What must be left of a load or a merge once it is over: nothing but its rows.

use crate::database::{Session, eventually};

/// The tables of the area trees.
pub const TREE_TABLES: [&str; 6] = [
    "area_run",
    "area_node",
    "area_leaf",
    "area_part",
    "area_obsolete",
    "region_day",
];

/// How many rows of the trees belong to no run, by the query for the runs that they name.
pub fn orphans(session: &mut Session) -> Vec<(&'static str, i64)> {
    [
        "SELECT id >> 32 AS run FROM trips.area_node",
        "SELECT id >> 32 FROM trips.area_leaf",
        "SELECT leaf_id >> 32 FROM trips.area_part",
        "SELECT run_id FROM trips.region_day",
    ]
    .map(|rows| {
        let orphans = format!("({rows}) t (run) WHERE run NOT IN (SELECT id FROM trips.area_run)");
        (rows, session.count(&orphans))
    })
    .to_vec()
}

/// All rows of the trees belong to runs that there are.
#[track_caller]
pub fn assert_no_orphans(session: &mut Session) {
    for (rows, count) in orphans(session) {
        assert_eq!(count, 0, "{rows}");
    }
}

/// What an observer must find after a load, however it ended: no worker, no lock, no thread.
#[track_caller]
pub fn assert_nothing_left(observer: &mut Session, loader: Option<&Session>) {
    let workers = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type LIKE 'trips%')";
    eventually("the status worker ends", || observer.value(workers));
    // What vacuums by itself comes and goes.
    let locks = "SELECT NOT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE d.datname = current_database() AND l.pid <> pg_backend_pid()
          AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.pid AND a.backend_type = 'autovacuum worker'))";
    eventually("locks are released", || observer.value(locks));
    if let Some(loader) = loader {
        assert!(loader.is_single_threaded());
    }
}
