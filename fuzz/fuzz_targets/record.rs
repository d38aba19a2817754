//! Any text: records end where csv-core ends them, rows add up, and it makes no difference where
//! the text is cut into blocks.

#![no_main]

use std::cell::RefCell;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use libfuzzer_sys::fuzz_target;
use trips_core::Error;
use trips_core::ingest::batch::{Batch, Dimension, Names, Parser};
use trips_core::ingest::header::Header;
use trips_core::ingest::record::{LineEnding, Record, Scanner};
use trips_core::ingest::source::Block;

/// Gives every name the same id.
struct One;

impl Names for One {
    fn id(&mut self, _: Dimension, _: &str) -> Result<i16, Error> {
        Ok(1)
    }
}

/// Where records end, without blank lines.
fn ends(text: &[u8], ending: LineEnding) -> Vec<usize> {
    let mut scanner = Scanner::new(ending);
    let (mut at, mut ends) = (0, vec![]);
    while let Some(end) = scanner.record_end(text, at) {
        if text[at..end] != [ending.terminator()] {
            ends.push(end);
        }
        at = end;
    }
    ends
}

thread_local! {
    /// For line feeds and for carriage returns: to make one takes a thousand times as long as to read a record.
    static READERS: RefCell<[Reader; 2]> = RefCell::new([b'\n', b'\r'].map(|terminator| {
        ReaderBuilder::new().terminator(Terminator::Any(terminator)).build()
    }));
}

/// Where records end by csv-core.
fn ends_by_csv_core(text: &[u8], reader: &mut Reader) -> Vec<usize> {
    reader.reset();
    let (mut output, mut fields) = (vec![0; text.len() + 1], vec![0; text.len() + 1]);
    let (mut at, mut ends) = (0, vec![]);
    loop {
        let (result, read, _, _) = reader.read_record(&text[at..], &mut output, &mut fields);
        at += read;
        match result {
            ReadRecordResult::Record => ends.push(at),
            ReadRecordResult::End => return ends,
            _ => {}
        }
    }
}

/// Parses `text` as a block.
fn parse(header: &Header, first_line: u64, text: &[u8]) -> Result<Batch, Error> {
    Parser::new(header, 1, One).parse(&Block {
        first_line,
        offset: 0,
        bytes: text.to_vec(),
    })
}

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (carriage_returns, cut, text) = input;
    let ending = if carriage_returns {
        LineEnding::CarriageReturn
    } else {
        LineEnding::LineFeed
    };
    // Here it is text; csv-core takes it for the start of a file and drops it.
    if text.starts_with("\u{feff}".as_bytes()) {
        return;
    }
    let found = ends(text, ending);
    let mut expected = READERS.with_borrow_mut(|readers| {
        ends_by_csv_core(text, &mut readers[usize::from(carriage_returns)])
    });
    // What is left without a line end is a record for csv-core.
    expected.truncate(found.len());
    assert_eq!(found, expected);

    let record = Record {
        line: 1,
        bytes: b"region,origin_coord,destination_coord,datetime,datasource",
        has_quote: false,
    };
    let header = Header::parse("/fuzz.csv", &record, ending, 0).expect("a good header");
    let Ok(whole) = parse(&header, 2, text) else {
        return;
    };
    assert_eq!(
        whole.rows_read as usize,
        whole.tuples.len() + whole.rejects.len()
    );
    if found.is_empty() {
        return;
    }
    let (head, tail) = text.split_at(found[cut as usize % found.len()]);
    let lines = head
        .iter()
        .filter(|byte| **byte == ending.terminator())
        .count();
    let head = parse(&header, 2, head).expect("a part of a good block");
    let tail = parse(&header, 2 + lines as u64, tail).expect("a part of a good block");
    assert_eq!([head.tuples, tail.tuples].concat(), whole.tuples);
    assert_eq!([head.rejects, tail.rejects].concat(), whole.rejects);
});
