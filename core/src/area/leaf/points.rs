//! The cells of a leaf's points and their days: what counts read.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | version of the format, 1 |
//! | 1 | 1 | flags: 1, days are pairs; 2, all trips have one region |
//! | 2 | 2 | number of trips, n |
//! | 4 | 2 | the one region, or 0 |
//! | 6 | 17 | axis of longitude |
//! | 23 | 17 | axis of latitude |
//! | 40 | 4 | first day |
//! | 44 | 2 | length of the day index, in words of 8 or pairs of 6 bytes |
//! | 46 | | day index |
//! | | 2 n | cells of longitude |
//! | | 2 n | cells of latitude |
//!
//! All numbers are little-endian.

use std::ops::Range;

use super::day_index::{self, DayIndex, Form};
use crate::area::Corrupt;
use crate::area::axis::Axis;

/// Bytes before the day index.
pub(super) const HEADER_BYTES: usize = 12 + 2 * Axis::BYTES;

/// Bytes of a cell.
pub(super) const CELL: usize = 2;

const VERSION: u8 = 1;

/// The days are pairs.
const PAIRS: u8 = 1;

/// All trips have one region.
const ONE_REGION: u8 = 2;

/// What stands before the cells, written.
pub(super) fn write_header(
    x: &Axis,
    y: &Axis,
    region: Option<i16>,
    days: impl ExactSizeIterator<Item = i32> + Clone,
    bytes: &mut Vec<u8>,
) {
    let count = days.len() as u16;
    let first_day = days.clone().next().unwrap_or_default();
    let index = day_index::write(days);
    let pairs = if index.form == Form::Pairs { PAIRS } else { 0 };
    let one_region = region.map_or(0, |_| ONE_REGION);
    bytes.extend_from_slice(&[VERSION, pairs | one_region]);
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&region.unwrap_or_default().to_le_bytes());
    x.write(bytes);
    y.write(bytes);
    bytes.extend_from_slice(&first_day.to_le_bytes());
    bytes.extend_from_slice(&index.units.to_le_bytes());
    bytes.extend_from_slice(&index.bytes);
}

/// The points of a leaf as counts see them, in the order of their days.
#[derive(Debug, Clone, Copy)]
pub struct Points<'a> {
    region: Option<i16>,
    x: Axis,
    y: Axis,
    days: DayIndex<'a>,
    x_cells: &'a [[u8; CELL]],
    y_cells: &'a [[u8; CELL]],
}

impl<'a> Points<'a> {
    /// The points in [`LeafColumns::points`](super::LeafColumns::points).
    ///
    /// # Errors
    /// The bytes are none that [`encode`](super::encode()) gives.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        const SHORT: Corrupt = Corrupt("a leaf is cut short");
        let ([version, flags, count @ .., r0, r1], mut rest) =
            bytes.split_first_chunk::<6>().ok_or(SHORT)?;
        if *version != VERSION || flags & !(PAIRS | ONE_REGION) != 0 {
            return Err(Corrupt("a leaf has an unknown format"));
        }
        let count = usize::from(u16::from_le_bytes(*count));
        let region = i16::from_le_bytes([*r0, *r1]);
        let (x, y) = (Axis::read(&mut rest)?, Axis::read(&mut rest)?);
        let (first_day, rest) = rest.split_first_chunk().ok_or(SHORT)?;
        let (units, mut rest) = rest.split_first_chunk().ok_or(SHORT)?;
        let form = match flags & PAIRS {
            0 => Form::Bitmap,
            _ => Form::Pairs,
        };
        let length = (form, u16::from_le_bytes(*units));
        let days = DayIndex::read(&mut rest, length, count, i32::from_le_bytes(*first_day))?;
        let (cells, []) = rest.as_chunks() else {
            return Err(SHORT);
        };
        if cells.len() != 2 * count {
            return Err(Corrupt("a leaf has not two cells for each trip"));
        }
        let (x_cells, y_cells) = cells.split_at(count);
        Ok(Points {
            region: (flags & ONE_REGION != 0).then_some(region),
            x,
            y,
            days,
            x_cells,
            y_cells,
        })
    }

    /// How many there are, at least one.
    // Never empty, so there is nothing to ask.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.days.trips()
    }

    /// The region of all trips; `None` if they have several, see [`Regions`](super::Regions).
    pub fn region(&self) -> Option<i16> {
        self.region
    }

    /// The axis of longitude.
    pub fn x(&self) -> Axis {
        self.x
    }

    /// The axis of latitude.
    pub fn y(&self) -> Axis {
        self.y
    }

    /// The cells of longitude, two bytes each, little-endian.
    pub fn x_cells(&self) -> &'a [u8] {
        self.x_cells.as_flattened()
    }

    /// The cells of latitude, two bytes each, little-endian.
    pub fn y_cells(&self) -> &'a [u8] {
        self.y_cells.as_flattened()
    }

    /// The cell of longitude of trip `i`; 0 where there is no such trip.
    #[inline]
    pub fn x_cell(&self, i: usize) -> u16 {
        u16::from_le_bytes(self.x_cells.get(i).copied().unwrap_or_default())
    }

    /// The cell of latitude of trip `i`; 0 where there is no such trip.
    #[inline]
    pub fn y_cell(&self, i: usize) -> u16 {
        u16::from_le_bytes(self.y_cells.get(i).copied().unwrap_or_default())
    }

    /// The first day of departure: days since 2000-01-01.
    pub fn first_day(&self) -> i32 {
        self.days.first_day()
    }

    /// The last day of departure.
    pub fn last_day(&self) -> i32 {
        self.days.last_day()
    }

    /// The trips that departed on `days`.
    pub fn slice(&self, days: Range<i32>) -> Range<usize> {
        self.days.slice(days)
    }

    /// Calls `visit` with each day that has trips, in order, and its trips.
    pub fn each_day(&self, visit: impl FnMut(i32, Range<usize>)) {
        self.days.each_day(visit);
    }

    /// The day of each trip.
    pub(super) fn days(&self) -> Vec<i32> {
        self.days.of_trips()
    }
}
