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

impl ShapeError {
    /// The SQLSTATE: five characters.
    pub const fn sqlstate(self) -> &'static str {
        "22003"
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShapeError::NotFinite => f.write_str("coordinate of the area is not a finite number"),
            ShapeError::OutOfRange(value) => {
                write!(f, "coordinate {value:e} of the area is out of range")
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

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Rect = rect(1.0, 2.0, 3.0, 4.0);

    const fn rect(min_x: f64, min_y: f64, max_x: f64, max_y: f64) -> Rect {
        Rect {
            min_x,
            min_y,
            max_x,
            max_y,
        }
    }

    const fn point(lon: f64, lat: f64) -> Point {
        Point { lon, lat }
    }

    #[test]
    fn a_rectangle_has_its_edges() {
        assert!(BOX.contains(point(1.0, 4.0)));
        assert!(!BOX.contains(point(1.0, 4.1)));
        assert!(BOX.covers(&BOX));
        assert!(!BOX.covers(&rect(0.9, 2.0, 3.0, 4.0)));
        assert!(BOX.touches(&rect(3.0, 4.0, 5.0, 5.0)));
        assert!(!BOX.touches(&rect(3.1, 4.0, 5.0, 5.0)));
        assert_eq!(
            BOX.join(Rect::of_point(point(5.0, 0.0))),
            rect(1.0, 0.0, 5.0, 4.0)
        );
    }

    #[test]
    fn a_minimum_above_a_maximum_or_nan_makes_a_box_empty() {
        for empty in [
            rect(3.0, 2.0, 1.0, 4.0),
            rect(1.0, 4.0, 3.0, 2.0),
            rect(f64::NAN, 2.0, 3.0, 4.0),
            rect(1.0, 2.0, 3.0, f64::NAN),
        ] {
            let area = Area::boxes(&[empty]);
            assert!(empty.is_empty());
            assert_eq!(area.bounds(), None);
            assert!(!area.contains(point(2.0, 3.0)));
            assert_eq!(area.relation(&BOX), Relation::Outside);
        }
        assert!(!Rect::of_point(point(1.0, 2.0)).is_empty());
    }

    #[test]
    fn boxes_across_the_antimeridian_are_one_area() {
        let area = Area::boxes(&[
            rect(170.0, -5.0, 180.0, 5.0),
            rect(-180.0, -5.0, -170.0, 5.0),
        ]);
        assert_eq!(area.bounds(), Some(rect(-180.0, -5.0, 180.0, 5.0)));
        assert!(area.contains(point(180.0, 0.0)) && area.contains(point(-180.0, 0.0)));
        assert!(!area.contains(point(0.0, 0.0)));
        for (rect, relation) in [
            (rect(-180.0, 0.0, -175.0, 5.0), Relation::Inside),
            (rect(170.0, 0.0, 170.0, 0.0), Relation::Inside),
            (rect(165.0, 0.0, 170.0, 0.0), Relation::Border),
            (rect(-169.0, -1.0, 169.0, 1.0), Relation::Outside),
        ] {
            assert_eq!(area.relation(&rect), relation, "{rect:?}");
        }
    }

    #[test]
    fn everywhere_has_all() {
        let area = Area::everywhere();
        assert_eq!(area.relation(&BOX), Relation::Inside);
        assert!(area.contains(point(-180.0, 90.0)));
    }

    #[test]
    fn coordinates_that_are_none_are_refused() {
        let area = |x| Area::polygons(vec![vec![vec![[0.0, 0.0], [x, 0.0], [0.0, 1.0]]]]);
        assert_eq!(area(f64::NAN).unwrap_err(), ShapeError::NotFinite);
        let error = area(f64::NEG_INFINITY).unwrap_err();
        assert_eq!(
            error.to_string(),
            "coordinate of the area is not a finite number"
        );
        let error = area(-2e200).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.sqlstate()),
            ("coordinate -2e200 of the area is out of range", "22003")
        );
        assert!(
            area(MAX_COORDINATE)
                .unwrap()
                .contains(point(1e149, f64::MIN_POSITIVE))
        );
    }

    #[test]
    fn polygons_without_positions_hold_nothing() {
        for polygons in [
            vec![],
            vec![vec![]],
            vec![vec![vec![]]],
            vec![vec![
                vec![],
                vec![[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [0.0, 0.0]],
            ]],
        ] {
            let area = Area::polygons(polygons).unwrap();
            assert_eq!(area.bounds(), None);
            assert!(!area.contains(point(1.0, 2.0)));
            assert_eq!(area.relation(&BOX), Relation::Outside);
        }
    }
}
