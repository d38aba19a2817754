//! Where loads leave many runs that are too large to be merged by themselves, a background worker merges some at a time once
//! nobody loads any more. It changes no answer, waits for loads, and gives way to whoever waits for it.

use std::thread;
use std::time::{Duration, Instant};

use trips_tests::aftermath::assert_no_orphans;
use trips_tests::ask_random::{question, seeded};
use trips_tests::database::eventually;
use trips_tests::facts::Facts;
use trips_tests::ingest::load;
use trips_tests::rows::{numbered_rows, write_generated};
use trips_tests::runs::{RUNS_OF_A_SIZE, most_of_a_size, runs};
use trips_tests::snapshot::snapshot;
use trips_tests::{Database, PrivateCluster, Role, Session};

/// As many as make twelve runs where there is little memory.
const ROWS: u64 = 200_000;

const WORKERS: &str =
    "pg_stat_activity WHERE backend_type = 'trips_ext merging' AND datname = current_database()";

/// Who has runs merged as soon as nobody loads, and does not take those of [`scene`] for small ones.
const AT_ONCE: &str = "SET trips_ext.merge_delay = 0; SET trips_ext.area_memory = '1MB'";

/// A database with one load of many runs that nobody merges, and how many these are.
fn scene() -> (Database, Session, i64) {
    let database = Database::new();
    let mut session = database.connect();
    session.run("SET jit = off; SET trips_ext.area_memory = '1MB'; SET trips_ext.merge_delay = -1");
    let path = write_generated(database.files(), "many.csv", ROWS, 3, 1);
    load(&mut session, &path);
    let runs = runs(&mut session);
    assert!(most_of_a_size(&mut session) > RUNS_OF_A_SIZE, "{runs} runs");
    (database, session, runs)
}

/// The same once a worker has merged eight of them, after a load that brought one.
fn merged_scene() -> (Database, Session, i64) {
    let (database, mut session, before) = scene();
    session.run(AT_ONCE);
    bring_a_little(&database, &mut session, 0);
    assert_merged(&mut session);
    assert_eq!(runs(&mut session), before - 7 + 1);
    (database, session, before)
}

/// Brings ten trips, after which a worker is to see to the runs.
fn bring_a_little(database: &Database, session: &mut Session, first: u64) {
    let name = format!("{first}.csv");
    let path = database
        .files()
        .write_rows(&name, numbered_rows(first..first + 10));
    load(session, &path);
}

#[track_caller]
fn assert_merged(session: &mut Session) {
    eventually("runs are few", || most_of_a_size(session) <= RUNS_OF_A_SIZE);
    eventually("the worker ends", || session.count(WORKERS) == 0);
    assert_eq!(session.count("trips_check()"), 0);
    assert_no_orphans(session);
}

#[test]
fn many_large_runs_are_merged_after_a_load_and_no_answer_changes() {
    let (database, mut session, before) = scene();
    let mut older = database.connect();
    older.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(runs(&mut older), before);
    session.run(AT_ONCE);
    bring_a_little(&database, &mut session, 0);
    assert_merged(&mut session);
    // Eight became one, and one came.
    assert_eq!(runs(&mut session), before - 7 + 1);
    let facts = Facts::of(&mut session);
    let mut random = seeded();
    for _ in 0..30 {
        question(&mut random, &facts).check(&mut session, &facts);
    }
    assert_eq!(runs(&mut older), before);
    assert_eq!(older.count("trips_check()"), 0);
}

#[test]
fn what_is_merged_follows_each_other_in_time() {
    let (_database, mut session, _) = merged_scene();
    // The file is in the order of time, so no run of it lies within the days of the one that was merged.
    let within: i64 = session.value(
        "SELECT count(*) FROM trips.area_run r, trips.area_run m
          WHERE m.trips = (SELECT max(trips) FROM trips.area_run) AND r.id <> m.id AND r.trips > 10
            AND r.first_day > m.first_day AND r.last_day < m.last_day",
    );
    assert_eq!(within, 0);
}

#[test]
fn an_ingest_stays_known_by_its_runs_as_long_as_these_have_no_other_trips() {
    let (_database, mut session, before) = merged_scene();
    let first: i64 = session.value("SELECT min(id) FROM trips.ingest");
    let of_ingest = format!("trips.area_run WHERE ingest_id = {first}");
    assert_eq!(session.count(&of_ingest), before - 7);
    session.run(&format!("SELECT trips_forget({first})"));
    assert_eq!(runs(&mut session), 1, "its runs are removed, none is added");
    assert_eq!(session.count("trips_check()"), 0);
}

#[test]
fn without_a_delay_nothing_is_merged() {
    let (database, mut session, before) = scene();
    bring_a_little(&database, &mut session, 0);
    assert_eq!(session.count(WORKERS), 0);
    assert_eq!(runs(&mut session), before + 1);
}

#[test]
fn trees_that_may_be_elsewhere_are_not_merged_unasked() {
    let database = Database::new();
    let mut session = database.connect();
    session.run(AT_ONCE);
    session.run(
        "SELECT trips_partition('trips.area_leaf', 'HASH (id)');
         CREATE TABLE public.leaf PARTITION OF trips.area_leaf FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    );
    let path = write_generated(database.files(), "many.csv", ROWS, 3, 1);
    load(&mut session, &path);
    assert!(most_of_a_size(&mut session) > RUNS_OF_A_SIZE);
    // The next load would find it as well.
    bring_a_little(&database, &mut session, 0);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(session.count(WORKERS), 0);
    assert!(most_of_a_size(&mut session) > RUNS_OF_A_SIZE);
}

#[test]
fn as_long_as_anybody_loads_one_worker_waits() {
    let (database, mut session, before) = scene();
    let mut other = database.connect();
    session.run(AT_ONCE);
    session.run("BEGIN");
    bring_a_little(&database, &mut session, 0);
    other.run(AT_ONCE);
    for first in [100, 200] {
        bring_a_little(&database, &mut other, first);
    }
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(other.count(WORKERS), 1);
    assert_eq!(runs(&mut other), before + 2);
    session.run("COMMIT");
    assert_merged(&mut session);
}

#[test]
fn loads_that_follow_each_other_are_not_disturbed() {
    let (database, mut session, mut loaded) = scene();
    session.run("SET trips_ext.merge_delay = 2");
    for number in 0..4 {
        bring_a_little(&database, &mut session, 100 * number);
        loaded += 1;
        thread::sleep(Duration::from_secs(1));
        assert_eq!(runs(&mut session), loaded);
    }
    assert_merged(&mut session);
}

#[test]
fn a_rollback_of_the_load_leaves_the_rest_to_be_merged() {
    let (database, mut session, before) = scene();
    session.run(AT_ONCE);
    session.run("BEGIN");
    bring_a_little(&database, &mut session, 0);
    session.run("ROLLBACK");
    assert_merged(&mut session);
    assert_eq!(runs(&mut session), before - 7);
}

#[test]
fn who_waits_for_the_runs_does_not_wait_for_the_merge() {
    let (database, mut session, before) = scene();
    let (mut blocker, mut other) = (database.connect(), database.connect());
    session.run(AT_ONCE);
    session.run("BEGIN");
    bring_a_little(&database, &mut session, 0);
    eventually("a worker waits for the load", || other.count(WORKERS) == 1);
    // Has its lock as soon as the load has ended: the merge then has the runs, and cannot write.
    let mut blocker = thread::scope(|scope| {
        let locked = scope.spawn(|| {
            blocker.run("BEGIN; LOCK TABLE trips.area_leaf IN SHARE MODE");
            blocker
        });
        eventually("it waits, too", || {
            other.value(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'trips.area_leaf'::regclass AND NOT granted)",
            )
        });
        session.run("COMMIT");
        locked.join().unwrap()
    });
    let waits = format!("{WORKERS} AND wait_event_type = 'Lock'");
    eventually("the merge waits", || session.count(&waits) == 1);
    let before_compaction: i64 = thread::scope(|scope| {
        let compaction = scope.spawn(|| other.value("SELECT runs_before FROM trips_compact()"));
        eventually("the compaction waits for the merge", || {
            session.value(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'trips.area_run'::regclass AND NOT granted)",
            )
        });
        blocker.run("COMMIT");
        compaction.join().unwrap()
    });
    // All that the merge had begun was taken back.
    assert_eq!(before_compaction, before + 1);
    assert_merged(&mut session);
    assert_eq!(runs(&mut session), 1);
}

#[test]
fn a_worker_that_is_terminated_leaves_nothing_and_the_next_load_starts_another() {
    let (database, mut session, before) = scene();
    let mut other = database.connect();
    let trees = snapshot(&mut other);
    session.run(AT_ONCE);
    session.run("BEGIN");
    bring_a_little(&database, &mut session, 0);
    eventually("there is a worker", || other.count(WORKERS) == 1);
    other.run(&format!("SELECT pg_terminate_backend(pid) FROM {WORKERS}"));
    eventually("it ends", || other.count(WORKERS) == 0);
    session.run("ROLLBACK");
    assert_eq!(runs(&mut session), before);
    assert_eq!(snapshot(&mut other), trees);
    bring_a_little(&database, &mut session, 10);
    assert_merged(&mut session);
}

#[test]
fn the_runs_of_a_role_without_rights_on_the_trees_are_merged() {
    let role = Role::new("IN ROLE pg_read_server_files");
    let (database, mut session, _) = scene();
    session.run(&format!(
        "GRANT USAGE ON SCHEMA trips TO PUBLIC;
         GRANT EXECUTE ON FUNCTION trips_ingest TO {0};
         GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA trips TO {0};
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA trips TO {0}",
        role.name
    ));
    let mut loader = database.connect_as(&role);
    loader.run(AT_ONCE);
    bring_a_little(&database, &mut loader, 0);
    assert_merged(&mut session);
}

#[test]
fn the_extension_can_be_dropped_while_a_worker_waits() {
    let (database, mut session, _) = scene();
    session.run("SET trips_ext.merge_delay = 60");
    bring_a_little(&database, &mut session, 0);
    eventually("a worker waits", || session.count(WORKERS) == 1);
    session.run("DROP EXTENSION trips_ext CASCADE");
    eventually("the worker ends", || session.count(WORKERS) == 0);
}

#[test]
fn merges_wait_for_autovacuum_so_that_the_trees_take_little_more_room() {
    let cluster = PrivateCluster::new("fsync = off\nautovacuum_naptime = '1s'");
    let mut session = cluster.connect();
    session.run(AT_ONCE);
    let path = write_generated(cluster.files(), "many.csv", 3 * ROWS, 3, 1);
    let size = "SELECT pg_relation_size('trips.area_part')";
    session.run("BEGIN");
    load(&mut session, &path);
    let (before, before_runs) = (session.value::<i64>(size), runs(&mut session));
    let mut other = cluster.connect();
    eventually("a worker waits for the load", || other.count(WORKERS) == 1);
    session.run("COMMIT");
    let begin = Instant::now();
    while session.count(WORKERS) > 0 {
        assert!(begin.elapsed() < Duration::from_secs(100), "it never ends");
        thread::sleep(Duration::from_millis(100));
    }
    let (after, after_runs) = (session.value::<i64>(size), runs(&mut session));
    println!("{before_runs} runs in {before} bytes, then {after_runs} in {after}");
    assert!(
        before_runs > 32 && after_runs <= 11,
        "{before_runs}, {after_runs}"
    );
    // Four merges write nearly all again.
    assert!(after < before * 3 / 2, "{before} {after}");
    assert_eq!(session.count("trips_check()"), 0);
}
