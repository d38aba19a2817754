//! What has become of a file's rows so far, what the caller allows, and who is told.

use std::time::{Duration, Instant};

use trips_core::Error;
use trips_core::event::{Counts, per_second};
use trips_core::ingest::batch::Batch;

use super::options::OnError;
use crate::postgres::message;

/// Time between two NOTICEs to the caller.
const NOTICE_INTERVAL: Duration = Duration::from_secs(5);

/// Counts of one load.
pub struct Tally<'a> {
    file: &'a str,
    on_error: OnError,
    since: Instant,
    last_notice: Instant,
    counts: Counts,
}

impl<'a> Tally<'a> {
    /// Nothing yet, of a file of so many bytes.
    pub fn new(file: &'a str, bytes_total: u64, on_error: OnError) -> Tally<'a> {
        let now = Instant::now();
        Tally {
            file,
            on_error,
            since: now,
            last_notice: now,
            counts: Counts {
                bytes_total,
                ..Counts::default()
            },
        }
    }

    /// Whether the load may go on with the batch.
    ///
    /// # Errors
    /// The first rejected row, or that which goes over the limit.
    pub fn admit(&self, batch: &Batch) -> Result<(), Error> {
        let over = match self.on_error {
            OnError::Stop => batch.rejects.first().map(|reject| Error::Row {
                file: self.file.to_owned(),
                reject: reject.clone(),
            }),
            OnError::Ignore { reject_limit: None } => None,
            OnError::Ignore {
                reject_limit: Some(limit),
            } => {
                let left = usize::try_from(limit.saturating_sub(self.counts.rejected)).ok();
                let last = left.and_then(|left| batch.rejects.get(left));
                last.map(|last| Error::RejectLimit {
                    file: self.file.to_owned(),
                    limit,
                    last: last.clone(),
                })
            }
        };
        over.map_or(Ok(()), Err)
    }

    /// Counts bytes that hold no rows: those of the header.
    pub fn skip_bytes(&mut self, bytes: u64) {
        self.counts.bytes_done += bytes;
    }

    /// Counts a batch that is dealt with, and tells the caller now and then.
    pub fn add(&mut self, batch: &Batch) {
        self.counts.bytes_done += batch.bytes;
        self.counts.rows += batch.tuples.len() as u64;
        self.counts.rejected += batch.rejects.len() as u64;
        if self.last_notice.elapsed() >= NOTICE_INTERVAL {
            self.last_notice = Instant::now();
            self.notice();
        }
    }

    /// The counts up to now.
    pub fn counts(&self) -> Counts {
        Counts {
            elapsed_micros: self.since.elapsed().as_micros() as u64,
            ..self.counts
        }
    }

    fn notice(&self) {
        let counts = self.counts();
        message::notice(format!(
            "ingest of \"{}\": {} rows, {} rejected, {} % of the file, {} rows/s",
            self.file,
            counts.rows,
            counts.rejected,
            counts.bytes_done * 100 / counts.bytes_total.max(1),
            per_second(counts.rows, counts.elapsed_micros),
        ));
    }
}
