//! The other ends of a leaf's trips.
//!
//! The axes of longitude and latitude; then all keys of longitude and all keys of latitude, packed, each of the two
//! from a byte of its own.

use super::packed::{BATCH, Packed, pack};
use crate::area::Corrupt;
use crate::area::axis::Axis;
use crate::ingest::parse::point::Point;

/// The other ends, by their axes and keys.
pub(super) fn write(x: (&Axis, &[u64]), y: (&Axis, &[u64])) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(x.1.len() * 14 + 2 * Axis::BYTES + 16);
    x.0.write(&mut bytes);
    y.0.write(&mut bytes);
    for (axis, keys) in [x, y] {
        pack(keys.iter().copied(), axis.bits(), &mut bytes);
    }
    bytes
}

/// The other ends of a leaf's trips, exactly.
#[derive(Debug, Clone, Copy)]
pub struct Others<'a> {
    x: Axis,
    y: Axis,
    x_keys: Packed<'a>,
    y_keys: Packed<'a>,
}

impl<'a> Others<'a> {
    /// The `n` other ends in [`LeafColumns::other`](super::LeafColumns::other).
    ///
    /// # Errors
    /// The bytes are none that [`encode`](super::encode()) gives for so many trips.
    pub fn parse(n: usize, mut bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let (x, y) = (Axis::read(&mut bytes)?, Axis::read(&mut bytes)?);
        let x_keys = Packed::read(&mut bytes, n, x.bits())?;
        let y_keys = Packed::read(&mut bytes, n, y.bits())?;
        if !bytes.is_empty() {
            return Err(Corrupt("the other ends of a leaf are too long"));
        }
        Ok(Others {
            x,
            y,
            x_keys,
            y_keys,
        })
    }

    /// The axis of longitude.
    pub fn x(&self) -> Axis {
        self.x
    }

    /// The axis of latitude.
    pub fn y(&self) -> Axis {
        self.y
    }

    /// The key of longitude of trip `i`; where there is no such trip, some number.
    #[inline]
    pub fn x_key(&self, i: usize) -> u64 {
        self.x_keys.get(i)
    }

    /// The key of latitude of trip `i`; where there is no such trip, some number.
    #[inline]
    pub fn y_key(&self, i: usize) -> u64 {
        self.y_keys.get(i)
    }

    /// The other end of trip `i`; where there is no such trip, some point.
    #[inline]
    pub fn point(&self, i: usize) -> Point {
        Point {
            lon: self.x.value(self.x_key(i)),
            lat: self.y.value(self.y_key(i)),
        }
    }

    /// The longitudes of the trips from `from` on, see [`Others::point`].
    pub(super) fn longitudes(&self, from: usize) -> [f64; BATCH] {
        self.x.values(&self.x_keys.batch(from))
    }

    /// Their latitudes.
    pub(super) fn latitudes(&self, from: usize) -> [f64; BATCH] {
        self.y.values(&self.y_keys.batch(from))
    }
}
