//! What a client sends, kept in a temporary file until it is ingested: an upload, which is a file in parts, or rows of a
//! statement on `trips.inbox`, which become one.
//!
//! An upload belongs to its transaction; what is rolled back to a savepoint is gone from it. Rows belong to their statement.

use std::cell::RefCell;
use std::fs::File;

use pgrx::SubXactCallbackReceipt;
use pgrx::prelude::*;
use trips_core::Error;
use trips_core::ingest::row;

use crate::error;
use crate::fault::{self, Point};
use crate::postgres::temporary_file::TemporaryFile;
use crate::postgres::transaction;

/// How much of rows is collected before it is written.
const WRITE_STEP: usize = 64 << 10;

thread_local! {
    static OPEN: RefCell<Open> = const { RefCell::new(Open { upload: None, statements: Vec::new(), rollbacks: None }) };
}

/// What is being received in this session.
struct Open {
    upload: Option<Received>,
    /// Statements on `trips.inbox`; one may run inside another.
    statements: Vec<Received>,
    rollbacks: Option<SubXactCallbackReceipt>,
}

/// Bytes that have been received.
struct Received {
    file: TemporaryFile,
    /// How many of them are in the file.
    length: u64,
    /// Those that are not yet.
    pending: Vec<u8>,
    rows: u64,
    /// The subtransactions in which something came, upwards, each with the length before.
    began: Vec<(pg_sys::SubTransactionId, u64)>,
}

impl Received {
    fn new() -> Received {
        Received {
            file: TemporaryFile::create(),
            length: 0,
            pending: Vec::new(),
            rows: 0,
            began: vec![(transaction::current_subtransaction(), 0)],
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let current = transaction::current_subtransaction();
        if self.began.last().is_none_or(|(last, _)| *last < current) {
            self.began.push((current, self.length));
        }
        let written = self.file.write(bytes, self.length);
        written.map_err(|source| Error::KeepReceived { source })?;
        self.length += bytes.len() as u64;
        fault::reach(Point::Upload);
        Ok(())
    }

    fn append_row(&mut self, values: [Option<&[u8]>; 5]) -> Result<(), Error> {
        if self.rows == 0 {
            self.pending = row::header();
        }
        self.rows += 1;
        row::append(&mut self.pending, values);
        match self.pending.len() {
            WRITE_STEP.. => self.flush(),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let pending = std::mem::take(&mut self.pending);
        self.append(&pending)?;
        self.pending = pending;
        self.pending.clear();
        Ok(())
    }

    /// All of it, as a file.
    fn share(&mut self) -> Result<File, Error> {
        self.flush()?;
        // A savepoint may have been rolled back after more had been written.
        let file = self.file.truncate(self.length);
        file.and_then(|()| self.file.share())
            .map_err(|source| Error::KeepReceived { source })
    }

    /// Whether something is left of it without what came in the subtransaction `rolled_back` and those inside it, which have
    /// greater numbers.
    fn roll_back(&mut self, rolled_back: pg_sys::SubTransactionId) -> bool {
        while let Some((_, before)) = self.began.pop_if(|(began, _)| *began >= rolled_back) {
            self.length = before;
        }
        !self.began.is_empty()
    }
}

/// Takes the next part of this transaction's upload; how many bytes it has now.
///
/// # Errors
/// The part cannot be kept. What the server raises leaves as a panic, here and below.
pub fn add_part(part: &[u8]) -> Result<u64, Error> {
    fault::arm();
    OPEN.with_borrow_mut(|open| {
        open.look_after();
        let upload = open.upload.get_or_insert_with(Received::new);
        upload.append(part)?;
        Ok(upload.length)
    })
}

/// This transaction's upload.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn upload() -> Result<File, Error> {
    OPEN.with_borrow_mut(|open| open.upload.as_mut().ok_or(Error::NoUpload)?.share())
}

/// The upload has been dealt with: the next part begins another.
pub fn end_upload() {
    OPEN.with_borrow_mut(|open| open.upload = None);
}

/// A statement on `trips.inbox` begins.
pub fn begin_statement() {
    fault::arm();
    OPEN.with_borrow_mut(|open| {
        open.look_after();
        open.statements.push(Received::new());
    });
}

/// Takes a row of the statement.
///
/// # Errors
/// As [`add_part`].
pub fn add_row(values: [Option<&[u8]>; 5]) -> Result<(), Error> {
    OPEN.with_borrow_mut(|open| match open.statements.last_mut() {
        Some(statement) => statement.append_row(values),
        None => Err(no_statement()),
    })
}

/// The rows of the statement, as a file with a header; none if there was no row.
///
/// # Errors
/// As [`upload`].
pub fn end_statement() -> Result<Option<File>, Error> {
    let statement = OPEN.with_borrow_mut(|open| open.statements.pop());
    match statement.ok_or_else(no_statement)? {
        Received { rows: 0, .. } => Ok(None),
        mut statement => statement.share().map(Some),
    }
}

fn no_statement() -> Error {
    Error::Internal {
        what: "a trigger of trips.inbox is missing or disabled".to_owned(),
    }
}

impl Open {
    /// Has the end of the transaction, and of its savepoints, seen to.
    fn look_after(&mut self) {
        if self.rollbacks.is_none() {
            self.rollbacks = Some(transaction::on_subtransaction_rollback(rolled_back));
            transaction::before_commit(check_ingested);
            transaction::on_end(|_| OPEN.with_borrow_mut(Open::clear));
        }
    }

    fn clear(&mut self) {
        self.upload = None;
        self.statements.clear();
        if let Some(rollbacks) = self.rollbacks.take() {
            rollbacks.unregister_callback();
        }
    }
}

fn rolled_back(subtransaction: pg_sys::SubTransactionId) {
    OPEN.with_borrow_mut(|open| {
        open.upload = open
            .upload
            .take()
            .and_then(|mut upload| upload.roll_back(subtransaction).then_some(upload));
        open.statements
            .retain_mut(|statement| statement.roll_back(subtransaction));
    });
}

/// What was sent is not to be lost without a word.
fn check_ingested() {
    let bytes = OPEN.with_borrow(|open| open.upload.as_ref().map(|upload| upload.length));
    if let Some(bytes) = bytes {
        error::raise(&Error::UploadNotIngested { bytes });
    }
}
