//! The one error type of the product: each variant knows its SQLSTATE, and speaks PostgreSQL's style.

use std::io;

use crate::ingest::batch::Dimension;
use crate::ingest::parse::point::PointError;
use crate::ingest::reject::{Column, Reason, Reject};
use crate::ingest::{MAX_LINES, MAX_RECORD_BYTES};

/// Why an ingest, or a call around it, cannot go on.
///
/// [`Error::message`] is the primary message; [`Error::detail`] says where, and [`Error::hint`]
/// what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path does not start at the root of the file system.
    #[error("path \"{file}\" is not absolute")]
    PathNotAbsolute {
        /// The path as it was given.
        file: String,
    },
    /// The path holds a NUL byte, or is longer than the system takes.
    #[error("path is not valid: {problem}")]
    InvalidPath {
        /// The path as it was given, without NUL bytes and cut to a readable length.
        file: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The file system refused to open the file.
    #[error("could not open file \"{file}\": {}", reason(.source))]
    Open {
        /// The path as it was given.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The path leads to something that is no regular file.
    #[error("\"{file}\" is not a regular file but a {kind}")]
    NotRegularFile {
        /// The path as it was given.
        file: String,
        /// What it is: `directory`, `FIFO`, `socket` or `device`.
        kind: &'static str,
    },
    /// The file that was opened lies outside the directories that may be read.
    #[error("file \"{file}\" is outside the directories that trips_ext may read")]
    OutsideAllowedDirectories {
        /// The path as it was given.
        file: String,
    },
    /// The file system failed while the file was read.
    #[error("could not read file \"{file}\": {}", reason(.source))]
    Read {
        /// The path as it was given.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file system does not tell what happens in a directory.
    #[error("could not watch directory \"{directory}\": {}", reason(.source))]
    Watch {
        /// The path as it was given.
        directory: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what it was when it was opened.
    #[error("file \"{file}\" changed while it was read")]
    FileChanged {
        /// The path as it was given.
        file: String,
    },
    /// The file starts with the byte order mark of UTF-16.
    #[error("file \"{file}\" is encoded in UTF-16, not in UTF-8")]
    Utf16 {
        /// The path as it was given.
        file: String,
    },
    /// The header holds a NUL byte or is not valid UTF-8.
    #[error("header of file \"{file}\" is not text in UTF-8")]
    HeaderEncoding {
        /// The path as it was given.
        file: String,
        /// The line of the header.
        line: u64,
    },
    /// The file holds nothing, or nothing but blank lines.
    #[error("file \"{file}\" is empty")]
    EmptyFile {
        /// The path as it was given.
        file: String,
    },
    /// The header's quotes or line ends are malformed.
    #[error("header of file \"{file}\" is malformed: {problem}")]
    MalformedHeader {
        /// The path as it was given.
        file: String,
        /// The line of the header.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The header lacks required columns.
    #[error("header lacks {}", columns(.missing))]
    MissingColumns {
        /// The path as it was given.
        file: String,
        /// The line of the header.
        line: u64,
        /// The columns that it lacks; at least one.
        missing: Vec<Column>,
    },
    /// The header names a required column twice.
    #[error("header names column \"{column}\" more than once")]
    DuplicateColumn {
        /// The path as it was given.
        file: String,
        /// The line of the header.
        line: u64,
        /// The column.
        column: Column,
    },
    /// A quote is still open at the end of the file.
    #[error("unterminated CSV quoted field")]
    UnterminatedQuote {
        /// The path of the file.
        file: String,
        /// The line on which the record starts.
        line: u64,
    },
    /// A record is longer than [`MAX_RECORD_BYTES`].
    #[error("record is longer than {MAX_RECORD_BYTES} bytes")]
    RecordTooLong {
        /// The path of the file.
        file: String,
        /// The line on which the record starts.
        line: u64,
    },
    /// The file has more than [`MAX_LINES`] lines: a trip's id could not say which one it came from.
    #[error("file \"{file}\" has more than {MAX_LINES} lines")]
    TooManyLines {
        /// The path of the file.
        file: String,
    },
    /// A row cannot be loaded, and the ingest is to stop at the first such row.
    #[error("{}", .reject.reason)]
    Row {
        /// The path of the file.
        file: String,
        /// The row.
        reject: Reject,
    },
    /// More rows than `reject_limit` cannot be loaded.
    #[error("skipped more than reject_limit ({limit}) rows")]
    RejectLimit {
        /// The path of the file.
        file: String,
        /// The limit.
        limit: u64,
        /// The reject that went over it.
        last: Reject,
    },
    /// An option's value is not among those allowed.
    #[error("invalid value for option \"{name}\": \"{value}\"")]
    InvalidOption {
        /// The option.
        name: &'static str,
        /// The value that was given.
        value: String,
        /// What is allowed, as it shall be read: `"stop", "ignore"`.
        allowed: &'static str,
    },
    /// A file of the same content is in the ledger already.
    #[error("file \"{file}\" is already loaded")]
    AlreadyLoaded {
        /// The path of the file.
        file: String,
        /// The ingest that loaded it.
        ingest: i64,
    },
    /// What a client sends could not be kept until it is ingested.
    #[error("could not write temporary file: {}", reason(.source))]
    KeepReceived {
        /// What the system said.
        source: io::Error,
    },
    /// There is no upload to be ingested.
    #[error("nothing was uploaded in this transaction")]
    NoUpload,
    /// The transaction of an upload is about to end before it was ingested.
    #[error("upload of {bytes} bytes was not ingested")]
    UploadNotIngested {
        /// What was received.
        bytes: u64,
    },
    /// The watched folder cannot be served.
    #[error("inbox cannot be served: {problem}")]
    Inbox {
        /// Why not.
        problem: String,
        /// What can be done about it, as a sentence.
        hint: &'static str,
    },
    /// No background worker is free to run what is queued.
    #[error("could not start a background worker")]
    NoWorker,
    /// There is no ingest of that number.
    #[error("ingest {ingest} does not exist")]
    UnknownIngest {
        /// The number.
        ingest: i64,
    },
    /// A session runs the ingest, and no background worker.
    #[error("ingest {ingest} is run by a session")]
    NotQueued {
        /// Its number.
        ingest: i64,
    },
    /// A dimension holds as many names as its ids can tell apart.
    #[error("too many {dimension} names")]
    TooManyNames {
        /// Which names they are.
        dimension: Dimension,
    },
    /// What was asked for is not supported.
    #[error("{what} is not supported")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// What to do instead, as a sentence; may be empty.
        hint: String,
    },
    /// A required argument is null.
    #[error("argument \"{name}\" must not be null")]
    NullArgument {
        /// The argument.
        name: &'static str,
    },
    /// The role lacks a right.
    #[error("permission denied to {what}")]
    NotPermitted {
        /// What it may not do.
        what: &'static str,
        /// The right that it lacks, as a sentence.
        detail: &'static str,
    },
    /// An area is none that can be searched.
    #[error("invalid area: {what}")]
    InvalidArea {
        /// What is wrong with it.
        what: String,
    },
    /// A row that is no trip reached the table of trips.
    #[error("trip has no valid {what}")]
    InvalidTrip {
        /// What is wrong: `origin`, `destination`, `departed_at` or `region_id`.
        what: &'static str,
        /// What it is, and what it must be, as a sentence.
        detail: String,
    },
    /// The trees do not have all trips.
    #[error("ingest {ingest} is not in the area trees")]
    PendingTrees {
        /// An ingest whose trips they lack.
        ingest: i64,
    },
    /// The trees are not what was written.
    #[error("area trees are damaged: {what}")]
    CorruptTree {
        /// What was found.
        what: String,
    },
    /// Somebody waits for the runs that are merged in the background.
    #[error("merging runs in the background gives way to a session that waits for them")]
    MergeGivesWay,
    /// Groups of similar trips take more memory than allowed.
    #[error("grouping takes more memory than trips_ext.group_memory allows")]
    GroupMemory {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A row of a table of groups does not hold what a grouping could go on from.
    #[error("a row of the table holds no group that could be restored")]
    NoGroup,
    /// A disk is full but for what is to be left free.
    #[error("could not extend table \"{table}\": its disk is full but for what is left free")]
    DiskReserve {
        /// The table.
        table: String,
        /// Bytes that are free.
        free: u64,
        /// Bytes that are to be left free.
        reserve: u64,
    },
    /// The system gives no more threads.
    #[error("could not start a thread: {what}")]
    NoThread {
        /// What the system said.
        what: String,
    },
    /// A thread was told to stop; never seen by a user.
    #[error("ingest was told to stop")]
    Stopped,
    /// Something that should never happen.
    #[error("internal error: {what}")]
    Internal {
        /// What happened.
        what: String,
    },
}

impl Error {
    /// The SQLSTATE: five characters.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Error::PathNotAbsolute { .. } => "42602",
            Error::InvalidPath { .. } | Error::InvalidOption { .. } | Error::InvalidArea { .. } => {
                "22023"
            }
            Error::Open { source, .. }
            | Error::Read { source, .. }
            | Error::Watch { source, .. }
            | Error::KeepReceived { source } => file_access_state(source),
            Error::NotRegularFile { .. } => "42809",
            Error::OutsideAllowedDirectories { .. } => "42501",
            Error::FileChanged { .. } | Error::PendingTrees { .. } => "55000",
            Error::Utf16 { .. } | Error::HeaderEncoding { .. } => "22021",
            Error::EmptyFile { .. }
            | Error::MalformedHeader { .. }
            | Error::MissingColumns { .. }
            | Error::DuplicateColumn { .. }
            | Error::UnterminatedQuote { .. } => "22P04",
            Error::RecordTooLong { .. }
            | Error::TooManyLines { .. }
            | Error::TooManyNames { .. } => "54000",
            Error::Row { reject, .. } => reject.reason.sqlstate(),
            Error::RejectLimit { .. } => "22P02",
            Error::AlreadyLoaded { .. } => "42710",
            Error::NoWorker => "53000",
            Error::UnknownIngest { .. } => "42704",
            Error::NotQueued { .. }
            | Error::Inbox { .. }
            | Error::NoUpload
            | Error::UploadNotIngested { .. } => "55000",
            Error::Unsupported { .. } => "0A000",
            Error::NullArgument { .. } => "22004",
            Error::NotPermitted { .. } => "42501",
            Error::InvalidTrip {
                what: "departed_at",
                ..
            } => "22008",
            Error::InvalidTrip { .. } => "22003",
            Error::CorruptTree { .. } => "XX002",
            Error::MergeGivesWay => "57014",
            Error::NoGroup => "XX001",
            Error::NoThread { .. } => "53000",
            Error::DiskReserve { .. } => "53100",
            Error::GroupMemory { .. } => "53200",
            Error::Stopped | Error::Internal { .. } => "XX000",
        }
    }

    /// The primary message: lower case, without a full stop.
    pub fn message(&self) -> String {
        self.to_string()
    }

    /// Where it happened, and other facts, as sentences.
    pub fn detail(&self) -> Option<String> {
        match self {
            Error::Row { file, reject } => Some(place_of(file, reject)),
            Error::RejectLimit { file, last, .. } => Some(format!(
                "The last one: {}. {}",
                last.reason,
                place_of(file, last)
            )),
            Error::InvalidOption { allowed, .. } => Some(format!("Allowed values: {allowed}.")),
            Error::AlreadyLoaded { ingest, .. } => Some(format!(
                "Ingest {ingest} has loaded a file of the same content."
            )),
            Error::TooManyNames { .. } => Some(format!("There can be {} of them.", i16::MAX)),
            Error::NotPermitted { detail, .. } => Some((*detail).to_owned()),
            Error::GroupMemory { limit } => Some(match limit.is_multiple_of(1 << 20) {
                true => format!("The limit is {} MB.", limit >> 20),
                false => format!("The limit is {} kB.", limit >> 10),
            }),
            Error::InvalidTrip { detail, .. } => Some(detail.clone()),
            Error::DiskReserve { free, reserve, .. } => Some(format!(
                "Of {} kB that are free, trips_ext.disk_reserve keeps {} kB.",
                free >> 10,
                reserve >> 10
            )),
            _ => match (self.file(), self.line()) {
                (Some(file), Some(line)) => Some(format!("File \"{file}\", line {line}.")),
                _ => None,
            },
        }
    }

    /// What can be done about it, as a sentence.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::PathNotAbsolute { .. } => {
                "Give the path from the root of the server's file system."
            }
            Error::OutsideAllowedDirectories { .. } => {
                "The setting trips_ext.allowed_directories lists the directories."
            }
            Error::FileChanged { .. } => "Load the file again once it is complete.",
            Error::GroupMemory { .. } => {
                "Raise trips_ext.group_memory, or ask for a region, an area or a shorter period."
            }
            Error::DiskReserve { .. } => {
                "Free some space. VACUUM gives back what failed loads have taken."
            }
            Error::NoGroup => {
                "Its column state was changed. Make the groups anew: trips_group_refresh(..., rebuild => true)."
            }
            Error::Utf16 { .. } => "Convert the file to UTF-8 first.",
            Error::HeaderEncoding { .. } => {
                "The file must be plain text in UTF-8: decompress or convert it first."
            }
            Error::EmptyFile { .. } | Error::MissingColumns { .. } => {
                "The first line must name the columns region, origin_coord, destination_coord, \
                 datetime and datasource, in any order."
            }
            Error::UnterminatedQuote { .. } | Error::RecordTooLong { .. } => {
                "Look for a quote in this record that is never closed."
            }
            Error::TooManyLines { .. } => "Split the file and load its parts.",
            Error::Row { reject, .. } => row_hint(&reject.reason),
            Error::RejectLimit { .. } => {
                "Raise reject_limit, or leave it out to skip any number of rows."
            }
            Error::AlreadyLoaded { ingest, .. } => {
                return Some(format!(
                    "To load it again, call trips_forget({ingest}) first."
                ));
            }
            Error::Inbox { hint, .. } => hint,
            Error::NoUpload | Error::UploadNotIngested { .. } => {
                "Call trips_upload() for each part of the file and then trips_ingest_upload(), all in one transaction."
            }
            Error::NoWorker => "You may need to increase max_worker_processes.",
            Error::UnknownIngest { .. } => "The view trips.ingest_progress lists the ingests.",
            Error::NotQueued { .. } => "Cancel what the session runs with pg_cancel_backend().",
            Error::PendingTrees { .. } | Error::CorruptTree { .. } => {
                "Call trips_rebuild() to build the area trees anew."
            }
            Error::Unsupported { hint, .. } if !hint.is_empty() => hint,
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// The physical line, counted from 1, on which the record starts that is to blame.
    pub fn line(&self) -> Option<u64> {
        match self {
            Error::HeaderEncoding { line, .. }
            | Error::MalformedHeader { line, .. }
            | Error::MissingColumns { line, .. }
            | Error::DuplicateColumn { line, .. }
            | Error::UnterminatedQuote { line, .. }
            | Error::RecordTooLong { line, .. } => Some(*line),
            Error::Row { reject, .. } | Error::RejectLimit { last: reject, .. } => {
                Some(reject.line)
            }
            _ => None,
        }
    }

    /// The column that is to blame, by the name that the header gives it.
    pub fn column(&self) -> Option<String> {
        let column = match self {
            Error::DuplicateColumn { column, .. } => Some(*column),
            Error::Row { reject, .. } | Error::RejectLimit { last: reject, .. } => reject.column,
            _ => None,
        };
        column.map(|column| column.as_str().to_owned())
    }

    /// The path of the file, as it was given.
    pub fn file(&self) -> Option<&str> {
        match self {
            Error::PathNotAbsolute { file }
            | Error::InvalidPath { file, .. }
            | Error::Open { file, .. }
            | Error::NotRegularFile { file, .. }
            | Error::OutsideAllowedDirectories { file }
            | Error::Read { file, .. }
            | Error::FileChanged { file }
            | Error::Utf16 { file }
            | Error::HeaderEncoding { file, .. }
            | Error::EmptyFile { file }
            | Error::MalformedHeader { file, .. }
            | Error::MissingColumns { file, .. }
            | Error::DuplicateColumn { file, .. }
            | Error::UnterminatedQuote { file, .. }
            | Error::RecordTooLong { file, .. }
            | Error::TooManyLines { file }
            | Error::Row { file, .. }
            | Error::RejectLimit { file, .. }
            | Error::AlreadyLoaded { file, .. } => Some(file),
            Error::InvalidOption { .. }
            | Error::TooManyNames { .. }
            | Error::Unsupported { .. }
            | Error::NullArgument { .. }
            | Error::NoWorker
            | Error::UnknownIngest { .. }
            | Error::NotQueued { .. }
            | Error::NotPermitted { .. }
            | Error::InvalidArea { .. }
            | Error::InvalidTrip { .. }
            | Error::PendingTrees { .. }
            | Error::CorruptTree { .. }
            | Error::MergeGivesWay
            | Error::GroupMemory { .. }
            | Error::NoGroup
            | Error::NoThread { .. }
            | Error::DiskReserve { .. }
            | Error::Stopped
            | Error::Watch { .. }
            | Error::Inbox { .. }
            | Error::KeepReceived { .. }
            | Error::NoUpload
            | Error::UploadNotIngested { .. }
            | Error::Internal { .. } => None,
        }
    }
}

/// The SQLSTATE of a failed system call on a file. As PostgreSQL's own, but for those that it has
/// no better word for than an internal error.
fn file_access_state(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES | libc::EROFS) => "42501",
        Some(libc::ENOENT) => "58P01",
        Some(libc::ENOTDIR | libc::EISDIR) => "42809",
        Some(libc::ENAMETOOLONG) => "22023",
        Some(libc::ENFILE | libc::EMFILE) => "53000",
        Some(libc::ENOMEM) => "53200",
        Some(libc::ENOSPC | libc::EDQUOT) => "53100",
        _ => "58030",
    }
}

/// What the system said, without the number that Rust adds.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

/// `File "/data/trips.csv", line 3, column origin_coord: "POINT (7.1 x)".`
fn place_of(file: &str, reject: &Reject) -> String {
    let line = reject.line;
    let column = reject
        .column
        .map_or(String::new(), |column| format!(", column {column}"));
    let text = reject.reason.value().unwrap_or(&reject.raw);
    format!("File \"{file}\", line {line}{column}: \"{text}\".")
}

/// What can be done about a row that stops an ingest.
fn row_hint(reason: &Reason) -> &'static str {
    match reason {
        Reason::CarriageReturn => "A field that holds a carriage return must be quoted.",
        Reason::LineFeed => "A field that holds a newline must be quoted.",
        Reason::Point {
            error: PointError::Longitude(_) | PointError::Latitude(_),
            ..
        } => "The longitude comes first.",
        _ => "Rows that cannot be loaded are skipped and recorded with on_error => 'ignore'.",
    }
}

/// `column "a"`, or `columns "a", "b"`.
fn columns(missing: &[Column]) -> String {
    let names: Vec<_> = missing
        .iter()
        .map(|column| format!("\"{column}\""))
        .collect();
    let word = if names.len() == 1 {
        "column"
    } else {
        "columns"
    };
    format!("{word} {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> String {
        "/data/trips.csv".to_owned()
    }

    fn reject() -> Reject {
        Reject {
            line: 12,
            column: Some(Column::Region),
            reason: Reason::Empty(Column::Region),
            raw: ",x".to_owned(),
        }
    }

    #[test]
    fn failed_system_calls_have_the_states_that_postgresql_gives_them() {
        let cases = [
            (libc::ENOENT, "58P01", "No such file or directory"),
            (libc::EACCES, "42501", "Permission denied"),
            (libc::EPERM, "42501", "Operation not permitted"),
            (libc::ENOTDIR, "42809", "Not a directory"),
            (libc::ENAMETOOLONG, "22023", "File name too long"),
            (libc::ELOOP, "58030", "Too many levels of symbolic links"),
            (libc::EIO, "58030", "Input/output error"),
            (libc::EMFILE, "53000", "Too many open files"),
        ];
        for (code, sqlstate, text) in cases {
            let source = io::Error::from_raw_os_error(code);
            let error = Error::Open {
                file: file(),
                source,
            };
            assert_eq!(error.sqlstate(), sqlstate, "{text}");
            assert_eq!(
                error.message(),
                format!("could not open file \"/data/trips.csv\": {text}")
            );
        }
    }

    #[test]
    fn a_reject_limit_names_the_reject_that_went_over_it() {
        let error = Error::RejectLimit {
            file: file(),
            limit: 10,
            last: reject(),
        };
        assert_eq!(error.sqlstate(), "22P02");
        assert_eq!(error.message(), "skipped more than reject_limit (10) rows");
        assert_eq!(
            error.detail().as_deref(),
            Some(
                "The last one: column \"region\" must not be empty. \
                 File \"/data/trips.csv\", line 12, column region: \",x\"."
            )
        );
        assert_eq!(error.line(), Some(12));
        assert_eq!(error.column().as_deref(), Some("region"));
    }

    #[test]
    fn an_error_about_a_line_says_which_line_of_which_file() {
        let error = Error::UnterminatedQuote {
            file: file(),
            line: 3,
        };
        assert_eq!(error.sqlstate(), "22P04");
        assert_eq!(
            error.detail().as_deref(),
            Some("File \"/data/trips.csv\", line 3.")
        );
    }

    #[test]
    fn calls_that_make_no_sense_say_what_would() {
        let error = Error::InvalidOption {
            name: "on_error",
            value: "ignroe".to_owned(),
            allowed: "\"stop\", \"ignore\"",
        };
        assert_eq!(error.sqlstate(), "22023");
        assert_eq!(
            error.message(),
            "invalid value for option \"on_error\": \"ignroe\""
        );
        assert_eq!(
            error.detail().as_deref(),
            Some("Allowed values: \"stop\", \"ignore\".")
        );
        let error = Error::AlreadyLoaded {
            file: file(),
            ingest: 4,
        };
        assert_eq!(error.sqlstate(), "42710");
        assert_eq!(
            error.hint().as_deref(),
            Some("To load it again, call trips_forget(4) first.")
        );
        let error = Error::TooManyNames {
            dimension: Dimension::Datasource,
        };
        assert_eq!(error.sqlstate(), "54000");
        assert_eq!(error.message(), "too many datasource names");
    }

    #[test]
    fn errors_are_small_enough_to_be_returned() {
        assert!(size_of::<Error>() <= 128, "{} bytes", size_of::<Error>());
    }
}
