//! What holds for any input: compared with independent implementations where there are any.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{HEADER, load_in_blocks};
use proptest::prelude::*;
use trips_core::ingest::marks::Marks;
use trips_core::ingest::parse::{name, point, time};
use trips_core::ingest::record::{Fields, LineEnding, Record, Records, Row, Scanner};
use trips_core::ingest::reject::Reason;

/// Text that is made of what matters to CSV.
fn csv_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"\"".to_vec()),
        4 => Just(b",".to_vec()),
        3 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        3 => Just(b"a".to_vec()),
        1 => Just(b" ".to_vec()),
        1 => Just(b"\0".to_vec()),
        1 => Just("é".as_bytes().to_vec()),
        1 => Just(b"\xff".to_vec()),
        1 => Just(b"x,POINT (1 2),POINT (3 4),2018-05-28,y".to_vec()),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Where records end by csv-core: the index after each record's terminator; and whether the text
/// ends within a record.
fn ends_by_csv_core(text: &[u8], terminator: u8) -> Vec<usize> {
    let mut reader = csv_core::ReaderBuilder::new()
        .terminator(csv_core::Terminator::Any(terminator))
        .build();
    let (mut output, mut ends) = (vec![0; text.len() + 1], vec![0; text.len() + 1]);
    let (mut at, mut found) = (0, vec![]);
    loop {
        let (result, read, _, _) = reader.read_record(&text[at..], &mut output, &mut ends);
        at += read;
        match result {
            csv_core::ReadRecordResult::Record => found.push(at),
            csv_core::ReadRecordResult::End => return found,
            _ => {}
        }
    }
}

/// The fields of the records that are well formed, by csv-core.
fn fields_by_csv_core(record: &[u8]) -> Vec<Vec<u8>> {
    // A reader drops a byte order mark: so the record is not the first one.
    let text = [b"x\n", record].concat();
    let mut reader = csv_core::ReaderBuilder::new()
        .terminator(csv_core::Terminator::Any(b'\n'))
        .build();
    let (mut output, mut ends) = (vec![0; text.len() + 1], vec![0; text.len() + 1]);
    let (_, skipped, _, _) = reader.read_record(&text, &mut output, &mut ends);
    let (mut at, mut written, mut count) = (skipped, 0, 0);
    loop {
        let (result, read, wrote, more) =
            reader.read_record(&text[at..], &mut output[written..], &mut ends[count..]);
        (at, written, count) = (at + read, written + wrote, count + more);
        match result {
            csv_core::ReadRecordResult::InputEmpty => {}
            csv_core::ReadRecordResult::Record => break,
            other => panic!("{other:?}"),
        }
    }
    let mut start = 0;
    ends[..count]
        .iter()
        .map(|end| output[std::mem::replace(&mut start, *end)..*end].to_vec())
        .collect()
}

/// Days from 2000-01-01 by counting years and months, one by one.
fn days_by_counting(year: i64, month: u32, day: u32) -> i64 {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let years: i64 = if year >= 2000 {
        (2000..year).map(|year| 365 + i64::from(leap(year))).sum()
    } else {
        -(year..2000)
            .map(|year| 365 + i64::from(leap(year)))
            .sum::<i64>()
    };
    let february = if leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: i64 = lengths.iter().take(month as usize - 1).sum();
    years + months + i64::from(day) - 1
}

/// A number as PostGIS spells it.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<f64>()
            .prop_filter("finite", |x| x.is_finite())
            .prop_map(|x| format!("{x}")),
        (-180.0..180.0).prop_map(|x: f64| format!("{x}")),
        (-180.0..180.0, 0..40usize).prop_map(|(x, digits): (f64, _)| format!("{x:.digits$}")),
        (-180.0..180.0, 0..25usize).prop_map(|(x, digits): (f64, _)| format!("{x:.digits$e}")),
        "-?[0-9]{1,3}\\.[0-9]{1,60}",
        "-?[0-9]{0,40}\\.?[0-9]{1,40}([eE][-+]?[0-9]{1,3})?",
        "-?[0-9]{1,4}\\.",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn records_end_where_csv_core_ends_them(text in csv_text(), carriage in any::<bool>()) {
        let ending = if carriage { LineEnding::CarriageReturn } else { LineEnding::LineFeed };
        let terminator = ending.terminator();
        let mut scanner = Scanner::new(ending);
        let (mut at, mut found) = (0, vec![]);
        while let Some(end) = scanner.record_end(&text, at) {
            // A blank line is no record.
            if text[at..end] != [terminator] {
                found.push(end);
            }
            at = end;
        }
        let mut expected = ends_by_csv_core(&text, terminator);
        // What is left without a terminator is a record for csv-core, even within quotes.
        expected.retain(|end| *end <= at);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_scanner_may_stop_anywhere(text in csv_text(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(text.len() + 1);
        let mut whole = Scanner::new(LineEnding::LineFeed);
        let expected = whole.last_record_end(&text, 0);
        let mut parts = Scanner::new(LineEnding::LineFeed);
        let first = parts.last_record_end(&text[..cut], 0);
        let last = parts.last_record_end(&text, cut).or(first);
        prop_assert_eq!(last, expected);
        prop_assert_eq!(parts.in_quotes(), whole.in_quotes());
    }

    #[test]
    fn the_size_of_blocks_makes_no_difference(
        text in csv_text(),
        block_bytes in 1..80usize,
        carriage in any::<bool>(),
    ) {
        let end = if carriage { "\r" } else { "\n" };
        let text = [HEADER.as_bytes(), end.as_bytes(), &text].concat();
        let show = |block_bytes| match load_in_blocks(&text, block_bytes) {
            Ok(loaded) => format!("{:?} {:?} {:?}", loaded.trips, loaded.rejects, loaded.names),
            Err(error) => format!("{} {:?}", error.sqlstate(), error.line()),
        };
        prop_assert_eq!(show(block_bytes), show(1 << 20));
    }

    #[test]
    fn rows_found_by_marks_are_those_found_one_by_one(
        text in csv_text(),
        quotes in any::<bool>(),
        carriage in any::<bool>(),
        most in 0..7usize,
    ) {
        let mut text = text;
        text.retain(|byte| quotes || *byte != b'"');
        let ending = if carriage { LineEnding::CarriageReturn } else { LineEnding::LineFeed };
        let show = |record: &Record<'_>, row: Result<Row<'_>, Reason>| {
            let row = row.map(|row| (row.len(), row.iter().take(most).map(<[u8]>::to_vec).collect::<Vec<_>>()));
            format!("{record:?} {row:?}")
        };
        let mut fields = Fields::default();
        let one_by_one: Vec<_> = Records::new(&text, 7, ending)
            .map_while(Result::ok)
            .map(|record| show(&record, fields.read(&record, ending, most)))
            .collect();
        let mut marks = Marks::default();
        marks.find(&text);
        let mut records = Records::new(&text, 7, ending);
        let mut by_marks = Vec::new();
        while let Some(Ok((record, row))) = records.next_row(&marks, &mut fields, most) {
            by_marks.push(show(&record, row));
        }
        prop_assert_eq!(by_marks, one_by_one);
    }

    #[test]
    fn well_formed_fields_are_those_of_csv_core(text in csv_text()) {
        let mut fields = Fields::default();
        for record in Records::new(&text, 1, LineEnding::LineFeed).map_while(Result::ok) {
            if let Ok(row) = fields.read(&record, LineEnding::LineFeed, usize::MAX) {
                let read: Vec<_> = row.iter().map(<[u8]>::to_vec).collect();
                prop_assert_eq!(read, fields_by_csv_core(record.bytes));
            }
        }
    }

    #[test]
    fn well_formed_records_are_taken(
        fields in prop::collection::vec("[a\"\n\r, é]{0,6}", 1..6),
    ) {
        let quoted: Vec<_> = fields
            .iter()
            .map(|field| format!("\"{}\"", field.replace('"', "\"\"")))
            .collect();
        let text = quoted.join(",");
        let record = Records::new(text.as_bytes(), 1, LineEnding::LineFeed).next();
        let record = record.unwrap().unwrap();
        prop_assert_eq!(record.bytes, text.as_bytes());
        let mut read = Fields::default();
        let row = read.read(&record, LineEnding::LineFeed, fields.len()).unwrap();
        let row: Vec<_> = row.iter().map(|field| String::from_utf8(field.to_vec()).unwrap()).collect();
        prop_assert_eq!(row, fields);
    }

    #[test]
    fn times_are_those_of_an_independent_calendar(
        year in prop_oneof![1900..2100i64, 1..10_000i64],
        month in 1..=12u32,
        day in 1..=28u32,
        second in 0..86_400i64,
        microsecond in 0..1_000_000i64,
    ) {
        let expected = days_by_counting(year, month, day) * 86_400 + second;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
        prop_assert_eq!(time::parse(text.as_bytes()), Ok(expected * 1_000_000));
        let text = format!("{year:04}-{month}-{day}T{hour}:{minute}:{second}.{microsecond:06}");
        prop_assert_eq!(time::parse(text.as_bytes()), Ok(expected * 1_000_000 + microsecond));
    }

    #[test]
    fn numbers_are_those_of_the_standard_library(x in number(), y in number(), plain in any::<bool>()) {
        let text = if plain { format!("POINT ({x} {y})") } else { format!("point( {x}\t{y} )") };
        let (lon, lat): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
        match point::parse(text.as_bytes()) {
            Ok(point) => {
                prop_assert_eq!(point.lon.to_bits(), lon.to_bits());
                prop_assert_eq!(point.lat.to_bits(), lat.to_bits());
            }
            Err(error) => {
                prop_assert_eq!(error.sqlstate(), "22003");
                prop_assert!(lon.abs() > 180.0 || lat.abs() > 90.0);
            }
        }
    }

    #[test]
    fn no_field_makes_a_parser_fail(field in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = (point::parse(&field), time::parse(&field), name::parse(&field));
    }

    #[test]
    fn no_text_of_the_right_letters_makes_a_parser_fail(
        point in "(SRID=4326;)?[POINTpointZM( )0-9.eE+-]{0,40}",
        time in "[0-9T :.+-]{0,30}",
    ) {
        if let Ok(point) = point::parse(point.as_bytes()) {
            prop_assert!(point.lon.abs() <= 180.0 && point.lat.abs() <= 90.0);
        }
        let _ = time::parse(time.as_bytes());
    }

    #[test]
    fn a_name_is_its_own_name(field in "\\PC{0,40}") {
        if let Ok(name) = name::parse(field.as_bytes()) {
            prop_assert_eq!(name::parse(name.as_bytes()).unwrap(), &*name);
        }
    }
}
