//! `trips watch` shows how ingests go, on terminals and elsewhere, whoever sends what and whatever happens to the server.

use std::process::Command;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;
use trips_tests::database::eventually;
use trips_tests::ingest::load;
use trips_tests::listener::CHANNEL;
use trips_tests::rows::{make_slow, numbered_rows, slow_file, write_generated};
use trips_tests::{Database, Event, Ingest, Listener, PrivateCluster, Role, Session};

use crate::common::{Running, run, trips};

fn submit(session: &mut Session, file: &str) -> i64 {
    let query = "SELECT trips_ingest_async($1)";
    session.query_one(query, &[&file]).unwrap().get(0)
}

/// Has a background worker run an ingest that takes seconds: its number, and an event that tells of rows.
fn start_slow(database: &Database) -> (i64, Event) {
    let path = slow_file(database);
    let mut session = database.connect();
    make_slow(&mut session);
    let mut listener = Listener::new(database);
    let job = submit(&mut session, &path);
    (job, listener.until_rows())
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn sequences(events: &[Value]) -> Vec<u64> {
    let sequence = |event: &Value| event["sequence"].as_u64().unwrap();
    events.iter().map(sequence).collect()
}

/// The events of a watch up to its first end.
fn until_end(watch: &Running) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let event = parse(&watch.lines.next());
        let ends = ["completed", "failed", "skipped"].contains(&event["event"].as_str().unwrap());
        events.push(event);
        if ends {
            return events;
        }
    }
}

/// The status and the last lines of a watch for one ingest, which says that it waits if it does.
fn until_done(conninfo: &str, ingest: i64) -> (Option<i32>, String, String) {
    let home = TempDir::new().unwrap();
    let ingest = ingest.to_string();
    run(trips(home.path()).args(["watch", "--dbname", conninfo, "--until-done", &ingest]))
}

mod what_is_shown {
    use super::*;

    #[test]
    fn json_is_every_event_of_a_load_in_order_as_pushed() {
        let database = Database::new();
        let path = write_generated(database.files(), "t.csv", 1_000_000, 5, 1);
        let watch = Running::watch(&database.conninfo(), &["--json"]);
        let mut listener = Listener::new(&database);
        load(&mut database.connect(), &path);
        let heard = listener.until_end();
        assert!(heard.len() > 3, "{heard:#?}");
        let shown = until_end(&watch);
        let heard: Vec<Value> = heard.into_iter().map(|event| event.json).collect();
        assert_eq!(shown, heard);
    }

    #[test]
    fn lines_tell_of_the_start_the_way_and_the_end() {
        let database = Database::new();
        let path = write_generated(database.files(), "t.csv", 500_000, 5, 1);
        let bad = database.files().write_rows("bad.csv", ["bad"]);
        let watch = Running::watch(&database.conninfo(), &[]);
        let mut session = database.connect();
        load(&mut session, &path);
        let lines = watch.lines.until(": loaded ");
        // The worker that tells may be later than the first look at the file.
        let starts = ["checking", "loading"].map(|phase| format!("{path} (ingest 1): {phase}"));
        assert!(starts.contains(&lines[0]), "{lines:?}");
        let on_its_way = format!("{path} (ingest 1): loading");
        assert!(lines[lines.len() - 2].starts_with(&on_its_way), "{lines:?}");
        let end = lines.last().unwrap();
        assert!(end.starts_with(&format!("{path} (ingest 1): loaded 500,000 rows in ")));
        assert!(end.ends_with(" rows/s"), "{end}");
        let again = Ingest::of(&path).if_loaded("error").call(&mut session);
        again.unwrap_err();
        let lines = watch.lines.until("(ingest 2): failed: ");
        assert!(lines.last().unwrap().ends_with("(42710)"), "{lines:?}");
        Ingest::of(&path).if_loaded("skip").run(&mut session);
        let lines = watch.lines.until("(ingest 3): skipped");
        let end = "skipped: content was loaded before by ingest 1";
        assert!(lines.last().unwrap().ends_with(end), "{lines:?}");
        Ingest::of(&bad).call(&mut session).unwrap_err();
        let lines = watch.lines.until("(ingest 4): failed: ");
        assert!(lines.last().unwrap().contains(" at line 2"), "{lines:?}");
    }

    #[test]
    fn a_terminal_gets_bars_and_anything_else_plain_lines() {
        let database = Database::new();
        let path = slow_file(&database);
        let mut session = database.connect();
        make_slow(&mut session);
        let job = submit(&mut session, &path);
        let program = env!("CARGO_BIN_EXE_trips");
        let watch = format!(
            "{program} watch -d '{}' --until-done {job}",
            database.conninfo()
        );
        let mut script = Command::new("script");
        script.args(["-qec", &format!("stty cols 80; {watch}"), "/dev/null"]);
        script.env("TERM", "xterm").env("LANG", "C.UTF-8");
        let plain = Running::watch(&database.conninfo(), &[&job.to_string()]);
        let (status, screen, _) = run(&mut script);
        assert_eq!(status, Some(0), "{screen}");
        assert!(screen.contains("slow.csv █"), "{screen}");
        assert!(screen.contains("\u{1b}["), "the cursor moves: {screen}");
        assert!(
            screen.contains("slow.csv (ingest 1): loaded 600,000 rows in "),
            "{screen}"
        );
        let lines = plain.lines.until(": loaded 600,000 rows in ");
        assert!(!lines.concat().contains(['\u{1b}', '\r', '█']), "{lines:?}");
    }

    #[test]
    fn the_file_of_a_background_job_is_named_by_the_view() {
        let database = Database::new();
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        let watch = Running::watch(&database.conninfo(), &[]);
        submit(&mut database.connect(), &path);
        let lines = watch.lines.until(": loaded 10 rows in ");
        let named = format!("{path} (ingest 1): ");
        assert!(
            lines.iter().all(|line| line.starts_with(&named)),
            "{lines:?}"
        );
        assert!(lines[0].ends_with(": queued"), "{lines:?}");
    }

    #[test]
    fn the_setting_of_the_server_names_the_channel_and_the_option_another() {
        let database = Database::new();
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        let mut session = database.connect();
        let name: String = session.value("SELECT current_database()::text");
        session.run(&format!(
            "ALTER DATABASE {name} SET trips_ext.channel = 'My \"own\"'"
        ));
        let watch = Running::watch(&database.conninfo(), &[]);
        let other = Running::watch(&database.conninfo(), &["--channel", "other"]);
        let mut session = database.connect();
        load(&mut session, &path);
        watch.lines.until("(ingest 1): loaded");
        session.run("SET trips_ext.channel = 'other'");
        Ingest::of(&path).run(&mut session);
        let lines = other.lines.until("(ingest 2): skipped");
        assert!(!lines.concat().contains("(ingest 1)"), "{lines:?}");
    }

    #[test]
    fn names_and_messages_cannot_steer_the_terminal() {
        let database = Database::new();
        let name = "we\u{1b}[31mird\n\u{9b}2J.csv";
        let path = database.files().write_rows(name, numbered_rows(0..10));
        let watch = Running::watch(&database.conninfo(), &[]);
        let json = Running::watch(&database.conninfo(), &["--json"]);
        load(&mut database.connect(), &path);
        let lines = watch.lines.until(": loaded");
        let shown = "we\\x1b[31mird\\x0a\\x9b2J.csv (ingest 1): loaded";
        assert!(lines.last().unwrap().contains(shown), "{lines:?}");
        let line = json.lines.until("\"completed\"").pop().unwrap();
        assert!(!line.contains(char::is_control), "{line}");
        assert_eq!(parse(&line)["file"], path);
    }
}

mod ends {
    use super::*;

    #[test]
    fn the_status_says_how_the_ingest_went() {
        let database = Database::new();
        let good = database.files().write_rows("t.csv", numbered_rows(0..10));
        let bad = database.files().write_rows("bad.csv", ["bad"]);
        let mut session = database.connect();
        let conninfo = database.conninfo();
        // Submitted before or after, done or not: it is waited for.
        let job = submit(&mut session, &good);
        for _ in 0..2 {
            let (status, lines, _) = until_done(&conninfo, job);
            assert_eq!(status, Some(0), "{lines}");
            let end = lines.lines().last().unwrap();
            assert!(end.contains("(ingest 1): loaded 10 rows in "), "{lines}");
        }
        let query = "SELECT trips_ingest_async($1, if_loaded => 'skip')";
        let skipped: i64 = session.query_one(query, &[&good]).unwrap().get(0);
        let (status, lines, _) = until_done(&conninfo, skipped);
        assert_eq!(status, Some(0), "{lines}");
        assert!(lines.contains("(ingest 2): skipped: content was loaded before"));
        let failed = submit(&mut session, &bad);
        for _ in 0..2 {
            let (status, lines, _) = until_done(&conninfo, failed);
            assert_eq!(status, Some(3), "{lines}");
            let end = lines.lines().last().unwrap();
            assert!(
                end.contains("(ingest 3): failed: ") && end.contains(" at line 2"),
                "{end}"
            );
        }
        let (status, lines, errors) = until_done(&conninfo, 99);
        assert_eq!((status, lines.as_str()), (Some(4), ""));
        assert!(errors.contains("there is no ingest 99"), "{errors}");
    }

    #[test]
    fn one_that_runs_is_waited_for() {
        let database = Database::new();
        let (job, _) = start_slow(&database);
        let mut watch = Running::watch(
            &database.conninfo(),
            &["--json", "--until-done", &job.to_string()],
        );
        let events = until_end(&watch);
        assert_eq!(watch.end(), Some(0));
        // What came before is told at once, and then all that is pushed.
        assert_eq!(events[0]["caught_up"], true);
        assert!(events[0]["rows"].as_u64().unwrap() > 0);
        assert!(
            events[1..]
                .iter()
                .all(|event| event.get("caught_up").is_none())
        );
        let first = events[0]["sequence"].as_u64().unwrap();
        assert_eq!(
            sequences(&events),
            Vec::from_iter(first..first + events.len() as u64)
        );
        assert_eq!(events.last().unwrap()["rows"], 600_000);
    }

    #[test]
    fn signals_end_it_in_good_order() {
        let database = Database::new();
        let (job, _) = start_slow(&database);
        for (arguments, signal, status) in [
            (vec![], "INT", 0),
            (vec!["--until-done".to_owned(), job.to_string()], "INT", 130),
            (vec![], "TERM", 143),
        ] {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut watch = Running::watch(&database.conninfo(), &arguments);
            watch.signal(signal);
            assert_eq!(watch.end(), Some(status), "{arguments:?} {signal}");
        }
    }

    #[test]
    fn a_reader_that_has_had_enough_is_no_error() {
        let database = Database::new();
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        let conninfo = database.conninfo();
        let program = env!("CARGO_BIN_EXE_trips");
        let line =
            format!("{program} watch --json -d '{conninfo}' | head -n 1; exit ${{PIPESTATUS[0]}}");
        let mut shell = Running::start(Command::new("bash").args(["-c", &line]));
        shell.notes.until("listening");
        // The second line that nobody reads is noticed.
        let mut session = database.connect();
        eventually("it ends", || {
            Ingest::of(&path).run(&mut session);
            shell.has_ended()
        });
        assert_eq!(shell.end(), Some(0));
        assert_eq!(shell.notes.rest(), Vec::<String>::new());
    }
}

mod whoever_watches {
    use super::*;

    #[test]
    fn a_role_that_may_not_read_the_view_is_shown_what_is_pushed_and_warned_once() {
        let stranger = Role::new("");
        let database = Database::new();
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        let conninfo = format!("{} user={}", database.conninfo(), stranger.name);
        let home = TempDir::new().unwrap();
        let mut command = trips(home.path());
        let mut watch = Running::start(command.args(["watch", "-d", &conninfo]));
        let notes = watch.notes.until("listening on");
        let warnings = notes.iter().filter(|note| note.contains("warning"));
        assert_eq!(warnings.count(), 1, "{notes:?}");
        assert!(
            notes.concat().contains("GRANT USAGE ON SCHEMA trips"),
            "{notes:?}"
        );
        submit(&mut database.connect(), &path);
        let lines = watch.lines.until(": loaded 10 rows in ");
        assert!(lines[0].starts_with("ingest 1: "), "{lines:?}");
        watch.signal("INT");
        assert_eq!(watch.end(), Some(0));
        assert_eq!(watch.notes.rest(), Vec::<String>::new());
    }

    #[test]
    fn what_a_stranger_sends_changes_nothing() {
        let stranger = Role::new("");
        let database = Database::new();
        let (job, heard) = start_slow(&database);
        let job_text = job.to_string();
        let mut watch =
            Running::watch(&database.conninfo(), &["--json", "--until-done", &job_text]);
        let all = Running::watch(&database.conninfo(), &["--json"]);
        let mut hostile = database.connect_as(&stranger);
        let progress = heard.json.to_string();
        let change = |field: &str, value: Value| {
            let mut event = heard.json.clone();
            event[field] = value;
            event
        };
        let mut completed = change("event", "completed".into());
        completed["phase"] = "done".into();
        completed["sequence"] = (heard.number("sequence") + 1).into();
        let payloads = [
            "rubbish".to_owned(),
            "\u{1b}[2J".to_owned(),
            progress.replace(',', ",\n"),
            completed.to_string(),
            change("sequence", 1_000_000.into()).to_string(),
            change("ingest", 77.into()).to_string(),
            change("ingest", "1".into()).to_string(),
            change("version", 2.into()).to_string(),
        ];
        for payload in &payloads {
            let notify = "SELECT pg_notify($1, $2)";
            hostile.execute(notify, &[&CHANNEL, payload]).unwrap();
        }
        let events = until_end(&watch);
        assert_eq!(watch.end(), Some(0));
        let first = events[0]["sequence"].as_u64().unwrap();
        assert_eq!(
            sequences(&events),
            Vec::from_iter(first..first + events.len() as u64)
        );
        assert!(events.iter().all(|event| event["ingest"] == job));
        assert_eq!(events.last().unwrap()["rows"], 600_000);
        assert!(events.len() > 2, "{events:#?}");
        // One who watches all is shown no ingest that there is not.
        let events = until_end(&all);
        assert!(events.iter().all(|event| event["ingest"] == job));
    }

    #[test]
    fn a_database_without_the_extension_is_told_apart() {
        let database = Database::empty();
        let (status, _, errors) = until_done(&database.conninfo(), 1);
        assert_eq!(status, Some(1));
        assert!(errors.contains("has no trips_ext"), "{errors}");
        assert!(
            errors.contains("CREATE EXTENSION trips_ext CASCADE"),
            "{errors}"
        );
    }
}

mod whatever_happens {
    use super::*;

    #[test]
    fn an_ingest_whose_status_worker_is_gone_still_gets_its_end() {
        let database = Database::new();
        let path = slow_file(&database);
        let mut session = database.connect();
        make_slow(&mut session);
        let mut listener = Listener::new(&database);
        let watch = Running::watch(&database.conninfo(), &[]);
        let pid = session.pid();
        let loading = thread::spawn(move || Ingest::of(&path).call(&mut session).unwrap_err());
        listener.until_rows();
        let mut observer = database.connect();
        let ended = observer.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND backend_type = 'trips_ext status'",
            &[],
        );
        assert_eq!(ended.unwrap().len(), 1);
        observer.run(&format!("SELECT pg_cancel_backend({pid})"));
        loading.join().unwrap();
        let lines = watch.lines.until("(ingest 1): failed: ");
        assert!(lines.last().unwrap().contains("57P02"), "{lines:?}");
    }

    #[test]
    fn a_restart_of_the_server_is_survived_and_how_the_ingest_ended_is_told() {
        let mut cluster = PrivateCluster::new("");
        let mut session = cluster.connect();
        make_slow(&mut session);
        let slow = cluster
            .files()
            .write_rows("slow.csv", numbered_rows(0..600_000));
        let next = cluster.files().write_rows("t.csv", numbered_rows(0..10));
        let home = TempDir::new().unwrap();
        let mut listener = Listener::in_session(cluster.connect(), CHANNEL);
        let conninfo = conninfo(&cluster);
        let watch = Running::watch(&conninfo, &[]);
        let json = Running::watch(&conninfo, &["--json"]);
        let job = submit(&mut session, &slow).to_string();
        listener.until_rows();
        let mut waiting = Running::start(trips(home.path()).args([
            "watch",
            "-d",
            &conninfo,
            "--until-done",
            &job,
        ]));
        waiting.notes.until("listening");
        drop((session, listener));
        cluster.crash();
        watch.notes.until("connection lost, reconnecting");
        cluster.start();
        watch.notes.until("connected again");
        let end = watch.lines.until(": failed: ").pop().unwrap();
        assert!(end.starts_with(&format!("{slow} (ingest {job})")), "{end}");
        assert_eq!(waiting.end(), Some(3));
        let failed = parse(&json.lines.until("\"failed\"").pop().unwrap());
        assert_eq!(failed["caught_up"], true);
        assert_eq!(failed["error"]["sqlstate"], "57P02");
        // It listens again, and the late word on the one that died is no second end.
        let mut session = cluster.connect_patiently();
        submit(&mut session, &next);
        let lines = watch.lines.until(": loaded 10 rows in ");
        assert!(!lines.concat().contains("failed"), "{lines:?}");
    }

    #[test]
    fn what_began_and_ended_while_the_connection_was_lost_is_told_afterwards() {
        let mut cluster = PrivateCluster::new("");
        let path = cluster.files().write_rows("t.csv", numbered_rows(0..10));
        let watch = Running::watch(&conninfo(&cluster), &[]);
        cluster.stop();
        watch.notes.until("connection lost, reconnecting");
        // Behind its back: the watch looks for the socket, which is elsewhere for a while.
        cluster.start();
        load(&mut cluster.connect_patiently(), &path);
        let lines = watch.lines.until(": loaded 10 rows in ");
        assert!(lines.last().unwrap().starts_with(&path), "{lines:?}");
        watch.notes.until("connected again");
    }
}

fn conninfo(cluster: &PrivateCluster) -> String {
    let mut session = cluster.connect();
    let setting = |session: &mut Session, name: &str| -> String {
        session.value(&format!("SELECT current_setting('{name}')"))
    };
    let directory = setting(&mut session, "unix_socket_directories");
    let port = setting(&mut session, "port");
    format!("host={directory} port={port} dbname=postgres user=postgres")
}

#[test]
fn the_session_is_known_by_its_name() {
    let database = Database::new();
    let _watch = Running::watch(&database.conninfo(), &[]);
    let mut session = database.connect();
    eventually("the session is there", || {
        session.count(
            "pg_stat_activity WHERE datname = current_database() AND application_name = 'trips'",
        ) == 1
    });
}
