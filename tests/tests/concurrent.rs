//! Loads and forgets at the same time: each is whole, and none sees half of another. In what order, and who waits for whom, is told by the specs of
//! tests/isolation.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use trips_tests::ingest::{forget, load};
use trips_tests::rows::{numbered, numbered_rows};
use trips_tests::snapshot::assert_books_balance;
use trips_tests::{Database, Ingest};

#[test]
fn twice_at_once_from_two_sessions_is_loaded_once() {
    let database = Database::new();
    for round in 0..10 {
        let rows = numbered_rows(0..2000 + round);
        let path = database.files().write_rows(&format!("{round}.csv"), rows);
        let barrier = Barrier::new(2);
        let mut outcomes = thread::scope(|scope| {
            let load = || {
                let mut session = database.connect();
                barrier.wait();
                Ingest::of(&path).run(&mut session)
            };
            let other = scope.spawn(load);
            [load(), other.join().unwrap()]
        });
        outcomes.sort_by(|a, b| a.status.cmp(&b.status));
        assert_eq!(
            outcomes.each_ref().map(|o| o.status.as_str()),
            ["loaded", "skipped"]
        );
        assert_eq!(outcomes[0].ingest, outcomes[1].ingest);
        assert_eq!(outcomes[0].loaded, 2000 + round as i64);
    }
    let mut session = database.connect();
    assert_eq!(session.count("trips.ingest"), 10);
    assert_books_balance(&mut session);
}

fn rows_of(regions: &[&str], sources: &[&str]) -> Vec<String> {
    let names = regions.iter().zip(sources).cycle().take(500);
    (0..)
        .zip(names)
        .map(|(number, (region, source))| {
            let mut row = numbered(number);
            (row.region, row.datasource) = ((*region).to_owned(), (*source).to_owned());
            row.to_string()
        })
        .collect()
}

#[test]
fn different_files_that_bring_the_same_new_names_in_any_order_both_succeed() {
    let database = Database::new();
    for round in 0..10 {
        let names = ["a", "b", "c", "d"].map(|name| format!("{name}{round}"));
        let forward: Vec<&str> = names.iter().map(String::as_str).collect();
        let backward: Vec<&str> = forward.iter().rev().copied().collect();
        let files = database.files();
        let paths = [
            files.write_rows("f.csv", rows_of(&forward, &backward)),
            files.write_rows("b.csv", rows_of(&backward, &forward)),
        ];
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            for path in &paths {
                scope.spawn(|| {
                    let mut session = database.connect();
                    barrier.wait();
                    load(&mut session, path);
                });
            }
        });
    }
    let mut session = database.connect();
    assert_eq!(session.count("trips.region"), 40);
    assert_eq!(session.count("trips.datasource"), 40);
    assert_eq!(session.count("trips.trip"), 10_000);
    assert_books_balance(&mut session);
}

#[test]
fn loads_and_forgets_at_once_neither_fail_nor_lose_a_row() {
    let database = Database::new();
    thread::scope(|scope| {
        for worker in 0..4_u64 {
            let database = &database;
            scope.spawn(move || {
                let mut session = database.connect();
                for round in 0..8_u64 {
                    let rows = (0..200).map(|number| {
                        let mut row = numbered(number);
                        // Names that the workers share, bring and lose at the same time.
                        row.region = format!("region {}", (number + worker + round) % 5);
                        row.datasource = format!("car {}", (number * (worker + 1) + round) % 7);
                        format!("{row}")
                    });
                    let rows = rows.chain([format!("{}", numbered(worker * 100 + round))]);
                    let path = database.files().write_rows(&format!("{worker}.csv"), rows);
                    let ingest = load(&mut session, &path).id();
                    if round % 2 == 0 {
                        assert_eq!(forget(&mut session, ingest).unwrap(), 201);
                    }
                }
            });
        }
    });
    let mut session = database.connect();
    assert_eq!(session.count("trips.trip"), 4 * 4 * 201);
    assert_books_balance(&mut session);
}

#[test]
fn loads_inserts_and_vacuum_at_once_lose_nothing() {
    const ROWS: u64 = 100_000;
    let database = Database::new();
    let paths = [0, 1].map(|worker| {
        let rows = numbered_rows(worker..ROWS + worker);
        database.files().write_rows(&format!("{worker}.csv"), rows)
    });
    let mut session = database.connect();
    let first = database
        .files()
        .write_rows("first.csv", numbered_rows(0..10));
    load(&mut session, &first);
    let loading = AtomicBool::new(true);
    thread::scope(|scope| {
        let loads = paths.map(|path| {
            let mut session = database.connect();
            scope.spawn(move || load(&mut session, &path))
        });
        scope.spawn(|| {
            let mut session = database.connect();
            while loading.load(Ordering::Relaxed) {
                // Rows that come and go make pages, and leave room on them that VACUUM tells others of.
                session.run(
                    "INSERT INTO trips.trip
                     SELECT n << 32, departed_at, region_id, datasource_id, origin, destination
                       FROM (SELECT * FROM trips.trip LIMIT 1) t, generate_series(1000000::bigint, 1000900) n;
                     DELETE FROM trips.trip WHERE id >= 1000000::bigint << 32",
                );
            }
        });
        scope.spawn(|| {
            let mut session = database.connect();
            while loading.load(Ordering::Relaxed) {
                session.run("VACUUM trips.trip");
            }
        });
        for load in loads {
            assert_eq!(load.join().unwrap().loaded, ROWS as i64);
        }
        loading.store(false, Ordering::Relaxed);
    });
    assert_eq!(session.count("trips.trip"), 2 * ROWS as i64 + 10);
    assert_books_balance(&mut session);
    session.run("CREATE EXTENSION amcheck");
    assert_eq!(session.count("verify_heapam('trips.trip')"), 0);
}

#[test]
fn a_load_is_in_order_with_serializable_transactions_that_read_the_trips() {
    let database = Database::new();
    let path = database
        .files()
        .write_rows("t.csv", numbered_rows(0..60_000));
    let (mut reader, mut loader) = (database.connect(), database.connect());
    reader.run("CREATE TABLE note (trips bigint)");
    for session in [&mut reader, &mut loader] {
        session.run("BEGIN ISOLATION LEVEL SERIALIZABLE");
    }
    // Each reads what the other writes: there is no order in which both can have been alone.
    reader.run("INSERT INTO note SELECT count(*) FROM trips.trip");
    assert_eq!(loader.count("note"), 0);
    load(&mut loader, &path);
    loader.run("COMMIT");
    let error = reader.batch_execute("COMMIT").unwrap_err();
    assert_eq!(
        error.code().map(|code| code.code()),
        Some("40001"),
        "{error:?}"
    );
}
