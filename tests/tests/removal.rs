//! What a large merge has replaced is removed by a background worker after the commit: whatever happens meanwhile, answers
//! are exact, and in the end nothing is left.

use trips_tests::aftermath::{self, TREE_TABLES};
use trips_tests::database::eventually;
use trips_tests::ingest::load;
use trips_tests::rows::write_generated;
use trips_tests::snapshot::snapshot;
use trips_tests::{Database, Role, Session};

/// Of two loads with so many trips each, the merge leaves removal to a worker: a million together.
const ROWS: u64 = 510_000;

/// Trips of a box in Turin, counted by the trees.
const ASK: &str = "SELECT sum(trips)::bigint FROM trips_weekly_trips(7.6, 45.0, 7.7, 45.1)";

const COMPACT: &str = "SELECT runs_after FROM trips_compact()";

const WORKERS: &str =
    "pg_stat_activity WHERE backend_type = 'trips_ext removal' AND datname = current_database()";

/// A database with two runs; the answer to [`ASK`], by counting.
fn scene() -> (Database, Session, i64) {
    let database = Database::new();
    let mut session = database.connect();
    for seed in 0..2 {
        let name = format!("{seed}.csv");
        let path = write_generated(database.files(), &name, ROWS, 3, seed);
        load(&mut session, &path);
    }
    let expected = session.count(
        "trips.trip WHERE st_x(origin) BETWEEN 7.6 AND 7.7 AND st_y(origin) BETWEEN 45.0 AND 45.1",
    );
    assert!(expected > 10_000);
    assert_eq!(session.value::<i64>(ASK), expected);
    (database, session, expected)
}

/// Rows of nodes and leaves that belong to no run.
fn orphans(session: &mut Session) -> i64 {
    let all = aftermath::orphans(session);
    all.iter().map(|(_, count)| count).sum()
}

/// Nothing is left of what was replaced, nor of who removed it, and the trees hold what the table holds.
#[track_caller]
fn assert_removed(session: &mut Session) {
    eventually("the rest is removed", || {
        session.count("trips.area_obsolete") == 0
    });
    eventually("the worker ends", || session.count(WORKERS) == 0);
    assert_eq!(orphans(session), 0);
    assert_eq!(session.count("trips_check()"), 0);
}

#[test]
fn a_worker_removes_what_a_large_merge_has_replaced_and_an_older_snapshot_still_sees_it() {
    let (database, mut session, expected) = scene();
    let mut older = database.connect();
    older.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(older.count("trips.area_run"), 2);
    assert_eq!(session.value::<i64>(COMPACT), 1);
    assert_eq!(session.value::<i64>(ASK), expected);
    assert_removed(&mut session);
    assert_eq!(older.count("trips.area_run"), 2);
    assert_eq!(older.value::<i64>(ASK), expected);
    assert_eq!(older.count("trips_check()"), 0);
    older.run("COMMIT");
    assert_eq!(older.value::<i64>(ASK), expected);
}

#[test]
fn a_rollback_leaves_nothing_to_remove() {
    let (_database, mut session, expected) = scene();
    let before = snapshot(&mut session);
    session.run("BEGIN");
    assert_eq!(session.value::<i64>(COMPACT), 1);
    assert_eq!(session.count("trips.area_obsolete"), 2);
    session.run("ROLLBACK");
    assert_removed(&mut session);
    assert_eq!(snapshot(&mut session), before);
    assert_eq!(session.value::<i64>(ASK), expected);
}

#[test]
fn what_a_worker_has_not_removed_the_next_compaction_sees_to() {
    let (database, mut session, expected) = scene();
    let mut other = database.connect();
    session.run("BEGIN");
    assert_eq!(session.value::<i64>(COMPACT), 1);
    // It waits for the commit.
    eventually("the worker waits", || {
        other.count(&format!("{WORKERS} AND wait_event_type = 'Lock'")) == 1
    });
    other.run(&format!("SELECT pg_terminate_backend(pid) FROM {WORKERS}"));
    eventually("the worker ends", || other.count(WORKERS) == 0);
    session.run("COMMIT");
    assert_eq!(session.count("trips.area_obsolete"), 2);
    assert!(orphans(&mut session) > 0);
    assert_eq!(session.value::<i64>(ASK), expected);
    assert_eq!(session.count("trips_check()"), 0);
    assert_eq!(session.value::<i64>(COMPACT), 1);
    assert_removed(&mut session);
    assert_eq!(session.value::<i64>(ASK), expected);
}

#[test]
fn who_empties_the_table_removes_all_and_waits_for_the_worker() {
    let (_database, mut session, _) = scene();
    assert_eq!(session.value::<i64>(COMPACT), 1);
    session.run("TRUNCATE trips.trip");
    for table in TREE_TABLES {
        assert_eq!(session.count(&format!("trips.{table}")), 0, "{table}");
    }
    assert_removed(&mut session);
}

#[test]
fn a_role_without_rights_on_the_trees_has_its_merge_cleaned_up() {
    let role = Role::new("");
    let (database, mut session, expected) = scene();
    session.run(&format!(
        "GRANT USAGE ON SCHEMA trips TO PUBLIC; GRANT EXECUTE ON FUNCTION trips_compact() TO {}",
        role.name
    ));
    assert_eq!(database.connect_as(&role).value::<i64>(COMPACT), 1);
    assert_removed(&mut session);
    assert_eq!(session.value::<i64>(ASK), expected);
}

#[test]
fn what_a_load_has_merged_by_itself_is_removed_as_well() {
    // Eight runs of one size are merged, and have more than a million trips.
    let database = Database::new();
    let mut session = database.connect();
    for seed in 0..8 {
        let name = format!("{seed}.csv");
        let path = write_generated(database.files(), &name, 150_000, 3, seed);
        load(&mut session, &path);
    }
    assert_eq!(session.count("trips.area_run"), 1);
    assert_removed(&mut session);
}
