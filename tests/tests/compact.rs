//! Runs of the area trees are merged: by themselves where small ones are many, and all of them by trips_compact(). Nobody
//! who reads waits for that or is answered otherwise. What may end it is in interrupt.rs.

use std::sync::Barrier;
use std::thread;

use rand_chacha::ChaCha8Rng;
use trips_tests::aftermath::assert_no_orphans;
use trips_tests::ask_random::{cases, question, seeded};
use trips_tests::database::eventually;
use trips_tests::facts::Facts;
use trips_tests::ingest::{forget, load};
use trips_tests::question::Question;
use trips_tests::rows::write_generated;
use trips_tests::runs::{RUNS_OF_A_SIZE, most_of_a_size, runs};
use trips_tests::snapshot::{Snapshot, snapshot};
use trips_tests::{Database, Role, Session, refused};

const COMPACT: &str = "SELECT runs_after FROM trips_compact()";

/// Compacts; how many runs are left.
fn compact(session: &mut Session) -> i64 {
    session.value(COMPACT)
}

/// Loads a new file of `rows` trips in three cities; its ingest.
fn load_new(database: &Database, session: &mut Session, rows: u64) -> i64 {
    let seed: u64 = rand::random();
    let path = write_generated(database.files(), &format!("{seed}.csv"), rows, 3, seed);
    load(session, &path).id()
}

/// A database with so many ingests of `rows` trips each, of which each is a run; those ingests.
fn scene(ingests: usize, rows: u64) -> (Database, Session, Vec<i64>) {
    let database = Database::new();
    let mut session = database.connect();
    session.run("SET jit = off");
    let ingests = (0..ingests)
        .map(|_| load_new(&database, &mut session, rows))
        .collect();
    (database, session, ingests)
}

/// Questions and what counting answers.
struct Expected(Vec<(Question, trips_tests::question::Answer)>);

impl Expected {
    /// What the session counts now.
    fn of(session: &mut Session, random: &mut ChaCha8Rng, count: usize) -> Expected {
        let facts = Facts::of(session);
        let questions = (0..count).map(|_| question(random, &facts));
        Expected(
            questions
                .map(|question| {
                    let answer = facts.answer(&question);
                    (question, answer)
                })
                .collect(),
        )
    }

    /// The trees answer so.
    #[track_caller]
    fn check(&self, session: &mut Session) {
        for (question, expected) in &self.0 {
            assert_eq!(&question.ask(session), expected, "{question:?}");
        }
    }
}

/// The trees answer what counting says, and hold what the table holds.
#[track_caller]
fn assert_exact(session: &mut Session) {
    Expected::of(session, &mut seeded(), 15).check(session);
    assert_eq!(session.count("trips_check()"), 0);
}

/// The rows of the trees' tables alone.
fn trees(session: &mut Session) -> Snapshot {
    let mut tables = snapshot(session);
    tables.retain(|table, _| table.starts_with("area_") || table == "region_day");
    assert!(tables.len() >= 4);
    tables
}

/// No thread is left beside the session's own. A thread that was waited for may be seen for a moment.
#[track_caller]
fn assert_single_threaded(session: &Session) {
    eventually("threads end", || session.is_single_threaded());
}

mod many_loads {
    use super::*;

    #[test]
    fn many_small_loads_leave_few_runs_and_the_same_answers() {
        const LOADS: i64 = 60;
        const ROWS: i64 = 500;
        let mut random = seeded();
        let (database, mut session, _) = scene(0, 0);
        for number in 1..=LOADS {
            load_new(&database, &mut session, ROWS as u64);
            let most = most_of_a_size(&mut session);
            assert!(
                most <= RUNS_OF_A_SIZE,
                "{most} runs of a size after load {number}"
            );
        }
        // 500 trips are of size 2, and all of them of size 4: 8^4 <= 30000 < 8^5.
        let (least, most) = (
            500_f64.log(8.0) as i64,
            ((LOADS * ROWS) as f64).log(8.0) as i64,
        );
        let bound = RUNS_OF_A_SIZE * (most - least + 1);
        let found = runs(&mut session);
        println!("{LOADS} loads left {found} runs, at most {bound}");
        assert!(found <= bound);
        assert_exact(&mut session);
        assert_no_orphans(&mut session);
        let expected = Expected::of(&mut session, &mut random, 40);
        assert_eq!(compact(&mut session), 1);
        expected.check(&mut session);
        assert_exact(&mut session);
    }

    #[test]
    fn many_small_changes_by_hand_leave_few_runs() {
        let (_database, mut session, _) = scene(1, 2_000);
        for number in 0..100 {
            session.run(&format!(
                "UPDATE trips.trip SET origin = destination WHERE id % 100 = {number}"
            ));
        }
        // At most 20 trips a change, 2000 in all, and the file: sizes 0 to 3, of trips that count and that do not.
        let found = runs(&mut session);
        assert!(found <= 4 * RUNS_OF_A_SIZE, "{found} runs");
        assert_exact(&mut session);
        assert_eq!(compact(&mut session), 1);
        assert_exact(&mut session);
    }

    #[test]
    fn a_load_in_a_transaction_that_keeps_its_snapshot_leaves_compaction_to_others() {
        let (database, mut session, _) = scene(7, 500);
        let before = runs(&mut session);
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
        load_new(&database, &mut session, 500);
        session.run("COMMIT");
        assert_eq!(runs(&mut session), before + 1);
        assert_exact(&mut session);
        load_new(&database, &mut session, 500);
        assert_eq!(runs(&mut session), 1);
        assert_exact(&mut session);
    }
}

mod compaction {
    use super::*;

    #[test]
    fn all_runs_become_one_and_its_summary_says_so() {
        let (_database, mut session, _) = scene(5, 1_000);
        let expected = Expected::of(&mut session, &mut seeded(), 40);
        let row = session
            .query_one(
                "SELECT runs_before, runs_after, trips, elapsed > interval '0' FROM trips_compact()",
                &[],
            )
            .unwrap();
        assert_eq!(
            (row.get(0), row.get(1), row.get(2)),
            (5_i64, 1_i64, 5_000_i64)
        );
        assert!(row.get::<_, bool>(3));
        expected.check(&mut session);
        assert_exact(&mut session);
        assert_no_orphans(&mut session);
        // Nothing is left to do.
        let before = trees(&mut session);
        assert_eq!(compact(&mut session), 1);
        assert_eq!(trees(&mut session), before);
    }

    #[test]
    fn of_nothing_there_is_nothing() {
        let database = Database::new();
        let mut session = database.connect();
        assert_eq!(compact(&mut session), 0);
    }

    #[test]
    fn trips_that_were_taken_away_are_gone_afterwards() {
        let (_database, mut session, ingests) = scene(3, 1_000);
        compact(&mut session);
        forget(&mut session, ingests[1]).unwrap();
        session.run("DELETE FROM trips.trip WHERE id % 4 = 0");
        assert_eq!(session.count("trips.area_run WHERE sign < 0"), 2);
        assert_exact(&mut session);
        assert_eq!(compact(&mut session), 1);
        assert_eq!(session.count("trips.area_run WHERE sign < 0"), 0);
        let trips = session.count("trips.trip");
        assert_eq!(
            session.value::<i64>("SELECT trips FROM trips.area_run"),
            trips
        );
        assert_exact(&mut session);
        session.run("DELETE FROM trips.trip WHERE id > 0");
        assert_eq!(compact(&mut session), 0);
        assert_no_orphans(&mut session);
    }

    #[test]
    fn a_transaction_that_may_not_write_is_refused() {
        let (_database, mut session, _) = scene(2, 100);
        session.run("BEGIN READ ONLY");
        refused(session.query(COMPACT, &[]), "25006");
        session.run("ROLLBACK");
        assert_exact(&mut session);
    }

    #[test]
    fn who_was_not_granted_it_is_refused() {
        let role = Role::new("");
        let (database, mut session, _) = scene(2, 100);
        let mut other = database.connect_as(&role);
        session.run("GRANT USAGE ON SCHEMA trips TO PUBLIC");
        refused(other.query(COMPACT, &[]), "42501");
        session.run(&format!(
            "GRANT EXECUTE ON FUNCTION trips_compact() TO {}",
            role.name
        ));
        assert_eq!(compact(&mut other), 1);
        assert_exact(&mut session);
    }

    #[test]
    fn a_rollback_leaves_all_as_it_was() {
        let (_database, mut session, ingests) = scene(4, 500);
        let before = trees(&mut session);
        session.run("BEGIN");
        assert_eq!(compact(&mut session), 1);
        assert_exact(&mut session);
        session.run("ROLLBACK");
        assert_eq!(trees(&mut session), before);
        session.run("BEGIN; SAVEPOINT s");
        compact(&mut session);
        forget(&mut session, ingests[0]).unwrap();
        compact(&mut session);
        assert_exact(&mut session);
        session.run("ROLLBACK TO s");
        assert_eq!(trees(&mut session), before);
        assert_exact(&mut session);
        session.run("COMMIT");
        assert_eq!(trees(&mut session), before);
    }

    #[test]
    fn loads_changes_forgets_and_compactions_of_one_transaction_are_one() {
        let (database, mut session, ingests) = scene(2, 500);
        let mut other = database.connect();
        let expected = Expected::of(&mut other, &mut seeded(), 15);
        session.run("BEGIN");
        let third = load_new(&database, &mut session, 700);
        compact(&mut session);
        forget(&mut session, ingests[0]).unwrap();
        session.run("UPDATE trips.trip SET destination = origin WHERE id % 2 = 0");
        compact(&mut session);
        forget(&mut session, third).unwrap();
        assert_exact(&mut session);
        expected.check(&mut other);
        session.run("COMMIT");
        assert_exact(&mut other);
        assert_eq!(other.count("trips.trip"), 500);
    }

    #[test]
    fn an_older_snapshot_compacts_what_it_sees_or_is_told_that_others_did() {
        for also_compacted in [false, true] {
            let (database, mut session, _) = scene(4, 500);
            let mut other = database.connect();
            session.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM trips.trip");
            load_new(&database, &mut other, 500);
            if also_compacted {
                compact(&mut other);
                refused(session.query(COMPACT, &[]), "40001");
                session.run("ROLLBACK");
            } else {
                assert_eq!(compact(&mut session), 1);
                assert_exact(&mut session);
                session.run("COMMIT");
            }
            assert_exact(&mut session);
            compact(&mut session);
            assert_exact(&mut other);
            assert_no_orphans(&mut other);
        }
    }
}

mod beside_others {
    use super::*;

    #[test]
    fn readers_do_not_wait_and_are_answered_the_same_while_it_is_not_committed() {
        let (database, mut session, _) = scene(5, 600);
        let mut reader = database.connect();
        reader.run("SET lock_timeout = '1s'; SET jit = off");
        let expected = Expected::of(&mut reader, &mut seeded(), 25);
        session.run("BEGIN");
        assert_eq!(compact(&mut session), 1);
        expected.check(&mut reader);
        expected.check(&mut session);
        assert_eq!(runs(&mut reader), 5);
        assert_exact(&mut reader);
        session.run("COMMIT");
        assert_eq!(runs(&mut reader), 1);
        expected.check(&mut reader);
    }

    #[test]
    fn loads_and_inserts_do_not_wait_for_a_compaction() {
        let (database, mut session, _) = scene(4, 400);
        let mut other = database.connect();
        other.run("SET lock_timeout = '1s'");
        session.run("BEGIN");
        compact(&mut session);
        // More than are let be: whoever would merge them has to do without.
        for _ in 0..10 {
            load_new(&database, &mut other, 400);
        }
        // Trips of no ingest: those of one would make its runs a mix, which has to wait.
        other.run(
            "INSERT INTO trips.trip SELECT id & 4294967295, departed_at, region_id, datasource_id, destination, origin
               FROM trips.trip WHERE id % 100 = 0",
        );
        assert_exact(&mut other);
        assert_exact(&mut session);
        session.run("COMMIT");
        assert_exact(&mut other);
        load_new(&database, &mut other, 400);
        assert!(runs(&mut other) < 8);
        assert_exact(&mut other);
    }

    #[test]
    fn a_compaction_does_not_wait_for_loads_and_leaves_theirs_alone() {
        let (database, mut session, _) = scene(3, 400);
        let mut other = database.connect();
        session.run("SET lock_timeout = '1s'");
        other.run("BEGIN");
        let ingest = load_new(&database, &mut other, 400);
        assert_eq!(compact(&mut session), 1);
        assert_exact(&mut session);
        assert_exact(&mut other);
        other.run("COMMIT");
        assert_eq!(runs(&mut session), 2);
        assert_exact(&mut session);
        assert_eq!(forget(&mut session, ingest).unwrap(), 400);
        assert_eq!(runs(&mut session), 1);
        assert_exact(&mut session);
    }

    #[test]
    fn who_does_not_want_to_wait_gets_a_lock_timeout_and_all_is_whole() {
        let (database, mut session, ingests) = scene(4, 400);
        let mut other = database.connect();
        session.run("BEGIN");
        compact(&mut session);
        other.run("SET lock_timeout = '200ms'");
        refused(other.query(COMPACT, &[]), "55P03");
        refused(forget(&mut other, ingests[0]), "55P03");
        let change = "UPDATE trips.trip SET origin = destination WHERE id % 3 = 0";
        refused(other.batch_execute(change), "55P03");
        assert_single_threaded(&other);
        assert_exact(&mut other);
        session.run("ROLLBACK");
        assert_eq!(compact(&mut other), 1);
        assert_exact(&mut other);
    }

    #[test]
    fn two_sessions_that_load_and_compact_at_once_never_block_each_other_for_good() {
        let database = Database::new();
        let barrier = Barrier::new(2);
        let rounds = 20;
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut session = database.connect();
                    session.run("SET lock_timeout = '60s'");
                    for round in 0..rounds {
                        barrier.wait();
                        let ingest = load_new(&database, &mut session, 300);
                        compact(&mut session);
                        if round % 4 == 3 {
                            assert_eq!(forget(&mut session, ingest).unwrap(), 300);
                        }
                    }
                });
            }
        });
        let mut session = database.connect();
        assert_eq!(session.count("trips.trip"), 2 * rounds * 300 * 3 / 4);
        assert_exact(&mut session);
        assert_eq!(compact(&mut session), 1);
        assert_exact(&mut session);
        assert_no_orphans(&mut session);
    }

    #[test]
    fn changes_by_hand_and_compactions_at_once_are_exact() {
        let (database, mut session, _) = scene(3, 2_000);
        thread::scope(|scope| {
            for worker in 0..2 {
                let database = &database;
                scope.spawn(move || {
                    let mut session = database.connect();
                    for round in 0..12 {
                        session.run(&format!(
                            "UPDATE trips.trip SET origin = destination, destination = origin WHERE id % 24 = {};
                             DELETE FROM trips.trip WHERE id % 240 = {}",
                            2 * round + worker,
                            20 * round + 10 * worker
                        ));
                    }
                });
            }
            scope.spawn(|| {
                let mut session = database.connect();
                for _ in 0..12 {
                    compact(&mut session);
                }
            });
        });
        assert_exact(&mut session);
        assert_eq!(compact(&mut session), 1);
        assert_exact(&mut session);
    }
}

mod memory {
    use super::*;

    #[test]
    fn little_memory_makes_many_runs_and_the_same_answers() {
        let mut random = seeded();
        let (database, mut session, _) = scene(0, 0);
        session.run("SET trips_ext.area_memory = '1MB'; SET trips_ext.merge_delay = -1");
        let ingest = load_new(&database, &mut session, 60_000);
        let many = runs(&mut session);
        println!("{many} runs");
        assert!(many >= 4, "{many} runs");
        let of_ingest = format!("trips.area_run WHERE ingest_id = {ingest}");
        assert_eq!(session.count(&of_ingest), many);
        let expected = Expected::of(&mut session, &mut random, cases(240) / 6);
        expected.check(&mut session);
        assert_eq!(session.count("trips_check()"), 0);
        assert_eq!(compact(&mut session), 1);
        expected.check(&mut session);
        // All of it is that ingest's, and known to be so.
        assert_eq!(session.count(&of_ingest), 1);
        session.run("SELECT trips_rebuild()");
        assert!(runs(&mut session) >= 4);
        expected.check(&mut session);
        assert_eq!(session.count("trips_check()"), 0);
    }

    #[test]
    fn a_compaction_takes_no_more_memory_for_more_trips() {
        const MEGABYTES: u64 = 1 << 20;
        let (database, mut session, _) = scene(0, 0);
        session.run("SET trips_ext.area_memory = '1MB'; SET trips_ext.merge_delay = -1");
        let mut took = [60_000, 240_000].map(|rows| {
            load_new(&database, &mut session, rows);
            session.run("SELECT trips_weekly_average(14, 50, 14.5, 50.5)");
            let (memory, after) = session.memory_of(compact);
            assert_eq!(after, 1);
            memory
        });
        println!("took {took:?} bytes");
        took.sort_unstable();
        assert!(took[1] < 16 * MEGABYTES, "{took:?} bytes");
        assert_eq!(session.count("trips_check()"), 0);
    }
}

/// The functions in workers of a parallel query.
mod in_parallel {
    use super::*;

    /// Has every plan that may be run by a worker run by one.
    fn force(session: &mut Session) {
        let version: i32 = session.value("SELECT current_setting('server_version_num')::int");
        let setting = match version {
            ..160_000 => "force_parallel_mode",
            _ => "debug_parallel_query",
        };
        session.run(&format!("SET {setting} = on"));
    }

    fn plan(session: &mut Session, query: &str) -> String {
        let rows = session
            .query(&format!("EXPLAIN (COSTS off) {query}"), &[])
            .unwrap();
        rows.iter()
            .map(|row| row.get::<_, String>(0) + "\n")
            .collect()
    }

    #[test]
    fn a_worker_answers_what_the_session_itself_answers() {
        let (database, mut session, _) = scene(3, 1_500);
        session.run("DELETE FROM trips.trip WHERE id % 5 = 0");
        let expected = Expected::of(&mut session, &mut seeded(), 40);
        let mut forced = database.connect();
        force(&mut forced);
        for query in [
            "SELECT trips_weekly_average(14, 50, 14.5, 50.5)",
            "SELECT * FROM trips_weekly_trips('Prague')",
            "SELECT * FROM trips_area_plan(14, 50, 14.5, 50.5)",
            "SELECT * FROM trips_check()",
        ] {
            let plan = plan(&mut forced, query);
            assert!(plan.contains("Gather"), "{query}: {plan}");
            forced.query(query, &[]).unwrap();
        }
        expected.check(&mut forced);
        assert_eq!(forced.count("trips_check()"), 0);
        assert_eq!(compact(&mut forced), 1);
        expected.check(&mut forced);
    }

    #[test]
    fn many_areas_are_asked_about_by_several_workers_at_once() {
        let (_database, mut session, _) = scene(3, 1_500);
        session.run(
            "CREATE TABLE public.area (id int, west float8, south float8);
             INSERT INTO public.area SELECT n, 14.3 + n % 40 / 100.0, 50 + n / 40 / 100.0 FROM generate_series(1, 400) n;
             ANALYZE public.area",
        );
        let query = "SELECT id, trips_weekly_average(west, south, west + 0.01, south + 0.01, matching => 'both')::text
            FROM public.area WHERE trips_weekly_average(west, south, west + 0.1, south + 0.1, matching => 'either') > 0";
        let answers = |session: &mut Session| {
            let rows = session.query(&format!("{query} ORDER BY id"), &[]).unwrap();
            let rows = rows.iter().map(|row| (row.get(0), row.get(1)));
            rows.collect::<Vec<(i32, String)>>()
        };
        session.run("SET max_parallel_workers_per_gather = 0");
        let expected = answers(&mut session);
        session.run(
            "SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
             SET min_parallel_table_scan_size = 0",
        );
        let plan = plan(&mut session, query);
        assert!(plan.contains("Parallel Seq Scan"), "{plan}");
        assert_eq!(answers(&mut session), expected);
        assert!(expected.len() > 50);
    }
}
