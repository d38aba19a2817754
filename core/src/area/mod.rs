//! The area tree: how many trips begin or end in an area, without looking at each of them.
//!
//! A run is a pair of trees over some trips, one of their origins and one of their destinations. A tree is an
//! aggregate R-tree (Papadias et al., 2001) that is packed in Morton order (after Kamel and Faloutsos, 1993): trips
//! that follow each other on the curve make a [`leaf`], [`FANOUT`] leaves or nodes make a [`node`]. A node says of each
//! child where it lies, how many trips it has and when. So a [`search`] opens what the area's edge cuts, and nothing else.
//!
//! Runs are never changed. [`build`] makes them of trips, [`merge`] of other runs; each has a sign, and what is
//! asked for is the sum over them. What runs are stored in, and when, is the server's affair.

use crate::ingest::parse::point::Point;
use crate::ingest::tuple::Trip;

pub mod axis;
pub mod build;
pub mod crowd;
pub mod days;
pub mod digest;
pub mod id;
pub mod indexer;
pub mod leaf;
pub mod merge;
pub mod morton;
pub mod node;
mod polygon;
pub mod search;
pub mod shape;
pub mod sieve;
pub mod wkb;

pub use shape::{Area, Rect, Relation};

/// Children of an inner node.
pub const FANOUT: usize = 64;

/// Which end of its trips a tree is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// Where the trips began.
    Origin,
    /// Where they ended.
    Destination,
}

impl End {
    /// Both, in the order in which a run has its trees.
    pub const BOTH: [End; 2] = [End::Origin, End::Destination];

    /// `origin` or `destination`.
    pub const fn as_str(self) -> &'static str {
        match self {
            End::Origin => "origin",
            End::Destination => "destination",
        }
    }
}

/// What a tree keeps of a trip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// The end that the tree is made of.
    pub point: Point,
    /// The other end; in a tree of destinations it is not kept, and `(0, 0)` here.
    pub other: Point,
    /// The day of departure: days since 2000-01-01.
    pub day: i32,
    /// The region's id, above 0.
    pub region_id: i16,
}

impl Entry {
    /// The entry of a trip in a tree of origins. Zeros lose their sign.
    pub const fn new(origin: Point, destination: Point, day: i32, region_id: i16) -> Entry {
        const fn unsigned(point: Point) -> Point {
            Point {
                lon: point.lon + 0.0,
                lat: point.lat + 0.0,
            }
        }
        Entry {
            point: unsigned(origin),
            other: unsigned(destination),
            day,
            region_id,
        }
    }

    /// The same trip in a tree of `end`; `self` is one in a tree of origins.
    pub const fn in_tree(self, end: End) -> Entry {
        match end {
            End::Origin => self,
            End::Destination => Entry {
                point: self.other,
                other: Point { lon: 0.0, lat: 0.0 },
                ..self
            },
        }
    }
}

/// The entry of the trip in a tree of origins.
impl From<Trip> for Entry {
    #[inline]
    fn from(trip: Trip) -> Entry {
        let day = days::day_of(trip.departed_at);
        Entry::new(trip.origin, trip.destination, day, trip.region_id)
    }
}

/// Bytes that are no part of a tree, and what is wrong with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt(pub &'static str);

impl From<Corrupt> for crate::Error {
    fn from(corrupt: Corrupt) -> crate::Error {
        crate::Error::CorruptTree {
            what: corrupt.0.to_owned(),
        }
    }
}
