//! Whatever fails on the way of an ingest, and however, it leaves nothing: at each named point of it there is an error of
//! the server, a panic, or the process is killed.
//!
//! Needs an extension that was built with the feature `fault_points`: `make test` sees to that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::time::Duration;

use trips_tests::aftermath::assert_nothing_left;
use trips_tests::database::eventually;
use trips_tests::files::HEADER;
use trips_tests::ingest::{forget, load};
use trips_tests::listener::CHANNEL;
use trips_tests::process::Process;
use trips_tests::rows::{Row, numbered, numbered_rows};
use trips_tests::snapshot::{Snapshot, assert_books_balance, snapshot};
use trips_tests::{Ingest, Listener, PrivateCluster, Session};

/// More than the pages that are appended at a time hold, and several blocks for the parsers.
const ROWS: u64 = 60_000;

/// Ingests that are there before: as many runs wait to be merged.
const BEFORE: u64 = 3;

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Ingest,
    Upload,
    Copy,
    DryRun,
    Job,
    Compact,
}

/// Each point that a call comes by, with how often it is passed before, and the SQLSTATE where it is an error: one that a
/// thread meets is told by the extension, one of the backend by the server.
const POINTS: [(Call, &str, u32, &str); 27] = [
    (Call::Ingest, "read", 0, "XX000"),
    (Call::Ingest, "read", 5, "XX000"),
    (Call::Ingest, "parse", 0, "XX000"),
    (Call::Ingest, "parse", 5, "XX000"),
    (Call::Ingest, "tree", 0, "XX000"),
    (Call::Ingest, "tree", 50, "XX000"),
    (Call::Ingest, "name", 0, "22012"),
    (Call::Ingest, "insert", 0, "22012"),
    (Call::Ingest, "insert", 5, "22012"),
    (Call::Ingest, "append", 0, "22012"),
    (Call::Ingest, "append", 3, "22012"),
    (Call::Ingest, "run", 0, "22012"),
    (Call::Ingest, "run", 3, "22012"),
    (Call::Ingest, "ledger", 0, "22012"),
    (Call::Ingest, "end", 0, "22012"),
    (Call::Ingest, "commit", 0, "22012"),
    (Call::Upload, "upload", 0, "22012"),
    (Call::Upload, "parse", 1, "XX000"),
    (Call::Upload, "end", 0, "22012"),
    (Call::Copy, "upload", 3, "22012"),
    (Call::Copy, "insert", 1, "22012"),
    (Call::DryRun, "parse", 2, "XX000"),
    (Call::Job, "insert", 1, "22012"),
    (Call::Job, "end", 0, "22012"),
    (Call::Compact, "tree", 2, "XX000"),
    (Call::Compact, "run", 0, "22012"),
    (Call::Compact, "merge", 0, "22012"),
];

/// A server with some trips, and the file that is to follow.
struct Stage {
    cluster: PrivateCluster,
    path: String,
    content: Vec<u8>,
    before: Snapshot,
}

impl Stage {
    fn new() -> Stage {
        let settings = "fsync = off\nrecovery_init_sync_method = syncfs\nrestart_after_crash = on";
        let cluster = PrivateCluster::new(settings);
        let mut session = cluster.connect();
        for number in 0..BEFORE {
            let rows = numbered_rows(number * 500..(number + 1) * 500);
            load(&mut session, &cluster.files().write_rows("b.csv", rows));
        }
        let before = snapshot(&mut session);
        let content = content();
        let path = cluster.files().write("t.csv", &content);
        Stage {
            cluster,
            path,
            content,
            before,
        }
    }

    /// All that `call` does in one session.
    fn run(&self, call: Call, session: &mut Session) -> Result<(), postgres::Error> {
        match call {
            Call::Ingest => Ingest::of(&self.path)
                .on_error("ignore")
                .call(session)
                .map(drop),
            Call::DryRun => Ingest::of(&self.path)
                .on_error("ignore")
                .dry_run()
                .call(session)
                .map(drop),
            Call::Upload => {
                let mut transaction = session.transaction()?;
                for part in self.content.chunks(1 << 20) {
                    transaction.execute("SELECT trips_upload($1)", &[&part])?;
                }
                let ingest = "SELECT trips_ingest_upload('t.csv', on_error => 'ignore')";
                transaction.execute(ingest, &[])?;
                transaction.commit()
            }
            Call::Copy => {
                session.batch_execute("SET trips_ext.inbox_on_error = 'ignore'")?;
                let copy = "COPY trips.inbox FROM STDIN (FORMAT csv, HEADER)";
                let mut writer = session.copy_in(copy)?;
                // What the server thinks of it is told at the end.
                let _ = writer.write_all(&self.content);
                writer.finish().map(drop)
            }
            Call::Job => session
                .execute(
                    "SELECT trips_ingest_async($1, on_error => 'ignore')",
                    &[&self.path],
                )
                .map(drop),
            Call::Compact => session.batch_execute("SELECT trips_compact()"),
        }
    }

    /// Nothing of a call is left, in the tables or anywhere else, and the same call works.
    #[track_caller]
    fn assert_as_before(&self, call: Call, session: &mut Session, what: &str) {
        let mut observer = self.cluster.connect();
        assert_nothing_left(&mut observer, Some(session));
        assert_eq!(snapshot(&mut observer), self.before, "{what}");
        assert_books_balance(&mut observer);
        match call {
            // So that there is something to merge the next time.
            Call::Compact => {
                session.run("BEGIN; SELECT trips_compact()");
                assert_books_balance(session);
                session.run("ROLLBACK");
            }
            Call::DryRun => self.run(call, session).expect("it works again"),
            _ => {
                self.run(call, session).expect("it works again");
                let ledger = "trips.ingest WHERE rows_loaded = 60000 AND rows_rejected = 3";
                eventually(what, || observer.count(ledger) == 1);
                assert_books_balance(&mut observer);
                let ingest = observer.value("SELECT max(id) FROM trips.ingest");
                forget(&mut observer, ingest).unwrap();
            }
        }
        assert_eq!(snapshot(&mut observer), self.before, "{what}");
    }
}

/// Good rows of a region that is new, and three that are not good.
fn content() -> Vec<u8> {
    let mut content = HEADER.as_bytes().to_vec();
    for number in 0..ROWS {
        let region = if number % 2 == 0 { "Turin" } else { "Lyon" };
        let row = Row {
            region: region.to_owned(),
            ..numbered(number)
        };
        writeln!(content, "{row}").unwrap();
        if number % 20_000 == 0 {
            content.extend_from_slice(b"Turin,nowhere,nowhere,never,funny_car\n");
        }
    }
    content
}

/// What a backend has open beside the server's own files, and what it has mapped of shared memory.
fn held(session: &Session) -> (BTreeMap<String, usize>, BTreeSet<String>) {
    let maps = fs::read_to_string(format!("/proc/{}/maps", session.pid()));
    let segments = maps.expect("the backend lives");
    let segments = segments
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .filter(|path| path.starts_with("/dev/shm"))
        .map(str::to_owned);
    (Process(session.pid()).open_files(), segments.collect())
}

/// Has the next call fail at a point. A job's worker has the setting from the database.
fn arm(session: &mut Session, call: Call, fault: &str) {
    match call {
        Call::Job => session.run(&format!(
            "ALTER DATABASE postgres SET trips_ext.fault = '{fault}'"
        )),
        _ => session.run(&format!("SET trips_ext.fault = '{fault}'")),
    }
}

/// What a listener hears last.
#[track_caller]
fn failure(listener: &mut Listener) -> String {
    listener.until_end().pop().unwrap().sqlstate().to_owned()
}

/// Whether a call tells listeners of its failure.
fn is_told(call: Call, point: &str) -> bool {
    !matches!(call, Call::DryRun | Call::Compact) && point != "upload"
}

fn errors_and_panics(action: &str) {
    let stage = Stage::new();
    let mut listener = Listener::in_session(stage.cluster.connect(), CHANNEL);
    let mut session = stage.cluster.connect();
    // What a session opens once it keeps.
    for call in [Call::Ingest, Call::Upload, Call::Compact] {
        session.run("BEGIN");
        if call != Call::Upload {
            stage.run(call, &mut session).unwrap();
        }
        session.run("ROLLBACK");
    }
    listener.until_end();
    for (call, point, passes, sqlstate) in POINTS {
        let what = format!("{call:?} {point}:{action}:{passes}");
        let sqlstate = if action == "panic" { "XX000" } else { sqlstate };
        let before = held(&session);
        arm(&mut session, call, &format!("{point}:{action}:{passes}"));
        let result = stage.run(call, &mut session);
        match call {
            Call::Job => result.expect("a job is queued"),
            _ => {
                let error = result.expect_err(&what);
                assert_eq!(
                    error.code().map(|code| code.code()),
                    Some(sqlstate),
                    "{what}: {error:?}"
                );
            }
        }
        if is_told(call, point) {
            let told = failure(&mut listener);
            // Once all rows are in, what fails is the transaction.
            let expected = if ["end", "commit"].contains(&point) {
                "40000"
            } else {
                sqlstate
            };
            assert_eq!(told, expected, "{what}");
        }
        arm(&mut session, call, "");
        assert_eq!(held(&session), before, "{what}");
        stage.assert_as_before(call, &mut session, &what);
        if !matches!(call, Call::DryRun | Call::Compact) {
            assert_eq!(
                listener.until_end().pop().unwrap().kind(),
                "completed",
                "{what}"
            );
        }
    }
    listener.assert_silent(Duration::from_millis(300));
    let log = stage.cluster.log();
    let leaks: Vec<&str> = log.lines().filter(|line| line.contains("leak")).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(!log.contains("terminated by signal"), "a process died");
    println!(
        "{} points, {action}: nothing left, and each call worked afterwards",
        POINTS.len()
    );
}

#[test]
fn an_error_at_any_point_leaves_nothing() {
    errors_and_panics("error");
}

#[test]
fn a_panic_at_any_point_leaves_nothing() {
    errors_and_panics("panic");
}

#[test]
fn a_process_that_is_killed_at_any_point_leaves_nothing() {
    const RESTART: &str = "all server processes terminated; reinitializing";
    let stage = Stage::new();
    for (number, (call, point, passes, _)) in POINTS.into_iter().enumerate() {
        let what = format!("{call:?} {point}:kill:{passes}");
        let mut session = stage.cluster.connect();
        arm(&mut session, call, &format!("{point}:kill:{passes}"));
        let result = stage.run(call, &mut session);
        if call == Call::Job {
            eventually("the server has died", || {
                session.is_valid(Duration::from_secs(1)).is_err()
            });
        } else {
            let error = result.expect_err(&what);
            assert!(
                error.is_closed() || error.code().is_none_or(|code| code.code() == "57P02"),
                "{what}: {error:?}"
            );
        }
        // Until the server knows of it, it takes new sessions.
        let restarts = || stage.cluster.log().matches(RESTART).count();
        eventually("the server starts again", || restarts() > number);
        arm(&mut stage.cluster.connect_patiently(), call, "");
        let mut session = stage.cluster.connect();
        stage.assert_as_before(call, &mut session, &what);
    }
    let deaths = stage
        .cluster
        .log()
        .matches("was terminated by signal 9")
        .count();
    assert_eq!(deaths, POINTS.len());
    println!(
        "{} points, kill: nothing left, and each call worked afterwards",
        POINTS.len()
    );
}
