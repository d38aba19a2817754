//! Files and rows that are not as they should be: what is taken, what is rejected, and the
//! SQLSTATE, line and column that it is reported with.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{GOOD, HEADER, load};
use trips_core::ingest::batch::{Column, Column::*, Dimension};
use trips_core::ingest::{MAX_FIELD_BYTES, MAX_NAME_BYTES, MAX_RECORD_BYTES};

const ORIGIN: &str = "POINT (7.67 44.99)";
const TIME: &str = "2018-05-21 02:54:04";

/// A good row but for the value of one column.
fn row(column: Column, value: &str) -> String {
    Column::ALL
        .into_iter()
        .map(|at| match at {
            at if at == column => value,
            Region => "Turin",
            OriginCoord | DestinationCoord => ORIGIN,
            Datetime => TIME,
            Datasource => "baba_car",
        })
        .collect::<Vec<_>>()
        .join(",")
}

/// Between two good rows, `row` alone is rejected, and reported as it should be.
#[track_caller]
fn assert_rejected(row: impl AsRef<[u8]>, sqlstate: &str, column: Option<Column>) {
    let row = row.as_ref();
    let text = [HEADER.as_bytes(), GOOD.as_bytes(), row, GOOD.as_bytes()].join(&b'\n');
    let loaded = load(text).unwrap();
    let shown = String::from_utf8_lossy(&row[..row.len().min(200)]);
    let [reject] = loaded.rejects.as_slice() else {
        panic!(
            "{shown:?} gives {:?} and {:?}",
            loaded.rejects, loaded.trips
        );
    };
    let told = (reject.line, reject.column, reject.reason.sqlstate());
    assert_eq!(told, (3, column, sqlstate), "{shown:?}: {}", reject.reason);
    assert_eq!(loaded.rows_read, 3, "{shown:?}");
    let newlines = row.iter().filter(|byte| **byte == b'\n').count() as i64;
    assert_eq!(loaded.lines(), [2, 4 + newlines], "{shown:?}");
}

/// Between two good rows, `row` is loaded too; the loaded trip.
#[track_caller]
fn assert_loaded(row: &str) -> trips_core::ingest::batch::Trip {
    let loaded = load([HEADER, GOOD, row, GOOD].join("\n")).unwrap();
    assert_eq!(loaded.rejects, [], "{row:?}");
    assert_eq!(loaded.rows_read, 3, "{row:?}");
    loaded.trips[1]
}

/// The file cannot be loaded at all.
#[track_caller]
fn assert_refused(text: impl AsRef<[u8]>, sqlstate: &str, line: Option<u64>) {
    let error = load(text).expect_err("the file is refused");
    assert_eq!(
        (error.sqlstate(), error.line()),
        (sqlstate, line),
        "{error}"
    );
}

#[test]
fn a_byte_order_mark_is_stripped_once() {
    let text = format!("\u{feff}{HEADER}\n{GOOD}\n");
    assert_eq!(load(&text).unwrap().lines(), [2]);
    assert_refused(
        format!("\u{feff}\u{feff}{HEADER}\n{GOOD}\n"),
        "22P04",
        Some(1),
    );
    // Further down it is a part of the name.
    let loaded = load(format!(
        "{HEADER}\n\u{feff}{GOOD}\n\"\u{feff}\"{}",
        &GOOD[5..]
    ))
    .unwrap();
    assert_eq!(
        loaded.names.0[0],
        (Dimension::Region, "\u{feff}Turin".to_owned())
    );
    assert_eq!(
        loaded.names.0[2],
        (Dimension::Region, "\u{feff}".to_owned())
    );
}

#[test]
fn utf16_is_refused() {
    let text = format!("{HEADER}\n{GOOD}\n");
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_refused([&b"\xff\xfe"[..], &little].concat(), "22021", None);
    assert_refused([&b"\xfe\xff"[..], &big].concat(), "22021", None);
    assert_refused(little, "22021", Some(1));
    assert_refused(big, "22021", Some(1));
}

#[test]
fn lines_may_end_in_any_of_three_ways() {
    for end in ["\n", "\r\n", "\r"] {
        let lines = [HEADER, GOOD, "", GOOD, &row(Region, "\"Tu\"\"rin\""), ""];
        let loaded = load(lines.join(end)).unwrap();
        assert_eq!(loaded.lines(), [2, 4, 5], "{end:?}");
        assert_eq!(loaded.rejects, [], "{end:?}");
        assert_eq!(loaded.names.0[2].1, "Tu\"rin");
    }
}

#[test]
fn line_feeds_with_and_without_a_carriage_return_may_be_mixed() {
    let text = format!("{HEADER}\n{GOOD}\r\n{GOOD}\n{GOOD}\r\n");
    assert_eq!(load(text).unwrap().lines(), [2, 3, 4]);
    let text = format!("{HEADER}\r\n{GOOD}\n{GOOD}\r\n");
    assert_eq!(load(text).unwrap().lines(), [2, 3]);
}

#[test]
fn a_carriage_return_outside_quotes_rejects_its_row() {
    assert_rejected(format!("{GOOD}\r{GOOD}"), "22P04", None);
    assert_rejected(format!("{GOOD}\r\r"), "22P04", None);
    assert_rejected("\r\r", "22P04", None);
    assert_rejected(row(Region, "\"Turin\"\r"), "22P04", None);
    let loaded = load(format!("{HEADER}\n{GOOD}\r")).unwrap();
    assert_eq!(loaded.rejects[0].reason.sqlstate(), "22P04");
    // Inside quotes it is text.
    assert_loaded(&row(Region, "\"Tu\rrin\""));
}

#[test]
fn a_line_feed_outside_quotes_rejects_its_row_where_lines_end_with_a_carriage_return() {
    let loaded = load(format!("{HEADER}\r{GOOD}\r{GOOD}\n\r{GOOD}\r")).unwrap();
    assert_eq!(loaded.lines(), [2, 4]);
    assert_eq!(loaded.rejects[0].line, 3);
    assert_eq!(
        loaded.rejects[0].reason.to_string(),
        "unquoted newline found in data"
    );
}

#[test]
fn a_quoted_line_end_is_text_and_the_line_is_where_the_record_starts() {
    let text = [
        HEADER,
        &row(Datasource, "\"baba\n\ncar\""),
        GOOD,
        &row(Region, "\"x\r\ny\""),
        &row(Datetime, "\"\n\""),
        GOOD,
    ];
    let loaded = load(text.join("\n")).unwrap();
    assert_eq!(loaded.lines(), [2, 5, 6, 10]);
    assert_eq!(loaded.rejects[0].line, 8);
    assert_eq!(loaded.names.0[1].1, "baba\n\ncar");
    assert_eq!(loaded.names.0[3].1, "x\r\ny");
}

#[test]
fn a_quote_that_is_never_closed_is_refused_with_the_line_of_its_record() {
    let open = row(Datasource, "\"baba");
    assert_refused(
        format!("{HEADER}\n{GOOD}\n\n{open}\n{GOOD}\n"),
        "22P04",
        Some(4),
    );
    assert_refused(format!("{HEADER}\n{open}"), "22P04", Some(2));
    assert_refused(format!("{HEADER}\n{open}\"\"{GOOD}"), "22P04", Some(2));
    assert_refused(format!("{HEADER}\n\""), "22P04", Some(2));
    assert_refused("region,\"origin\n\n", "22P04", Some(1));
    let far = format!("{GOOD}\n").repeat(MAX_RECORD_BYTES / GOOD.len() + 2);
    assert_refused(format!("{HEADER}\n{GOOD}\n{open}\n{far}"), "54000", Some(3));
}

#[test]
fn quotes_where_none_may_be_reject_their_row() {
    assert_rejected(row(Region, "Tu\"rin"), "22P04", None);
    assert_rejected(row(Region, "Turin\""), "22P04", None);
    assert_rejected(row(Region, " \"Turin\""), "22P04", None);
    assert_rejected(row(Region, "\"Turin\"x"), "22P04", None);
    assert_rejected(row(Region, "\"Turin\" "), "22P04", None);
    assert_rejected(row(Region, "\"Tu\"rin\""), "22P04", None);
    assert_rejected(row(Datasource, "baba_car\""), "22P04", None);
    assert_rejected(row(Datasource, "\"baba\"\"\"\"car\"x"), "22P04", None);
}

#[test]
fn well_formed_quotes_are_resolved() {
    let loaded = load(format!("{HEADER}\n{}", row(Region, "\"a,\"\"b\"\"\""))).unwrap();
    assert_eq!(loaded.names.0[0].1, "a,\"b\"");
    let quoted: Vec<_> = GOOD.split(',').map(|f| format!("\"{f}\"")).collect();
    let plain = assert_loaded(GOOD);
    assert_eq!(assert_loaded(&quoted.join(",")), plain);
}

#[test]
fn nul_rejects_its_row() {
    assert_rejected(row(Region, "Tu\0rin"), "22021", None);
    assert_rejected(row(Datasource, "\"x\0\""), "22021", None);
    assert_rejected("\0", "22021", None);
}

#[test]
fn bytes_that_are_not_utf8_reject_their_row() {
    let cases: [&[u8]; 6] = [
        b"M\xfcnchen",       // Latin-1
        b"\xc0\xaf",         // overlong
        b"\xe0\x80\xaf",     // overlong
        b"\xed\xa0\x80",     // a surrogate
        b"\xf4\x90\x80\x80", // beyond Unicode
        b"\xe2\x82",         // cut short
    ];
    for bytes in cases {
        let row = row(Datasource, "?");
        let row = [&row.as_bytes()[..row.len() - 1], bytes].concat();
        assert_rejected(&row, "22021", None);
        assert_rejected([bytes, b"\n"].concat().trim_ascii(), "22021", None);
    }
}

#[test]
fn too_few_and_too_many_columns_reject_their_row() {
    assert_rejected("Turin", "22P04", Some(OriginCoord));
    assert_rejected(
        format!("Turin,{ORIGIN},{ORIGIN},{TIME}"),
        "22P04",
        Some(Datasource),
    );
    assert_rejected(format!("{GOOD},"), "22P04", None);
    assert_rejected(format!("{GOOD},x,y"), "22P04", None);
    assert_rejected(
        format!("\"Turin\",{ORIGIN}"),
        "22P04",
        Some(DestinationCoord),
    );
    assert_rejected(format!("{GOOD},\"x\",\"y\",\"z\""), "22P04", None);
    assert_rejected(" ", "22P04", Some(OriginCoord));
    let text = [HEADER, "Turin", &format!("{GOOD},x")].join("\n");
    let messages: Vec<_> = load(text)
        .unwrap()
        .rejects
        .iter()
        .map(|r| r.reason.to_string())
        .collect();
    assert_eq!(
        messages,
        [
            "missing data for column \"origin_coord\"",
            "extra data after last expected column"
        ]
    );
}

#[test]
fn a_file_that_ends_within_a_row_rejects_that_row() {
    for end in 1..GOOD.len() - "baba_car".len() {
        let loaded = load(format!("{HEADER}\n{GOOD}\n{}", &GOOD[..end])).unwrap();
        assert_eq!(loaded.lines(), [2]);
        assert_eq!(loaded.rejects[0].line, 3);
        let expected = if GOOD[..end].matches(',').count() < 4 {
            "22P04"
        } else {
            "23502"
        };
        assert_eq!(
            loaded.rejects[0].reason.sqlstate(),
            expected,
            "{}",
            &GOOD[..end]
        );
    }
}

#[test]
fn a_missing_column_that_is_not_required_is_named_but_not_blamed() {
    let loaded = load(format!("{HEADER},Fare\n{GOOD}\n")).unwrap();
    let reject = &loaded.rejects[0];
    assert_eq!((reject.line, reject.column), (2, None));
    assert_eq!(
        reject.reason.to_string(),
        "missing data for column \"Fare\""
    );
}

#[test]
fn blank_lines_are_no_rows() {
    let loaded = load(format!("{HEADER}\n\n\r\n{GOOD}\n\n\n{GOOD}\n\n")).unwrap();
    assert_eq!((loaded.rows_read, loaded.lines()), (2, vec![4, 7]));
    let loaded = load(format!("\n\r\n{HEADER}\n{GOOD}\n")).unwrap();
    assert_eq!(loaded.lines(), [4]);
    assert_rejected("\"\"", "22P04", Some(OriginCoord));
}

#[test]
fn the_header_names_the_columns_in_any_order_and_case() {
    let plain = load(format!("{HEADER}\n{GOOD}\n")).unwrap();
    let [region, origin, destination, time, datasource] =
        GOOD.split(',').collect::<Vec<_>>().try_into().unwrap();
    let text = format!(
        "Fare, DateTime ,\"DATASOURCE\",destination_coord,Origin_Coord,\"a,\"\"b\",REGION\n\
         9.5,{time},{datasource},{destination},{origin},,{region}\n"
    );
    let loaded = load(text).unwrap();
    assert_eq!(loaded.trips, plain.trips);
    assert_eq!(loaded.names, plain.names);
    assert_eq!(loaded.header.ignored(), ["Fare", "a,\"b"]);
    assert_eq!(plain.header.ignored(), [""; 0]);
}

#[test]
fn a_header_without_a_required_column_is_refused() {
    for column in Column::ALL {
        let header = HEADER.replace(column.as_str(), "other");
        let error = load(format!("{header}\n{GOOD}\n")).unwrap_err();
        assert_eq!((error.sqlstate(), error.line()), ("22P04", Some(1)));
        assert_eq!(error.message(), format!("header lacks column \"{column}\""));
    }
    assert_refused(format!("{GOOD}\n{GOOD}\n"), "22P04", Some(1));
    let error = load("region,datetime,datasource").unwrap_err();
    assert_eq!(
        error.message(),
        "header lacks columns \"origin_coord\", \"destination_coord\""
    );
}

#[test]
fn a_header_with_a_column_twice_is_refused() {
    let error = load(format!("{HEADER},Region\n{GOOD},x\n")).unwrap_err();
    assert_eq!(error.sqlstate(), "22P04");
    assert_eq!(error.column().as_deref(), Some("region"));
    // What is not read may be there twice.
    assert_eq!(
        load(format!("{HEADER},x,x\n{GOOD},1,2\n")).unwrap().lines(),
        [2]
    );
}

#[test]
fn a_malformed_header_is_refused() {
    assert_refused(format!("reg\"ion,{HEADER}\n{GOOD}\n"), "22P04", Some(1));
    assert_refused(format!("\"x\"y,{HEADER}\n{GOOD}\n"), "22P04", Some(1));
    assert_refused(format!("x\0,{HEADER}\n{GOOD}\n"), "22021", Some(1));
    assert_refused([b"\xff,", HEADER.as_bytes()].concat(), "22021", Some(1));
    assert_refused("x".repeat(MAX_RECORD_BYTES + 1), "54000", Some(1));
    assert_refused(
        format!("\n{}\n{GOOD}\n", "x,".repeat(MAX_RECORD_BYTES)),
        "54000",
        Some(2),
    );
}

#[test]
fn an_empty_file_is_refused() {
    for text in ["", "\u{feff}", "\n", "\r\n\r\n", "\r", "\u{feff}\n\n"] {
        assert_refused(text, "22P04", None);
    }
}

#[test]
fn a_header_alone_is_no_rows() {
    for end in ["", "\n", "\r\n", "\r", "\n\n"] {
        let loaded = load(format!("{HEADER}{end}")).unwrap();
        assert_eq!((loaded.rows_read, loaded.trips.len()), (0, 0), "{end:?}");
    }
}

#[test]
fn the_last_line_end_may_be_missing() {
    assert_eq!(load(format!("{HEADER}\n{GOOD}")).unwrap().lines(), [2]);
    assert_eq!(load(format!("{HEADER}\r{GOOD}")).unwrap().lines(), [2]);
}

#[test]
fn a_backslash_and_a_dot_are_data() {
    assert_rejected("\\.", "22P04", Some(OriginCoord));
}

#[test]
fn records_and_fields_have_a_limit() {
    let long = |bytes| "x".repeat(bytes);
    assert_rejected(row(Region, &long(MAX_FIELD_BYTES)), "22001", Some(Region));
    assert_rejected(
        row(Region, &long(MAX_FIELD_BYTES + 1)),
        "54000",
        Some(Region),
    );
    let quoted = format!("\"{}\"", long(MAX_FIELD_BYTES + 1));
    assert_rejected(row(Datetime, &quoted), "54000", Some(Datetime));

    let header = format!("{HEADER},note,more");
    let with = |bytes: usize| format!("{header}\n{GOOD},,\n{GOOD},{},\n{GOOD},,\n", long(bytes));
    let loaded = load(with(MAX_FIELD_BYTES + 1)).unwrap();
    assert_eq!(loaded.rejects[0].reason.sqlstate(), "54000");
    assert_eq!(
        (loaded.rejects[0].line, loaded.rejects[0].column),
        (3, None)
    );

    let rest = MAX_RECORD_BYTES - GOOD.len() - 2;
    assert_eq!(load(with(rest)).unwrap().lines(), [2, 4]);
    assert_refused(with(rest + 1), "54000", Some(3));
    assert_refused(with(5 * MAX_RECORD_BYTES), "54000", Some(3));
    // A line end of two bytes counts as little as one of one byte.
    assert_eq!(
        load(with(rest).replace('\n', "\r\n")).unwrap().lines(),
        [2, 4]
    );
    assert_refused(with(rest + 1).replace('\n', "\r\n"), "54000", Some(3));
    assert_refused(
        with(rest + 1).trim_end().rsplit_once('\n').unwrap().0,
        "54000",
        Some(3),
    );
}

#[test]
fn the_line_end_of_the_longest_record_may_be_read_in_two_steps() {
    const STEP: usize = 4096;
    let header = format!("{HEADER},note\r\n");
    let padding = STEP - 1 - header.len() - GOOD.len() - ",\r\n".len();
    let first = format!("{GOOD},{}\r\n", "x".repeat(padding));
    let long =
        format!("{},", "x".repeat(MAX_FIELD_BYTES)).repeat(MAX_RECORD_BYTES / MAX_FIELD_BYTES);
    let text = format!(
        "{header}{first}{}\r\n{GOOD},\r\n",
        &long[..MAX_RECORD_BYTES]
    );
    // The first carriage return after the long record is the last byte of a step.
    assert_eq!((STEP - 1 + MAX_RECORD_BYTES + 1) % STEP, 0);
    let loaded = common::load_in_blocks(text, STEP).unwrap();
    assert_eq!(loaded.lines(), [2, 4]);
}

#[test]
fn points_that_are_no_wkt_are_rejected() {
    let cases = [
        "garbage",
        "POINT",
        "POINT (7.1 44.9",
        "POINT 7.1 44.9)",
        "POINT (7.1)",
        "POINT ()",
        "POINT (7.1 44.9) x",
        "POINT (7.1 44.9))",
        "POINT (7.1 44.9 1 2 3)",
        "\"POINT (7,1 44,9)\"",
        "\"POINT (7.1, 44.9)\"",
        "\"POINT (7 45, 8 46)\"",
        "POINT (Infinity 44.9)",
        "POINT (inf 44.9)",
        "POINT (-nan 44.9)",
        "POINT (+7.1 44.9)",
        "POINT (7.1e 44.9)",
        "POINT (7.e1 44.9)",
        "POINT (. 44.9)",
        "POINT (- 44.9)",
        "POINT (7-1 44.9)",
        "POINT (0x7 44.9)",
        "POINT (7\u{a0}44)",
        "0101000020E6100000AE47E17A14AE1E401F85EB51B87E4640",
        "{\"\"type\"\":\"\"Point\"\"}",
        "SRID=4326",
        "SRID=;POINT (7.1 44.9)",
        "SRID=x;POINT (7.1 44.9)",
        "SRID=4326,POINT (7.1 44.9)",
        "EMPTY",
        "POLYGONAL (7.1 44.9)",
    ];
    for value in cases {
        let value = if value.starts_with('{') {
            format!("\"{value}\"")
        } else {
            value.to_owned()
        };
        if value.contains(',') && !value.starts_with('"') {
            assert_rejected(
                row(OriginCoord, &format!("\"{value}\"")),
                "22P02",
                Some(OriginCoord),
            );
            continue;
        }
        assert_rejected(row(OriginCoord, &value), "22P02", Some(OriginCoord));
        assert_rejected(
            row(DestinationCoord, &value),
            "22P02",
            Some(DestinationCoord),
        );
    }
}

#[test]
fn geometries_of_another_kind_are_rejected() {
    let cases = [
        "SRID=3857;POINT (7.1 44.9)",
        "SRID=0;POINT (7.1 44.9)",
        "SRID=-4326;POINT (7.1 44.9)",
        "SRID=99999999999999999999;POINT (7.1 44.9)",
        "POINT Z (7.1 44.9 3)",
        "POINTZ(7.1 44.9 3)",
        "POINT M (7.1 44.9 3)",
        "point zm(7.1 44.9 3 4)",
        "POINT (7.1 44.9 3)",
        "POINT (7.1 44.9 3 4)",
        "POINT EMPTY",
        "pointempty",
        "POINT Z EMPTY",
        "LINESTRING EMPTY",
        "MultiPoint (7.1 44.9)",
        "\"LINESTRING (7.1 44.9, 7.2 45)\"",
        "\"POLYGON Z ((0 0 0, 1 0 0, 1 1 0, 0 0 0))\"",
        "GEOMETRYCOLLECTION (POINT (7.1 44.9))",
        "TIN EMPTY",
        "TINZ EMPTY",
        "SRID=4326;TRIANGLE EMPTY",
    ];
    for value in cases {
        assert_rejected(
            row(DestinationCoord, value),
            "22023",
            Some(DestinationCoord),
        );
    }
}

#[test]
fn points_that_are_not_on_earth_are_rejected() {
    let cases = [
        "POINT (214 95)",
        "POINT (180.00000000000003 0)",
        "POINT (-181 0)",
        "POINT (44.99 97.67)",
        "POINT (0 -90.00000000000002)",
        "POINT (1e400 0)",
        "POINT (0 -1e400)",
        "POINT (NaN 0)",
        "POINT (0 nan)",
    ];
    for value in cases {
        assert_rejected(row(OriginCoord, value), "22003", Some(OriginCoord));
    }
    let messages = |value: &str| {
        let loaded = load(format!("{HEADER}\n{}", row(OriginCoord, value))).unwrap();
        loaded.rejects[0].reason.to_string()
    };
    assert_eq!(
        messages("POINT (7 95)"),
        "latitude 95 is out of range -90 to 90"
    );
    assert_eq!(
        messages("POINT (-1e300 95)"),
        "longitude -1e300 is out of range -180 to 180"
    );
    assert_eq!(
        messages("POINT (1e999 95)"),
        "coordinate is not a finite number"
    );
}

#[test]
fn any_wkt_of_a_point_is_taken() {
    let cases = [
        ("point(7.5 44.25)", 7.5, 44.25),
        ("PoInT(7.5 44.25)", 7.5, 44.25),
        ("  POINT  (  7.5   44.25  )  ", 7.5, 44.25),
        ("\"\tPOINT\n(7.5\t44.25)\r\n\"", 7.5, 44.25),
        ("SRID=4326;POINT (7.5 44.25)", 7.5, 44.25),
        ("srid=04326 ; point(7.5 44.25)", 7.5, 44.25),
        ("POINT (.75e1 4425e-2)", 7.5, 44.25),
        ("POINT (0.75E+1 -4.425e1)", 7.5, -44.25),
        ("POINT (5. -.5)", 5.0, -0.5),
        ("POINT (007.5 -0)", 7.5, 0.0),
        ("POINT (180 90)", 180.0, 90.0),
        ("POINT (-180.0 -90)", -180.0, -90.0),
        ("POINT (1e-400 1e1)", 0.0, 10.0),
        (
            "POINT (14.4973794438195 50.00136875782316)",
            14.4973794438195,
            50.00136875782316,
        ),
    ];
    for (value, lon, lat) in cases {
        let trip = assert_loaded(&row(DestinationCoord, value));
        assert_eq!(
            (trip.destination.lon, trip.destination.lat),
            (lon, lat),
            "{value}"
        );
        assert_eq!((trip.origin.lon, trip.origin.lat), (7.67, 44.99));
    }
}

/// Microseconds from 2000-01-01 to 2018-05-28.
const MAY_28: i64 = 580_780_800_000_000;
const HOUR: i64 = 3_600_000_000;
const SECOND: i64 = 1_000_000;

#[test]
fn any_time_in_iso_order_is_taken() {
    let cases = [
        ("2018-05-28 09:03:40", 9 * HOUR + 220 * SECOND),
        ("2018-05-28T09:03:40", 9 * HOUR + 220 * SECOND),
        ("2018-05-28t09:03:40", 9 * HOUR + 220 * SECOND),
        ("  2018-05-28   09:03:40  ", 9 * HOUR + 220 * SECOND),
        ("2018-5-28 9:3:40", 9 * HOUR + 220 * SECOND),
        ("2018-05-28 09:03", 9 * HOUR + 180 * SECOND),
        ("2018-05-28", 0),
        ("02018-05-28 00:00:00", 0),
        ("2018-05-28 00:00:00.5", 500_000),
        ("2018-05-28 00:00:00.1234567", 123_457),
        ("2018-05-28 00:00:00.1234564", 123_456),
        ("2018-05-28 00:00:00.0000005", 0),
        ("2018-05-28 00:00:00.0000015", 2),
        ("2018-05-28 00:00:00.9999999", SECOND),
        ("2018-05-28 23:59:59.9999999", 24 * HOUR),
        ("2018-05-28 24:00:00", 24 * HOUR),
        ("2018-05-28 24:00", 24 * HOUR),
        ("2018-05-28 24:00:00.0000001", 24 * HOUR),
        ("2018-05-28 09:03:60", 9 * HOUR + 240 * SECOND),
        ("2018-05-28 09:03:60.25", 9 * HOUR + 240 * SECOND + 250_000),
        ("2018-05-28 23:59:60", 24 * HOUR),
    ];
    for (value, time) in cases {
        let trip = assert_loaded(&row(Datetime, value));
        assert_eq!(trip.departed_at, MAY_28 + time, "{value}");
    }
    let first = assert_loaded(&row(Datetime, "0001-01-01 00:00:00")).departed_at;
    assert_eq!(first, -63_082_281_600_000_000);
    let last = assert_loaded(&row(Datetime, "294276-12-31 23:59:59.999999")).departed_at;
    assert_eq!(last, 9_223_371_331_199_999_999);
}

#[test]
fn times_in_another_form_are_rejected() {
    let cases = [
        "2018-05-28 09:03:40+02",
        "2018-05-28 09:03:40 +02:00",
        "2018-05-28 09:03:40-0500",
        "2018-05-28T09:03:40Z",
        "2018-05-28 09:03:40 UTC",
        "2018-05-28 09:03:40 Europe/Prague",
        "2018-05-28Z",
        "2018-05-28+02",
        "2018-05-28 09:03:40 BC",
        "2018-05-28 AD",
        "2018-05-28 09:03:40 PM",
        "now",
        "today",
        "epoch",
        "infinity",
        "-infinity",
        "05/28/2018",
        "05/28/2018 09:03:40",
        "05-28-2018",
        "2018/05/28",
        "2018/05/28 09:03:40",
        "2018-05-28!09:03:40",
        "2018-05-28 09;03;40",
        "2018.05.28",
        "28 May 2018",
        "May 28 2018",
        "18-May-28",
        "018-05-28",
        "2018-05",
        "2018-148",
        "2018-005-28",
        "2018-05-28 09",
        "2018-05-28 :03",
        "2018-05-28 09:03:",
        "2018-05-28 09:03:40.",
        "2018-05-28 09:03.5",
        "2018-05-28 009:03:40",
        "2018-05-28 09:03:40:10",
        "2018-05-28T",
        "2018-05-28T 09:03:40",
        "2018-05-28_09:03:40",
        "2018-05-28\u{a0}09:03:40",
        "2018-05-28 09:03:4x",
        "201x-05-28 09:03:40",
        "20180528T090340",
        "1527498220.5",
        "-1527498220",
        "x",
    ];
    for value in cases {
        assert_rejected(row(Datetime, value), "22007", Some(Datetime));
    }
}

#[test]
fn times_that_do_not_exist_are_rejected() {
    let cases = [
        "2018-02-30",
        "2018-02-29 09:03:40",
        "1900-02-29",
        "2018-13-01 09:03:40",
        "2018-00-01",
        "2018-04-31",
        "2018-05-32",
        "2018-05-00",
        "2018-99-99",
        "2018-05-28 24:00:01",
        "2018-05-28 24:01",
        "2018-05-28 24:00:00.5",
        "2018-05-28 25:00:00",
        "2018-05-28 09:60:00",
        "2018-05-28 09:03:61",
        "2018-05-28 23:59:60.5",
        "0000-05-28",
        "294277-01-01",
        "294276-12-31 24:00:00",
        "294276-12-31 23:59:59.9999999",
        "99999999999999999999999-01-01",
        "28/05/2018",
        "28/05/2018 09:03:40",
        "28-05-2018",
        "28.05.2018",
        "18-05-28",
        "1527498220",
        "1527498220000",
        "20180528",
        "0",
    ];
    for value in cases {
        assert_rejected(row(Datetime, value), "22008", Some(Datetime));
    }
}

#[test]
fn leap_days_exist_in_leap_years() {
    for value in [
        "2020-02-29",
        "2000-02-29",
        "2400-02-29 09:03:40",
        "0004-02-29",
    ] {
        assert_loaded(&row(Datetime, value));
    }
}

#[test]
fn empty_fields_are_rejected() {
    for column in Column::ALL {
        for value in ["", "\"\"", " ", "\"  \t\""] {
            assert_rejected(row(column, value), "23502", Some(column));
        }
    }
    assert_rejected(",,,,", "23502", Some(Region));
}

#[test]
fn names_are_trimmed_and_normalised() {
    let spellings = [
        "München",
        " München ",
        "Mu\u{308}nchen",
        "\"München\"",
        "\u{a0}München\u{3000}",
    ];
    let rows: Vec<_> = spellings.iter().map(|name| row(Region, name)).collect();
    let loaded = load(format!("{HEADER}\n{}\n", rows.join("\n"))).unwrap();
    let names = [
        (Dimension::Region, "München".to_owned()),
        (Dimension::Datasource, "baba_car".to_owned()),
    ];
    assert_eq!(loaded.names.0, names);
    assert!(
        loaded
            .trips
            .iter()
            .all(|trip| trip.region_id == 1 && trip.datasource_id == 2)
    );
}

#[test]
fn names_that_are_too_long_are_rejected() {
    let long = "ü".repeat(MAX_NAME_BYTES / 2);
    assert_loaded(&row(Region, &long));
    assert_rejected(row(Region, &format!("{long}x")), "22001", Some(Region));
    assert_rejected(
        row(Datasource, &format!("{long}x")),
        "22001",
        Some(Datasource),
    );
}

#[test]
fn a_rejected_row_brings_no_name() {
    let text =
        format!("{HEADER}\nOslo,{ORIGIN},{ORIGIN},{TIME},\nRome,{ORIGIN},{ORIGIN},x,y\n{GOOD}\n");
    let loaded = load(text).unwrap();
    let names: Vec<_> = loaded
        .names
        .0
        .iter()
        .map(|(_, name)| name.as_str())
        .collect();
    assert_eq!(names, ["Turin", "baba_car"]);
}

#[test]
fn the_first_problem_of_a_row_is_reported() {
    // Encoding, then quotes and line ends, then the number of columns, then column by column.
    assert_rejected("\0\"x\"y", "22021", None);
    assert_rejected("x\"", "22P04", None);
    assert_rejected(",x", "22P04", Some(DestinationCoord));
    assert_rejected(format!(",x,{ORIGIN},y,z"), "23502", Some(Region));
    assert_rejected(format!("Turin,x,{ORIGIN},y,"), "22P02", Some(OriginCoord));
    assert_rejected(
        format!("Turin,{ORIGIN},POINT EMPTY,y,"),
        "22023",
        Some(DestinationCoord),
    );
    assert_rejected(
        format!("Turin,{ORIGIN},{ORIGIN},y,"),
        "22007",
        Some(Datetime),
    );
}

#[test]
fn a_reject_keeps_the_start_of_its_record() {
    let loaded = load(format!("{HEADER}\nx\0y\n\"ä\n\",b\n{}\n", "é".repeat(150))).unwrap();
    let raw: Vec<_> = loaded
        .rejects
        .iter()
        .map(|reject| reject.raw.clone())
        .collect();
    assert_eq!(raw, ["x\u{fffd}y", "\"ä\n\",b", &"é".repeat(100)]);
}

#[test]
fn an_error_tells_the_place_and_the_value() {
    use trips_core::Error;
    let loaded = load(format!(
        "{HEADER}\n{GOOD}\n{}\nx,y",
        row(OriginCoord, "POINT (7.1 x)")
    ))
    .unwrap();
    let errors: Vec<_> = loaded
        .rejects
        .into_iter()
        .map(|reject| Error::Row {
            file: "/data/trips.csv".to_owned(),
            reject,
        })
        .collect();
    assert_eq!(errors[0].sqlstate(), "22P02");
    assert_eq!(
        errors[0].message(),
        "invalid input syntax for a point: \"POINT (7.1 x)\""
    );
    assert_eq!(
        errors[0].detail().as_deref(),
        Some("File \"/data/trips.csv\", line 3, column origin_coord: \"POINT (7.1 x)\".")
    );
    assert_eq!(errors[1].line(), Some(4));
    assert_eq!(errors[1].column().as_deref(), Some("destination_coord"));
    assert_eq!(
        errors[1].detail().as_deref(),
        Some("File \"/data/trips.csv\", line 4, column destination_coord: \"x,y\".")
    );
}
