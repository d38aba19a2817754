//! Ingests that background workers run: queued with the caller's commit, run in turn with the caller's rights, and told of to
//! the end, whatever that is.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use trips_tests::aftermath::assert_nothing_left;
use trips_tests::database::eventually;
use trips_tests::ingest::load;
use trips_tests::listener::CHANNEL;
use trips_tests::program::kill;
use trips_tests::rows::{make_slow, numbered_rows, slow_file};
use trips_tests::snapshot::{assert_books_balance, assert_nothing_stored};
use trips_tests::{Database, Event, Files, Listener, PrivateCluster, Role, Session, refused};

/// How long nothing must be heard before it is taken for silence.
const SILENCE: Duration = Duration::from_millis(1200);

/// Queues an ingest; its number.
#[track_caller]
fn submit(session: &mut Session, file: &str) -> i64 {
    session
        .query_one("SELECT trips_ingest_async($1)", &[&file])
        .unwrap_or_else(|error| panic!("{file}: {error:?}"))
        .get(0)
}

fn cancel(session: &mut Session, ingest: i64) -> Result<bool, postgres::Error> {
    let row = session.query_one("SELECT trips_cancel($1)", &[&ingest])?;
    Ok(row.get(0))
}

/// The status of an ingest, as the view shows it.
fn status(session: &mut Session, ingest: i64) -> String {
    session.value(&format!(
        "SELECT status FROM trips.ingest_progress WHERE ingest = {ingest}"
    ))
}

/// The events of so many ingests up to the end of each, by ingest: numbered without gaps, without the file's name.
#[track_caller]
fn stories(listener: &mut Listener, count: usize) -> BTreeMap<i64, Vec<Event>> {
    let mut stories: BTreeMap<i64, Vec<Event>> = BTreeMap::new();
    while stories
        .values()
        .filter(|story| story.last().unwrap().ends())
        .count()
        < count
    {
        let event = listener.next(Duration::from_secs(60));
        let event = event.unwrap_or_else(|| panic!("no end after {stories:#?}"));
        assert!(event.json["file"].is_null(), "{event:?}");
        let story = stories.entry(event.number("ingest") as i64).or_default();
        story.push(event);
        assert_eq!(
            story.last().unwrap().number("sequence"),
            story.len() as u64,
            "{story:#?}"
        );
    }
    stories
}

/// The one story that there is.
#[track_caller]
fn story(listener: &mut Listener) -> Vec<Event> {
    stories(listener, 1).into_values().next().unwrap()
}

fn files_of(files: &Files, count: u64, rows: u64) -> Vec<String> {
    (0..count)
        .map(|n| files.write_rows(&format!("{n}.csv"), numbered_rows(n..n + rows)))
        .collect()
}

#[test]
fn a_queued_ingest_is_loaded_and_told_of_from_the_queue_to_the_end() {
    let database = Database::new();
    let mut session = database.connect();
    let path = database.files().write_rows("t.csv", numbered_rows(0..1000));
    let mut listener = Listener::new(&database);
    let ingest = submit(&mut session, &path);
    let events = story(&mut listener);
    let (first, last) = (&events[0], events.last().unwrap());
    assert_eq!((first.kind(), events[1].kind()), ("queued", "started"));
    assert_eq!((last.kind(), last.number("rows")), ("completed", 1000));
    assert_eq!(last.number("ingest") as i64, ingest);
    assert_eq!(session.count("trips.trip"), 1000);
    let row = session
        .query_one("SELECT id, file FROM trips.ingest", &[])
        .unwrap();
    assert_eq!(
        (row.get::<_, i64>(0), row.get::<_, String>(1)),
        (ingest, path)
    );
    eventually("its row says so", || {
        status(&mut session, ingest) == "completed"
    });
    assert!(!cancel(&mut session, ingest).unwrap(), "it has ended");
    assert_nothing_left(&mut session, None);
    assert_books_balance(&mut session);
}

#[test]
fn a_bad_file_and_a_known_one_are_told_of() {
    let database = Database::new();
    let mut session = database.connect();
    let path = database.files().write_rows("t.csv", numbered_rows(0..10));
    let known = load(&mut session, &path).id();
    let bad = database.files().write_rows("bad.csv", ["x"]);
    let mut listener = Listener::new(&database);
    submit(&mut session, &path);
    assert_eq!(
        story(&mut listener).pop().unwrap().json["duplicate_of"],
        known
    );
    let ingest = submit(&mut session, &bad);
    let failed = story(&mut listener).pop().unwrap();
    assert_eq!(
        (failed.sqlstate(), &failed.json["error"]["line"]),
        ("22P04", &2.into())
    );
    submit(&mut session, &database.files().path("missing.csv"));
    let failed = story(&mut listener).pop().unwrap();
    assert_eq!(failed.sqlstate(), "58P01");
    assert_eq!(
        failed.json["error"]["message"],
        "could not open file \"...\": No such file or directory"
    );
    eventually("its row says so", || {
        status(&mut session, ingest) == "failed"
    });
    assert_nothing_left(&mut session, None);
}

#[test]
fn options_are_those_of_trips_ingest() {
    let database = Database::new();
    let mut session = database.connect();
    let rows = numbered_rows(0..10).chain(["bad".to_owned()]);
    let path = database.files().write_rows("t.csv", rows);
    let mut listener = Listener::new(&database);
    let query = "SELECT trips_ingest_async($1, on_error => 'ignore', reject_limit => 1)";
    session.query_one(query, &[&path]).unwrap();
    let end = story(&mut listener).pop().unwrap();
    assert_eq!((end.kind(), end.number("rejected")), ("completed", 1));
    let query = "SELECT trips_ingest_async($1, if_loaded => 'error')";
    session.query_one(query, &[&path]).unwrap();
    assert_eq!(story(&mut listener).pop().unwrap().sqlstate(), "42710");
    for (arguments, sqlstate) in [
        ("'/t', on_error => 'x'", "22023"),
        ("'/t', reject_limit => 3", "22023"),
        ("'/t', if_loaded => 'x'", "22023"),
        ("NULL", "22004"),
    ] {
        refused(
            session.batch_execute(&format!("SELECT trips_ingest_async({arguments})")),
            sqlstate,
        );
    }
    listener.assert_silent(SILENCE);
}

#[test]
fn nothing_is_run_before_the_commit_nor_after_a_rollback() {
    let database = Database::new();
    let mut session = database.connect();
    let paths = files_of(database.files(), 3, 10);
    let mut listener = Listener::new(&database);
    session.run("BEGIN");
    submit(&mut session, &paths[0]);
    listener.assert_silent(SILENCE);
    session.run("ROLLBACK");
    session.run("BEGIN");
    let kept = submit(&mut session, &paths[1]);
    session.run("SAVEPOINT s");
    submit(&mut session, &paths[2]);
    session.run("ROLLBACK TO s; COMMIT");
    let events = story(&mut listener);
    assert_eq!(events[0].number("ingest") as i64, kept);
    assert_eq!(events.last().unwrap().kind(), "completed");
    listener.assert_silent(SILENCE);
    assert_eq!(session.count("trips.ingest_progress"), 1);
    assert_nothing_left(&mut session, None);
}

#[test]
fn ten_at_once_all_end_in_turn_and_wait_in_the_queue_meanwhile() {
    let cluster = PrivateCluster::new("fsync = off");
    let mut session = cluster.connect();
    assert_eq!(session.value::<String>("SHOW max_worker_processes"), "8");
    make_slow(&mut session);
    let paths = files_of(cluster.files(), 10, 60_000);
    let mut listener = Listener::in_session(cluster.connect(), CHANNEL);
    let begin = Instant::now();
    thread::scope(|scope| {
        for path in &paths {
            scope.spawn(|| submit(&mut cluster.connect(), path));
        }
    });
    let submitted = begin.elapsed();
    let of = |status: &str| format!("trips.ingest_progress WHERE status = '{status}'");
    let (mut queued, mut most) = (0, 0);
    while session.count(&of("completed")) < 10 && begin.elapsed() < Duration::from_secs(120) {
        queued = queued.max(session.count(&of("queued")));
        most = most.max(session.count(&of("running")));
        thread::sleep(Duration::from_millis(10));
    }
    println!(
        "ten queued in {submitted:?}, loaded in {:?}",
        begin.elapsed()
    );
    assert!(
        queued >= 5 && most == 2,
        "{queued} queued and {most} running at a time"
    );
    for (ingest, story) in stories(&mut listener, 10) {
        assert_eq!(
            story.last().unwrap().kind(),
            "completed",
            "{ingest}: {story:#?}"
        );
    }
    assert_eq!(session.count("trips.trip"), 600_000);
    assert_books_balance(&mut session);
    assert_nothing_left(&mut session, None);
}

#[test]
fn where_slots_are_short_ingests_wait_for_them_and_none_is_lost() {
    // A dispatcher, an ingest and its status worker fill them.
    let cluster =
        PrivateCluster::new("fsync = off\nmax_worker_processes = 3\ntrips_ext.max_jobs = 8");
    let mut session = cluster.connect();
    let paths = files_of(cluster.files(), 5, 20_000);
    for path in &paths {
        submit(&mut session, path);
    }
    eventually_all_end(&mut session, 5);
    assert_eq!(session.count("trips.ingest"), 5);
    assert_nothing_left(&mut session, None);
}

/// Waits until so many ingests have ended.
#[track_caller]
fn eventually_all_end(session: &mut Session, count: i64) {
    let begin = Instant::now();
    let ended = "trips.ingest_progress WHERE status NOT IN ('queued', 'running')";
    while session.count(ended) < count {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "not all have ended"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn without_any_slot_the_call_is_refused_and_nothing_is_queued() {
    let cluster = PrivateCluster::new("fsync = off\nmax_worker_processes = 1");
    let mut session = cluster.connect();
    let path = cluster.files().write_rows("t.csv", numbered_rows(0..10));
    refused(
        session.query_one("SELECT trips_ingest_async($1)", &[&path]),
        "53000",
    );
    assert_eq!(session.count("trips.ingest_progress"), 0);
}

#[test]
fn one_without_a_slot_for_its_status_worker_is_loaded_and_its_end_is_told() {
    let cluster = PrivateCluster::new("fsync = off\nmax_worker_processes = 3");
    let mut session = cluster.connect();
    let path = cluster.files().write_rows("t.csv", numbered_rows(0..10));
    let bad = cluster.files().write_rows("bad.csv", ["x"]);
    let mut listener = Listener::in_session(cluster.connect(), CHANNEL);
    submit(&mut session, &path);
    let kinds = |events: &[Event]| -> Vec<String> {
        events.iter().map(|event| event.kind().to_owned()).collect()
    };
    assert_eq!(kinds(&story(&mut listener)), ["queued", "completed"]);
    eventually("its row says so", || status(&mut session, 1) == "completed");
    submit(&mut session, &path);
    assert_eq!(kinds(&story(&mut listener)), ["queued", "skipped"]);
    eventually("its row says so", || status(&mut session, 2) == "skipped");
    submit(&mut session, &bad);
    let events = story(&mut listener);
    assert_eq!(kinds(&events), ["queued", "failed"]);
    assert_eq!(events[1].json["error"]["line"], 2);
}

mod ended_from_outside {
    use super::*;

    #[test]
    fn a_running_ingest_can_be_cancelled_and_one_in_the_queue() {
        let database = Database::new();
        let mut session = database.connect();
        make_slow(&mut session);
        let slow = slow_file(&database);
        let more: Vec<String> = (1..4)
            .map(|n| {
                database
                    .files()
                    .write_rows(&format!("{n}.csv"), numbered_rows(n..600_000))
            })
            .collect();
        let mut listener = Listener::new(&database);
        let first = submit(&mut session, &slow);
        listener.until_rows();
        let others: Vec<i64> = more.iter().map(|path| submit(&mut session, path)).collect();
        let last = *others.last().unwrap();
        assert_eq!(status(&mut session, last), "queued");
        assert!(cancel(&mut session, last).unwrap());
        assert_eq!(status(&mut session, last), "failed");
        let begin = Instant::now();
        assert!(cancel(&mut session, first).unwrap());
        let mut ended = Vec::new();
        while ended.len() < 2 {
            let event = listener.next(Duration::from_secs(30)).unwrap();
            if event.ends() {
                assert_eq!(event.sqlstate(), "57014");
                ended.push(event.number("ingest") as i64);
            }
        }
        println!("cancelled within {:?}", begin.elapsed());
        assert_eq!(ended, [last, first]);
        for ingest in others {
            cancel(&mut session, ingest).unwrap();
        }
        eventually_all_end(&mut session, 4);
        assert_nothing_left(&mut session, None);
        assert_nothing_stored(&mut session);
    }

    #[test]
    fn one_whose_worker_is_terminated_has_failed() {
        let database = Database::new();
        let mut session = database.connect();
        make_slow(&mut session);
        let path = slow_file(&database);
        let mut listener = Listener::new(&database);
        submit(&mut session, &path);
        listener.until_rows();
        session.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND backend_type = 'trips_ext job'",
        );
        assert_eq!(listener.until_end().pop().unwrap().sqlstate(), "57P01");
        assert_nothing_left(&mut session, None);
        assert_nothing_stored(&mut session);
    }

    #[test]
    fn what_a_terminated_dispatcher_leaves_in_the_queue_is_run_with_the_next() {
        let database = Database::new();
        let mut session = database.connect();
        make_slow(&mut session);
        let slow = [0, 1, 2].map(|n| {
            database
                .files()
                .write_rows(&format!("{n}.csv"), numbered_rows(n..200_000))
        });
        let last = database
            .files()
            .write_rows("last.csv", numbered_rows(0..10));
        let mut listener = Listener::new(&database);
        for path in &slow {
            submit(&mut session, path);
        }
        listener.until_rows();
        session.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND backend_type = 'trips_ext dispatcher'",
        );
        eventually_all_end(&mut session, 2);
        assert_eq!(
            session.count("trips.ingest_progress WHERE status = 'queued'"),
            1
        );
        submit(&mut session, &last);
        eventually_all_end(&mut session, 4);
        assert_eq!(session.count("trips.ingest"), 4);
        assert_nothing_left(&mut session, None);
    }

    #[test]
    fn one_that_died_with_the_server_has_failed_and_the_rest_of_the_queue_is_run() {
        let cluster = PrivateCluster::new("");
        let mut session = cluster.connect();
        make_slow(&mut session);
        let slow = cluster
            .files()
            .write_rows("slow.csv", numbered_rows(0..600_000));
        let next = cluster.files().write_rows("t.csv", numbered_rows(0..10));
        let mut listener = Listener::in_session(cluster.connect(), CHANNEL);
        let died = submit(&mut session, &slow);
        listener.until_rows();
        let worker: i32 =
            session.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'trips_ext job'");
        kill(worker);
        eventually("the server has noticed", || {
            session.is_valid(SILENCE).is_err()
        });
        drop(listener);
        // The server starts itself again.
        let mut session = cluster.connect_patiently();
        assert_eq!(status(&mut session, died), "failed");
        // A worker that might still speak is given five seconds.
        thread::sleep(Duration::from_secs(5));
        let mut listener = Listener::in_session(cluster.connect(), CHANNEL);
        let ingest = submit(&mut session, &next);
        let mut ends = BTreeMap::new();
        while ends.len() < 2 {
            let event = listener.next(Duration::from_secs(30)).unwrap();
            if event.ends() {
                ends.insert(event.number("ingest") as i64, event);
            }
        }
        assert_eq!(ends[&died].sqlstate(), "57P02");
        assert_eq!(ends[&ingest].kind(), "completed");
        assert_eq!(session.count("trips.ingest"), 1);
        assert_books_balance(&mut session);
    }
}

mod rights {
    use super::*;

    /// What a role needs to load, but the right to read the server's files.
    fn grant(superuser: &mut Session, role: &str) {
        superuser.run(&format!(
            "GRANT USAGE ON SCHEMA trips TO PUBLIC;
             GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA trips TO {role};
             GRANT USAGE ON SEQUENCE trips.ingest_id TO {role};
             GRANT EXECUTE ON FUNCTION trips_ingest_async, trips_cancel TO {role}"
        ));
    }

    #[test]
    fn a_role_without_rights_can_neither_start_nor_see_nor_cancel() {
        let stranger = Role::new("");
        let reader = Role::new("");
        let database = Database::new();
        let mut superuser = database.connect();
        superuser.run(&format!("GRANT USAGE ON SCHEMA trips TO {}", stranger.name));
        grant(&mut superuser, &reader.name);
        make_slow(&mut superuser);
        let path = slow_file(&database);
        let mut listener = Listener::in_session(database.connect_as(&stranger), CHANNEL);
        let ingest = submit(&mut superuser, &path);
        listener.until_rows();
        let mut session = database.connect_as(&stranger);
        for query in [
            "SELECT * FROM trips.ingest_progress",
            "SELECT * FROM trips.ingest_attempt",
            "SELECT trips_ingest_async('/t')",
        ] {
            refused(session.query(query, &[]), "42501");
        }
        refused(cancel(&mut session, ingest), "42501");
        let shown = "pg_stat_activity WHERE query LIKE '%slow.csv%' AND pid <> pg_backend_pid()";
        assert_eq!(session.count(shown), 0);
        // One who may insert, but not read files.
        let mut session = database.connect_as(&reader);
        assert_eq!(session.count("trips.ingest_progress"), 0);
        refused(
            session.query("SELECT trips_ingest_async('/t')", &[]),
            "42501",
        );
        refused(cancel(&mut session, ingest), "42501");
        assert!(cancel(&mut superuser, ingest).unwrap());
        // Nor does an event name the file.
        while let Some(event) = listener.next(SILENCE) {
            assert!(!event.json.to_string().contains("slow.csv"), "{event:?}");
        }
        assert_nothing_left(&mut superuser, None);
    }

    #[test]
    fn an_ingest_has_the_rights_of_the_role_that_was_current() {
        let group = Role::new("IN ROLE pg_read_server_files");
        let member = Role::new(&format!("NOINHERIT IN ROLE {}", group.name));
        let database = Database::new();
        let mut superuser = database.connect();
        superuser.run(&format!("ALTER ROLE {} NOLOGIN", group.name));
        grant(&mut superuser, &group.name);
        grant(&mut superuser, &member.name);
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        let mut listener = Listener::new(&database);
        let mut session = database.connect_as(&member);
        session.run(&format!("SET ROLE {}", group.name));
        let ingest = submit(&mut session, &path);
        assert_eq!(story(&mut listener).pop().unwrap().kind(), "completed");
        let loaded_by: String = superuser.value("SELECT loaded_by::text FROM trips.ingest");
        assert_eq!(loaded_by, group.name);
        assert_eq!(session.count("trips.ingest_progress"), 1);
        session.run("RESET ROLE");
        assert_eq!(session.count("trips.ingest_progress"), 0, "NOINHERIT");
        refused(cancel(&mut session, ingest), "42501");
    }

    #[test]
    fn rights_that_are_lost_in_the_queue_are_lost() {
        let role = Role::new("IN ROLE pg_read_server_files");
        let database = Database::new();
        let mut superuser = database.connect();
        grant(&mut superuser, &role.name);
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        let mut listener = Listener::new(&database);
        let mut session = database.connect_as(&role);
        session.run("BEGIN");
        submit(&mut session, &path);
        superuser.run(&format!("REVOKE pg_read_server_files FROM {}", role.name));
        session.run("COMMIT");
        assert_eq!(story(&mut listener).pop().unwrap().sqlstate(), "42501");
        superuser.run(&format!("GRANT pg_read_server_files TO {}", role.name));
        session.run("BEGIN");
        submit(&mut session, &path);
        superuser.run(&format!("ALTER ROLE {} NOLOGIN", role.name));
        session.run("COMMIT");
        assert_eq!(story(&mut listener).pop().unwrap().sqlstate(), "28000");
        assert_nothing_stored(&mut superuser);
        assert_nothing_left(&mut superuser, None);
    }

    #[test]
    fn only_an_ingest_of_a_background_worker_can_be_cancelled_by_its_number() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        let mut listener = Listener::new(&database);
        let ingest = load(&mut session, &path).id();
        listener.until_end();
        refused(cancel(&mut session, ingest), "55000");
        refused(cancel(&mut session, 99), "42704");
    }
}
