//! Any names, messages and counts: an event is one JSON object of less than 1 KiB that says them, or as much of their
//! beginnings as there is room for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use trips_core::event::{Counts, Event, Failure, Kind, MAX_PAYLOAD, Phase};
use trips_core::ingest::reject::Column;

const KINDS: [Kind; 6] = [
    Kind::Queued,
    Kind::Started,
    Kind::Progress,
    Kind::Completed,
    Kind::Failed,
    Kind::Skipped,
];
const PHASES: [Phase; 4] = [Phase::Queued, Phase::Checking, Phase::Loading, Phase::Done];

/// SQLSTATE, message, line and column of an error.
type Error<'a> = ([u8; 5], &'a str, Option<u64>, Option<u8>);

type Input<'a> = (
    [u8; 2],
    u32,
    [i64; 2],
    [u64; 5],
    Option<&'a str>,
    Option<Error<'a>>,
    bool,
);

/// One of an SQLSTATE's letters and digits.
fn letter(byte: u8) -> char {
    char::from(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[usize::from(byte) % 36])
}

/// A number that rows or microseconds can be: their sum stays below 2^64.
fn number(random: u64) -> u64 {
    random >> (1 + random % 48)
}

/// Whether `said` is `text`, or its beginning and an ellipsis.
#[track_caller]
fn assert_says(said: &Value, text: &str) {
    let said = said.as_str().expect("a string");
    let is_cut = said
        .strip_suffix('…')
        .is_some_and(|said| text.starts_with(said));
    assert!(said == text || is_cut, "{said:?} {text:?}");
}

fuzz_target!(|input: Input| {
    let ([kind, phase], sequence, [ingest, other], numbers, file, error, is_duplicate) = input;
    let [bytes_done, bytes_total, rows, rejected, elapsed_micros] = numbers.map(number);
    let failure = error.map(|(sqlstate, message, line, column)| Failure {
        sqlstate: sqlstate.map(letter).iter().collect(),
        message: message.to_owned(),
        line,
        column: column.map(|column| {
            let column = Column::ALL[usize::from(column) % Column::ALL.len()];
            column.as_str().to_owned()
        }),
    });
    let counts = Counts {
        bytes_done,
        bytes_total,
        rows,
        rejected,
        elapsed_micros,
    };
    let event = Event {
        kind: KINDS[usize::from(kind) % KINDS.len()],
        sequence,
        ingest,
        file,
        phase: PHASES[usize::from(phase) % PHASES.len()],
        counts,
        error: failure.clone(),
        duplicate_of: is_duplicate.then_some(other),
    };
    let payload = event.payload();
    assert!(payload.len() <= MAX_PAYLOAD, "{} bytes", payload.len());
    assert!(!payload.contains('\0'));
    let said: Value = serde_json::from_str(&payload).expect("JSON");
    for (key, number) in [
        ("bytes_done", bytes_done),
        ("bytes_total", bytes_total),
        ("rows", rows),
        ("rejected", rejected),
        ("rows_per_second", counts.rows_per_second()),
        ("sequence", sequence.into()),
    ] {
        assert_eq!(said[key].as_u64(), Some(number), "{key}");
    }
    assert_eq!(said["ingest"].as_i64(), Some(ingest));
    assert_eq!(said["phase"].as_str(), Some(event.phase.as_str()));
    match file {
        Some(file) => assert_says(&said["file"], file),
        None => assert!(said["file"].is_null()),
    }
    let Some(failure) = failure else {
        assert!(said.get("error").is_none());
        return;
    };
    let told = &said["error"];
    assert_eq!(told["sqlstate"].as_str(), Some(failure.sqlstate.as_str()));
    assert_eq!(told["line"].as_u64(), failure.line);
    assert_eq!(told["column"].as_str(), failure.column.as_deref());
    assert_says(&told["message"], &failure.message);
    let Some(file) = file else { return };
    // Where a name of quotes, or one behind the other, shares a quote, what is left is no name.
    let quoted = format!("\"{file}\"");
    let is_shared = failure.message.contains(&format!("{quoted}{file}\""));
    if !file.is_empty() && file != "..." && !file.contains('"') && !is_shared {
        let hidden = failure.without_file(file);
        assert!(!hidden.message.contains(&quoted), "{hidden:?}");
    }
});
