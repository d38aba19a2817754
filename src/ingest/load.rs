//! One file's load, from its bytes to the ledger.

use std::time::{Duration, Instant};

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::event::{Counts, Event, Kind, Phase};
use trips_core::ingest::pipeline::{KnownNames, Pipeline, Step};
use trips_core::ingest::source::{Digest, Source};

use super::dimension::Dimensions;
use super::input::Input;
use super::options::{IfLoaded, Options};
use super::sink::{Database, Nowhere, Sink};
use super::tally::Tally;
use super::{guard, ledger, target};
use crate::area::writer::Tables;
use crate::fault::{self, Point};
use crate::postgres::copy_progress::CopyProgress;
use crate::postgres::signals::AllBlocked;
use crate::postgres::{message, spi};
use crate::settings;
use crate::status::reporter::Reporter;
use crate::threads;

/// How long the backend waits for its threads before it looks at interrupts again.
const POLL: Duration = Duration::from_millis(20);

/// How a load ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its trips are there once the transaction commits.
    Loaded,
    /// Its content had been loaded before.
    Skipped,
    /// It was read and counted only.
    Checked,
}

impl Status {
    /// The word in the result of `trips_ingest`.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Loaded => "loaded",
            Status::Skipped => "skipped",
            Status::Checked => "checked",
        }
    }
}

/// What a load did.
#[derive(Debug)]
pub struct Summary {
    /// The ingest that has the file's trips; none after a dry run.
    pub ingest: Option<i64>,
    /// How it ended.
    pub status: Status,
    /// Rows, bytes and time.
    pub counts: Counts,
}

/// Reads and checks `input` as a load would; stores nothing and reports to nobody.
///
/// # Errors
/// Those of a load.
pub fn check(input: Input<'_>, options: &Options) -> Result<Summary, Error> {
    fault::arm();
    let since = Instant::now();
    let _trip = target::open()?;
    let file = input.name();
    let source = input.open()?;
    if let Some(loaded_by) = find_loaded(&source, &source.head_digest()?)? {
        return skip(&source, loaded_by, options, since);
    }
    let mut tally = Tally::new(file, source.size(), options.on_error);
    run(
        source,
        0,
        KnownNames::new(),
        &mut Nowhere,
        &mut tally,
        |_| (),
    )?;
    Ok(Summary {
        ingest: None,
        status: Status::Checked,
        counts: tally.counts(),
    })
}

/// Loads `input` as `ingest` and reports to `reporter`.
///
/// # Errors
/// What the file, its rows and the options give rise to. What the server raises leaves as a panic.
pub fn load(
    input: Input<'_>,
    ingest: i64,
    options: &Options,
    reporter: &Reporter,
) -> Result<Summary, Error> {
    fault::arm();
    let since = Instant::now();
    let trip = target::open()?;
    let file = input.name();
    let source = input.open()?;
    let head_hash = source.head_digest()?;
    ledger::lock_head(&head_hash)?;
    // Before the ledger is looked at: an ingest that is being forgotten is gone then, or stays.
    let dimensions = Dimensions::open(ingest);
    if let Some(loaded_by) = find_loaded(&source, &head_hash)? {
        let summary = skip(&source, loaded_by, options, since)?;
        reporter.skipped();
        push(&Event {
            kind: Kind::Skipped,
            duplicate_of: Some(loaded_by),
            ..completed(ingest, reporter, file, summary.counts)
        })?;
        return Ok(summary);
    }
    reporter.loading(source.size());
    message::notice(format!(
        "ingest of \"{file}\": started as ingest {ingest}, {} bytes",
        source.size()
    ));
    target::tell(&trip)?;
    let shown = CopyProgress::begin(&trip, source.size());
    let area = Tables::open();
    let (mut database, known) = Database::open(file, ingest, &trip, &area, dimensions)?;
    let mut tally = Tally::new(file, source.size(), options.on_error);
    let digest = run(source, ingest, known, &mut database, &mut tally, |counts| {
        reporter.progress(counts);
        shown.show(counts.bytes_done, counts.rows, counts.rejected);
    })?;
    drop(shown);
    database.finish(tally.counts().rows)?;
    fault::reach(Point::Ledger);
    guard::keep(&trip)?;
    let counts = tally.counts();
    ledger::enter(&ledger::Entry {
        ingest,
        file,
        counts,
        started_at: reporter.started_at(),
        content_hash: digest.blake3,
        head_hash,
    })?;
    reporter.finished();
    push(&completed(ingest, reporter, file, counts))?;
    fault::reach(Point::End);
    Ok(Summary {
        ingest: Some(ingest),
        status: Status::Loaded,
        counts,
    })
}

/// The ingest that has this content. A file whose head is new need not be read for that.
fn find_loaded(source: &Source, head_hash: &[u8; 32]) -> Result<Option<i64>, Error> {
    if !ledger::knows_head(head_hash)? {
        return Ok(None);
    }
    let content_hash = source.digest_whole(&mut || {
        check_for_interrupts!();
        Ok(())
    })?;
    ledger::find(&content_hash)
}

fn skip(
    source: &Source,
    loaded_by: i64,
    options: &Options,
    since: Instant,
) -> Result<Summary, Error> {
    let file = source.path();
    if options.if_loaded == IfLoaded::Error {
        return Err(Error::AlreadyLoaded {
            file: file.to_owned(),
            ingest: loaded_by,
        });
    }
    message::notice(format!(
        "file \"{file}\" is already loaded by ingest {loaded_by}, skipping"
    ));
    Ok(Summary {
        ingest: Some(loaded_by),
        status: Status::Skipped,
        counts: Counts {
            bytes_total: source.size(),
            elapsed_micros: since.elapsed().as_micros() as u64,
            ..Counts::default()
        },
    })
}

/// Runs the pipeline from `source` to `sink`. Its threads are joined before this returns or unwinds; `session_ends`
/// knows them.
fn run(
    source: Source,
    ingest: i64,
    known: KnownNames,
    sink: &mut dyn Sink,
    tally: &mut Tally<'_>,
    progress: impl Fn(&Counts),
) -> Result<Digest, Error> {
    let blocked = AllBlocked::new();
    let settings = settings::pipeline_settings();
    let (header, mut pipeline) = Pipeline::start(source, settings, ingest, known)?;
    drop(blocked);
    let _registered = threads::register(pipeline.control());
    tally.skip_bytes(header.bytes());
    if !header.ignored().is_empty() {
        let names = header.ignored().join("\", \"");
        message::notice(format!(
            "ignoring columns that trips do not have: \"{names}\""
        ));
    }
    while let Some(step) = pipeline.next(POLL)? {
        match step {
            Step::Batch(batch) => {
                tally.admit(&batch)?;
                sink.store(&batch)?;
                tally.add(&batch);
                progress(&tally.counts());
            }
            Step::Name(request) => {
                let id = sink.id(request.dimension, &request.name)?;
                request.answer(id);
            }
            Step::Waiting => {}
        }
        check_for_interrupts!();
    }
    pipeline.finish()
}

fn completed<'f>(ingest: i64, reporter: &Reporter, file: &'f str, counts: Counts) -> Event<'f> {
    Event {
        kind: Kind::Completed,
        sequence: reporter.last_sequence(),
        ingest,
        file: (!reporter.is_of_job()).then_some(file),
        phase: Phase::Done,
        counts,
        error: None,
        duplicate_of: None,
    }
}

/// Pushes an event with the commit of this transaction.
fn push(event: &Event<'_>) -> Result<(), Error> {
    spi::notify(&settings::channel(), &event.payload())
}
