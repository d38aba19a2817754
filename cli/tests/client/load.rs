//! `trips load`: files of the client's machine become trips by the rules of files on the server, each whole or not at all,
//! whatever happens to client, connection or server.

use std::fs;
use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};

use trips_tests::database::eventually;
use trips_tests::program::kill;
use trips_tests::rows::{make_slow, numbered_rows, slow_file};
use trips_tests::snapshot::{assert_books_balance, assert_nothing_stored};
use trips_tests::{Database, HEADER, Ingest, Role, Session};

use crate::common::{Running, run, trips};

fn load(database: &Database, arguments: &[&str]) -> Command {
    let directory = database.files().dir();
    let mut command = trips(directory);
    command
        .args(["load", "--dbname", &database.conninfo()])
        .args(arguments)
        .current_dir(directory);
    command
}

/// A load whose standard input is sent by the test.
fn start(database: &Database) -> (Running, ChildStdin) {
    let mut running = Running::start(load(database, &["-"]).stdin(Stdio::piped()));
    let input = running.input();
    (running, input)
}

/// Without the time, which is of no interest.
fn without_time(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    if let Some(place) = words.iter().position(|word| *word == "in") {
        words.drain(place..place + 3);
    }
    words.join(" ")
}

/// Waits until a client has sent something that the server keeps.
fn wait_until_sending(observer: &mut Session) {
    eventually("the server has got parts", || uploading(observer) > 0);
}

/// How many other sessions of the database have a transaction open.
fn uploading(observer: &mut Session) -> i64 {
    observer.count(
        "pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
            AND query LIKE '%trips_%upload(%' AND backend_type = 'client backend'",
    )
}

mod what_is_loaded {
    use super::*;

    #[test]
    fn a_file_is_loaded_once_whichever_way_it_comes() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..5000));
        let (status, out, err) = run(&mut load(&database, &["t.csv"]));
        assert_eq!(
            (status, without_time(&out).as_str(), err.as_str()),
            (Some(0), "t.csv: loaded 5,000 rows as ingest 1\n", "")
        );
        let again = Ingest::of(&path).run(&mut session);
        assert_eq!((again.status.as_str(), again.ingest), ("skipped", Some(1)));
        let known = "t.csv: skipped, its content is loaded already as ingest 1\n";
        let (status, out, _) = run(&mut load(&database, &["t.csv"]));
        assert_eq!((status, out.as_str()), (Some(0), known));
        // What comes from a pipe is sent; the server knows it.
        let file = fs::File::open(&path).expect("it is there");
        let (status, out, _) = run(load(&database, &["-"]).stdin(file));
        assert_eq!((status, out), (Some(0), known.replace("t.csv", "stdin")));
        let (status, _, err) = run(&mut load(&database, &["--if-loaded", "error", "t.csv"]));
        assert_eq!(status, Some(1));
        assert!(
            err.contains("error: file is already loaded by ingest 1\nHINT:  "),
            "{err}"
        );
        assert_eq!(session.count("trips.trip"), 5000);
        assert_eq!(session.count("trips.ingest WHERE file = 't.csv'"), 1);
        assert_books_balance(&mut session);
    }

    #[test]
    fn the_server_loads_it_as_the_same_trips() {
        let rows = numbered_rows(0..20_000);
        let (there, here) = (Database::new(), Database::new());
        let path = there.files().write_rows("t.csv", rows);
        Ingest::of(&path).run(&mut there.connect());
        let (status, ..) = run(&mut load(&here, &[&path]));
        assert_eq!(status, Some(0));
        let digest = "SELECT md5(string_agg((t.id & 4294967295)::text || t.departed_at || t.region_id || t.datasource_id || t.origin::text || t.destination::text, ',' ORDER BY t.id))
                        FROM trips.trip t";
        assert_eq!(
            here.connect().value::<String>(digest),
            there.connect().value::<String>(digest)
        );
    }

    #[test]
    fn a_bad_row_stops_its_file_and_no_other() {
        let database = Database::new();
        database.files().write_rows("a.csv", numbered_rows(0..10));
        let bad = numbered_rows(10..20)
            .chain(["x,POINT(1 2),POINT(1 200),2018-05-01 10:00,d".to_owned()]);
        database.files().write_rows("b.csv", bad);
        database.files().write_rows("c.csv", numbered_rows(20..40));
        let (status, out, err) = run(&mut load(
            &database,
            &["a.csv", "b.csv", "missing.csv", "c.csv"],
        ));
        assert_eq!(status, Some(1));
        assert_eq!(out.lines().count(), 2, "{out}");
        assert!(
            out.contains("a.csv: loaded 10 rows") && out.contains("c.csv: loaded 20 rows"),
            "{out}"
        );
        assert!(
            err.contains("trips: b.csv: error: latitude 200 is out of range -90 to 90\nDETAIL:  File \"b.csv\", line 12, column destination_coord: \"POINT(1 200)\"."),
            "{err}"
        );
        assert!(
            err.contains("trips: missing.csv: error: could not open file: No such file"),
            "{err}"
        );
        let mut session = database.connect();
        assert_eq!(session.count("trips.trip"), 30);
        assert_books_balance(&mut session);
    }

    #[test]
    fn rows_that_are_left_out_are_shown_with_their_lines() {
        let database = Database::new();
        let mut rows: Vec<String> = numbered_rows(0..30).collect();
        for place in (0..24).step_by(2) {
            rows[place] = format!("x,POINT(1 2),POINT(1 {}),2018-05-01 10:00,d", 100 + place);
        }
        database.files().write_rows("t.csv", &rows);
        let (status, out, _) = run(&mut load(
            &database,
            &["--on-error", "ignore", "--reject-limit", "11", "t.csv"],
        ));
        assert_eq!((status, out.as_str()), (Some(1), ""));
        let (status, out, err) = run(&mut load(
            &database,
            &["--on-error", "ignore", "--dry-run", "t.csv"],
        ));
        assert_eq!(
            (status, without_time(&out).as_str()),
            (
                Some(0),
                "t.csv: checked 18 rows would load, 12 would be rejected\n"
            ),
            "{err}"
        );
        assert_nothing_stored(&mut database.connect());
        let (status, out, err) = run(&mut load(&database, &["--on-error", "ignore", "t.csv"]));
        let shown: Vec<&str> = out.lines().collect();
        assert_eq!((status, err.as_str(), shown.len()), (Some(0), "", 12));
        assert!(
            without_time(shown[0]).starts_with("t.csv: loaded 18 of 30 rows as ingest"),
            "{out}"
        );
        assert_eq!(
            (shown[1], shown[10]),
            (
                "  line 2, column destination_coord: latitude 100 is out of range -90 to 90 (22003)",
                "  line 20, column destination_coord: latitude 118 is out of range -90 to 90 (22003)"
            )
        );
        assert!(
            shown[11].starts_with("  2 more in trips.rejected_row, ingest_id "),
            "{out}"
        );
    }

    #[test]
    fn json_tells_the_result_of_each_file() {
        let database = Database::new();
        let bad = numbered_rows(0..10).chain(["bad row".to_owned()]);
        database.files().write_rows("t.csv", bad);
        let (status, out, _) = run(&mut load(
            &database,
            &["--json", "--on-error=ignore", "t.csv", "t.csv"],
        ));
        let results: Vec<serde_json::Value> = out
            .lines()
            .map(|line| serde_json::from_str(line).expect("it is JSON"))
            .collect();
        assert_eq!((status, results.len()), (Some(0), 2));
        for (field, value) in [
            ("file", "t.csv".into()),
            ("status", "loaded".into()),
            ("ingest", 1.into()),
            ("rows_read", 11.into()),
            ("rows_loaded", 10.into()),
            ("rows_rejected", 1.into()),
        ] {
            let value: serde_json::Value = value;
            assert_eq!(results[0][field], value, "{field}");
        }
        assert_eq!(results[0]["rejected"][0]["line"], 12);
        assert_eq!(
            (&results[1]["status"], &results[1]["ingest"]),
            (&"skipped".into(), &1.into())
        );
    }

    #[test]
    fn an_empty_file_is_refused_in_the_words_of_the_server() {
        let database = Database::new();
        database.files().write("t.csv", "");
        let (status, out, err) = run(&mut load(&database, &["t.csv"]));
        assert_eq!((status, out.as_str()), (Some(1), ""));
        assert!(
            err.starts_with("trips: t.csv: error: file \"t.csv\" is empty\nHINT:  "),
            "{err}"
        );
    }

    #[test]
    fn a_role_that_may_not_read_the_ledger_can_load() {
        let role = Role::new("");
        let database = Database::new();
        database.connect().run(&format!(
            "GRANT USAGE ON SCHEMA trips TO {0};
             GRANT INSERT ON ALL TABLES IN SCHEMA trips TO {0};
             GRANT SELECT ON trips.region, trips.datasource, trips.ingest TO {0};
             GRANT USAGE ON SEQUENCE trips.ingest_id TO {0};
             GRANT EXECUTE ON FUNCTION trips_upload, trips_ingest_upload TO {0}",
            role.name
        ));
        let bad = numbered_rows(0..10).chain(["bad row".to_owned()]);
        database.files().write_rows("t.csv", bad);
        let conninfo = format!("{} user={}", database.conninfo(), role.name);
        let arguments = [
            "load",
            "--on-error",
            "ignore",
            "t.csv",
            "--dbname",
            &conninfo,
        ];
        let (status, out, err) = run(trips(database.files().dir())
            .args(arguments)
            .current_dir(database.files().dir()));
        assert_eq!(status, Some(0), "{err}");
        assert!(
            out.contains("1 rejected\n  1 more in trips.rejected_row"),
            "{out}"
        );
    }
}

mod what_is_broken_off {
    use super::*;

    #[test]
    fn an_interrupt_cancels_the_load_and_leaves_nothing() {
        let database = Database::new();
        let (mut session, mut observer) = (database.connect(), database.connect());
        make_slow(&mut session);
        let path = slow_file(&database);
        let child = Running::start(&mut load(&database, &[&path]));
        eventually("the server loads", || {
            observer.count(
                "pg_stat_progress_copy WHERE datname = current_database() AND tuples_processed > 0",
            ) > 0
        });
        child.signal("INT");
        let (status, out, err) = child.ended();
        assert_eq!((status, out.as_str()), (Some(1), ""));
        assert!(
            err.contains("canceling statement due to user request"),
            "{err}"
        );
        eventually("the session is gone", || uploading(&mut observer) == 0);
        assert_nothing_stored(&mut observer);
    }

    #[test]
    fn a_client_that_is_killed_leaves_nothing() {
        let database = Database::new();
        let mut observer = database.connect();
        let (mut child, mut input) = start(&database);
        input.write_all(HEADER.as_bytes()).expect("it is read");
        for row in numbered_rows(0..10_000) {
            writeln!(input, "{row}").expect("it is read");
        }
        wait_until_sending(&mut observer);
        kill(child.pid());
        child.end();
        eventually("the session is gone", || uploading(&mut observer) == 0);
        assert_nothing_stored(&mut observer);
    }

    #[test]
    fn a_connection_that_is_cut_is_told_of_and_leaves_nothing() {
        let database = Database::new();
        let mut observer = database.connect();
        let (child, mut input) = start(&database);
        input.write_all(HEADER.as_bytes()).expect("it is read");
        for row in numbered_rows(0..10_000) {
            writeln!(input, "{row}").expect("it is read");
        }
        wait_until_sending(&mut observer);
        observer.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        );
        drop(input);
        let (status, out, err) = child.ended();
        assert_eq!((status, out.as_str()), (Some(1), ""));
        assert!(
            err.contains("connection to server was lost\nHINT:  Nothing of the file was loaded."),
            "{err}"
        );
        assert_nothing_stored(&mut observer);
    }
}

#[test]
fn memory_of_the_client_is_flat_however_large_the_file() {
    let database = Database::new();
    let (child, mut input) = start(&database);
    let line = vec![b'x'; 1 << 20];
    input.write_all(HEADER.as_bytes()).expect("it is read");
    for _ in 0..300 {
        input.write_all(&line).expect("it is read");
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.pid())).expect("it runs");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .expect("the kernel tells");
    drop(input);
    let (status, _, err) = child.ended();
    assert_eq!(status, Some(1), "{err}");
    assert!(peak < 48 << 10, "{peak} kB");
}
