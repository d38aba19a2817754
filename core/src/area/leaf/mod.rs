//! The leaves of a tree: trips that follow each other on the Morton curve, by columns.
//!
//! In a leaf the trips are in the order of their days, so those of a period are a slice of each column. A coordinate
//! is a key on an [axis](super::axis), exact and in the order of the values. What of it the upper 16 bits say, its
//! cell, is in `points`, with the days: nearly all of a count needs no more. The low bits are in `exact`, the
//! other ends in `other` and, where trips have several regions, these in `regions`: what lies apart need not be fetched.

use std::borrow::Cow;

mod day_index;
mod decode;
mod encode;
mod exact;
mod others;
mod packed;
mod points;
mod regions;

pub use decode::decode;
pub use encode::{Encoder, capacity, encode};
pub use exact::Exact;
pub use others::Others;
pub use points::Points;
pub use regions::Regions;

/// The greatest length of [`LeafColumns::points`] in bytes: a page of 8 KiB holds two rows.
pub const POINTS_BYTES: usize = 3968;

/// The most trips of a leaf: as many as have room beside an index of 5 months, day by day.
pub const MAX_TRIPS: usize = 944;

/// A leaf as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeafColumns {
    /// Cells, days, and the region if all trips have one: see [`Points`].
    pub points: Vec<u8>,
    /// What cells leave out of the coordinates: see [`Exact`]. `None` if that is nothing.
    pub exact: Option<Vec<u8>>,
    /// The other ends: see [`Others`]. `None` in a tree of destinations.
    pub other: Option<Vec<u8>>,
    /// The region of each trip: see [`Regions`]. `None` if all have one.
    pub regions: Option<Vec<u8>>,
}

/// A leaf that is read: the columns of [`LeafColumns`]. All but the points are fetched when asked for.
pub trait LeafRow {
    /// See [`LeafColumns::points`].
    fn points(&self) -> &[u8];
    /// See [`LeafColumns::exact`].
    fn exact(&self) -> Option<Cow<'_, [u8]>>;
    /// See [`LeafColumns::other`].
    fn other(&self) -> Option<Cow<'_, [u8]>>;
    /// See [`LeafColumns::regions`].
    fn regions(&self) -> Option<Cow<'_, [u8]>>;
}

impl LeafRow for LeafColumns {
    fn points(&self) -> &[u8] {
        &self.points
    }

    fn exact(&self) -> Option<Cow<'_, [u8]>> {
        self.exact.as_deref().map(Cow::Borrowed)
    }

    fn other(&self) -> Option<Cow<'_, [u8]>> {
        self.other.as_deref().map(Cow::Borrowed)
    }

    fn regions(&self) -> Option<Cow<'_, [u8]>> {
        self.regions.as_deref().map(Cow::Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::{End, Entry};
    use crate::ingest::parse::point::Point;

    fn entry(i: i32) -> Entry {
        Entry {
            point: Point {
                lon: 14.31 + f64::from(i).sqrt() / 1000.0,
                lat: 50.0,
            },
            other: Point {
                lon: 14.5,
                lat: -0.0,
            },
            day: 6700 + i % 146,
            region_id: 3,
        }
    }

    fn encoded(mut entries: Vec<Entry>, end: End) -> LeafColumns {
        assert_eq!(capacity(&entries), entries.len());
        encode(&mut entries, end)
    }

    #[test]
    fn a_full_leaf_has_room_for_five_months() {
        let entries: Vec<Entry> = (0..1000).map(entry).collect();
        assert_eq!(capacity(&entries), MAX_TRIPS);
        let leaf = encoded(entries[..MAX_TRIPS].to_vec(), End::Origin);
        assert_eq!(leaf.points.len(), 46 + 144 + 4 * MAX_TRIPS);
        assert!(leaf.points.len() <= POINTS_BYTES);
    }

    #[test]
    fn days_far_apart_leave_room_for_fewer_trips() {
        let on = |i: i32, day| Entry { day, ..entry(i) };
        let decades: Vec<Entry> = (0..1000).map(|i| on(i, i * 1_000_000)).collect();
        assert_eq!(capacity(&decades), (POINTS_BYTES - 46) / 10);
        let two_days: Vec<Entry> = (0..1000).map(|i| on(i, (i % 2) * i32::MAX)).collect();
        assert_eq!(capacity(&two_days), MAX_TRIPS);
        assert_eq!(capacity(&[]), 0);
    }

    #[test]
    fn columns_that_say_nothing_are_left_out() {
        let leaf = encoded(vec![entry(4)], End::Destination);
        assert_eq!((leaf.exact, leaf.other, leaf.regions), (None, None, None));
        let several = Entry {
            region_id: 4,
            ..entry(5)
        };
        let leaf = encoded(vec![entry(4), several], End::Origin);
        assert!(leaf.exact.is_some() && leaf.other.is_some() && leaf.regions.is_some());
        assert_eq!(Points::parse(&leaf.points).unwrap().region(), None);
    }

    #[test]
    fn only_columns_that_say_something_are_fetched() {
        struct Strict(LeafColumns);
        impl LeafRow for Strict {
            fn points(&self) -> &[u8] {
                &self.0.points
            }
            fn exact(&self) -> Option<Cow<'_, [u8]>> {
                panic!("nothing is exact")
            }
            fn other(&self) -> Option<Cow<'_, [u8]>> {
                panic!("there is no other end")
            }
            fn regions(&self) -> Option<Cow<'_, [u8]>> {
                panic!("there is one region")
            }
        }
        let leaf = Strict(encoded(vec![entry(4); 3], End::Destination));
        let mut read = Vec::new();
        decode(&leaf, End::Destination, &mut read).unwrap();
        assert_eq!(
            read,
            [Entry {
                other: Point { lon: 0.0, lat: 0.0 },
                ..entry(4)
            }; 3]
        );
    }

    #[test]
    fn a_leaf_of_another_format_is_refused() {
        let leaf = encoded((0..9).map(entry).collect(), End::Destination);
        let refused = |offset: usize, byte| {
            let mut bytes = leaf.points.clone();
            bytes[offset] = byte;
            Points::parse(&bytes).is_err()
        };
        assert!(!refused(0, 1));
        // Version, flags, number of trips, scale of longitude, length of the day index.
        for (offset, byte) in [(0, 2), (1, 4), (2, 8), (3, 1), (6, 14), (44, 9)] {
            assert!(refused(offset, byte), "{offset}");
        }
        assert!(Points::parse(&[&leaf.points[..], &[0]].concat()).is_err());
        assert!(Points::parse(&[&leaf.points[..], &[0; 4]].concat()).is_err());
        assert!(Points::parse(&[]).is_err());
    }
}
