//! An ingest is all or nothing, and once: whatever its transaction does, however often it is asked for, however large
//! it is.

use trips_tests::ingest::{forget, load};
use trips_tests::rows::{numbered, numbered_rows};
use trips_tests::snapshot::{assert_books_balance, assert_nothing_stored, snapshot};
use trips_tests::{Database, HEADER, Ingest, refused};

mod the_same_file_again {
    use super::*;

    #[test]
    fn a_second_load_of_the_same_file_is_skipped() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        let first = load(&mut session, &path);
        let before = snapshot(&mut session);
        session.notices();
        let second = Ingest::of(&path).run(&mut session);
        assert_eq!(
            (second.status.as_str(), second.ingest),
            ("skipped", first.ingest)
        );
        assert_eq!(second.counts(), (0, 0, 0));
        assert!(
            session
                .notices()
                .iter()
                .any(|notice| notice.severity() == "NOTICE")
        );
        assert_eq!(snapshot(&mut session), before);
    }

    #[test]
    fn a_file_is_known_by_its_content_not_by_its_name() {
        let database = Database::new();
        let mut session = database.connect();
        let rows: Vec<String> = numbered_rows(0..5000).collect();
        let first = load(&mut session, &database.files().write_rows("a.csv", &rows));
        let copy = database.files().write_rows("b.csv", &rows);
        let again = Ingest::of(&copy).run(&mut session);
        assert_eq!(
            (again.status.as_str(), again.ingest),
            ("skipped", first.ingest)
        );
        // Of the same size, with the same first 64 KiB, and another last row.
        let mut changed = rows.clone();
        changed.swap(4998, 4999);
        let changed = database.files().write_rows("a.csv", &changed);
        assert_eq!(load(&mut session, &changed).counts(), (5000, 5000, 0));
        assert_books_balance(&mut session);
    }

    #[test]
    fn if_loaded_error_refuses_a_file_that_is_loaded() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        load(&mut session, &path);
        let before = snapshot(&mut session);
        refused(
            Ingest::of(&path).if_loaded("error").call(&mut session),
            "42710",
        );
        assert_eq!(snapshot(&mut session), before);
        let other = database.files().write_rows("u.csv", numbered_rows(1..10));
        assert_eq!(
            Ingest::of(&other)
                .if_loaded("error")
                .run(&mut session)
                .status,
            "loaded"
        );
    }

    #[test]
    fn a_file_that_is_forgotten_can_be_loaded_again() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        let first = load(&mut session, &path).id();
        assert_eq!(forget(&mut session, first).unwrap(), 100);
        assert!(load(&mut session, &path).id() > first);
    }

    #[test]
    fn a_second_load_in_the_same_transaction_is_skipped() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        session.run("BEGIN");
        let first = load(&mut session, &path);
        let second = Ingest::of(&path).run(&mut session);
        assert_eq!(
            (second.status.as_str(), second.ingest),
            ("skipped", first.ingest)
        );
        session.run("COMMIT");
        assert_eq!(session.count("trips.trip"), 100);
    }
}

mod dry_runs {
    use super::*;

    #[test]
    fn a_dry_run_stores_nothing_and_says_what_would_load() {
        let database = Database::new();
        let mut session = database.connect();
        let rows = numbered_rows(0..99).chain(["bad row".to_owned()]);
        let path = database.files().write_rows("t.csv", rows);
        let checked = Ingest::of(&path)
            .on_error("ignore")
            .dry_run()
            .run(&mut session);
        assert_eq!((checked.status.as_str(), checked.ingest), ("checked", None));
        assert_eq!(checked.counts(), (100, 99, 1));
        assert_nothing_stored(&mut session);
        let loaded = Ingest::of(&path).on_error("ignore").run(&mut session);
        assert_eq!(loaded.counts(), checked.counts());
    }

    #[test]
    fn a_dry_run_stops_where_a_load_would() {
        let database = Database::new();
        let mut session = database.connect();
        let rows = numbered_rows(0..3)
            .chain(["Turin,POINT (x 1),POINT (1 1),2018-05-01 00:00:00,a".to_owned()]);
        let path = database.files().write_rows("t.csv", rows);
        let dry = refused(Ingest::of(&path).dry_run().call(&mut session), "22P02");
        let wet = refused(Ingest::of(&path).call(&mut session), "22P02");
        assert_eq!((dry.message(), dry.detail()), (wet.message(), wet.detail()));
        assert_nothing_stored(&mut session);
    }

    #[test]
    fn a_dry_run_of_a_loaded_file_is_skipped() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        let loaded = load(&mut session, &path);
        let dry = Ingest::of(&path).dry_run().run(&mut session);
        assert_eq!(
            (dry.status.as_str(), dry.ingest),
            ("skipped", loaded.ingest)
        );
    }
}

mod transactions {
    use super::*;

    #[test]
    fn a_load_that_is_rolled_back_leaves_nothing() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        session.run("BEGIN");
        load(&mut session, &path);
        assert_eq!(
            session.count("trips.trips"),
            100,
            "its own transaction sees it"
        );
        session.run("ROLLBACK");
        assert_nothing_stored(&mut session);
        load(&mut session, &path);
    }

    #[test]
    fn a_savepoint_takes_back_the_loads_after_it_and_no_others() {
        let database = Database::new();
        let files = database.files();
        let mut session = database.connect();
        let paths = [0, 10, 20].map(|first| {
            files.write_rows(&format!("{first}.csv"), numbered_rows(first..first + 10))
        });
        session.run("BEGIN");
        let kept = load(&mut session, &paths[0]).id();
        session.run("SAVEPOINT s");
        load(&mut session, &paths[1]);
        session.run("ROLLBACK TO s");
        let last = load(&mut session, &paths[2]).id();
        session.run("COMMIT");
        let mut ingests: Vec<i64> = session
            .query("SELECT DISTINCT ingest_id FROM trips.trips", &[])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        ingests.sort_unstable();
        assert_eq!(ingests, [kept, last]);
        assert_books_balance(&mut session);
        load(&mut session, &paths[1]);
    }

    #[test]
    fn a_failed_load_in_an_exception_block_leaves_the_transaction_usable() {
        let database = Database::new();
        let files = database.files();
        let mut session = database.connect();
        let bad = files.write_rows("bad.csv", ["nonsense"]);
        let good = files.write_rows("good.csv", numbered_rows(0..10));
        session.run(&format!(
            "CREATE TEMP TABLE seen (sqlstate text, detail text);
             DO $$
             DECLARE state text; detail text;
             BEGIN
                 FOR i IN 1..3 LOOP
                     BEGIN
                         PERFORM trips_ingest('{bad}');
                     EXCEPTION WHEN OTHERS THEN
                         GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL;
                         INSERT INTO seen VALUES (state, detail);
                     END;
                 END LOOP;
                 PERFORM trips_ingest('{good}');
             END $$"
        ));
        assert_eq!(
            session.count("seen WHERE sqlstate = '22P04' AND detail LIKE '%line 2%'"),
            3
        );
        assert_eq!(session.count("trips.trip"), 10);
        assert!(session.is_single_threaded());
        assert_books_balance(&mut session);
    }

    #[test]
    fn an_exception_after_a_load_takes_the_load_back() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database
            .files()
            .write_rows("good.csv", numbered_rows(0..10));
        session.run(&format!(
            "DO $$ BEGIN
                 PERFORM trips_ingest('{path}');
                 RAISE EXCEPTION 'later';
             EXCEPTION WHEN raise_exception THEN NULL;
             END $$"
        ));
        assert_nothing_stored(&mut session);
    }

    #[test]
    fn many_files_are_loaded_by_one_statement() {
        let database = Database::new();
        let files = database.files();
        let mut session = database.connect();
        for number in 0..20 {
            files.write_rows(&format!("{number}.csv"), numbered_rows(number..number + 50));
        }
        let dir = files.path("");
        let loaded = session.count(&format!(
            "generate_series(0, 19) n, trips_ingest('{dir}' || n || '.csv') i WHERE i.status = 'loaded'"
        ));
        assert_eq!((loaded, session.count("trips.trip")), (20, 1000));
        assert_books_balance(&mut session);
    }

    #[test]
    fn rows_under_a_limit_are_loaded_whole() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..5000));
        session.run(&format!(
            "SELECT ingest FROM trips_ingest('{path}') LIMIT 1"
        ));
        assert_eq!(session.count("trips.trip"), 5000);
        assert_books_balance(&mut session);
    }

    #[test]
    fn a_truncate_starts_over() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        load(&mut session, &path);
        session.run(
            "TRUNCATE trips.trip, trips.rejected_row, trips.ingest, trips.region, trips.datasource",
        );
        assert_eq!(load(&mut session, &path).loaded, 100);
        assert_books_balance(&mut session);
    }
}

mod sizes {
    use super::*;

    #[test]
    fn more_rows_than_any_batch_or_block_holds_keep_their_lines_and_order() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database
            .files()
            .write_rows("t.csv", numbered_rows(0..60_000));
        for threads in [0, 1, 3] {
            for memory in ["1MB", "64MB"] {
                session.run(&format!(
                    "SET trips_ext.parser_threads = {threads}; SET trips_ext.ingest_memory = '{memory}'"
                ));
                let ingest = load(&mut session, &path).id();
                let wrong = session.count(
                    "(SELECT line, departed_at, row_number() OVER (ORDER BY ctid) AS n
                        FROM trips.trips JOIN (SELECT id, ctid FROM trips.trip) c ON c.id = trip_id) q
                      WHERE line <> n + 1 OR departed_at <> timestamp '2018-05-01' + (n - 1) * interval '1 second'",
                );
                assert_eq!(
                    (session.count("trips.trip"), wrong),
                    (60_000, 0),
                    "{threads} threads, {memory}"
                );
                forget(&mut session, ingest).unwrap();
            }
        }
        assert!(session.is_single_threaded());
    }

    #[test]
    fn a_record_of_almost_a_mebibyte_is_loaded() {
        let database = Database::new();
        let mut session = database.connect();
        // Sixteen ignored columns of almost 64 KiB.
        let extras: Vec<String> = (0..16).map(|number| format!("x{number}")).collect();
        let header = format!("{},{}", HEADER.trim_end(), extras.join(","));
        let wide = vec!["y".repeat(65_000); 16].join(",");
        let content = format!("{header}\n{},{wide}\n{},{wide}\n", numbered(1), numbered(2));
        let path = database.files().write("t.csv", content);
        assert_eq!(load(&mut session, &path).loaded, 2);
    }

    #[test]
    fn memory_is_bounded_by_settings_and_not_by_the_rows_of_a_file() {
        const LIMIT: u64 = 96 << 20;
        let database = Database::new();
        let files = database.files();
        let wide = format!("{},{}", numbered(1), "y".repeat(60_000));
        let contents = [
            (
                "good rows",
                numbered_rows(0..500_000).collect::<Vec<String>>(),
            ),
            ("bad rows", vec!["x".to_owned(); 500_000]),
            ("wide bad rows", vec![wide; 1000]),
        ];
        for (what, rows) in contents {
            let path = files.write_rows("t.csv", &rows);
            let mut session = database.connect();
            session.run("LOAD 'trips_ext'");
            let (memory, summary) =
                session.memory_of(|session| Ingest::of(&path).on_error("ignore").run(session));
            assert_eq!(summary.read, rows.len() as i64);
            println!("{what}: {} KiB", memory >> 10);
            assert!(memory < LIMIT, "{what}: {} MiB", memory >> 20);
        }
    }

    #[test]
    fn what_is_loaded_is_sound_on_the_page() {
        let database = Database::new();
        let mut session = database.connect();
        if session.count("pg_available_extensions WHERE name = 'amcheck'") == 0 {
            eprintln!("SKIPPED: amcheck is not installed");
            return;
        }
        let path = database
            .files()
            .write_rows("t.csv", numbered_rows(0..60_000));
        load(&mut session, &path);
        session.run("CREATE EXTENSION amcheck");
        assert_eq!(session.count("verify_heapam('trips.trip')"), 0);
        for statement in [
            "VACUUM (FREEZE) trips.trip",
            "VACUUM FULL trips.trip",
            "REINDEX TABLE trips.trip",
        ] {
            session.run(statement);
        }
        assert_eq!(session.count("verify_heapam('trips.trip')"), 0);
        assert_eq!(session.count("trips.trips"), 60_000);
    }
}
