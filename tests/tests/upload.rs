//! What clients send, files in parts and rows, becomes trips by the rules of files on the server: whole or not at all,
//! once, and without a trace of what was taken back.

use std::io::Write;
use std::process::Command;

use postgres::Error;
use trips_tests::database::eventually;
use trips_tests::files::repository;
use trips_tests::ingest::load;
use trips_tests::program::run;
use trips_tests::rows::{numbered, numbered_rows};
use trips_tests::snapshot::{assert_books_balance, assert_nothing_stored, snapshot};
use trips_tests::{Database, HEADER, Listener, Place, Role, Session, Summary, refused};

/// Sends a file in parts of `step` bytes.
fn send(session: &mut Session, content: &[u8], step: usize) {
    let mut sent = 0;
    for part in content.chunks(step) {
        sent += part.len() as i64;
        let row = session.query_one("SELECT trips_upload($1)", &[&part]);
        assert_eq!(row.expect("the part is taken").get::<_, i64>(0), sent);
    }
}

/// Calls `trips_ingest_upload` with further arguments.
fn ingest_upload(session: &mut Session, arguments: &str) -> Result<Summary, Error> {
    let call = format!("trips_ingest_upload('mine.csv'{arguments})");
    Summary::of_call(session, &call, &[])
}

/// Sends a file and ingests it, in a transaction.
fn upload(session: &mut Session, content: &[u8], arguments: &str) -> Result<Summary, Error> {
    session.run("BEGIN");
    send(session, content, 1000);
    let result = ingest_upload(session, arguments);
    session.run("COMMIT");
    result
}

/// Copies a file into the inbox as psql's \copy does; how many rows that were.
fn copy(session: &mut Session, content: &[u8]) -> Result<u64, Error> {
    let mut writer = session.copy_in("COPY trips.inbox FROM STDIN (FORMAT csv, HEADER)")?;
    // What the server thinks of it is told at the end.
    let _ = writer.write_all(content);
    writer.finish()
}

fn file_of(rows: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<u8> {
    let mut file = HEADER.to_owned();
    for row in rows {
        file.push_str(row.as_ref());
        file.push('\n');
    }
    file.into_bytes()
}

/// Columns of all trips but their ids, in the order of their lines.
fn trips(session: &mut Session) -> Vec<String> {
    let rows = session.query(
        "SELECT (trip_id & 4294967295) || ' ' || departed_at || ' ' || region || ' ' || datasource || ' ' || origin_lon || ' ' || origin_lat || ' ' ||
                destination_lon || ' ' || destination_lat
           FROM trips.trips ORDER BY trip_id",
        &[],
    );
    let rows = rows.expect("the trips can be read");
    rows.iter().map(|row| row.get(0)).collect()
}

/// How many temporary files a session's backend has.
fn kept(observer: &mut Session, pid: i32) -> i64 {
    observer.count(&format!(
        "pg_ls_tmpdir() WHERE name LIKE 'pgsql\\_tmp{pid}.%'"
    ))
}

/// No temporary file is left of what the session has sent.
#[track_caller]
fn assert_nothing_kept(session: &mut Session) {
    let pid = session.pid();
    assert_eq!(kept(session, pid), 0);
}

mod files {
    use super::*;

    #[test]
    fn an_uploaded_file_is_loaded_as_one_that_lies_on_the_server() {
        let mut rows: Vec<String> = numbered_rows(0..3000).collect();
        rows[7] = "\"Pra\ngue\"".to_owned() + rows[7].trim_start_matches(|c| c != ',');
        rows[20] = "bad row".to_owned();
        let content = file_of(&rows);
        let (there, here) = (Database::new(), Database::new());
        let (mut there_session, mut session) = (there.connect(), here.connect());
        let path = there.files().write("t.csv", &content);
        let of_server = trips_tests::Ingest::of(&path)
            .on_error("ignore")
            .run(&mut there_session);
        let of_client = upload(&mut session, &content, ", 'ignore'").expect("it is loaded");
        assert_eq!(
            (
                of_client.status.as_str(),
                of_client.counts(),
                of_client.bytes,
                of_client.file.as_str()
            ),
            ("loaded", of_server.counts(), of_server.bytes, "mine.csv")
        );
        assert_eq!(trips(&mut session), trips(&mut there_session));
        let rejected =
            "SELECT line || column_name || sqlstate || reason || raw FROM trips.rejected_row";
        let rejected = rejected.replace("column_name", "coalesce(column_name, '')");
        assert_eq!(
            session.value::<String>(&rejected),
            there_session.value::<String>(&rejected)
        );
        assert_books_balance(&mut session);
        assert_nothing_kept(&mut session);
    }

    #[test]
    fn the_same_file_is_known_whichever_way_it_comes() {
        let database = Database::new();
        let mut session = database.connect();
        let content = file_of(numbered_rows(0..5000));
        let first = upload(&mut session, &content, "").expect("it is loaded");
        let path = database.files().write("t.csv", &content);
        let again = trips_tests::Ingest::of(&path).run(&mut session);
        assert_eq!(
            (again.status.as_str(), again.ingest),
            ("skipped", first.ingest)
        );
        let again = upload(&mut session, &content, "").expect("it is skipped");
        assert_eq!(
            (again.status.as_str(), again.ingest),
            ("skipped", first.ingest)
        );
        session.run("BEGIN");
        send(&mut session, &content, 1 << 16);
        refused(
            ingest_upload(&mut session, ", if_loaded => 'error'"),
            "42710",
        );
        session.run("ROLLBACK");
        assert_eq!(session.count("trips.trip"), 5000);
        assert_nothing_kept(&mut session);
    }

    #[test]
    fn an_error_names_the_clients_file_and_its_line() {
        let database = Database::new();
        let mut session = database.connect();
        let content = file_of(["x,POINT(1 2),POINT(1 200),2018-05-01 10:00,d"]);
        session.run("BEGIN");
        send(&mut session, &content, 10);
        let error = refused(ingest_upload(&mut session, ""), "22003");
        let place = Place::of(&error);
        assert_eq!(
            (place.file.as_str(), place.line, place.column.as_deref()),
            ("mine.csv", 2, Some("destination_coord"))
        );
        session.run("ROLLBACK");
        assert_nothing_stored(&mut session);
        assert_nothing_kept(&mut session);
    }

    #[test]
    fn what_is_rolled_back_to_a_savepoint_is_taken_back() {
        let database = Database::new();
        let mut session = database.connect();
        let part = |number: u64| format!("{}\n", numbered(number)).into_bytes();
        let add = |session: &mut Session, part: &[u8]| {
            session
                .query_one("SELECT trips_upload($1)", &[&part])
                .expect("it is taken");
        };
        session.run("BEGIN");
        add(&mut session, HEADER.as_bytes());
        session.run("SAVEPOINT a");
        add(&mut session, &part(1));
        session.run("SAVEPOINT b");
        add(&mut session, &part(2));
        session.run("RELEASE b; SAVEPOINT c");
        add(&mut session, &part(3));
        session.run("ROLLBACK TO c");
        add(&mut session, &part(4));
        session.run("ROLLBACK TO a");
        add(&mut session, &part(5));
        let loaded = ingest_upload(&mut session, "").expect("it is loaded");
        session.run("COMMIT");
        assert_eq!(loaded.counts(), (1, 1, 0));
        let sent = [HEADER.as_bytes(), &part(5)].concat();
        let path = database.files().write("t.csv", &sent);
        assert_eq!(
            trips_tests::Ingest::of(&path).run(&mut session).status,
            "skipped"
        );
        // An upload that began inside what is rolled back is gone whole.
        session.run("BEGIN; SAVEPOINT a");
        add(&mut session, b"x");
        session.run("ROLLBACK TO a; COMMIT");
        assert_nothing_kept(&mut session);
    }

    #[test]
    fn a_failed_ingest_keeps_the_upload_and_a_done_one_ends_it() {
        let database = Database::new();
        let mut session = database.connect();
        session.run("BEGIN");
        send(&mut session, &file_of(["bad row"]), 1000);
        session.run("SAVEPOINT a");
        refused(ingest_upload(&mut session, ""), "22P04");
        session.run("ROLLBACK TO a");
        let loaded = ingest_upload(&mut session, ", 'ignore'").expect("it is loaded");
        assert_eq!(loaded.counts(), (1, 0, 1));
        session.run("SAVEPOINT a");
        refused(ingest_upload(&mut session, ""), "55000");
        session.run("ROLLBACK TO a");
        // The next part begins another.
        send(&mut session, &file_of(numbered_rows(0..10)), 1000);
        let loaded = ingest_upload(&mut session, "").expect("it is loaded");
        assert_eq!(loaded.counts(), (10, 10, 0));
        session.run("COMMIT");
        assert_books_balance(&mut session);
    }

    #[test]
    fn what_was_sent_is_not_lost_without_a_word() {
        let database = Database::new();
        let mut session = database.connect();
        let part = b"x".as_slice();
        refused(session.query("SELECT trips_upload($1)", &[&part]), "55000");
        session.run("BEGIN");
        send(&mut session, part, 1);
        refused(session.batch_execute("COMMIT"), "55000");
        refused(ingest_upload(&mut session, ""), "55000");
        assert_nothing_kept(&mut session);
        // What is rolled back was meant to be.
        session.run("BEGIN");
        send(&mut session, part, 1);
        session.run("ROLLBACK");
        assert_nothing_kept(&mut session);
    }

    #[test]
    fn a_dry_run_of_an_upload_stores_nothing() {
        let database = Database::new();
        let mut session = database.connect();
        let content = file_of(numbered_rows(0..10));
        let checked = upload(&mut session, &content, ", dry_run => true").expect("it is checked");
        assert_eq!(
            (checked.status.as_str(), checked.counts()),
            ("checked", (10, 10, 0))
        );
        assert_nothing_stored(&mut session);
    }

    #[test]
    fn temp_file_limit_bounds_what_is_kept() {
        let database = Database::new();
        let mut session = database.connect();
        session.run("SET temp_file_limit = '1MB'; BEGIN");
        let part = vec![b'x'; 700_000];
        send(&mut session, &part, part.len());
        refused(session.query("SELECT trips_upload($1)", &[&part]), "53400");
        session.run("ROLLBACK");
        assert_nothing_kept(&mut session);
        assert_nothing_stored(&mut session);
    }

    #[test]
    fn a_client_that_is_lost_leaves_nothing() {
        let database = Database::new();
        let (mut session, mut observer) = (database.connect(), database.connect());
        session.run("BEGIN");
        send(&mut session, &file_of(numbered_rows(0..1000)), 10_000);
        let pid = session.pid();
        assert_eq!(kept(&mut observer, pid), 1);
        drop(session);
        eventually("the temporary file is gone", || {
            kept(&mut observer, pid) == 0
        });
        assert_nothing_stored(&mut observer);
    }

    #[test]
    fn its_status_is_pushed_under_the_name_that_the_client_gives_it() {
        let database = Database::new();
        let mut session = database.connect();
        let mut listener = Listener::new(&database);
        upload(&mut session, &file_of(numbered_rows(0..10)), "").expect("it is loaded");
        let events = listener.until_end();
        let last = events.last().expect("there is an end");
        assert_eq!((last.kind(), last.text("file")), ("completed", "mine.csv"));
        assert_eq!(last.number("rows"), 10);
    }

    #[test]
    fn no_argument_may_be_null() {
        let database = Database::new();
        let mut session = database.connect();
        refused(session.query("SELECT trips_upload(NULL)", &[]), "22004");
        refused(
            session.query("SELECT trips_ingest_upload(NULL)", &[]),
            "22004",
        );
    }
}

mod rights {
    use super::*;

    /// All that a role needs to send what is loaded.
    const RIGHTS: &str = "
        GRANT USAGE ON SCHEMA trips TO <role>;
        GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA trips TO <role>;
        GRANT USAGE ON SEQUENCE trips.ingest_id TO <role>;
        GRANT EXECUTE ON FUNCTION trips_upload, trips_ingest_upload TO <role>";

    #[test]
    fn who_may_insert_may_send_without_a_right_to_read_files() {
        let role = Role::new("");
        let database = Database::new();
        database
            .connect()
            .run(&RIGHTS.replace("<role>", &role.name));
        let mut session = database.connect_as(&role);
        let content = file_of(numbered_rows(0..10));
        assert_eq!(
            upload(&mut session, &content, "").unwrap().counts(),
            (10, 10, 0)
        );
        let content = file_of(numbered_rows(10..30));
        assert_eq!(copy(&mut session, &content).unwrap(), 20);
        assert_eq!(session.count("trips.trip"), 30);
        assert_books_balance(&mut session);
    }

    #[test]
    fn a_plain_role_may_not_send() {
        let role = Role::new("");
        let database = Database::new();
        let mut session = database.connect_as(&role);
        refused(session.query("SELECT trips_upload('x')", &[]), "42501");
        refused(
            session.query("SELECT trips_ingest_upload('x')", &[]),
            "42501",
        );
        refused(copy(&mut session, b"x\n"), "42501");
    }

    #[test]
    fn who_may_not_insert_trips_may_not_send_them() {
        let role = Role::new("");
        let database = Database::new();
        let mut superuser = database.connect();
        superuser.run(&RIGHTS.replace("<role>", &role.name));
        superuser.run(&format!("REVOKE INSERT ON trips.trip FROM {}", role.name));
        let mut session = database.connect_as(&role);
        let content = file_of(numbered_rows(0..10));
        refused(copy(&mut session, &content), "42501");
        session.run("BEGIN");
        send(&mut session, &content, 1000);
        refused(ingest_upload(&mut session, ""), "42501");
        session.run("ROLLBACK");
        assert_nothing_stored(&mut superuser);
    }

    #[test]
    fn a_read_only_transaction_takes_nothing() {
        let database = Database::new();
        let mut session = database.connect();
        session.run("SET default_transaction_read_only = on");
        session.run("BEGIN");
        send(&mut session, b"x", 1);
        refused(ingest_upload(&mut session, ""), "25006");
        session.run("ROLLBACK");
        refused(copy(&mut session, &file_of(numbered_rows(0..10))), "25006");
    }
}

mod rows {
    use super::*;

    #[test]
    fn rows_that_are_copied_into_the_inbox_are_those_of_the_file() {
        let mut rows: Vec<String> = numbered_rows(0..3000).collect();
        rows[7] = "\"Pra\n\"\"gue, x\"".to_owned() + rows[7].trim_start_matches(|c| c != ',');
        let content = file_of(&rows);
        let (there, here) = (Database::new(), Database::new());
        let (mut there_session, mut session) = (there.connect(), here.connect());
        load(&mut there_session, &there.files().write("t.csv", &content));
        assert_eq!(copy(&mut session, &content).expect("they are loaded"), 3000);
        // The lines are those of the file, too.
        assert_eq!(trips(&mut session), trips(&mut there_session));
        assert_eq!(
            session.value::<String>("SELECT file FROM trips.ingest"),
            "trips.inbox"
        );
        assert_eq!(session.count("trips.inbox"), 0);
        assert_books_balance(&mut session);
        assert_nothing_kept(&mut session);
    }

    #[test]
    fn the_first_bad_row_stops_a_statement_or_is_rejected_as_the_settings_say() {
        let database = Database::new();
        let mut session = database.connect();
        let mut rows: Vec<String> = numbered_rows(0..9).collect();
        rows.insert(3, "x,POINT(1 2),POINT(1 200),2018-05-01 10:00,d".to_owned());
        rows.insert(5, "x,,POINT(1 20),2018-05-01 10:00,d".to_owned());
        let content = file_of(&rows);
        let error = refused(copy(&mut session, &content), "22003");
        let place = Place::of(&error);
        assert_eq!((place.file.as_str(), place.line), ("trips.inbox", 5));
        assert_nothing_stored(&mut session);
        session.run("SET trips_ext.inbox_on_error = ignore; SET trips_ext.inbox_reject_limit = 1");
        refused(copy(&mut session, &content), "22P02");
        assert_nothing_stored(&mut session);
        session.run("SET trips_ext.inbox_reject_limit = 2");
        assert_eq!(
            copy(&mut session, &content).expect("the good ones are loaded"),
            11
        );
        assert_eq!(session.count("trips.trip"), 9);
        let rejected: String = session.value(
            "SELECT string_agg(line || ' ' || column_name || ' ' || sqlstate, ', ' ORDER BY line) FROM trips.rejected_row",
        );
        assert_eq!(rejected, "5 destination_coord 22003, 7 origin_coord 23502");
        assert_books_balance(&mut session);
    }

    #[test]
    fn the_same_rows_again_are_skipped() {
        let database = Database::new();
        let mut session = database.connect();
        let content = file_of(numbered_rows(0..100));
        copy(&mut session, &content).expect("they are loaded");
        let before = snapshot(&mut session);
        session.notices();
        copy(&mut session, &content).expect("they are skipped");
        assert!(
            session
                .notices()
                .iter()
                .any(|notice| notice.message().contains("already loaded"))
        );
        assert_eq!(snapshot(&mut session), before);
    }

    #[test]
    fn rows_may_be_inserted_by_any_statement() {
        let database = Database::new();
        let mut session = database.connect();
        session.run(
            "INSERT INTO trips.inbox (datasource, datetime, region, destination_coord, origin_coord)
             SELECT 'd', '2018-05-01 10:00'::timestamp + n * interval '1 minute', 'Turin', 'POINT (7.6 45.0)', 'POINT (7.7 45.1)'
               FROM generate_series(1, 1000) n",
        );
        assert_eq!(session.count("trips.trip"), 1000);
        let average: String = session.value("SELECT trips_weekly_average('Turin')::text");
        assert_eq!(average.parse::<f64>().unwrap(), 1000.0);
        // None at all are no ingest.
        session.run("INSERT INTO trips.inbox SELECT i.* FROM trips.inbox i");
        assert_eq!(session.count("trips.ingest"), 1);
        // One inside another: each is an ingest of its own.
        session.run(
            "CREATE FUNCTION nested(n int) RETURNS text LANGUAGE plpgsql AS $$
             BEGIN
                 INSERT INTO trips.inbox VALUES ('inner', 'POINT (1 2)', 'POINT (3 4)', '2018-05-0' || n || ' 10:00', 'd');
                 BEGIN
                     INSERT INTO trips.inbox VALUES ('lost', 'POINT (1 2)', 'POINT (3 400)', '2018-05-01 10:00', 'd');
                 EXCEPTION WHEN OTHERS THEN NULL;
                 END;
                 RETURN 'outer';
             END $$;
             INSERT INTO trips.inbox SELECT nested(n), 'POINT (1 2)', 'POINT (3 4)', '2018-06-0' || n || ' 10:00', 'd' FROM generate_series(1, 3) n",
        );
        let counts: String = session.value(
            "SELECT string_agg(region || ' ' || trips, ', ' ORDER BY region)
               FROM (SELECT region, count(*) AS trips FROM trips.trips GROUP BY region) r",
        );
        assert_eq!(counts, "Turin 1000, inner 3, outer 3");
        assert_eq!(session.count("trips.ingest"), 5);
        assert_books_balance(&mut session);
        assert_nothing_kept(&mut session);
    }

    #[test]
    fn a_statement_that_is_broken_off_leaves_nothing() {
        let database = Database::new();
        let (mut session, mut observer) = (database.connect(), database.connect());
        let mut writer = session
            .copy_in("COPY trips.inbox FROM STDIN (FORMAT csv)")
            .expect("it begins");
        for row in numbered_rows(0..10_000) {
            writeln!(writer, "{row}").expect("it is sent");
        }
        // Dropped unfinished, which tells the server to give up.
        drop(writer);
        assert_nothing_stored(&mut observer);
        assert_nothing_kept(&mut session);
        assert_eq!(
            copy(&mut session, &file_of(numbered_rows(0..10))).expect("it works again"),
            10
        );
        assert_books_balance(&mut observer);
    }
}

#[test]
fn memory_is_flat_however_much_is_sent() {
    let database = Database::new();
    let mut session = database.connect();
    // What a session needs at first.
    upload(&mut session, &file_of(numbered_rows(0..10)), "").expect("it is loaded");
    let content = file_of(numbered_rows(0..400_000));
    let (grown, ()) = session.memory_of(|session| {
        session.run("BEGIN");
        send(session, &content, 256 << 10);
    });
    assert!(content.len() > 30 << 20, "{}", content.len());
    assert!(grown < 4 << 20, "{grown} bytes for {}", content.len());
    let loaded = ingest_upload(&mut session, "").expect("it is loaded");
    assert_eq!(loaded.counts(), (400_000, 400_000, 0));
    session.run("COMMIT");
}

#[test]
fn the_example_in_python_sends_a_file() {
    let database = Database::new();
    let path = database
        .files()
        .write_rows("t.csv", numbered_rows(0..10_000));
    let python = repository().join("target/drivers/python/bin/python");
    let output = run(Command::new(python)
        .arg(repository().join("examples/upload.py"))
        .args([&database.conninfo(), &path]));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "loaded 10000\n");
    assert_eq!(database.connect().count("trips.trip"), 10_000);
}
