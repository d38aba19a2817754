//! The pipeline's promises to the backend that drains it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use tempfile::NamedTempFile;
use trips_core::Error;
use trips_core::ingest::batch::Dimension;
use trips_core::ingest::pipeline::{KnownNames, Pipeline, Settings, Step};
use trips_core::ingest::source::Source;

const WAIT: Duration = Duration::from_secs(10);

fn settings(parser_threads: usize) -> Settings {
    Settings {
        parser_threads,
        block_bytes: 4096,
    }
}

fn file(rows: impl Iterator<Item = String>) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    writeln!(
        file,
        "region,origin_coord,destination_coord,datetime,datasource"
    )
    .unwrap();
    for row in rows {
        writeln!(file, "{row}").unwrap();
    }
    file.flush().unwrap();
    file
}

fn row(n: usize) -> String {
    let (region, source) = (n % 3, n % 7);
    format!("region {region},POINT (7.5 45.{n}),POINT (8 46),2018-05-01 00:00:00,source {source}")
}

fn start(file: &NamedTempFile, settings: Settings, known: KnownNames) -> Pipeline {
    let source = Source::open(file.path().to_str().unwrap(), &[]).unwrap();
    Pipeline::start(source, settings, 9, known).unwrap().1
}

/// Drains a pipeline as the backend does; gives the lines of the trips, and how often each name was asked for.
fn drain(mut pipeline: Pipeline) -> Result<(Vec<i64>, HashMap<String, usize>), Error> {
    let (mut lines, mut asked) = (Vec::new(), HashMap::new());
    while let Some(step) = pipeline.next(WAIT)? {
        match step {
            Step::Batch(batch) => {
                lines.extend(batch.trips().map(|trip| trip.id & 0xffff_ffff));
            }
            Step::Name(request) => {
                let id = request.name.bytes().last().map_or(0, i16::from);
                *asked.entry(request.name.clone()).or_default() += 1;
                request.answer(id);
            }
            Step::Waiting => panic!("nothing for {WAIT:?}"),
        }
    }
    pipeline.finish()?;
    Ok((lines, asked))
}

#[test]
fn batches_come_in_the_order_of_the_file_however_many_threads_parse() {
    let file = file((0..5000).map(row));
    for threads in [1, 2, 3, 8] {
        let (lines, _) = drain(start(&file, settings(threads), KnownNames::new())).unwrap();
        assert!(lines.into_iter().eq(2..5002), "{threads} threads");
    }
}

#[test]
fn a_name_is_asked_for_at_most_once_a_thread_and_a_known_one_never() {
    let file = file((0..5000).map(row));
    let known = KnownNames::from([((Dimension::Region, "region 1".to_owned()), 4)]);
    let (_, asked) = drain(start(&file, settings(3), known)).unwrap();
    assert_eq!(asked.len(), 2 + 7);
    assert!(
        asked.values().all(|times| (1..=3).contains(times)),
        "{asked:?}"
    );
}

#[test]
fn a_row_gets_the_ids_that_were_answered_for_its_names() {
    let file = file((0..100).map(row));
    let mut pipeline = start(&file, settings(2), KnownNames::new());
    let mut ids = Vec::new();
    while let Some(step) = pipeline.next(WAIT).unwrap() {
        match step {
            Step::Batch(batch) => {
                ids.extend(
                    batch
                        .trips()
                        .map(|trip| (trip.region_id, trip.datasource_id)),
                );
            }
            Step::Name(request) => {
                let number: i16 = request.name.split(' ').nth(1).unwrap().parse().unwrap();
                let base = if request.dimension == Dimension::Region {
                    100
                } else {
                    200
                };
                request.answer(base + number);
            }
            Step::Waiting => panic!("nothing for {WAIT:?}"),
        }
    }
    let expected = (0..100).map(|n| (100 + n % 3, 200 + n % 7));
    assert!(ids.into_iter().eq(expected));
}

#[test]
fn an_error_comes_at_its_place_after_the_batches_before_it() {
    let rows = (0..3000).map(row).chain(["\"never closed".to_owned()]);
    let file = file(rows);
    let mut pipeline = start(&file, settings(2), KnownNames::new());
    let mut rows = 0;
    let error = loop {
        match pipeline.next(WAIT) {
            Ok(Some(Step::Batch(batch))) => rows += batch.rows_read,
            Ok(Some(Step::Name(request))) => request.answer(1),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!((error.sqlstate(), error.line()), ("22P04", Some(3002)));
    assert!(rows > 2000, "{rows}");
}

#[test]
fn dropping_a_pipeline_ends_its_threads_wherever_they_are() {
    let file = file((0..20_000).map(row));
    for steps in 0..6 {
        let mut pipeline = start(&file, settings(3), KnownNames::new());
        let control = pipeline.control();
        // Questions that are never answered, or batches: whatever comes.
        let _unanswered: Vec<_> = (0..steps)
            .map(|_| pipeline.next(Duration::from_millis(1)))
            .collect();
        drop(pipeline);
        control.wait();
    }
}

#[test]
fn threads_can_be_stopped_from_outside_while_the_pipeline_lives_on() {
    let file = file((0..20_000).map(row));
    let mut pipeline = start(&file, settings(2), KnownNames::new());
    let control = pipeline.control();
    control.stop();
    control.wait();
    // What had been parsed may still come; then it is over, and not taken for the end of the file.
    while let Ok(Some(_)) = pipeline.next(WAIT) {}
    assert!(pipeline.finish().is_err());
}

#[test]
fn what_is_in_flight_keeps_within_the_memory_that_was_given() {
    for (memory, threads) in [(64 << 20, 1), (64 << 20, 4), (16 << 20, 8), (1 << 30, 2)] {
        let settings = Settings::within(memory, threads);
        let blocks = settings.block_bytes * settings.parser_threads * 4;
        assert!(blocks * 3 <= memory, "{memory} {threads}: {settings:?}");
        assert!((64 << 10..=512 << 10).contains(&settings.block_bytes));
    }
}
