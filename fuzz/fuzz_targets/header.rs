//! Any first record: what makes a header has the names that csv-core reads, each required one once.

#![no_main]

use std::cell::RefCell;

use csv_core::{Reader, ReaderBuilder, Terminator};
use libfuzzer_sys::fuzz_target;
use trips_core::ingest::header::Header;
use trips_core::ingest::record::{LineEnding, Record, Scanner};
use trips_core::ingest::reject::Column;

thread_local! {
    /// For line feeds and for carriage returns: to make one takes a thousand times as long as to read a record.
    static READERS: RefCell<[Reader; 2]> = RefCell::new([b'\n', b'\r'].map(|terminator| {
        ReaderBuilder::new().terminator(Terminator::Any(terminator)).build()
    }));
}

/// The fields of a record by csv-core, without white space around them.
fn names(record: &[u8], reader: &mut Reader) -> Vec<String> {
    reader.reset();
    let (mut output, mut ends) = (vec![0; record.len() + 1], vec![0; record.len() + 2]);
    let (_, _, written, first) = reader.read_record(record, &mut output, &mut ends);
    // The end of the text ends the record.
    let (_, _, rest, last) = reader.read_record(&[], &mut output[written..], &mut ends[first..]);
    output.truncate(written + rest);
    let ends = ends[..first + last].iter();
    let fields = ends.scan(0, |start, end| {
        Some(&output[std::mem::replace(start, *end)..*end])
    });
    fields
        .map(|field| String::from_utf8_lossy(field).trim().to_owned())
        .collect()
}

fuzz_target!(|input: (bool, u64, &[u8])| {
    let (carriage_returns, bytes, text) = input;
    let ending = if carriage_returns {
        LineEnding::CarriageReturn
    } else {
        LineEnding::LineFeed
    };
    // That would be two records.
    if Scanner::new(ending).record_end(text, 0).is_some() {
        return;
    }
    let record = Record {
        line: 1,
        bytes: text,
        has_quote: text.contains(&b'"'),
    };
    let header = match Header::parse("/fuzz.csv", &record, ending, bytes) {
        Ok(header) => header,
        Err(error) => {
            assert!(["22P04", "22021"].contains(&error.sqlstate()), "{error}");
            return;
        }
    };
    // csv-core takes this for the start of a file and drops it.
    if text.starts_with("\u{feff}".as_bytes()) {
        return;
    }
    let names =
        READERS.with_borrow_mut(|readers| names(text, &mut readers[usize::from(carriage_returns)]));
    assert_eq!(header.columns(), names.len());
    assert_eq!((header.bytes(), header.line_ending()), (bytes, ending));
    let mut ignored = Vec::new();
    for (index, name) in names.iter().enumerate() {
        assert_eq!(header.name(index), Some(name.as_str()));
        match header.column(index) {
            Some(column) => assert!(name.eq_ignore_ascii_case(column.as_str())),
            None => ignored.push(name.clone()),
        }
    }
    assert_eq!(header.ignored(), ignored);
    for column in Column::ALL {
        assert_eq!(header.column(header.position(column)), Some(column));
        let found = names
            .iter()
            .filter(|name| name.eq_ignore_ascii_case(column.as_str()));
        assert_eq!(found.count(), 1);
    }
});
