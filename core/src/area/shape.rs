//! Areas, and how they lie to rectangles and points.

use std::fmt;

use super::polygon::Polygons;
use crate::ingest::parse::point::Point;

/// The greatest absolute value of a coordinate of an area: the products that decide on which side of a line a point
/// lies stay finite.
pub const MAX_COORDINATE: f64 = 1e150;

/// A rectangle of longitudes (x) and latitudes (y) in degrees, its edges included; it may be a line or a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// The least longitude.
    pub min_x: f64,
    /// The least latitude.
    pub min_y: f64,
    /// The greatest longitude.
    pub max_x: f64,
    /// The greatest latitude.
    pub max_y: f64,
}

impl Rect {
    /// The rectangle of all points.
    pub const EVERYWHERE: Rect = Rect {
        min_x: f64::NEG_INFINITY,
        min_y: f64::NEG_INFINITY,
        max_x: f64::INFINITY,
        max_y: f64::INFINITY,
    };

    /// The rectangle of one point.
    pub const fn of_point(point: Point) -> Rect {
        Rect {
            min_x: point.lon,
            min_y: point.lat,
            max_x: point.lon,
            max_y: point.lat,
        }
    }

    /// The least rectangle around both.
    #[must_use]
    pub const fn join(self, other: Rect) -> Rect {
        Rect {
            min_x: self.min_x.min(other.min_x),
            min_y: self.min_y.min(other.min_y),
            max_x: self.max_x.max(other.max_x),
            max_y: self.max_y.max(other.max_y),
        }
    }

    /// Whether it has no point: a minimum is above its maximum, or not a number.
    pub const fn is_empty(&self) -> bool {
        !(self.min_x <= self.max_x && self.min_y <= self.max_y)
    }

    /// Whether it has the point.
    #[inline]
    pub const fn contains(&self, point: Point) -> bool {
        (self.min_x <= point.lon)
            & (point.lon <= self.max_x)
            & (self.min_y <= point.lat)
            & (point.lat <= self.max_y)
    }

    /// Whether it has all points of `other`.
    #[inline]
    pub const fn covers(&self, other: &Rect) -> bool {
        (self.min_x <= other.min_x)
            & (other.max_x <= self.max_x)
            & (self.min_y <= other.min_y)
            & (other.max_y <= self.max_y)
    }

    /// Whether they have a point in common.
    #[inline]
    pub const fn touches(&self, other: &Rect) -> bool {
        (self.min_x <= other.max_x)
            & (other.min_x <= self.max_x)
            & (self.min_y <= other.max_y)
            & (other.min_y <= self.max_y)
    }

    /// The corner where both coordinates are least.
    pub(super) const fn least(&self) -> Point {
        Point {
            lon: self.min_x,
            lat: self.min_y,
        }
    }
}

/// How an area lies to a rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// No point of the rectangle is in the area.
    Outside,
    /// Some points may be in the area and others not.
    Border,
    /// Every point of the rectangle is in the area.
    Inside,
}

/// Why polygons are no area.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ShapeError {
    /// A coordinate is infinite or NaN.
    NotFinite,
    /// A coordinate is beyond [`MAX_COORDINATE`].
    OutOfRange(f64),
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShapeError::NotFinite => f.write_str("a coordinate is not a finite number"),
            ShapeError::OutOfRange(value) => {
                write!(f, "coordinate {value:e} is out of range")
            }
        }
    }
}

/// A part of the plane, its border included.
#[derive(Debug, Clone)]
pub struct Area {
    kind: Kind,
}

/// What an area is made of.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Rectangles, none of them empty.
    Boxes(Vec<Rect>),
    /// Polygons.
    Polygons(Polygons),
}

impl Area {
    /// The area of all points.
    pub fn everywhere() -> Area {
        Area::boxes(&[Rect::EVERYWHERE])
    }

    /// What lies in any of the rectangles: two of them are a box across the antimeridian.
    pub fn boxes(rects: &[Rect]) -> Area {
        Area {
            kind: Kind::Boxes(rects.iter().copied().filter(|r| !r.is_empty()).collect()),
        }
    }

    /// What lies in any of the polygons: lists of rings, which are lists of positions, longitude first.
    ///
    /// The first ring is the exterior, the others are holes. A ring ends where it began, whether that position is
    /// repeated or not. Polygons need not be valid: see [`Area::contains`].
    ///
    /// # Errors
    /// A coordinate is not finite or beyond [`MAX_COORDINATE`].
    pub fn polygons(polygons: Vec<Vec<Vec<[f64; 2]>>>) -> Result<Area, ShapeError> {
        Ok(Area {
            kind: Kind::Polygons(Polygons::new(polygons)?),
        })
    }

    /// The least rectangle around the area; `None` if it is empty.
    pub fn bounds(&self) -> Option<Rect> {
        match &self.kind {
            Kind::Boxes(boxes) => boxes.iter().copied().reduce(Rect::join),
            Kind::Polygons(polygons) => polygons.bounds(),
        }
    }

    /// How the area lies to `rect`. `Border` may be said of what is `Inside` by a hair: where an edge of a polygon
    /// touches the rectangle, or two boxes cover it only together.
    pub fn relation(&self, rect: &Rect) -> Relation {
        match &self.kind {
            Kind::Boxes(boxes) => {
                if boxes.iter().any(|b| b.covers(rect)) {
                    Relation::Inside
                } else if boxes.iter().any(|b| b.touches(rect)) {
                    Relation::Border
                } else {
                    Relation::Outside
                }
            }
            Kind::Polygons(polygons) => polygons.relation(rect),
        }
    }

    /// Whether the point lies in the area, exactly (but for underflow, below 1e-140 degrees), as `ST_Intersects` says.
    ///
    /// A ring has a point on its edge, and one that it winds around: its winding number is not 0. A polygon has a point
    /// that its exterior has, unless that point is off the exterior's edge and within a hole; the first hole that has
    /// it decides, and what is on that hole's edge is in the polygon.
    pub fn contains(&self, point: Point) -> bool {
        match &self.kind {
            Kind::Boxes(boxes) => boxes.iter().any(|b| b.contains(point)),
            Kind::Polygons(polygons) => polygons.contains(point),
        }
    }

    /// What it is made of.
    pub(super) const fn kind(&self) -> &Kind {
        &self.kind
    }
}
