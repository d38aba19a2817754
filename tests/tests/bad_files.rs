//! Bad files and bad arguments: refused whole and at once, whatever the mode, with nothing left behind.

use trips_tests::ingest::load;
use trips_tests::rows::{numbered, numbered_rows};
use trips_tests::snapshot::assert_nothing_stored;
use trips_tests::{Database, HEADER, Ingest, Place, refused, refused_case};

const COLUMNS: [&str; 5] = [
    "region",
    "origin_coord",
    "destination_coord",
    "datetime",
    "datasource",
];

/// A file of which nothing can be loaded, in whatever mode.
struct BadFile {
    what: &'static str,
    content: Vec<u8>,
    sqlstate: &'static str,
    /// The line that the detail names, where it names one.
    line: Option<u64>,
}

fn bad_file(
    what: &'static str,
    content: impl Into<Vec<u8>>,
    sqlstate: &'static str,
    line: u64,
) -> BadFile {
    BadFile {
        what,
        content: content.into(),
        sqlstate,
        line: (line > 0).then_some(line),
    }
}

fn bad_files() -> Vec<BadFile> {
    let row = numbered(1).to_string();
    let good = format!("{HEADER}{row}\n");
    let utf16 = |mark: [u8; 2], unit: fn(u16) -> [u8; 2]| {
        let text = good.encode_utf16().flat_map(unit);
        mark.into_iter().chain(text).collect::<Vec<u8>>()
    };
    let mut cases = vec![
        bad_file("empty", "", "22P04", 0),
        bad_file("nothing but a mark", "\u{feff}", "22P04", 0),
        bad_file("nothing but blank lines", "\n\r\n\n", "22P04", 0),
        bad_file(
            "UTF-16, little end first",
            utf16([0xff, 0xfe], u16::to_le_bytes),
            "22021",
            0,
        ),
        bad_file(
            "UTF-16, big end first",
            utf16([0xfe, 0xff], u16::to_be_bytes),
            "22021",
            0,
        ),
        bad_file(
            "gzip",
            [0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03].as_slice(),
            "22021",
            1,
        ),
        bad_file("NUL in the header", format!("re\0gion{good}"), "22021", 1),
        bad_file("no header", format!("{row}\n{row}\n"), "22P04", 1),
        bad_file("a name twice", format!("region,{good}"), "22P04", 1),
        bad_file(
            "a quote open in the header",
            format!("\"{good}"),
            "22P04",
            1,
        ),
        bad_file(
            "text after a quote in the header",
            format!("\"region\"x{}", &good[6..]),
            "22P04",
            1,
        ),
        bad_file("other separator", good.replace(',', ";"), "22P04", 1),
        bad_file(
            "quote open at the end",
            format!("{good}{row}\n\"Turin,\n{row}\n{row}\n"),
            "22P04",
            4,
        ),
        bad_file(
            "quote open in the last field",
            format!("{good}{}", with_open_quote()),
            "22P04",
            3,
        ),
        bad_file(
            "quote open for more than a record",
            open_for(2 << 20),
            "54000",
            3,
        ),
        bad_file("a record of more than 1 MiB", long_record(), "54000", 2),
        bad_file(
            "a header of more than 1 MiB",
            "x".repeat(2 << 20),
            "54000",
            1,
        ),
    ];
    for column in COLUMNS {
        let lacking = good.replacen(column, "something", 1);
        cases.push(bad_file("a column is absent", lacking, "22P04", 1));
    }
    cases
}

fn with_open_quote() -> String {
    let row = numbered(2).to_string();
    let start = row.rfind(',').unwrap() + 1;
    format!("{}\"{}", &row[..start], &row[start..])
}

fn open_for(bytes: usize) -> String {
    format!("{HEADER}{}\n\"Turin{}", numbered(1), "\n".repeat(bytes))
}

fn long_record() -> String {
    format!(
        "{HEADER}{}{}\n{}\n",
        numbered(1),
        ",xxxxxxx".repeat(1 << 17),
        numbered(2)
    )
}

#[test]
fn a_bad_file_is_refused_whole_in_either_mode() {
    let database = Database::new();
    let mut session = database.connect();
    let cases = bad_files();
    for case in &cases {
        let path = database.files().write("bad.csv", &case.content);
        for call in [
            Ingest::of(&path),
            Ingest::of(&path).on_error("ignore"),
            Ingest::of(&path).dry_run(),
        ] {
            let result = call.call(&mut session);
            let error = refused_case(case.what, result, case.sqlstate);
            if let Some(line) = case.line {
                let place = Place::of(&error);
                assert_eq!(
                    (place.file.as_str(), place.line),
                    (path.as_str(), line),
                    "{}",
                    case.what
                );
            } else {
                assert!(error.message().contains(&path), "{}: {error:?}", case.what);
            }
        }
    }
    assert_nothing_stored(&mut session);
    assert!(session.is_single_threaded());
    println!("{} bad files, three times each", cases.len());
}

#[test]
fn a_truncated_file_is_a_row_that_lacks_columns() {
    let database = Database::new();
    let mut session = database.connect();
    let content = format!("{HEADER}{}\nTurin,POINT (7.1 45", numbered(1));
    let path = database.files().write("t.csv", content);
    let error = refused(Ingest::of(&path).call(&mut session), "22P04");
    assert_eq!(Place::of(&error).line, 3);
    assert_eq!(
        Ingest::of(&path)
            .on_error("ignore")
            .run(&mut session)
            .counts(),
        (2, 1, 1)
    );
}

mod waiting {
    use super::*;

    #[test]
    fn a_lock_timeout_ends_a_load_that_waits_for_the_table() {
        let database = Database::new();
        let (mut session, mut blocker) = (database.connect(), database.connect());
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        blocker.run("BEGIN; TRUNCATE trips.trip");
        session.run("SET lock_timeout = '200ms'");
        refused(Ingest::of(&path).call(&mut session), "55P03");
        assert!(session.is_single_threaded());
        blocker.run("COMMIT");
        assert_eq!(load(&mut session, &path).loaded, 100);
    }

    #[test]
    fn a_lock_timeout_ends_a_load_that_waits_for_another_of_the_same_file() {
        let database = Database::new();
        let (mut session, mut first) = (database.connect(), database.connect());
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        first.run("BEGIN");
        load(&mut first, &path);
        session.run("SET lock_timeout = '200ms'");
        refused(Ingest::of(&path).call(&mut session), "55P03");
        assert!(session.is_single_threaded());
        first.run("ROLLBACK");
        assert_eq!(load(&mut session, &path).loaded, 100);
    }
}

#[test]
fn a_database_that_does_not_speak_utf8_is_refused() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let database = Database::with_encoding(encoding);
        let mut session = database.connect();
        session.run("CREATE EXTENSION trips_ext CASCADE");
        let path = database.files().write_rows("t.csv", numbered_rows(0..3));
        refused(Ingest::of(&path).call(&mut session), "0A000");
        assert_nothing_stored(&mut session);
    }
}

mod arguments {
    use super::*;

    #[test]
    fn words_and_numbers_that_are_no_options_are_refused() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..1));
        let of = || Ingest::of(&path);
        let calls = [
            of().on_error("continue"),
            of().on_error("STOP"),
            of().on_error(""),
            of().if_loaded("replace"),
            of().if_loaded(""),
            of().reject_limit(3),
            of().on_error("stop").reject_limit(3),
            of().on_error("ignore").reject_limit(0),
            of().on_error("ignore").reject_limit(-1),
        ];
        for call in calls {
            refused(call.call(&mut session), "22023");
        }
        assert_nothing_stored(&mut session);
    }

    #[test]
    fn null_arguments_are_refused_but_for_the_limit() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..1));
        for arguments in [
            "NULL".to_owned(),
            "source => NULL, dry_run => true".to_owned(),
        ]
        .into_iter()
        .chain(["on_error", "if_loaded", "dry_run"].map(|name| format!("'{path}', {name} => NULL")))
        {
            let result = session.query(&format!("SELECT * FROM trips_ingest({arguments})"), &[]);
            refused(result, "22004");
        }
        assert_nothing_stored(&mut session);
        let loaded = session.query(
            &format!("SELECT * FROM trips_ingest('{path}', reject_limit => NULL)"),
            &[],
        );
        assert_eq!(loaded.unwrap().len(), 1);
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let database = Database::new();
        let mut session = database.connect();
        // A name that belongs to no module yet takes any value.
        session.run("LOAD 'trips_ext'");
        for setting in [
            "parser_threads = -1",
            "parser_threads = 1000000",
            "ingest_memory = '1kB'",
            "ingest_memory = '1000GB'",
        ] {
            let result = session.batch_execute(&format!("SET trips_ext.{setting}"));
            assert!(result.is_err(), "{setting}");
            refused(result, "22023");
        }
    }

    #[test]
    fn a_channel_that_nobody_can_listen_on_is_refused() {
        let database = Database::new();
        let path = database.files().write_rows("t.csv", numbered_rows(0..1));
        for channel in [String::new(), "c".repeat(64)] {
            let mut session = database.connect();
            let set = session.batch_execute(&format!("SET trips_ext.channel = '{channel}'"));
            // Either at once, or, where the module is not loaded yet, by the load.
            let result = set.and_then(|()| Ingest::of(&path).call(&mut session).map(|_| ()));
            refused(result, "22023");
            assert_nothing_stored(&mut session);
        }
    }
}
