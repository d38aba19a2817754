//! The watched folder: each file that is complete is ingested once, with the rights of the folder's role, and told of, whatever
//! happens to the server meanwhile.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use trips_tests::database::eventually;
use trips_tests::files::repository;
use trips_tests::listener::CHANNEL;
use trips_tests::page::blocks;
use trips_tests::rows::{make_slow, numbered_rows, write_generated};
use trips_tests::snapshot::assert_books_balance;
use trips_tests::{Listener, PrivateCluster, Session, refused};

/// How long nothing must be heard before it is taken for silence.
const SILENCE: Duration = Duration::from_millis(1500);

/// Rows whose load takes seconds where that is slow.
const SLOW: u64 = 600_000;

/// The SQL blocks of docs/inbox.md: how to set it up, and how to see what became of files.
fn documented() -> [String; 2] {
    let page = fs::read_to_string(repository().join("docs/inbox.md")).unwrap();
    let blocks = blocks(&page).into_iter();
    let sql: Vec<String> = blocks
        .filter(|block| block.language == "sql")
        .map(|block| block.text)
        .collect();
    sql.try_into().unwrap()
}

/// A cluster with the library preloaded, and a role that may load.
fn cluster() -> PrivateCluster {
    let cluster = PrivateCluster::new("fsync = off\nshared_preload_libraries = 'trips_ext'");
    cluster.connect().run(&documented()[0]);
    cluster
}

fn set(cluster: &PrivateCluster, name: &str, value: &str) {
    let mut session = cluster.connect();
    session.run(&format!("ALTER SYSTEM SET trips_ext.{name} = '{value}'"));
    session.run("SELECT pg_reload_conf()");
}

/// A new directory, watched.
fn watch(cluster: &PrivateCluster) -> String {
    let directory = cluster.files().make_dir("inbox");
    set(cluster, "inbox_database", "postgres");
    set(cluster, "inbox_role", "courier");
    set(cluster, "inbox_directory", &directory);
    directory
}

/// Writes rows to a file beside the folder and renames it into that; its path.
fn put(cluster: &PrivateCluster, directory: &str, name: &str, rows: &[String]) -> String {
    let beside = cluster.files().write_rows(name, rows);
    let path = format!("{directory}/{name}");
    fs::rename(beside, &path).unwrap();
    path
}

fn rows(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbered_rows(numbers).collect()
}

/// Status, SQLSTATE and role of each ingest of a file, in turn.
fn ingests_of(session: &mut Session, path: &str) -> Vec<(String, Option<String>, String)> {
    let query = "SELECT status, error_sqlstate, loaded_by::text FROM trips.ingest_progress
                  WHERE file = $1 ORDER BY ingest";
    let rows = session.query(query, &[&path]).unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

fn one(status: &str, sqlstate: Option<&str>) -> (String, Option<String>, String) {
    (
        status.to_owned(),
        sqlstate.map(str::to_owned),
        "courier".to_owned(),
    )
}

#[track_caller]
fn until(session: &mut Session, path: &str, expected: &[(String, Option<String>, String)]) {
    let since = Instant::now();
    loop {
        let found = ingests_of(session, path);
        if found == expected {
            return;
        }
        assert!(
            since.elapsed() < Duration::from_secs(30),
            "{path}: {found:?}, not {expected:?}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the worker watches a directory.
fn until_watched(session: &mut Session) {
    eventually("the folder is watched", || {
        session.value(
            "SELECT EXISTS (SELECT FROM pg_stat_activity
              WHERE backend_type = 'trips_ext inbox' AND query LIKE 'watching %')",
        )
    });
}

#[test]
fn a_file_that_is_renamed_in_is_loaded_with_the_rights_of_the_role_and_told_of() {
    let cluster = cluster();
    let directory = watch(&cluster);
    let mut session = cluster.connect();
    until_watched(&mut session);
    let mut listener = Listener::in_session(cluster.connect(), CHANNEL);
    let path = put(&cluster, &directory, "a.csv", &rows(0..1000));
    let events = listener.until_end();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind()).collect();
    assert_eq!((kinds[0], kinds[1]), ("queued", "started"), "{kinds:?}");
    let last = events.last().unwrap();
    assert_eq!((last.kind(), last.number("rows")), ("completed", 1000));
    assert!(last.json["file"].is_null(), "{last:?}");
    until(&mut session, &path, &[one("completed", None)]);
    assert!(Path::new(&path).exists(), "it is left where it is");
    let known = session.query_one(
        "SELECT path, size, tries FROM trips.inbox_file JOIN trips.ingest i ON i.id = ingest",
        &[],
    );
    let known = known.unwrap();
    assert_eq!(known.get::<_, String>(0), path);
    assert_eq!(
        known.get::<_, i64>(1) as u64,
        fs::metadata(&path).unwrap().len()
    );
    assert_eq!(known.get::<_, i32>(2), 1);
    assert_books_balance(&mut session);
}

#[test]
fn a_bad_file_is_told_of_once_and_again_when_it_was_changed() {
    let mut cluster = cluster();
    let directory = watch(&cluster);
    let mut session = cluster.connect();
    until_watched(&mut session);
    let mut listener = Listener::in_session(cluster.connect(), CHANNEL);
    let mut bad = rows(0..10);
    bad.push("bad".to_owned());
    let path = put(&cluster, &directory, "bad.csv", &bad);
    let failed = listener.until_end().pop().unwrap();
    assert_eq!(failed.sqlstate(), "22P04");
    assert_eq!(failed.json["error"]["line"], 12);
    until(&mut session, &path, &[one("failed", Some("22P04"))]);
    let [_, what_became] = documented();
    let shown = session.query(&what_became, &[]).unwrap();
    assert_eq!(shown.len(), 1);
    let shown = (shown[0].get(0), shown[0].get(1), shown[0].get(5));
    assert_eq!(shown, (path.clone(), "failed".to_owned(), Some(12i64)));
    drop((session, listener));
    cluster.stop();
    cluster.start();
    let mut session = cluster.connect();
    until_watched(&mut session);
    let mut listener = Listener::in_session(cluster.connect(), CHANNEL);
    listener.assert_silent(SILENCE);
    // Written in place: complete a second after it was closed.
    cluster.files().write_rows("inbox/bad.csv", rows(0..10));
    assert_eq!(listener.until_end().pop().unwrap().kind(), "completed");
    let both = [one("failed", Some("22P04")), one("completed", None)];
    until(&mut session, &path, &both);
}

#[test]
fn a_content_is_loaded_once_under_whatever_name() {
    let cluster = cluster();
    let directory = watch(&cluster);
    let mut session = cluster.connect();
    let first = put(&cluster, &directory, "a.csv", &rows(0..10));
    until(&mut session, &first, &[one("completed", None)]);
    let second = put(&cluster, &directory, "b.csv", &rows(0..10));
    until(&mut session, &second, &[one("skipped", None)]);
    assert_eq!(session.count("trips.trip"), 10);
}

#[test]
fn what_was_put_there_while_the_server_was_down_is_found() {
    let mut cluster = cluster();
    let directory = watch(&cluster);
    let mut session = cluster.connect();
    let first = put(&cluster, &directory, "a.csv", &rows(0..10));
    until(&mut session, &first, &[one("completed", None)]);
    drop(session);
    cluster.stop();
    let second = put(&cluster, &directory, "b.csv", &rows(10..20));
    fs::remove_file(&first).unwrap();
    cluster.start();
    let mut session = cluster.connect();
    until(&mut session, &second, &[one("completed", None)]);
    let known: String = session.value("SELECT string_agg(path, ' ') FROM trips.inbox_file");
    assert_eq!(known, second, "a row goes with its file");
    until(&mut session, &first, &[one("completed", None)]);
    fs::remove_file(&second).unwrap();
    eventually("a row goes with its file", || {
        session.count("trips.inbox_file") == 0
    });
}

#[test]
fn a_role_without_rights_and_one_that_may_not_log_in_load_nothing() {
    let cluster = cluster();
    let directory = watch(&cluster);
    let mut session = cluster.connect();
    session.run("REVOKE pg_read_server_files FROM courier");
    let path = put(&cluster, &directory, "a.csv", &rows(0..10));
    until(&mut session, &path, &[one("failed", Some("42501"))]);
    session.run("GRANT pg_read_server_files TO courier; ALTER ROLE courier NOLOGIN");
    let path = put(&cluster, &directory, "b.csv", &rows(10..20));
    until(&mut session, &path, &[one("failed", Some("28000"))]);
    assert_eq!(session.count("trips.trip"), 0);
}

#[test]
fn others_see_no_files_and_can_neither_queue_nor_forget_one() {
    let cluster = cluster();
    let directory = watch(&cluster);
    let mut session = cluster.connect();
    let path = put(&cluster, &directory, "a.csv", &rows(0..10));
    until(&mut session, &path, &[one("completed", None)]);
    session.run(
        "CREATE ROLE stranger;
         GRANT USAGE ON SCHEMA trips TO stranger;
         GRANT ALL ON ALL TABLES IN SCHEMA trips TO stranger;
         SET ROLE stranger",
    );
    assert_eq!(session.count("trips.inbox_file"), 0);
    assert_eq!(session.count("trips.ingest_attempt"), 0);
    session.run("DELETE FROM trips.inbox_file; UPDATE trips.ingest_attempt SET status = 'queued'");
    for insert in [
        "INSERT INTO trips.inbox_file VALUES ('/x', 1, now(), 1, 1, 10)",
        "INSERT INTO trips.ingest_attempt (id, file, channel, role, status, phase, events, bytes_done, bytes_total,
                rows_loaded, rows_rejected, elapsed, updated_at, login_role)
         VALUES (7, '/x', 'c', 10, 'queued', 'queued', 1, 0, 0, 0, 0, '0', now(), 10)",
    ] {
        refused(session.execute(insert, &[]), "42501");
    }
    session.run("RESET ROLE");
    assert_eq!(session.count("trips.inbox_file"), 1);
    until(&mut session, &path, &[one("completed", None)]);
}

#[test]
fn a_file_that_became_a_link_out_of_the_folder_is_not_read() {
    let cluster = cluster();
    let directory = watch(&cluster);
    let secret = cluster.files().write_rows("secret.csv", rows(0..10));
    let mut session = cluster.connect();
    session.run("ALTER SYSTEM SET trips_ext.max_jobs = 1");
    session.run("SELECT pg_reload_conf()");
    make_slow(&mut session);
    let slow = put(&cluster, &directory, "slow.csv", &rows(0..SLOW));
    until(&mut session, &slow, &[one("running", None)]);
    let path = put(&cluster, &directory, "a.csv", &rows(10..20));
    until(&mut session, &path, &[one("queued", None)]);
    fs::remove_file(&path).unwrap();
    symlink(&secret, &path).unwrap();
    let running: i64 =
        session.value("SELECT ingest FROM trips.ingest_progress WHERE status = 'running'");
    session.run(&format!("SELECT trips_cancel({running})"));
    until(&mut session, &path, &[one("failed", Some("42501"))]);
    until(&mut session, &slow, &[one("failed", Some("57014"))]);
    assert_eq!(session.count("trips.trip"), 0);
}

#[test]
fn what_is_missing_is_said_in_the_log_and_what_comes_later_is_taken() {
    let cluster = PrivateCluster::new("fsync = off\nshared_preload_libraries = 'trips_ext'");
    let mut session = cluster.connect();
    session.run("DROP EXTENSION trips_ext; CREATE ROLE other SUPERUSER LOGIN");
    let directory = cluster.files().path("inbox");
    set(&cluster, "inbox_directory", &directory);
    let says = |what: &str| eventually(what, || cluster.log().contains(what));
    says("inbox cannot be served: trips_ext.inbox_database is not set");
    set(&cluster, "inbox_database", "postgres");
    says("inbox cannot be served: extension \"trips_ext\" does not exist in database \"postgres\"");
    session.run("CREATE EXTENSION trips_ext");
    set(&cluster, "inbox_role", "");
    says("inbox cannot be served: trips_ext.inbox_role is not set");
    set(&cluster, "inbox_role", "nobody");
    says("inbox cannot be served: role \"nobody\" does not exist");
    let shown: String =
        session.value("SELECT query FROM pg_stat_activity WHERE backend_type = 'trips_ext inbox'");
    assert_eq!(
        shown,
        "waiting: inbox cannot be served: role \"nobody\" does not exist"
    );
    set(&cluster, "inbox_role", "other");
    says(&format!(
        "could not watch directory \"{directory}\": No such file or directory"
    ));
    cluster.files().make_dir("inbox");
    let path = put(&cluster, &directory, "a.csv", &rows(0..10));
    session.run("SELECT pg_reload_conf()");
    let done = ("completed".to_owned(), None, "other".to_owned());
    until(&mut session, &path, &[done]);
}

#[test]
fn a_load_that_the_servers_end_interrupts_is_done_again_but_not_for_ever() {
    let mut cluster = cluster();
    let directory = watch(&cluster);
    let mut session = cluster.connect();
    make_slow(&mut session);
    let path = put(&cluster, &directory, "a.csv", &rows(0..SLOW));
    until(&mut session, &path, &[one("running", None)]);
    drop(session);
    cluster.crash();
    cluster.start();
    let mut session = cluster.connect();
    let died = || one("failed", Some("57P02"));
    until(&mut session, &path, &[died(), one("running", None)]);
    // As if it had been the last try.
    session.run("UPDATE trips.inbox_file SET tries = 5");
    drop(session);
    cluster.crash();
    cluster.start();
    let mut session = cluster.connect();
    until(&mut session, &path, &[died(), died()]);
    let mut listener = Listener::in_session(cluster.connect(), CHANNEL);
    listener.assert_silent(SILENCE);
    assert_eq!(session.count("trips.trip"), 0);
}

/// The promise in numbers: 200 files, some bad, some twice, two large ones, three restarts.
#[test]
fn each_good_file_is_loaded_once_and_each_bad_one_told_of_once_through_restarts() {
    let mut cluster = cluster();
    let directory = watch(&cluster);
    until_watched(&mut cluster.connect());
    let put_some = |cluster: &PrivateCluster, numbers: std::ops::Range<u64>| {
        for n in numbers {
            let name = format!("{n}.csv");
            match n % 10 {
                // Bad: in a row, in the header.
                0 => put(cluster, &directory, &name, &[format!("bad {n}")]),
                1 => cluster
                    .files()
                    .write(&format!("inbox/{name}"), format!("no,header,{n}\n")),
                // The same as the one before.
                3 => put(cluster, &directory, &name, &rows(n - 1..n + 99)),
                // Written in place.
                4 => cluster
                    .files()
                    .write_rows(&format!("inbox/{name}"), rows(n..n + 100)),
                _ => put(cluster, &directory, &name, &rows(n..n + 100)),
            };
        }
    };
    let put_large = |cluster: &PrivateCluster, seed: u64| {
        let beside = write_generated(cluster.files(), "large.csv", 1_000_000, 5, seed);
        fs::rename(beside, format!("{directory}/large {seed}.csv")).unwrap();
    };
    put_large(&cluster, 1);
    put_some(&cluster, 0..60);
    until_loading(&cluster);
    cluster.crash();
    put_some(&cluster, 60..90);
    cluster.start();
    put_large(&cluster, 2);
    put_some(&cluster, 90..130);
    until_loading(&cluster);
    cluster.stop();
    cluster.start();
    put_some(&cluster, 130..180);
    until_loading(&cluster);
    cluster.crash();
    cluster.start();
    put_some(&cluster, 180..198);

    let mut session = cluster.connect();
    let since = Instant::now();
    // One that died is not told of at once.
    let open = "trips.ingest_progress
                 WHERE status IN ('queued', 'running') OR status = 'failed' AND error_sqlstate IS NULL";
    while session.count("trips.inbox_file") < 200 || session.count(open) > 0 {
        assert!(since.elapsed() < Duration::from_secs(120), "it never ends");
        thread::sleep(Duration::from_millis(50));
    }
    // What the server's end interrupted is in there as well, once more for each time.
    let interrupted = "trips.ingest_progress WHERE error_sqlstate IN ('57P01', '57P02')";
    println!("{} ingests were interrupted", session.count(interrupted));
    let why = session.query(
        "SELECT file || ': ' || error_message FROM trips.ingest_progress
          WHERE status = 'failed' AND error_sqlstate NOT IN ('22P04', '57P01', '57P02')",
        &[],
    );
    let why: Vec<String> = why.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(why.is_empty(), "{why:#?}");
    let ends = |session: &mut Session, status: &str| {
        let rows = session.query(
            "SELECT file FROM trips.ingest_progress
              WHERE status = $1 AND coalesce(error_sqlstate, '') NOT IN ('57P01', '57P02')",
            &[&status],
        );
        let mut files: Vec<String> = rows.unwrap().iter().map(|row| row.get(0)).collect();
        files.sort();
        files
    };
    let those = |wanted: &dyn Fn(u64) -> bool| {
        let names = (0..198).filter(|n| wanted(*n));
        let mut files: Vec<String> = names.map(|n| format!("{directory}/{n}.csv")).collect();
        files.sort();
        files
    };
    assert_eq!(ends(&mut session, "failed"), those(&|n| n % 10 < 2));
    // Of two that are the same, one is loaded and one is known; which, the restarts decide.
    let loaded: Vec<String> = ends(&mut session, "completed");
    let known = ends(&mut session, "skipped");
    assert_eq!(known.len(), 20, "{known:?}");
    let mut all = [loaded, known].concat();
    all.sort();
    let mut good = those(&|n| n % 10 > 1);
    good.extend([1, 2].map(|seed| format!("{directory}/large {seed}.csv")));
    good.sort();
    assert_eq!(all, good);
    let (small, large) = (138, 2);
    assert_eq!(session.count("trips.ingest"), small + large);
    assert_eq!(session.count("trips.trip"), small * 100 + large * 1_000_000);
    assert_books_balance(&mut session);
}

/// Waits until a load of many rows is under way.
fn until_loading(cluster: &PrivateCluster) {
    let mut session = cluster.connect();
    eventually("something is loaded", || {
        session.value("SELECT EXISTS (SELECT FROM trips.ingest_progress WHERE status = 'running')")
    });
}
