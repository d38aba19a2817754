//! The exact coordinates of a leaf's points, apart from their cells.
//!
//! The low bits of the keys, which their cells leave out: those of all longitudes, then those of all latitudes, packed,
//! each of the two from a byte of its own.

use super::packed::{BATCH, Packed, pack};
use super::points::Points;
use crate::area::Corrupt;
use crate::area::axis::Axis;
use crate::ingest::parse::point::Point;

/// The low bits of keys; `None` if cells leave out nothing.
pub(super) fn write(x: (&Axis, &[u64]), y: (&Axis, &[u64])) -> Option<Vec<u8>> {
    if x.0.shift() + y.0.shift() == 0 {
        return None;
    }
    let mut bytes = Vec::with_capacity(x.1.len() * 12 + 16);
    for (axis, keys) in [x, y] {
        let shift = axis.shift();
        let mask = (1 << shift) - 1;
        pack(keys.iter().map(|key| key & mask), shift, &mut bytes);
    }
    Some(bytes)
}

/// The points of a leaf, exactly.
#[derive(Debug, Clone, Copy)]
pub struct Exact<'a> {
    points: Points<'a>,
    x: Packed<'a>,
    y: Packed<'a>,
}

impl<'a> Exact<'a> {
    /// The points, with [`LeafColumns::exact`](super::LeafColumns::exact).
    ///
    /// # Errors
    /// The bytes have not the length that the points ask for.
    pub fn parse(points: &Points<'a>, mut bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let x = Packed::read(&mut bytes, points.len(), points.x().shift())?;
        let y = Packed::read(&mut bytes, points.len(), points.y().shift())?;
        if !bytes.is_empty() {
            return Err(Corrupt("the exact points of a leaf are too long"));
        }
        let points = *points;
        Ok(Exact { points, x, y })
    }

    /// The points of a leaf whose cells leave out nothing.
    ///
    /// # Errors
    /// They do leave out something.
    pub fn none(points: &Points<'a>) -> Result<Self, Corrupt> {
        match (points.x().shift(), points.y().shift()) {
            (0, 0) => Exact::parse(points, &[]),
            _ => Err(Corrupt("a leaf has no exact points")),
        }
    }

    /// The point of trip `i`; where there is no such trip, some point.
    #[inline]
    pub fn point(&self, i: usize) -> Point {
        let (x, y) = (self.points.x(), self.points.y());
        let x_key = u64::from(self.points.x_cell(i)) << x.shift() | self.x.get(i);
        let y_key = u64::from(self.points.y_cell(i)) << y.shift() | self.y.get(i);
        Point {
            lon: x.value(x_key),
            lat: y.value(y_key),
        }
    }

    /// The longitudes of the trips from `from` on, see [`Exact::point`].
    pub(super) fn longitudes(&self, from: usize) -> [f64; BATCH] {
        let points = &self.points;
        batch(&points.x(), points.x_cells(), &self.x, from)
    }

    /// Their latitudes.
    pub(super) fn latitudes(&self, from: usize) -> [f64; BATCH] {
        let points = &self.points;
        batch(&points.y(), points.y_cells(), &self.y, from)
    }
}

/// The values of keys by their cells and low bits.
fn batch(axis: &Axis, cells: &[u8], low: &Packed<'_>, from: usize) -> [f64; BATCH] {
    let mut keys = low.batch(from);
    let cells = cells.as_chunks().0.get(from..).unwrap_or_default();
    let shift = axis.shift();
    for (key, cell) in keys.iter_mut().zip(cells) {
        *key |= u64::from(u16::from_le_bytes(*cell)) << shift;
    }
    axis.values(&keys)
}
