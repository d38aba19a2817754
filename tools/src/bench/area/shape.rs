//! Boxes and star-shaped polygons in degrees, and whether they hold a point: by the plainest arithmetic there is,
//! because it checks the server's answers.

use std::f64::consts::TAU;

use crate::draw::Draw;
use crate::generate::Point;

/// A box of longitudes and latitudes in degrees, its edges included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub(super) min_lon: f64,
    pub(super) min_lat: f64,
    pub(super) max_lon: f64,
    pub(super) max_lat: f64,
}

impl Rect {
    /// The box with `centre` in its middle that reaches so many degrees to each side.
    pub(super) fn around(centre: Point, (lon, lat): (f64, f64)) -> Self {
        Self {
            min_lon: centre.lon - lon,
            min_lat: centre.lat - lat,
            max_lon: centre.lon + lon,
            max_lat: centre.lat + lat,
        }
    }

    pub(super) fn contains(&self, point: Point) -> bool {
        self.min_lon <= point.lon
            && point.lon <= self.max_lon
            && self.min_lat <= point.lat
            && point.lat <= self.max_lat
    }

    /// The smallest box that holds both.
    pub(super) fn joined(&self, other: &Self) -> Self {
        Self {
            min_lon: self.min_lon.min(other.min_lon),
            min_lat: self.min_lat.min(other.min_lat),
            max_lon: self.max_lon.max(other.max_lon),
            max_lat: self.max_lat.max(other.max_lat),
        }
    }

    pub(super) fn west_half(&self) -> Self {
        Self {
            max_lon: f64::midpoint(self.min_lon, self.max_lon),
            ..*self
        }
    }

    /// The same with each edge moved, in or out, by at most `share` of the side that it ends.
    pub(super) fn jittered(&self, share: f64, draw: &mut Draw) -> Self {
        let mut shift = |side: f64| (draw.uniform() * 2.0 - 1.0) * share * side;
        let (width, height) = (self.max_lon - self.min_lon, self.max_lat - self.min_lat);
        Self {
            min_lon: self.min_lon + shift(width),
            min_lat: self.min_lat + shift(height),
            max_lon: self.max_lon + shift(width),
            max_lat: self.max_lat + shift(height),
        }
    }

    /// The arguments of a function that takes a box.
    pub(super) fn arguments(&self) -> String {
        let Self {
            min_lon,
            min_lat,
            max_lon,
            max_lat,
        } = self;
        format!("{min_lon}, {min_lat}, {max_lon}, {max_lat}")
    }
}

/// A polygon whose corners all see its middle.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Star {
    /// Holds all of it.
    pub(super) bounds: Rect,
    /// In order, the first not repeated at the end.
    corners: Vec<Point>,
    /// The sides that each of [`Star::SLABS`] equal slices of `bounds`, from south to north, touches.
    slabs: Vec<Vec<[Point; 2]>>,
}

impl Star {
    /// Corners of a star.
    pub(super) const CORNERS: usize = 50;

    const SLABS: usize = 64;

    /// A star within `bounds`: each corner lies at a random half to whole of the way from the middle to the ellipse
    /// that touches the edges.
    pub(super) fn within(bounds: Rect, draw: &mut Draw) -> Self {
        let middle = Point {
            lon: f64::midpoint(bounds.min_lon, bounds.max_lon),
            lat: f64::midpoint(bounds.min_lat, bounds.max_lat),
        };
        let (lon, lat) = (bounds.max_lon - middle.lon, bounds.max_lat - middle.lat);
        let corners = (0..Self::CORNERS).map(|corner| {
            let (sin, cos) = (TAU * corner as f64 / Self::CORNERS as f64).sin_cos();
            let reach = (1.0 + draw.uniform()) / 2.0;
            Point {
                lon: middle.lon + lon * reach * cos,
                lat: middle.lat + lat * reach * sin,
            }
        });
        let corners: Vec<Point> = corners.collect();
        Self {
            bounds,
            slabs: slabs(&bounds, &corners),
            corners,
        }
    }

    /// The box of the same area, middle and proportions as the star and its bounds.
    pub(super) fn box_as_large(&self) -> Rect {
        let Rect {
            min_lon,
            min_lat,
            max_lon,
            max_lat,
        } = self.bounds;
        let middle = Point {
            lon: f64::midpoint(min_lon, max_lon),
            lat: f64::midpoint(min_lat, max_lat),
        };
        let (width, height) = (max_lon - min_lon, max_lat - min_lat);
        let scale = (self.area() / (width * height)).sqrt() / 2.0;
        Rect::around(middle, (scale * width, scale * height))
    }

    /// In square degrees, by the shoelace formula.
    fn area(&self) -> f64 {
        let ends = self.corners.iter().cycle().skip(1);
        let sides = self.corners.iter().zip(ends);
        let twice: f64 = sides
            .map(|(from, to)| from.lon * to.lat - to.lon * from.lat)
            .sum();
        twice.abs() / 2.0
    }

    /// Whether a ray from the point to the east crosses the border an odd number of times (even-odd rule).
    pub(super) fn contains(&self, point: Point) -> bool {
        let sides = &self.slabs[slab(&self.bounds, point.lat)];
        let crossed = sides.iter().filter(|[from, to]| {
            (from.lat > point.lat) != (to.lat > point.lat)
                && point.lon
                    < from.lon + (point.lat - from.lat) / (to.lat - from.lat) * (to.lon - from.lon)
        });
        self.bounds.contains(point) && crossed.count() % 2 == 1
    }

    /// The polygon as WKT, in numbers that read back as the same doubles.
    pub(super) fn wkt(&self) -> String {
        let closed = self.corners.iter().chain(self.corners.first());
        let corners: Vec<String> = closed
            .map(|corner| format!("{} {}", corner.lon, corner.lat))
            .collect();
        format!("POLYGON (({}))", corners.join(", "))
    }
}

/// The slab that holds a latitude. It rises with the latitude, so a side that a latitude meets is in its slab.
fn slab(bounds: &Rect, lat: f64) -> usize {
    let share = (lat - bounds.min_lat) / (bounds.max_lat - bounds.min_lat);
    // The cast takes what lies south of the bounds to 0.
    ((share * Star::SLABS as f64) as usize).min(Star::SLABS - 1)
}

fn slabs(bounds: &Rect, corners: &[Point]) -> Vec<Vec<[Point; 2]>> {
    let mut slabs = vec![Vec::new(); Star::SLABS];
    let ends = corners.iter().cycle().skip(1);
    for (&from, &to) in corners.iter().zip(ends) {
        let [first, last] =
            [from.lat.min(to.lat), from.lat.max(to.lat)].map(|lat| slab(bounds, lat));
        for sides in &mut slabs[first..=last] {
            sides.push([from, to]);
        }
    }
    slabs
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Rect = Rect {
        min_lon: 10.0,
        min_lat: 50.0,
        max_lon: 11.0,
        max_lat: 51.0,
    };

    fn at(lon: f64, lat: f64) -> Point {
        Point { lon, lat }
    }

    #[test]
    fn a_box_holds_its_edges() {
        assert!(UNIT.contains(at(10.0, 50.0)) && UNIT.contains(at(11.0, 51.0)));
        assert!(!UNIT.contains(at(10.0f64.next_down(), 50.5)));
        assert!(!UNIT.contains(at(10.5, 51.0f64.next_up())));
    }

    #[test]
    fn the_west_half_ends_in_the_middle() {
        let half = UNIT.west_half();
        assert_eq!(half.arguments(), "10, 50, 10.5, 51");
        assert_eq!(half.joined(&UNIT), UNIT);
    }

    #[test]
    fn a_jittered_box_is_nearly_the_same() {
        let mut draw = Draw::new(1, 0);
        for _ in 0..100 {
            let moved = UNIT.jittered(0.01, &mut draw);
            assert!((moved.min_lon - UNIT.min_lon).abs() <= 0.010_000_1);
            assert!((moved.max_lat - UNIT.max_lat).abs() <= 0.010_000_1);
            assert_ne!(moved, UNIT);
        }
    }

    #[test]
    fn a_star_holds_its_middle_and_stays_within_its_bounds() {
        let mut draw = Draw::new(2, 0);
        for _ in 0..100 {
            let star = Star::within(UNIT, &mut draw);
            assert!(star.contains(at(10.5, 50.5)));
            // No corner is nearer to the middle than half of the way.
            assert!(star.contains(at(10.72, 50.5)) && star.contains(at(10.5, 50.28)));
            for outside in [at(10.01, 50.01), at(10.5, 51.1), at(9.9, 50.5)] {
                assert!(!star.contains(outside));
            }
            assert!(star.corners.iter().all(|&corner| UNIT.contains(corner)));
        }
    }

    #[test]
    fn a_star_holds_what_is_nearer_to_its_middle_than_its_border() {
        let mut draw = Draw::new(4, 0);
        let star = Star::within(UNIT, &mut draw);
        let middle = at(10.5, 50.5);
        let towards = |end: Point, share: f64| {
            let along = |from: f64, to: f64| from + share * (to - from);
            at(along(middle.lon, end.lon), along(middle.lat, end.lat))
        };
        let ends = star.corners.iter().cycle().skip(1);
        for (&corner, &next) in star.corners.iter().zip(ends) {
            let side = at(
                f64::midpoint(corner.lon, next.lon),
                f64::midpoint(corner.lat, next.lat),
            );
            for border in [corner, side] {
                assert!(star.contains(towards(border, 0.999)));
                assert!(!star.contains(towards(border, 1.001)));
            }
        }
    }

    #[test]
    fn a_box_as_large_as_a_star_holds_as_many_of_evenly_spread_points() {
        let star = Star::within(UNIT, &mut Draw::new(5, 0));
        let as_large = star.box_as_large();
        let points = (0..1_000_000).map(|number| {
            at(
                10.0 + f64::from(number % 1000) / 1e3,
                50.0 + f64::from(number / 1000) / 1e3,
            )
        });
        let [in_star, in_box] = points.fold([0i32; 2], |[star_count, box_count], point| {
            [
                star_count + i32::from(star.contains(point)),
                box_count + i32::from(as_large.contains(point)),
            ]
        });
        assert!(
            (in_star - in_box).abs() < in_box / 100,
            "{in_star} {in_box}"
        );
    }

    #[test]
    fn a_star_is_written_as_a_closed_polygon() {
        let star = Star::within(UNIT, &mut Draw::new(3, 0));
        let wkt = star.wkt();
        let inner = wkt
            .strip_prefix("POLYGON ((")
            .and_then(|rest| rest.strip_suffix("))"))
            .expect("one ring");
        let corners: Vec<&str> = inner.split(", ").collect();
        assert_eq!(corners.len(), Star::CORNERS + 1);
        assert_eq!(corners.first(), corners.last());
    }
}
