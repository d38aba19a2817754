//! Bad rows: each has its SQLSTATE, its line and its column, whether the load stops at it or goes on.

use trips_tests::ingest::{forget, load};
use trips_tests::rows::{numbered, numbered_rows};
use trips_tests::snapshot::{assert_books_balance, assert_nothing_stored, snapshot};
use trips_tests::{Database, HEADER, Ingest, Place, refused, refused_case};

const COLUMNS: [&str; 5] = [
    "region",
    "origin_coord",
    "destination_coord",
    "datetime",
    "datasource",
];

/// A row that cannot be loaded.
struct BadRow {
    what: String,
    /// The row as it stands in the file, without its line end.
    row: Vec<u8>,
    sqlstate: &'static str,
    column: Option<&'static str>,
}

/// The bytes of a valid row with one field replaced by what is given.
fn with(column: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    let mut fields = [
        "Turin".as_bytes(),
        b"POINT (7.1 45.1)",
        b"POINT (7.2 45.2)",
        b"2018-05-28 09:03:40",
        b"funny_car",
    ];
    let place = COLUMNS.iter().position(|name| *name == column).unwrap();
    fields[place] = value.as_ref();
    fields.join(&b","[..])
}

/// Values of one column that have the same SQLSTATE.
fn values<V: AsRef<[u8]>>(
    column: &'static str,
    sqlstate: &'static str,
    values: impl IntoIterator<Item = V>,
) -> impl Iterator<Item = BadRow> {
    values.into_iter().map(move |value| BadRow {
        what: format!("{column} {}", shortened(value.as_ref())),
        row: with(column, value),
        sqlstate,
        column: Some(column),
    })
}

/// Rows that are bad as a whole.
fn rows<R: AsRef<[u8]>>(
    sqlstate: &'static str,
    rows: impl IntoIterator<Item = R>,
) -> impl Iterator<Item = BadRow> {
    rows.into_iter().map(move |row| BadRow {
        what: shortened(row.as_ref()),
        row: row.as_ref().to_vec(),
        sqlstate,
        column: None,
    })
}

/// Rows that end before a column begins.
fn missing(column: &'static str, row: &str) -> BadRow {
    BadRow {
        what: shortened(row.as_bytes()),
        row: row.into(),
        sqlstate: "22P04",
        column: Some(column),
    }
}

fn shortened(bytes: &[u8]) -> String {
    let text: String = bytes.escape_ascii().to_string();
    text.chars().take(60).collect()
}

/// Every bad row of the contract.
fn bad_rows() -> Vec<BadRow> {
    let mut cases = Vec::new();
    points(&mut cases, "origin_coord");
    points(&mut cases, "destination_coord");
    times(&mut cases);
    names(&mut cases);
    shapes(&mut cases);
    cases
}

fn points(cases: &mut Vec<BadRow>, column: &'static str) {
    let not_wkt = [
        "x",
        "7.1 45.1",
        "POINT",
        "POINT (7.1 45.1",
        "POINT 7.1 45.1)",
        "POINT (7.1 45.1) x",
        "POINT (7.1 45.1))",
        "POINT ((7.1 45.1))",
        "POINT (7.1)",
        "POINT ()",
        "POINT (7.1 x)",
        "POINT (7.1x 45.1)",
        "POINT (7.1 45.1x)",
        "\"POINT (7.1, 45.1)\"",
        "\"POINT (7,1 45,1)\"",
        "POINT (7.1 Infinity)",
        "POINT (inf 45.1)",
        "POINT (-Infinity 45.1)",
        "POINT (0x7 45.1)",
        "POINT (7_1 45.1)",
        "POINT (7.1 45.1.2)",
        "POINT (7.1 --45)",
        "POINT (1e 45)",
        "POINT (7.1 45.1 1 1 1)",
        "SRID=;POINT (7.1 45.1)",
        "SRID=x;POINT (7.1 45.1)",
        "POINTE (7.1 45.1)",
        "\u{ff30}OINT (7.1 45.1)",
        "POINT (\u{667} 45.1)",
        "NULL",
        "\\N",
        "0101000020E610000066666666666A1C40CDCCCCCCCC8C4640",
        "0101000000",
        "\"{\"\"type\"\":\"\"Point\"\",\"\"coordinates\"\":[7.1,45.1]}\"",
        "POINT(7.1\u{a0}45.1)",
    ];
    cases.extend(values(column, "22P02", not_wkt));
    cases.extend(values(
        column,
        "22023",
        [
            "SRID=3857;POINT (7.1 45.1)",
            "SRID=0;POINT (7.1 45.1)",
            "SRID=43260;POINT (7.1 45.1)",
            "POINT Z (7.1 45.1 1)",
            "POINT (7.1 45.1 1)",
            "POINT M (7.1 45.1 1)",
            "POINT ZM (7.1 45.1 1 1)",
            "POINT EMPTY",
            "point empty",
            "POINT Z EMPTY",
            "\"LINESTRING (7.1 45.1, 7.2 45.2)\"",
            "MULTIPOINT ((7.1 45.1))",
            "\"POLYGON ((0 0, 1 0, 1 1, 0 0))\"",
            "GEOMETRYCOLLECTION EMPTY",
            "GEOMETRYCOLLECTION (POINT (7.1 45.1))",
        ],
    ));
    cases.extend(values(
        column,
        "22003",
        [
            "POINT (214 45.1)",
            "POINT (7.1 95)",
            "POINT (214 95)",
            "POINT (-180.00000000000003 45)",
            "POINT (180.00000000000003 45)",
            "POINT (45 90.00000000000001)",
            "POINT (45 -90.00000000000001)",
            "POINT (NaN 45.1)",
            "POINT (7.1 nan)",
            "POINT (1e400 45.1)",
            "POINT (7.1 -1e400)",
            "POINT (1e308 45.1)",
            "POINT (45.1 7e2)",
            "POINT (7672837913286881 44)",
        ],
    ));
    cases.extend(values(column, "23502", ["", "   ", "\"\"", "\" \""]));
}

fn times(cases: &mut Vec<BadRow>) {
    cases.extend(values(
        "datetime",
        "22007",
        [
            "2018-05-28 09:03:40+02",
            "2018-05-28 09:03:40+02:00",
            "2018-05-28 09:03:40-0200",
            "2018-05-28T09:03:40Z",
            "2018-05-28 09:03:40 UTC",
            "2018-05-28 09:03:40 Europe/Prague",
            "2018-05-28 09:03:40 PST",
            "0044-03-15 12:00:00 BC",
            "infinity",
            "-infinity",
            "now",
            "today",
            "tomorrow",
            "yesterday",
            "epoch",
            "05/28/2018",
            "05/28/2018 09:03:40",
            "May 28 2018 09:03:40",
            "2018-05-28 09:03:40 PM",
            "x",
            "NULL",
            "2018-05-28 09",
            "2018-05-28 9h3",
            "2018-05-28 09:03:40.1.2",
            "2018-05-28 09:03:xx",
            "20 18-05-28",
            "2018-05-28  T09:03:40",
            "2018/05/28 09:03:40",
            "2018.05.28 09:03:40",
            "2018-05 09:03:40",
            "2018-05-28 09:03:40 x",
            "\u{662}\u{660}\u{661}\u{668}-05-28 09:03:40",
        ],
    ));
    cases.extend(values(
        "datetime",
        "22008",
        [
            "2018-02-30 09:03:40",
            "2018-02-29 00:00:00",
            "1900-02-29 00:00:00",
            "2018-13-01 00:00:00",
            "2018-00-10 00:00:00",
            "2018-05-00 00:00:00",
            "2018-05-32 00:00:00",
            "2018-04-31 00:00:00",
            "2018-05-28 24:00:01",
            "2018-05-28 25:00:00",
            "2018-05-28 09:60:00",
            "2018-05-28 09:03:61",
            "2018-05-28 24:00:00.000001",
            "18-05-28 09:03:40",
            "28/05/2018",
            "28/05/2018 09:03:40",
            "1527498220",
            "1527498220000",
            "294277-01-01 00:00:00",
            "999999-01-01 00:00:00",
            "294276-12-31 24:00:00",
            "0000-01-01 00:00:00",
        ],
    ));
    cases.extend(values("datetime", "23502", ["", " ", "\"\""]));
}

fn names(cases: &mut Vec<BadRow>) {
    for column in ["region", "datasource"] {
        cases.extend(values(
            column,
            "23502",
            ["", "  ", "\"\"", "\"\t\"", "\u{a0}"],
        ));
        let long = ["x".repeat(257), "é".repeat(129), "x".repeat(65_536)];
        cases.extend(values(column, "22001", long));
        let longer = [
            "x".repeat(65_537),
            "x".repeat(1_000_000),
            format!("\"{}\"", "\"\"".repeat(65_537)),
        ];
        cases.extend(values(column, "54000", longer));
    }
}

fn shapes(cases: &mut Vec<BadRow>) {
    let quotes = [
        "Tu\"rin",
        "\"Turin\"x",
        "\"Turin\" ",
        "x\"Turin\"",
        " \"Turin\"",
        "\"Tu\"\"rin\"x",
        "\"Tu\"rin\"",
    ];
    cases.extend(rows("22P04", quotes.map(|region| with("region", region))));
    cases.extend(rows(
        "22P04",
        [
            with("region", "Tu\rrin"),
            with("datasource", "a\rb"),
            with("datasource", "a\r\r"),
        ],
    ));
    cases.extend(rows(
        "22P04",
        [
            "Turin,POINT (7 45),POINT (7 45),2018-05-28 09:03:40,car,x",
            ",,,,,",
        ],
    ));
    cases.push(missing("origin_coord", "Turin"));
    cases.push(missing("origin_coord", "\\."));
    cases.push(missing("origin_coord", " "));
    cases.push(missing("destination_coord", "Turin,POINT (7.1 45.1)"));
    cases.push(missing(
        "destination_coord",
        "Turin;POINT (7 45);POINT (7 45);2018-05-28 09:03:40,car",
    ));
    cases.push(missing(
        "datasource",
        "Turin,POINT (7.1 45.1),POINT (7.2 45.2),2018-05-28 09:03:40",
    ));
    let no_text: [&[u8]; 10] = [
        b"\0",
        b"Tu\0rin",
        b"Tur\xedn",
        b"\xc0\xafTurin",
        b"\xe0\x80\xafTurin",
        b"\xed\xa0\x80Turin",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"Turin\xe2\x82",
        b"\x80",
    ];
    for column in COLUMNS {
        cases.extend(rows("22021", no_text.map(|value| with(column, value))));
    }
}

/// A file in which the bad row stands on line 5, after a row of two lines and before a good one.
fn around(bad: &[u8]) -> Vec<u8> {
    let two_lines = with("region", "\"Tu\nrin\"");
    let (first, last) = (numbered(1).to_string(), numbered(2).to_string());
    [
        HEADER.trim_end().as_bytes(),
        first.as_bytes(),
        &two_lines,
        bad,
        last.as_bytes(),
        b"",
    ]
    .join(&b"\n"[..])
}

const LINE: u64 = 5;

/// The first 100 characters of a row, as `trips.rejected_row` keeps it; a carriage return before the line feed
/// belongs to the line end.
fn raw(row: &[u8]) -> String {
    let row = row.strip_suffix(b"\r").unwrap_or(row);
    let text = String::from_utf8_lossy(row).replace('\0', "\u{fffd}");
    text.chars().take(100).collect()
}

#[test]
fn every_bad_row_stops_a_load_with_its_sqlstate_line_and_column() {
    let database = Database::new();
    let mut session = database.connect();
    let cases = bad_rows();
    for case in &cases {
        let path = database.files().write("bad.csv", around(&case.row));
        for call in [Ingest::of(&path), Ingest::of(&path).dry_run()] {
            let result = call.call(&mut session);
            let place = Place::of(&refused_case(&case.what, result, case.sqlstate));
            let expected = (path.as_str(), LINE, case.column);
            assert_eq!(
                (place.file.as_str(), place.line, place.column.as_deref()),
                expected,
                "{}",
                case.what
            );
        }
    }
    assert_nothing_stored(&mut session);
    assert!(session.is_single_threaded());
    println!("{} bad rows, twice each", cases.len());
}

#[test]
fn every_bad_row_alone_is_recorded_and_its_neighbours_are_loaded() {
    let database = Database::new();
    let mut session = database.connect();
    let cases = bad_rows();
    for case in &cases {
        let path = database.files().write("bad.csv", around(&case.row));
        let summary = Ingest::of(&path).on_error("ignore").run(&mut session);
        assert_eq!(summary.counts(), (4, 3, 1), "{}", case.what);
        let row = session
            .query_one(
                "SELECT ingest_id, file, line, column_name, sqlstate, raw FROM trips.rejected_row",
                &[],
            )
            .unwrap();
        assert_eq!(
            (row.get::<_, i64>(0), row.get::<_, String>(1)),
            (summary.id(), path),
            "{}",
            case.what
        );
        assert_eq!(row.get::<_, i64>(2), LINE as i64, "{}", case.what);
        let cause = (row.get::<_, Option<&str>>(3), row.get::<_, &str>(4));
        assert_eq!(cause, (case.column, case.sqlstate), "{}", case.what);
        assert_eq!(row.get::<_, String>(5), raw(&case.row), "{}", case.what);
        assert_books_balance(&mut session);
        forget(&mut session, summary.id()).unwrap();
    }
    assert_nothing_stored(&mut session);
    println!("{} bad rows", cases.len());
}

#[test]
fn all_bad_rows_in_one_file_are_recorded_each_on_its_line() {
    let database = Database::new();
    let mut session = database.connect();
    let cases = bad_rows();
    let mut content = HEADER.as_bytes().to_vec();
    let mut expected = Vec::new();
    let mut line = 2;
    for case in &cases {
        expected.push((
            line,
            case.column.map(str::to_owned),
            case.sqlstate.to_owned(),
            raw(&case.row),
        ));
        for row in [&case.row, numbered(1).to_string().as_bytes()] {
            content.extend_from_slice(row);
            content.push(b'\n');
        }
        line += 2;
    }
    let path = database.files().write("bad.csv", content);
    let summary = Ingest::of(&path).on_error("ignore").run(&mut session);
    let n = cases.len() as i64;
    assert_eq!(summary.counts(), (2 * n, n, n));
    let found = session
        .query(
            "SELECT line, column_name, sqlstate, raw FROM trips.rejected_row ORDER BY line",
            &[],
        )
        .unwrap();
    for (expected, row) in expected.iter().zip(&found) {
        let found = (
            row.get::<_, i64>(0),
            row.get::<_, Option<String>>(1),
            row.get(2),
            row.get(3),
        );
        assert_eq!(&found, expected);
    }
    let reasons = "trips.rejected_row WHERE reason = '' OR reason ~ '\\.$' OR length(raw) > 100";
    assert_eq!(session.count(reasons), 0);
    assert_books_balance(&mut session);
}

#[test]
fn the_same_rows_are_bad_with_other_line_ends() {
    let database = Database::new();
    let mut session = database.connect();
    let cases = bad_rows();
    let cases: Vec<&BadRow> = cases
        .iter()
        .filter(|case| !case.row.contains(&b'\r'))
        .collect();
    for (name, end) in [("crlf", "\r\n"), ("cr", "\r")] {
        let mut content = HEADER.trim_end().as_bytes().to_vec();
        for case in &cases {
            content.extend_from_slice(end.as_bytes());
            content.extend_from_slice(&case.row);
        }
        let path = database.files().write(name, content);
        let summary = Ingest::of(&path).on_error("ignore").run(&mut session);
        let n = cases.len() as i64;
        assert_eq!(summary.counts(), (n, 0, n), "{name}");
        let found = session
            .query(
                "SELECT line, sqlstate FROM trips.rejected_row WHERE ingest_id = $1 ORDER BY line",
                &[&summary.id()],
            )
            .unwrap();
        for (number, (case, row)) in cases.iter().zip(&found).enumerate() {
            let found = (row.get::<_, i64>(0), row.get::<_, &str>(1));
            assert_eq!(
                found,
                (number as i64 + 2, case.sqlstate),
                "{name}: {}",
                case.what
            );
        }
    }
    // A lone line feed in a file whose lines end in a carriage return.
    let content = format!("{HEADER}{}\nx\r{}", numbered(1), numbered(2)).replacen('\n', "\r", 1);
    let path = database.files().write("feed", content);
    let error = refused(Ingest::of(&path).call(&mut session), "22P04");
    assert_eq!(Place::of(&error).line, 2);
}

#[test]
fn names_of_rejected_rows_are_not_kept() {
    let database = Database::new();
    let mut session = database.connect();
    let path = database.files().write_rows(
        "t.csv",
        [
            "Nowhere,POINT (x 1),POINT (1 1),2018-05-01 00:00:00,no_car",
            "Somewhere,POINT (1 1),POINT (1 1),2018-05-01 00:00:00,car",
        ],
    );
    Ingest::of(&path).on_error("ignore").run(&mut session);
    assert_eq!(
        session.value::<String>("SELECT string_agg(name, ',') FROM trips.region"),
        "Somewhere"
    );
    assert_eq!(
        session.value::<String>("SELECT string_agg(name, ',') FROM trips.datasource"),
        "car"
    );
}

mod reject_limits {
    use super::*;

    fn file(database: &Database, bad: usize) -> String {
        let rows = numbered_rows(0..10).chain((0..bad).map(|_| "bad".to_owned()));
        database.files().write_rows("t.csv", rows)
    }

    #[test]
    fn as_many_rejects_as_the_limit_are_recorded() {
        let database = Database::new();
        let mut session = database.connect();
        let path = file(&database, 3);
        let summary = Ingest::of(&path)
            .on_error("ignore")
            .reject_limit(3)
            .run(&mut session);
        assert_eq!(summary.counts(), (13, 10, 3));
        assert_books_balance(&mut session);
    }

    #[test]
    fn one_reject_more_than_the_limit_loads_nothing() {
        let database = Database::new();
        let mut session = database.connect();
        for bad in [4, 5, 60_000] {
            let path = file(&database, bad);
            for call in [Ingest::of(&path), Ingest::of(&path).dry_run()] {
                let error = refused(
                    call.on_error("ignore").reject_limit(3).call(&mut session),
                    "22P02",
                );
                assert!(error.detail().unwrap().contains("line 15"), "{error:?}");
            }
            assert_nothing_stored(&mut session);
        }
        assert!(session.is_single_threaded());
    }

    #[test]
    fn without_a_limit_any_number_is_recorded() {
        let database = Database::new();
        let mut session = database.connect();
        let path = file(&database, 60_000);
        let summary = Ingest::of(&path).on_error("ignore").run(&mut session);
        assert_eq!(summary.counts(), (60_010, 10, 60_000));
        assert_books_balance(&mut session);
    }
}

#[test]
fn more_names_than_ids_are_an_error_that_says_so() {
    let database = Database::new();
    let mut session = database.connect();
    session.run(
        "INSERT INTO trips.region (id, name) SELECT n, 'region ' || n FROM generate_series(1, 32766) n",
    );
    let row = |region: &str| numbered(1).to_string().replacen("Turin", region, 1);
    let path = database
        .files()
        .write_rows("t.csv", [row("Oslo"), row("Rome")]);
    let before = snapshot(&mut session);
    refused(Ingest::of(&path).call(&mut session), "54000");
    assert_eq!(snapshot(&mut session), before);
    let path = database
        .files()
        .write_rows("u.csv", [row("Oslo"), row("region 7"), row("Oslo")]);
    load(&mut session, &path);
    assert_eq!(session.count("trips.region"), 32_767);
    assert!(session.is_single_threaded());
}
