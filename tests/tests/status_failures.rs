//! Pushed failures: whatever ends a load, a session that listens learns of it, and nothing is left behind.

use std::thread;
use std::time::{Duration, Instant};

use postgres::NoTls;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trips_tests::aftermath::assert_nothing_left;
use trips_tests::ingest::{forget, load};
use trips_tests::rows::{make_slow, numbered_rows, slow_file};
use trips_tests::snapshot::assert_nothing_stored;
use trips_tests::{Database, Event, Ingest, Listener, Session, refused};

/// How long nothing must follow an end before it is taken for the end.
const SILENCE: Duration = Duration::from_millis(1200);

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::kind).collect()
}

/// Loads in a session of its own, which must fail, and gives what was heard of it; nothing may be left.
fn heard_of(database: &Database, session: &mut Session, call: &Ingest, sqlstate: &str) -> Event {
    let mut listener = Listener::new(database);
    refused(call.call(session), sqlstate);
    let event = listener.until_end().pop().unwrap();
    listener.assert_silent(SILENCE);
    assert_nothing_left(&mut database.connect(), Some(session));
    assert_eq!(event.sqlstate(), sqlstate);
    event
}

#[test]
fn a_bad_row_is_pushed_with_its_line_and_column() {
    let database = Database::new();
    let mut session = database.connect();
    let bad = "Turin,POINT (7 45),POINT (7 x),2018-05-01 00:00:00,car".to_owned();
    let rows = numbered_rows(0..20_000)
        .chain([bad])
        .chain(numbered_rows(0..10));
    let path = database.files().write_rows("t.csv", rows);
    let event = heard_of(&database, &mut session, &Ingest::of(&path), "22P02");
    assert_eq!(event.text("file"), path);
    let error = &event.json["error"];
    assert_eq!(
        (&error["line"], &error["column"]),
        (&20_002.into(), &"destination_coord".into())
    );
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty())
    );
    assert_nothing_stored(&mut session);
}

#[test]
fn a_file_that_cannot_be_loaded_is_pushed() {
    let database = Database::new();
    let mut session = database.connect();
    let missing = database.files().path("missing.csv");
    let event = heard_of(&database, &mut session, &Ingest::of(&missing), "58P01");
    assert_eq!(event.text("file"), missing);
    let empty = database.files().write("empty.csv", "");
    heard_of(&database, &mut session, &Ingest::of(&empty), "22P04");
    let directory = database.files().path("");
    heard_of(&database, &mut session, &Ingest::of(&directory), "42809");
}

#[test]
fn too_many_rejects_are_pushed() {
    let database = Database::new();
    let mut session = database.connect();
    let path = database
        .files()
        .write_rows("t.csv", ["bad", "worse", "worst"]);
    let call = Ingest::of(&path).on_error("ignore").reject_limit(2);
    heard_of(&database, &mut session, &call, "22P02");
}

#[test]
fn an_error_of_the_server_is_pushed() {
    let database = Database::new();
    let mut session = database.connect();
    session.run("ALTER TABLE trips.trip ADD CHECK (departed_at < '2018-05-01 00:40')");
    let path = database
        .files()
        .write_rows("t.csv", numbered_rows(0..30_000));
    heard_of(&database, &mut session, &Ingest::of(&path), "23514");
    assert_nothing_stored(&mut session);
}

#[test]
fn a_statement_timeout_is_pushed() {
    let database = Database::new();
    let mut session = database.connect();
    make_slow(&mut session);
    let path = slow_file(&database);
    session.run("SET statement_timeout = '400ms'");
    heard_of(&database, &mut session, &Ingest::of(&path), "57014");
    session.run("SET statement_timeout = 0");
    assert_nothing_stored(&mut session);
}

/// Starts a slow load and signals its backend once rows are heard of; what was heard last, and the session
/// if it lives on.
fn interrupted(signal: &str) -> (Database, Event, Option<Session>) {
    let database = Database::new();
    let (mut session, mut other) = (database.connect(), database.connect());
    make_slow(&mut session);
    let path = slow_file(&database);
    let mut listener = Listener::new(&database);
    let pid = session.pid();
    let loading = thread::spawn(move || (Ingest::of(&path).call(&mut session), session));
    let started = listener
        .next(Duration::from_secs(30))
        .expect("the load is heard of");
    assert_eq!(started.kind(), "started");
    listener.until_rows();
    assert!(other.value::<bool>(&format!("SELECT {signal}({pid})")));
    let event = listener.until_end().pop().unwrap();
    listener.assert_silent(SILENCE);
    let (result, mut session) = loading.join().unwrap();
    assert!(result.is_err());
    let session = session
        .is_valid(Duration::from_secs(10))
        .is_ok()
        .then_some(session);
    assert_nothing_left(&mut other, session.as_ref());
    assert_nothing_stored(&mut other);
    (database, event, session)
}

#[test]
fn a_cancelled_load_is_pushed() {
    let (database, event, session) = interrupted("pg_cancel_backend");
    assert_eq!(event.sqlstate(), "57014");
    let mut session = session.expect("the session lives on");
    let path = database
        .files()
        .write_rows("after.csv", numbered_rows(0..10));
    load(&mut session, &path);
}

#[test]
fn a_terminated_load_is_pushed() {
    let (_database, event, session) = interrupted("pg_terminate_backend");
    assert_eq!(event.sqlstate(), "57P01");
    assert!(session.is_none(), "the session is gone");
}

#[test]
fn a_load_that_is_terminated_while_it_waits_for_its_turn_is_pushed() {
    let database = Database::new();
    let (mut session, mut blocker) = (database.connect(), database.connect());
    let path = database.files().write_rows("t.csv", numbered_rows(0..10));
    blocker.run("BEGIN; LOCK TABLE trips.trip");
    let mut listener = Listener::new(&database);
    let pid = session.pid();
    thread::scope(|scope| {
        let loading = scope.spawn(|| Ingest::of(&path).call(&mut session));
        assert_eq!(
            listener
                .next(Duration::from_secs(10))
                .expect("it is heard of")
                .kind(),
            "started"
        );
        blocker.run(&format!("SELECT pg_terminate_backend({pid})"));
        assert_eq!(listener.until_end().pop().unwrap().sqlstate(), "57P01");
        assert!(loading.join().unwrap().is_err());
    });
    blocker.run("COMMIT");
    assert_nothing_left(&mut blocker, None);
}

/// Signals the backend of a load after a random time, again and again: each load is either whole and completed,
/// or not there and failed.
fn signalled_at_any_moment(signal: &str, sqlstate: &str, rounds: u32) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let database = Database::new();
    let mut other = database.connect();
    let path = database
        .files()
        .write_rows("t.csv", numbered_rows(0..60_000));
    let begin = Instant::now();
    let ingest = load(&mut database.connect(), &path).id();
    let whole = begin.elapsed();
    forget(&mut other, ingest).unwrap();
    let mut listener = Listener::new(&database);
    for _ in 0..rounds {
        let mut session = database.connect();
        let pid = session.pid();
        let delay = whole.mul_f64(random.random_range(0.0..1.2));
        let (result, session) = thread::scope(|scope| {
            let loading = scope.spawn(|| (Ingest::of(&path).call(&mut session), session));
            thread::sleep(delay);
            other.run(&format!("SELECT {signal}({pid})"));
            loading.join().unwrap()
        });
        drop(session);
        let mut events = Vec::new();
        while !events.last().is_some_and(Event::ends) {
            match listener.next(Duration::from_secs(if events.is_empty() { 1 } else { 10 })) {
                Some(event) => events.push(event),
                None => break,
            }
        }
        let what = format!("after {delay:?} of {whole:?}: {result:?}, {events:#?}");
        let kept = other.count("trips.ingest");
        assert!(kept == 1 || result.is_err(), "{what}");
        match events.last() {
            Some(end) if end.kind() == "completed" => assert_eq!(kept, 1, "{what}"),
            Some(end) => {
                assert!(kept == 0 && end.kind() == "failed", "{what}");
                // 40000: all rows were in, and the transaction about to commit.
                assert!([sqlstate, "40000"].contains(&end.sqlstate()), "{what}");
            }
            // The signal came before the load began.
            None => assert_eq!(kept, 0, "{what}"),
        }
        if kept == 1 {
            let ingest = other.value("SELECT id FROM trips.ingest");
            forget(&mut other, ingest).unwrap();
        }
        assert_nothing_stored(&mut other);
    }
    assert_nothing_left(&mut other, None);
}

#[test]
fn a_load_can_be_cancelled_at_any_moment() {
    signalled_at_any_moment("pg_cancel_backend", "57014", 30);
}

#[test]
fn a_load_can_be_terminated_at_any_moment() {
    signalled_at_any_moment("pg_terminate_backend", "57P01", 20);
}

#[test]
fn a_cancel_request_of_the_client_is_pushed() {
    let database = Database::new();
    let mut session = database.connect();
    make_slow(&mut session);
    let path = slow_file(&database);
    let mut listener = Listener::new(&database);
    let cancel = session.cancel_token();
    thread::scope(|scope| {
        let loading = scope.spawn(|| refused(Ingest::of(&path).call(&mut session), "57014"));
        listener.until_rows();
        cancel.cancel_query(NoTls).unwrap();
        assert_eq!(listener.until_end().pop().unwrap().sqlstate(), "57014");
        loading.join().unwrap();
    });
    assert_nothing_left(&mut database.connect(), Some(&session));
}

#[test]
fn a_load_that_waits_for_a_lock_is_heard_of_and_so_is_its_end() {
    let database = Database::new();
    let (mut session, mut blocker) = (database.connect(), database.connect());
    let path = database.files().write_rows("t.csv", numbered_rows(0..10));
    blocker.run("BEGIN; LOCK TABLE trips.trip");
    let mut listener = Listener::new(&database);
    session.run("SET lock_timeout = '700ms'");
    refused(Ingest::of(&path).call(&mut session), "55P03");
    assert_eq!(listener.until_end().pop().unwrap().sqlstate(), "55P03");
    blocker.run("COMMIT");
    assert_nothing_left(&mut database.connect(), Some(&session));
}

#[test]
fn a_load_that_is_rolled_back_after_its_end_has_failed() {
    let database = Database::new();
    let mut session = database.connect();
    let path = database.files().write_rows("t.csv", numbered_rows(0..1000));
    let mut listener = Listener::new(&database);
    session.run("BEGIN");
    load(&mut session, &path);
    session.run("ROLLBACK");
    let events = listener.until_end();
    assert_eq!(events.last().unwrap().sqlstate(), "40000");
    listener.assert_silent(SILENCE);
    assert_nothing_left(&mut database.connect(), Some(&session));
    load(&mut session, &path);
    assert_eq!(listener.until_end().last().unwrap().kind(), "completed");
}

#[test]
fn a_load_that_a_savepoint_takes_back_has_failed_although_its_transaction_commits() {
    let database = Database::new();
    let mut session = database.connect();
    let files = database.files();
    let kept = files.write_rows("kept.csv", numbered_rows(0..10));
    let lost = files.write_rows("lost.csv", numbered_rows(10..20));
    let mut listener = Listener::new(&database);
    session.run("BEGIN");
    load(&mut session, &kept);
    session.run("SAVEPOINT s");
    load(&mut session, &lost);
    session.run("ROLLBACK TO s; COMMIT");
    let mut ends: Vec<Event> = Vec::new();
    for _ in 0..2 {
        ends.extend(listener.until_end().pop());
    }
    ends.sort_by_key(|event| event.kind().to_owned());
    assert_eq!(kinds(&ends), ["completed", "failed"]);
    assert_eq!(
        (ends[0].text("file"), ends[1].text("file")),
        (kept.as_str(), lost.as_str())
    );
    assert_eq!(ends[1].sqlstate(), "40000");
    listener.assert_silent(SILENCE);
    assert_nothing_left(&mut database.connect(), Some(&session));
}

#[test]
fn a_load_whose_savepoint_is_released_is_completed() {
    let database = Database::new();
    let mut session = database.connect();
    let path = database.files().write_rows("t.csv", numbered_rows(0..10));
    let mut listener = Listener::new(&database);
    session.run("BEGIN; SAVEPOINT a; SAVEPOINT b");
    load(&mut session, &path);
    session.run("RELEASE b; RELEASE a; COMMIT");
    assert_eq!(listener.until_end().last().unwrap().kind(), "completed");
    // Released, and then taken back with the savepoint around it.
    let other = database.files().write_rows("u.csv", numbered_rows(1..10));
    session.run("BEGIN; SAVEPOINT a; SAVEPOINT b");
    load(&mut session, &other);
    session.run("RELEASE b; ROLLBACK TO a; COMMIT");
    assert_eq!(listener.until_end().last().unwrap().sqlstate(), "40000");
    listener.assert_silent(SILENCE);
    assert_nothing_left(&mut database.connect(), Some(&session));
}

#[test]
fn a_session_that_ends_in_mid_transaction_has_failed_to_load() {
    let database = Database::new();
    let mut session = database.connect();
    let path = database.files().write_rows("t.csv", numbered_rows(0..10));
    let mut listener = Listener::new(&database);
    session.run("BEGIN");
    load(&mut session, &path);
    drop(session);
    let end = listener.until_end().pop().unwrap();
    assert_eq!(end.kind(), "failed");
    listener.assert_silent(SILENCE);
    let mut observer = database.connect();
    assert_nothing_left(&mut observer, None);
    assert_nothing_stored(&mut observer);
}

#[test]
fn a_failed_commit_is_no_completed_load() {
    let database = Database::new();
    let mut session = database.connect();
    session.run(
        "CREATE TABLE parent (id int PRIMARY KEY);
         CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
    );
    let path = database.files().write_rows("t.csv", numbered_rows(0..10));
    let mut listener = Listener::new(&database);
    session.run("BEGIN; INSERT INTO child VALUES (1)");
    load(&mut session, &path);
    refused(session.batch_execute("COMMIT"), "23503");
    let end = listener.until_end().pop().unwrap();
    assert_eq!(end.kind(), "failed");
    listener.assert_silent(SILENCE);
    assert_nothing_left(&mut database.connect(), Some(&session));
    assert_nothing_stored(&mut session);
}
