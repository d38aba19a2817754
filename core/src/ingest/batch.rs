//! Blocks become batches: the tuples of the rows that can be loaded, and the rows that cannot.

use std::fmt;

use memchr::memchr;

use super::header::Header;
use super::marks::Marks;
use super::name_ids::{Name, NameIds};
use super::parse::{point, time};
use super::record::{Fields, Record, Records, Row};
use super::source::Block;
use super::tuple::trip_id;
use super::{MAX_FIELD_BYTES, MAX_LINES, MAX_RECORD_BYTES};
use crate::Error;

pub use super::reject::{Column, InvalidBytes, Reason, Reject, excerpt};
pub use super::tuple::{TUPLE_LENGTH, TUPLE_STRIDE, Trip, Tuple};

/// What a name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// A region.
    Region,
    /// A data source.
    Datasource,
}

impl Dimension {
    /// `region` or `datasource`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Dimension::Region => "region",
            Dimension::Datasource => "datasource",
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Gives names their ids.
pub trait Names {
    /// The id of `name`, which is not empty, at most 256 bytes long, trimmed and in NFC. May wait
    /// for the server to give one.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the caller was told to stop while it waited.
    fn id(&mut self, dimension: Dimension, name: &str) -> Result<i16, Error>;
}

impl<N: Names + ?Sized> Names for &mut N {
    fn id(&mut self, dimension: Dimension, name: &str) -> Result<i16, Error> {
        (**self).id(dimension, name)
    }
}

/// What a block gives: `rows_read` is the number of tuples and rejects.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Batch {
    /// The tuples of the rows that can be loaded, in the order of the file.
    pub tuples: Vec<Tuple>,
    /// The rows that cannot be loaded, in the order of the file.
    pub rejects: Vec<Reject>,
    /// How many rows the block has; blank lines are none.
    pub rows_read: u64,
    /// How many bytes of the file the block has.
    pub bytes: u64,
}

impl Batch {
    /// The trips of all tuples.
    pub fn trips(&self) -> impl ExactSizeIterator<Item = Trip> + '_ {
        self.tuples.iter().map(Trip::from_tuple)
    }
}

/// Makes batches of blocks.
#[derive(Debug)]
pub struct Parser<N> {
    header: Header,
    marks: Marks,
    fields: Fields,
    values: ValueReader<N>,
}

/// What the values of a row are read with.
#[derive(Debug)]
struct ValueReader<N> {
    ingest: i64,
    names: N,
    regions: NameIds,
    datasources: NameIds,
}

impl<N: Names> Parser<N> {
    /// A parser for files with this header. `ingest` is the id of the ingest, 1 to 2^31 - 1: with
    /// the line it makes the id of a trip.
    pub fn new(header: &Header, ingest: i64, names: N) -> Self {
        Parser {
            header: header.clone(),
            marks: Marks::default(),
            fields: Fields::default(),
            values: ValueReader {
                ingest,
                names,
                regions: NameIds::default(),
                datasources: NameIds::default(),
            },
        }
    }

    /// What the names are asked of.
    pub fn names(&self) -> &N {
        &self.values.names
    }

    /// The rows of `block`.
    ///
    /// # Errors
    /// What ends an ingest: a record that is too long, a quote that is never closed, too many
    /// lines, and whatever [`Names::id`] gives. A row that cannot be loaded is no error but a
    /// reject.
    pub fn parse(&mut self, block: &Block) -> Result<Batch, Error> {
        let bytes = block.bytes.as_slice();
        let header = &self.header;
        self.marks.find(bytes);
        // Nearly all files are clean, so it pays to ask this for the whole block at once.
        let is_text = !self.marks.has_nul() && simdutf8::basic::from_utf8(bytes).is_ok();
        let rows = bytes.len() / TYPICAL_ROW_BYTES + 1;
        let mut batch = Batch {
            tuples: Vec::with_capacity(rows),
            bytes: bytes.len() as u64,
            ..Batch::default()
        };
        let mut records = Records::new(bytes, block.first_line, header.line_ending());
        while let Some(next) = records.next_row(&self.marks, &mut self.fields, header.columns()) {
            let (record, row) = next.map_err(|quote| Error::UnterminatedQuote {
                file: header.file().to_owned(),
                line: quote.line,
            })?;
            check_size(header, &record)?;
            batch.rows_read += 1;
            let trip = match encoding_problem(&record, is_text) {
                Some(reason) => Err((None, reason)),
                None => match row {
                    Ok(row) => self.values.trip(header, &record, &row)?,
                    Err(reason) => Err((None, reason)),
                },
            };
            match trip {
                Ok(trip) => batch.tuples.push(trip.to_tuple()),
                Err((column, reason)) => batch.rejects.push(Reject {
                    line: record.line,
                    column,
                    reason,
                    raw: excerpt(record.bytes),
                }),
            }
        }
        Ok(batch)
    }
}

impl<N: Names> ValueReader<N> {
    /// The trip of a row, or what is wrong with it.
    #[inline]
    fn trip(
        &mut self,
        header: &Header,
        record: &Record<'_>,
        row: &Row<'_>,
    ) -> Result<Result<Trip, Refusal>, Error> {
        let values = match check_shape(header, record, row)
            .and_then(|()| Values::read(header, row, &mut self.regions, &mut self.datasources))
        {
            Ok(values) => values,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // Only now: a row that is rejected must not bring a name into the world.
        let names = &mut self.names;
        let region_id = values
            .region
            .id(Dimension::Region, names, &mut self.regions)?;
        let datasource_id =
            values
                .datasource
                .id(Dimension::Datasource, names, &mut self.datasources)?;
        Ok(Ok(Trip {
            id: trip_id(self.ingest, record.line),
            departed_at: values.departed_at,
            region_id,
            datasource_id,
            origin: values.origin,
            destination: values.destination,
        }))
    }
}

/// Whether a record is one that an ingest can go on from.
fn check_size(header: &Header, record: &Record<'_>) -> Result<(), Error> {
    if record.bytes.len() > MAX_RECORD_BYTES {
        return Err(Error::RecordTooLong {
            file: header.file().to_owned(),
            line: record.line,
        });
    }
    if record.line > MAX_LINES {
        return Err(Error::TooManyLines {
            file: header.file().to_owned(),
        });
    }
    Ok(())
}

/// A guess that is good for the files that the product was made for.
const TYPICAL_ROW_BYTES: usize = 100;

/// Why a row is rejected.
type Refusal = (Option<Column>, Reason);

/// Why a record is no text, if it is none. `is_text` says that the whole block is known to be some.
#[inline]
fn encoding_problem(record: &Record<'_>, is_text: bool) -> Option<Reason> {
    if is_text {
        return None;
    }
    if memchr(0, record.bytes).is_some() {
        return Some(Reason::Nul);
    }
    InvalidBytes::find(record.bytes).map(Reason::Encoding)
}

/// Whether a row has the fields that the header names, none of them too long.
#[inline]
fn check_shape(header: &Header, record: &Record<'_>, row: &Row<'_>) -> Result<(), Refusal> {
    let columns = header.columns();
    if row.len() < columns {
        let name = header.name(row.len()).unwrap_or_default();
        return Err((header.column(row.len()), Reason::MissingData(name.into())));
    }
    if row.len() > columns {
        return Err((None, Reason::ExtraData));
    }
    if record.bytes.len() > MAX_FIELD_BYTES {
        let long = row.iter().position(|field| field.len() > MAX_FIELD_BYTES);
        if let Some(index) = long {
            return Err((header.column(index), Reason::FieldTooLong));
        }
    }
    Ok(())
}

/// The values of a row that can be loaded.
struct Values<'a> {
    region: Name<'a>,
    origin: point::Point,
    destination: point::Point,
    departed_at: i64,
    datasource: Name<'a>,
}

impl<'a> Values<'a> {
    /// Reads the fields in the order in which they are checked.
    #[inline]
    fn read(
        header: &Header,
        row: &Row<'a>,
        regions: &mut NameIds,
        datasources: &mut NameIds,
    ) -> Result<Self, Refusal> {
        let field = |column| row.get(header.position(column));
        Ok(Values {
            region: read_name(Column::Region, field(Column::Region), regions)?,
            origin: read_point(Column::OriginCoord, field(Column::OriginCoord))?,
            destination: read_point(Column::DestinationCoord, field(Column::DestinationCoord))?,
            departed_at: read_time(Column::Datetime, field(Column::Datetime))?,
            datasource: read_name(Column::Datasource, field(Column::Datasource), datasources)?,
        })
    }
}

#[inline]
fn read_name<'a>(
    column: Column,
    field: &'a [u8],
    known: &mut NameIds,
) -> Result<Name<'a>, Refusal> {
    known
        .find(field)
        .map_err(|error| (Some(column), Reason::name(column, error)))
}

#[inline]
fn read_point(column: Column, field: &[u8]) -> Result<point::Point, Refusal> {
    point::parse(field).map_err(|error| {
        (
            Some(column),
            or_empty(column, field, |field| Reason::point(error, field)),
        )
    })
}

#[inline]
fn read_time(column: Column, field: &[u8]) -> Result<i64, Refusal> {
    time::parse(field).map_err(|error| {
        (
            Some(column),
            or_empty(column, field, |field| Reason::time(error, field)),
        )
    })
}

/// The reason for a field that is not blank, or that it is blank.
fn or_empty(column: Column, field: &[u8], reason: impl Fn(&[u8]) -> Reason) -> Reason {
    if field.trim_ascii().is_empty() {
        Reason::Empty(column)
    } else {
        reason(field)
    }
}
