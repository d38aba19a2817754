//! Status for those who look: one row says how far an ingest is, or how it ended, and to whom it may be said.

use std::thread;
use std::time::Duration;

use trips_tests::database::eventually;
use trips_tests::ingest::load;
use trips_tests::listener::CHANNEL;
use trips_tests::program::kill;
use trips_tests::rows::{make_slow, numbered_rows, slow_file};
use trips_tests::{Database, Event, Ingest, Listener, PrivateCluster, Role, Session, refused};

/// Starts a slow load in a session of its own, has `meanwhile` look once rows are heard of, and waits for the end.
fn during_a_load<T>(meanwhile: impl FnOnce(&Database, &mut Listener, Event) -> T) -> T {
    let database = Database::new();
    let mut session = database.connect();
    make_slow(&mut session);
    let path = slow_file(&database);
    let mut listener = Listener::new(&database);
    thread::scope(|scope| {
        let loading = scope.spawn(|| load(&mut session, &path));
        let event = listener.until_rows();
        let seen = meanwhile(&database, &mut listener, event);
        loading.join().unwrap();
        seen
    })
}

/// Status, phase, number of the last event and rows of the one ingest that there is.
fn progress(session: &mut Session) -> (String, String, i32, i64) {
    let row = session
        .query_one(
            "SELECT status, phase, sequence, rows_loaded FROM trips.ingest_progress",
            &[],
        )
        .unwrap();
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

/// SQLSTATE, line and column of the one failed ingest.
fn error(session: &mut Session) -> (Option<String>, Option<i64>, Option<String>) {
    let row = session
        .query_one(
            "SELECT error_sqlstate, error_line, error_column FROM trips.ingest_progress WHERE status = 'failed'",
            &[],
        )
        .unwrap();
    (row.get(0), row.get(1), row.get(2))
}

mod a_running_ingest {
    use super::*;

    #[test]
    fn a_listener_that_comes_late_reads_one_row_and_misses_nothing() {
        during_a_load(|database, _, _| {
            let mut late = Listener::new(database);
            let (status, phase, sequence, rows) = progress(late.session());
            assert_eq!((status.as_str(), phase.as_str()), ("running", "loading"));
            assert!(rows > 0 && sequence >= 1, "{rows} {sequence}");
            let events = late.until_end();
            let new = events
                .iter()
                .map(|event| event.number("sequence"))
                .skip_while(|its| *its <= sequence as u64);
            let last = events.last().unwrap();
            assert!(
                new.eq(sequence as u64 + 1..=last.number("sequence")),
                "{sequence}: {events:#?}"
            );
            assert_eq!(last.kind(), "completed");
        });
    }

    #[test]
    fn pg_stat_progress_copy_shows_it() {
        let (total, first, second) = during_a_load(|database, _, _| {
            let mut observer = database.connect();
            let mut look = || {
                let row = observer
                    .query_one(
                        "SELECT relid::regclass::text, command, type, bytes_total, bytes_processed, tuples_processed
                           FROM pg_stat_progress_copy WHERE datname = current_database()",
                        &[],
                    )
                    .unwrap();
                let text = |column| row.get::<_, String>(column);
                assert_eq!(
                    [text(0), text(1), text(2)],
                    ["trips.trip", "COPY FROM", "FILE"]
                );
                let number = |column| row.get::<_, i64>(column);
                (number(3), (number(4), number(5)))
            };
            let (total, first) = look();
            let mut second = first;
            eventually("it goes on", || {
                second = look().1;
                first.0 < second.0 && first.1 < second.1
            });
            (total, first, second)
        });
        assert!(0 < first.0 && 0 < first.1);
        assert!(second.0 <= total, "{} of {total}", second.0);
    }

    #[test]
    fn pg_stat_progress_copy_forgets_it_however_it_ends() {
        let database = Database::new();
        let (mut session, mut observer) = (database.connect(), database.connect());
        let good = database.files().write_rows("t.csv", numbered_rows(0..10));
        let bad = database.files().write_rows("bad.csv", ["x"]);
        load(&mut session, &good);
        refused(Ingest::of(&bad).call(&mut session), "22P04");
        assert_eq!(
            observer.count("pg_stat_progress_copy WHERE datname = current_database()"),
            0
        );
    }
}

mod an_ingest_that_has_ended {
    use super::*;

    /// What was heard of a call's end, and the row is what it says.
    fn told(database: &Database, session: &mut Session, call: &Ingest) -> Event {
        let mut listener = Listener::new(database);
        // How it ends is what is looked at.
        let _ = call.call(session);
        let last = listener.until_end().pop().unwrap();
        let status = match last.kind() {
            "completed" => "completed",
            "skipped" => "skipped",
            _ => "failed",
        };
        let query = format!(
            "SELECT status, phase, sequence::int8, rows_loaded, rows_rejected, bytes_done, file
               FROM trips.ingest_progress WHERE ingest = {}",
            last.number("ingest")
        );
        eventually("the row says what the last event said", || {
            let row = session.query_one(&query, &[]).unwrap();
            let numbers = [2, 3, 4, 5].map(|column| row.get::<_, i64>(column) as u64);
            row.get::<_, String>(0) == status
                && row.get::<_, String>(1) == "done"
                && row.get::<_, String>(6) == last.text("file")
                && numbers
                    == ["sequence", "rows", "rejected", "bytes_done"].map(|name| last.number(name))
        });
        last
    }

    #[test]
    fn is_shown_as_its_last_event_said() {
        let database = Database::new();
        let mut session = database.connect();
        let rows = numbered_rows(0..10).chain(["bad".to_owned()]);
        let rows: Vec<String> = rows.collect();
        let path = database.files().write_rows("t.csv", &rows);
        let again = database.files().write_rows("again.csv", &rows);
        let ignoring = Ingest::of(&path).on_error("ignore");
        assert_eq!(told(&database, &mut session, &ignoring).kind(), "completed");
        let skipped = told(&database, &mut session, &Ingest::of(&again));
        assert_eq!(skipped.kind(), "skipped");
        let bad = database.files().write_rows(
            "bad.csv",
            ["Turin,POINT (7 45),POINT (7 x),2018-05-01 00:00:00,car"],
        );
        assert_eq!(
            told(&database, &mut session, &Ingest::of(&bad)).kind(),
            "failed"
        );
        let expected = (
            Some("22P02".to_owned()),
            Some(2),
            Some("destination_coord".to_owned()),
        );
        assert_eq!(error(&mut session), expected);
    }

    #[test]
    fn is_failed_if_its_transaction_is_rolled_back() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        let mut listener = Listener::new(&database);
        session.run("BEGIN");
        load(&mut session, &path);
        assert_eq!(progress(listener.session()).0, "running");
        session.run("ROLLBACK");
        listener.until_end();
        assert_eq!(progress(&mut session).0, "failed");
        assert_eq!(error(&mut session).0.as_deref(), Some("40000"));
    }

    #[test]
    fn is_forgotten_after_thirty_days() {
        let database = Database::new();
        let mut session = database.connect();
        let path = |n: u64| {
            database
                .files()
                .write_rows(&format!("{n}.csv"), numbered_rows(n..n + 10))
        };
        let mut listener = Listener::new(&database);
        for n in 0..3 {
            load(&mut session, &path(n));
            listener.until_end();
        }
        session.run(
            "UPDATE trips.ingest_attempt SET updated_at = now() - interval '29 days' WHERE id = 2;
             UPDATE trips.ingest_attempt SET updated_at = now() - interval '31 days' WHERE id = 1",
        );
        load(&mut session, &path(3));
        listener.until_end();
        let left: Vec<i64> =
            session.value("SELECT array_agg(ingest ORDER BY ingest) FROM trips.ingest_progress");
        assert_eq!(left, [2, 3, 4]);
    }
}

#[test]
fn a_load_that_died_with_the_server_is_failed_and_the_next_start_pushes_it() {
    failed_after(|cluster, _| {
        cluster.crash();
        cluster.start();
    });
}

#[test]
fn a_load_whose_backend_was_killed_is_failed_and_the_next_start_pushes_it() {
    failed_after(|_, loading| kill(loading));
}

/// A load during which `disaster` befalls the cluster, told the loading process, is told of as failed once all is back.
fn failed_after(disaster: impl FnOnce(&mut PrivateCluster, i32)) {
    let mut cluster = PrivateCluster::new("");
    let mut session = cluster.connect();
    let pid = session.pid();
    make_slow(&mut session);
    let path = cluster
        .files()
        .write_rows("slow.csv", numbered_rows(0..600_000));
    let mut listener = Listener::in_session(cluster.connect(), CHANNEL);
    let loading = thread::spawn({
        let path = path.clone();
        move || assert!(Ingest::of(&path).call(&mut session).is_err())
    });
    let heard = listener.until_rows();
    disaster(&mut cluster, pid);
    loading.join().unwrap();
    // From when the server ends its sessions on, it takes no new ones until it has recovered.
    eventually("the server has noticed", || {
        listener.session().is_valid(Duration::from_secs(1)).is_err()
    });
    let mut listener = Listener::in_session(cluster.connect_patiently(), CHANNEL);
    assert_eq!(progress(listener.session()).0, "failed");
    // A worker that might still speak is given five seconds.
    thread::sleep(Duration::from_secs(5));
    let next = cluster.files().write_rows("t.csv", numbered_rows(0..10));
    load(&mut cluster.connect(), &next);
    let failed = listener.until_end().pop().unwrap();
    assert_eq!(failed.sqlstate(), "57P02");
    assert_eq!(failed.number("ingest"), heard.number("ingest"));
    assert!(failed.number("sequence") > heard.number("sequence"));
    assert_eq!(failed.text("file"), path);
    let events = listener.until_end();
    assert_eq!(events.last().unwrap().text("file"), next);
    assert_eq!(error(listener.session()).0.as_deref(), Some("57P02"));
}

#[test]
fn files_are_shown_to_roles_with_the_rights_of_the_loading_one() {
    let (loader, stranger) = (Role::new("IN ROLE pg_read_server_files"), Role::new(""));
    let member = Role::new(&format!("IN ROLE {}", loader.name));
    let monitor = Role::new("IN ROLE pg_read_all_stats");
    let database = Database::new();
    let mut superuser = database.connect();
    superuser.run(&format!(
        "GRANT USAGE ON SCHEMA trips TO PUBLIC;
         GRANT SELECT ON ALL TABLES IN SCHEMA trips TO PUBLIC;
         GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA trips TO {0};
         GRANT USAGE ON SEQUENCE trips.ingest_id TO {0};
         GRANT EXECUTE ON FUNCTION trips_ingest TO {0}",
        loader.name
    ));
    let path = database.files().write_rows("t.csv", numbered_rows(0..10));
    load(&mut database.connect_as(&loader), &path);
    for (role, shown) in [(&loader, 1), (&member, 1), (&monitor, 1), (&stranger, 0)] {
        let mut session = database.connect_as(role);
        for relation in ["trips.ingest_progress", "trips.ingest_attempt"] {
            assert_eq!(session.count(relation), shown, "{relation} for {role:?}");
        }
        refused(
            session.batch_execute("UPDATE trips.ingest_attempt SET file = ''"),
            "42501",
        );
    }
}

#[test]
fn the_transaction_that_makes_the_extension_can_load_and_is_told() {
    let database = Database::empty();
    let mut session = database.connect();
    session.run("CREATE EXTENSION postgis");
    let path = database.files().write_rows("t.csv", numbered_rows(0..10));
    let mut listener = Listener::new(&database);
    session.run("BEGIN; CREATE EXTENSION trips_ext");
    load(&mut session, &path);
    session.run("COMMIT");
    let events = listener.until_end();
    assert_eq!(
        (events[0].kind(), events.last().unwrap().kind()),
        ("started", "completed")
    );
}
