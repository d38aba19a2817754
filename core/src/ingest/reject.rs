//! Rows that cannot be loaded: where they are and what is wrong with them.

use std::fmt;

use super::parse::name::NameError;
use super::parse::point::PointError;
use super::parse::time::TimeError;
use super::{MAX_FIELD_BYTES, MAX_NAME_BYTES};

/// How many characters of a rejected record, or of a value in a message, are kept.
pub const RAW_CHARACTERS: usize = 100;

/// A column that every file of trips has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// The name of the region.
    Region,
    /// Where the trip started, as WKT.
    OriginCoord,
    /// Where the trip ended, as WKT.
    DestinationCoord,
    /// When the trip started, in local civil time.
    Datetime,
    /// The name of the data source.
    Datasource,
}

impl Column {
    /// All columns, in the order in which the values of a row are checked.
    pub const ALL: [Column; 5] = [
        Column::Region,
        Column::OriginCoord,
        Column::DestinationCoord,
        Column::Datetime,
        Column::Datasource,
    ];

    /// The name that the header of a file gives the column.
    pub const fn as_str(self) -> &'static str {
        match self {
            Column::Region => "region",
            Column::OriginCoord => "origin_coord",
            Column::DestinationCoord => "destination_coord",
            Column::Datetime => "datetime",
            Column::Datasource => "datasource",
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A row that cannot be loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Reject {
    /// The physical line on which the record starts, counted from 1.
    pub line: u64,
    /// The column that is to blame, where it is one of the required ones.
    pub column: Option<Column>,
    /// What is wrong.
    pub reason: Reason,
    /// The first [`RAW_CHARACTERS`] characters of the record as it stands in the file. What is
    /// not valid UTF-8 is replaced by U+FFFD, and so is NUL.
    pub raw: String,
}

/// What is wrong with a row; its [`Display`](fmt::Display) is a message in PostgreSQL's style.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// A NUL byte.
    Nul,
    /// Bytes that are not UTF-8; the first offending ones.
    Encoding(InvalidBytes),
    /// A quote inside a field that does not start with one.
    QuoteInUnquotedField,
    /// Text between a closing quote and the end of its field.
    TextAfterQuote,
    /// A carriage return outside quotes that ends no line.
    CarriageReturn,
    /// A line feed outside quotes in a file whose lines end with a carriage return.
    LineFeed,
    /// Fewer fields than the header has names; the first name without a field.
    MissingData(Box<str>),
    /// More fields than the header has names.
    ExtraData,
    /// A field longer than [`MAX_FIELD_BYTES`].
    FieldTooLong,
    /// An empty or blank field where a value is required.
    Empty(Column),
    /// A name longer than [`MAX_NAME_BYTES`]; its length in bytes.
    NameTooLong(usize),
    /// A field that is not a point the product takes.
    Point {
        /// What is wrong with it.
        error: PointError,
        /// The field, cut to [`RAW_CHARACTERS`].
        value: Box<str>,
    },
    /// A field that is not a time the product takes.
    Time {
        /// What is wrong with it.
        error: TimeError,
        /// The field, cut to [`RAW_CHARACTERS`].
        value: Box<str>,
    },
}

impl Reason {
    /// The reason for a name that was not taken.
    pub(super) fn name(column: Column, error: NameError) -> Self {
        match error {
            NameError::Empty => Reason::Empty(column),
            NameError::TooLong(bytes) => Reason::NameTooLong(bytes),
        }
    }

    /// The reason for a point that was not taken.
    pub(super) fn point(error: PointError, field: &[u8]) -> Self {
        Reason::Point {
            error,
            value: excerpt(field).into(),
        }
    }

    /// The reason for a time that was not taken.
    pub(super) fn time(error: TimeError, field: &[u8]) -> Self {
        Reason::Time {
            error,
            value: excerpt(field).into(),
        }
    }

    /// The SQLSTATE: five characters.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Reason::Nul | Reason::Encoding(_) => "22021",
            Reason::QuoteInUnquotedField
            | Reason::TextAfterQuote
            | Reason::CarriageReturn
            | Reason::LineFeed
            | Reason::MissingData(_)
            | Reason::ExtraData => "22P04",
            Reason::FieldTooLong => "54000",
            Reason::Empty(_) => "23502",
            Reason::NameTooLong(_) => "22001",
            Reason::Point { error, .. } => error.sqlstate(),
            Reason::Time { error, .. } => error.sqlstate(),
        }
    }

    /// The value of the field that is to blame, where the reason is about a value.
    pub fn value(&self) -> Option<&str> {
        match self {
            Reason::Point { value, .. } | Reason::Time { value, .. } => Some(value),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Nul => f.write_str("invalid byte sequence for encoding \"UTF8\": 0x00"),
            Reason::Encoding(bytes) => {
                write!(f, "invalid byte sequence for encoding \"UTF8\": {bytes}")
            }
            Reason::QuoteInUnquotedField => f.write_str("quote inside an unquoted field"),
            Reason::TextAfterQuote => f.write_str("text after a closing quote"),
            Reason::CarriageReturn => f.write_str("unquoted carriage return found in data"),
            Reason::LineFeed => f.write_str("unquoted newline found in data"),
            Reason::MissingData(column) => write!(f, "missing data for column \"{column}\""),
            Reason::ExtraData => f.write_str("extra data after last expected column"),
            Reason::FieldTooLong => write!(f, "field is longer than {MAX_FIELD_BYTES} bytes"),
            Reason::Empty(column) => write!(f, "column \"{column}\" must not be empty"),
            Reason::NameTooLong(bytes) => {
                write!(
                    f,
                    "name of {bytes} bytes is longer than {MAX_NAME_BYTES} bytes"
                )
            }
            Reason::Point { error, value } => match error {
                PointError::Syntax => write!(f, "invalid input syntax for a point: \"{value}\""),
                other => write!(f, "{other}"),
            },
            Reason::Time { error, value } => write!(f, "{error}: \"{value}\""),
        }
    }
}

/// The first bytes of a sequence that is not UTF-8: at least one, at most four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidBytes {
    bytes: [u8; 4],
    length: u8,
}

impl InvalidBytes {
    /// The first offending bytes of `text`, or `None` when `text` is UTF-8.
    pub fn find(text: &[u8]) -> Option<Self> {
        let error = std::str::from_utf8(text).err()?;
        let rest = text.get(error.valid_up_to()..)?;
        let length = error.error_len().unwrap_or(rest.len()).clamp(1, 4);
        let mut bytes = [0; 4];
        for (to, from) in bytes.iter_mut().zip(rest.iter().take(length)) {
            *to = *from;
        }
        Some(InvalidBytes {
            bytes,
            length: length as u8,
        })
    }
}

impl fmt::Display for InvalidBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.bytes.iter().take(self.length.into()).enumerate() {
            let gap = if i == 0 { "" } else { " " };
            write!(f, "{gap}0x{byte:02x}")?;
        }
        Ok(())
    }
}

/// The first [`RAW_CHARACTERS`] characters of `bytes`, as text that PostgreSQL takes.
pub fn excerpt(bytes: &[u8]) -> String {
    // No character is longer than four bytes, so a character cut in two is never among those kept.
    let head = bytes.get(..RAW_CHARACTERS * 4).unwrap_or(bytes);
    String::from_utf8_lossy(head)
        .chars()
        .take(RAW_CHARACTERS)
        .map(|c| {
            if c == '\0' {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}
