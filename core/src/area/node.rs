//! What an inner node says of its children, so that most of them need not be opened.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | version of the format, 1 |
//! | 1 | 1 | flags: 1, children have bounds of their other ends |
//! | 2 | 2 | number of children |
//!
//! Then for each child, at a fixed width:
//!
//! | bytes | what |
//! |---|---|
//! | 32 | bounds: least longitude and latitude, greatest longitude and latitude |
//! | 32 | the same of the other ends, by the flag |
//! | 8 | number of trips |
//! | 4 | first day |
//! | 4 | last day |
//! | 2 | the region of all trips, 0 where they have several |
//!
//! All numbers are little-endian.

use super::leaf::MAX_TRIPS;
use super::{Corrupt, End, Entry, FANOUT, Rect};
use crate::ingest::parse::point::Point;

const VERSION: u8 = 1;

/// Children have bounds of their other ends.
const OTHER: u8 = 1;

/// Bytes of a child without the bounds of its other ends.
const NARROW: usize = 50;

/// Bytes of a rectangle.
const RECT: usize = 32;

/// More trips than a tree can have: its leaves are numbered in 31 bits.
const TOO_MANY_TRIPS: u64 = (MAX_TRIPS as u64 + 1) << 31;

/// What a node says of one child: a leaf, or a node below.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The least rectangle around the ends that the tree is made of.
    pub bounds: Rect,
    /// The least rectangle around their other ends; in a tree of origins only.
    pub other: Option<Rect>,
    /// How many trips, at least one.
    pub trips: u64,
    /// The first day of departure: days since 2000-01-01.
    pub first_day: i32,
    /// The last day of departure.
    pub last_day: i32,
    /// The region that all trips have, above 0; `None` if they have several.
    pub region: Option<i16>,
}

impl Summary {
    /// The summary of a leaf, which has at least one trip.
    pub fn of(entries: &[Entry], end: End) -> Self {
        let mut days = (i32::MAX, i32::MIN);
        let mut region = entries.first().map(|entry| entry.region_id);
        for entry in entries {
            days = (days.0.min(entry.day), days.1.max(entry.day));
            region = region.filter(|region| *region == entry.region_id);
        }
        Summary {
            bounds: around(entries.iter().map(|entry| entry.point)),
            other: match end {
                End::Origin => Some(around(entries.iter().map(|entry| entry.other))),
                End::Destination => None,
            },
            trips: entries.len() as u64,
            first_day: days.0,
            last_day: days.1,
            region,
        }
    }

    /// The summary of a node with these children; `None` if it has none.
    pub fn join(children: &[Summary]) -> Option<Self> {
        let both = |a: Summary, b: &Summary| Summary {
            bounds: a.bounds.join(b.bounds),
            other: a.other.zip(b.other).map(|(a, b)| a.join(b)),
            trips: a.trips.saturating_add(b.trips),
            first_day: a.first_day.min(b.first_day),
            last_day: a.last_day.max(b.last_day),
            region: a.region.filter(|region| b.region == Some(*region)),
        };
        let (first, rest) = children.split_first()?;
        Some(rest.iter().fold(*first, both))
    }

    fn write(&self, with_other: bool, bytes: &mut Vec<u8>) {
        write_rect(self.bounds, bytes);
        if with_other {
            write_rect(self.other.unwrap_or(self.bounds), bytes);
        }
        bytes.extend_from_slice(&self.trips.to_le_bytes());
        bytes.extend_from_slice(&self.first_day.to_le_bytes());
        bytes.extend_from_slice(&self.last_day.to_le_bytes());
        bytes.extend_from_slice(&self.region.unwrap_or_default().to_le_bytes());
    }

    /// The summary in a record.
    fn read(with_other: bool, mut record: &[u8]) -> Option<Self> {
        let bounds = read_rect(&mut record)?;
        let other = match with_other {
            true => Some(read_rect(&mut record)?),
            false => None,
        };
        Some(Summary {
            bounds,
            other,
            trips: u64::from_le_bytes(take(&mut record)?),
            first_day: i32::from_le_bytes(take(&mut record)?),
            last_day: i32::from_le_bytes(take(&mut record)?),
            region: Some(i16::from_le_bytes(take(&mut record)?)).filter(|region| *region != 0),
        })
    }

    /// Whether it can be one of trips.
    fn is_sound(&self) -> bool {
        is_sound(&self.bounds)
            && self.other.as_ref().is_none_or(is_sound)
            && (1..TOO_MANY_TRIPS).contains(&self.trips)
            && self.first_day <= self.last_day
    }
}

/// The least rectangle around points.
fn around(points: impl Iterator<Item = Point>) -> Rect {
    let nothing = Rect {
        min_x: f64::INFINITY,
        min_y: f64::INFINITY,
        max_x: f64::NEG_INFINITY,
        max_y: f64::NEG_INFINITY,
    };
    points.map(Rect::of_point).fold(nothing, Rect::join)
}

/// Whether a rectangle can be one around points.
fn is_sound(rect: &Rect) -> bool {
    let sides = [rect.min_x, rect.min_y, rect.max_x, rect.max_y];
    !rect.is_empty() && sides.iter().all(|side| side.is_finite())
}

fn write_rect(rect: Rect, bytes: &mut Vec<u8>) {
    for value in [rect.min_x, rect.min_y, rect.max_x, rect.max_y] {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
}

fn read_rect(bytes: &mut &[u8]) -> Option<Rect> {
    Some(Rect {
        min_x: f64::from_le_bytes(take(bytes)?),
        min_y: f64::from_le_bytes(take(bytes)?),
        max_x: f64::from_le_bytes(take(bytes)?),
        max_y: f64::from_le_bytes(take(bytes)?),
    })
}

/// The bytes that `bytes` start with; takes them off.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

/// A node with these children, 1 to [`FANOUT`]; all of them, or none, have bounds of their other ends.
pub fn encode(children: &[Summary]) -> Vec<u8> {
    let with_other = children.iter().all(|child| child.other.is_some());
    let mut bytes = Vec::with_capacity(4 + children.len() * (NARROW + RECT));
    bytes.extend_from_slice(&[VERSION, if with_other { OTHER } else { 0 }]);
    bytes.extend_from_slice(&(children.len() as u16).to_le_bytes());
    for child in children {
        child.write(with_other, &mut bytes);
    }
    bytes
}

/// The children of the node that [`encode`] wrote.
///
/// # Errors
/// The bytes are none that it gives.
pub fn parse(bytes: &[u8]) -> Result<Children<'_>, Corrupt> {
    let Some(([version, flags, count @ ..], records)) = bytes.split_first_chunk::<4>() else {
        return Err(Corrupt("a node is cut short"));
    };
    if *version != VERSION || flags & !OTHER != 0 {
        return Err(Corrupt("a node has an unknown format"));
    }
    let children = Children {
        with_other: flags & OTHER != 0,
        records,
    };
    let count = usize::from(u16::from_le_bytes(*count));
    if !(1..=FANOUT).contains(&count) || records.len() != count * children.width() {
        return Err(Corrupt("a node has not the length of its children"));
    }
    if !children.iter().all(|child| child.is_sound()) {
        return Err(Corrupt("a child of a node can have no trips"));
    }
    Ok(children)
}

/// The children of a node, 1 to [`FANOUT`].
#[derive(Debug, Clone, Copy)]
pub struct Children<'a> {
    with_other: bool,
    records: &'a [u8],
}

impl<'a> Children<'a> {
    /// The bytes of a child.
    fn width(&self) -> usize {
        NARROW + if self.with_other { RECT } else { 0 }
    }

    /// How many there are.
    // Never empty, so there is nothing to ask.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.records.len() / self.width()
    }

    /// The children in order.
    pub fn iter(&self) -> impl Iterator<Item = Summary> + use<'a> {
        let with_other = self.with_other;
        self.records
            .chunks_exact(self.width())
            .map_while(move |record| Summary::read(with_other, record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(day: i32, region_id: i16) -> Entry {
        Entry {
            point: Point {
                lon: f64::from(day),
                lat: 45.0,
            },
            other: Point {
                lon: 8.0,
                lat: -0.0,
            },
            day,
            region_id,
        }
    }

    #[test]
    fn a_summary_has_the_bounds_of_its_trips() {
        let of = |end| Summary::of(&[entry(-3, 2), entry(7, 2)], end);
        let bounds = Rect {
            min_x: -3.0,
            min_y: 45.0,
            max_x: 7.0,
            max_y: 45.0,
        };
        let origins = Summary {
            bounds,
            other: Some(Rect::of_point(Point { lon: 8.0, lat: 0.0 })),
            trips: 2,
            first_day: -3,
            last_day: 7,
            region: Some(2),
        };
        assert_eq!(of(End::Origin), origins);
        let destinations = Summary {
            other: None,
            ..origins
        };
        assert_eq!(of(End::Destination), destinations);
    }

    #[test]
    fn a_region_is_said_only_where_all_trips_have_it() {
        let of = |regions: [i16; 2]| {
            let trips = regions.map(|region| entry(0, region));
            let children = trips.map(|trip| Summary::of(&[trip], End::Origin));
            let joined = Summary::join(&children).unwrap();
            assert_eq!(joined, Summary::of(&trips, End::Origin));
            let read = parse(&encode(&[joined])).unwrap().iter().next();
            assert_eq!(read, Some(joined));
            joined.region
        };
        assert_eq!(of([4, 4]), Some(4));
        assert_eq!(of([4, 5]), None);
        assert_eq!(Summary::join(&[]), None);
    }

    #[test]
    fn a_node_fits_into_a_page() {
        let child = Summary::of(&[entry(0, 1)], End::Origin);
        assert_eq!(encode(&[child; FANOUT]).len(), 4 + 64 * 82);
        let child = Summary::of(&[entry(0, 1)], End::Destination);
        assert_eq!(encode(&[child; FANOUT]).len(), 4 + 64 * 50);
    }

    #[test]
    fn a_node_that_cannot_be_is_refused() {
        let child = Summary::of(&[entry(0, 1)], End::Origin);
        assert!(parse(&encode(&[])).is_err());
        assert!(parse(&encode(&[child; FANOUT + 1])).is_err());
        for (offset, byte) in [(0, 2), (1, 2), (2, 2), (4 + 7, 0x7f), (4 + 64, 0)] {
            let mut bytes = encode(&[child]);
            bytes[offset] = byte;
            assert!(parse(&bytes).is_err(), "{offset}");
        }
        let backwards = Summary {
            first_day: 1,
            ..child
        };
        let crowded = Summary {
            trips: TOO_MANY_TRIPS,
            ..child
        };
        for unsound in [backwards, crowded] {
            assert!(parse(&encode(&[child, unsound])).is_err());
        }
    }
}
