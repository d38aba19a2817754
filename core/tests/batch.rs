//! From blocks to batches: what a parser asks for, what it gives, and what ends its work.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Asked, GOOD, HEADER, file};
use trips_core::Error;
use trips_core::ingest::MAX_LINES;
use trips_core::ingest::batch::{Dimension, Names, Parser, TUPLE_LENGTH, TUPLE_STRIDE};
use trips_core::ingest::header::Header;
use trips_core::ingest::source::{Block, Source};

/// The usual header.
fn header() -> Header {
    let file = file(HEADER);
    let source = Source::open(file.path().to_str().unwrap(), &[]).unwrap();
    source.into_blocks(1).unwrap().0
}

/// A block with a text, on a line.
fn block(first_line: u64, text: &str) -> Block {
    Block {
        first_line,
        offset: 0,
        bytes: text.as_bytes().to_vec(),
    }
}

#[test]
fn a_name_is_asked_for_once_in_all_blocks() {
    let mut parser = Parser::new(&header(), 1, Asked::default());
    let rows = format!("{GOOD}\n{GOOD}\n{}\n", GOOD.replace("Turin", " Turin "));
    for line in [2, 5] {
        let batch = parser.parse(&block(line, &rows)).unwrap();
        assert!(
            batch
                .trips()
                .all(|trip| (trip.region_id, trip.datasource_id) == (1, 2))
        );
    }
    let asked = [
        (Dimension::Region, "Turin".to_owned()),
        (Dimension::Datasource, "baba_car".to_owned()),
    ];
    assert_eq!(parser.names().0, asked);
}

#[test]
fn a_region_and_a_datasource_of_the_same_name_are_two_names() {
    let mut parser = Parser::new(&header(), 1, Asked::default());
    let batch = parser
        .parse(&block(2, &GOOD.replace("baba_car", "Turin")))
        .unwrap();
    let trip = batch.trips().next().unwrap();
    assert_eq!((trip.region_id, trip.datasource_id), (1, 2));
}

#[test]
fn tuples_lie_where_the_server_can_read_them() {
    let mut parser = Parser::new(&header(), 9, Asked::default());
    let text = format!("{GOOD}\nx\n{GOOD}\n");
    let batch = parser.parse(&block(2, &text)).unwrap();
    assert_eq!(batch.bytes, text.len() as u64);
    assert_eq!((batch.rows_read, batch.rejects.len()), (3, 1));
    assert_eq!(size_of_val(batch.tuples.as_slice()), 2 * TUPLE_STRIDE);
    assert_eq!(batch.tuples.as_ptr() as usize % 8, 0);
    assert_eq!(TUPLE_LENGTH.next_multiple_of(8), TUPLE_STRIDE);
    for (tuple, line) in batch.tuples.iter().zip([2u64, 4]) {
        assert_eq!(tuple[24 / 8], 9 << 32 | line);
    }
}

#[test]
fn a_line_number_fits_into_an_id() {
    let mut parser = Parser::new(&header(), 1, Asked::default());
    let batch = parser.parse(&block(MAX_LINES, GOOD)).unwrap();
    assert_eq!(batch.trips().next().unwrap().id, (2 << 32) - 1);
    let error = parser
        .parse(&block(MAX_LINES, &format!("{GOOD}\n{GOOD}")))
        .unwrap_err();
    assert_eq!(error.sqlstate(), "54000");
    // Blank lines may follow.
    let text = format!("{GOOD}\n\n\n");
    assert_eq!(parser.parse(&block(MAX_LINES, &text)).unwrap().rows_read, 1);
}

#[test]
fn an_error_of_the_names_ends_the_work() {
    struct Stop;
    impl Names for Stop {
        fn id(&mut self, _: Dimension, _: &str) -> Result<i16, Error> {
            Err(Error::Stopped)
        }
    }
    let mut parser = Parser::new(&header(), 1, Stop);
    assert_eq!(parser.parse(&block(2, "x\ny\n")).unwrap().rejects.len(), 2);
    let stopped = parser.parse(&block(4, GOOD));
    assert!(matches!(stopped, Err(Error::Stopped)));
}

#[test]
fn a_quote_that_a_block_does_not_close_ends_the_work() {
    let mut parser = Parser::new(&header(), 1, Asked::default());
    let error = parser
        .parse(&block(7, &format!("{GOOD}\n\"x\n")))
        .unwrap_err();
    assert_eq!((error.sqlstate(), error.line()), ("22P04", Some(8)));
}

#[test]
fn what_threads_hand_over_may_be_handed_over() {
    fn assert_send<T: Send + 'static>() {}
    assert_send::<trips_core::ingest::source::Blocks>();
    assert_send::<Block>();
    assert_send::<Header>();
    assert_send::<Parser<Asked>>();
    assert_send::<trips_core::ingest::batch::Batch>();
    assert_send::<Error>();
}
