//! From a file of trips to batches of ready heap tuples.
//!
//! [`source`] opens a file, [`blocks`] cuts it into blocks of whole records, [`record`] finds the
//! records and their fields, [`parse`] reads the values, and [`batch`] puts the [tuples](mod@tuple) and
//! the [rejected rows](reject) of a block together. [`pipeline`] does all this in threads. Rows that come as values become
//! a file first, by [`row`].

pub mod batch;
pub mod blocks;
pub mod header;
pub mod marks;
mod name_ids;
pub mod parse;
pub mod pipeline;
pub mod record;
pub mod reject;
pub mod row;
pub mod source;
pub mod tuple;

/// The longest record, in bytes without its line end: 1 MiB. A longer one ends the ingest.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// The longest field, in bytes once its quotes are resolved: 64 KiB. A longer one rejects its row.
pub const MAX_FIELD_BYTES: usize = 64 << 10;

/// The longest name of a region or a datasource, in bytes of trimmed, NFC-normalised UTF-8.
pub const MAX_NAME_BYTES: usize = 256;

/// The most lines that a file may have: a trip's id keeps its line in 32 bits.
pub const MAX_LINES: u64 = u32::MAX as u64;
