//! How far apart trips are: metres on WGS84, and time of day round the clock.

use std::sync::LazyLock;

use super::Trip;
use crate::ingest::parse::point::Point;

/// Semi-major axis of WGS84, metres.
pub(super) const EQUATOR_RADIUS: f64 = 6_378_137.0;

/// Flattening of WGS84.
const FLATTENING: f64 = 1.0 / 298.257_223_563;

/// Semi-minor axis, metres.
pub(super) const POLE_RADIUS: f64 = EQUATOR_RADIUS * (1.0 - FLATTENING);

/// Square of the first eccentricity.
pub(super) const ECCENTRICITY_SQUARED: f64 = FLATTENING * (2.0 - FLATTENING);

/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;

/// Where a point on the ellipsoid is in space: metres from the middle of the earth along the axes of EPSG:4978.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Position(pub [f64; 3]);

impl Position {
    /// That of a longitude and latitude on WGS84, at height 0. The same bits on every machine.
    pub fn of(point: Point) -> Position {
        let (sin_lat, cos_lat) = sin_cos(point.lat);
        let (sin_lon, cos_lon) = sin_cos(point.lon);
        let normal = EQUATOR_RADIUS / (1.0 - ECCENTRICITY_SQUARED * sin_lat * sin_lat).sqrt();
        Position([
            normal * cos_lat * cos_lon,
            normal * cos_lat * sin_lon,
            normal * (1.0 - ECCENTRICITY_SQUARED) * sin_lat,
        ])
    }

    /// The square of the straight distance, square metres. Of 1 km on the ground the straight line is 1 micrometre
    /// shorter.
    #[inline]
    pub fn distance_squared(self, other: Position) -> f64 {
        let [x, y, z] = self.minus(other);
        x * x + y * y + z * z
    }

    /// What leads here from `other`.
    #[inline]
    pub(super) fn minus(self, other: Position) -> [f64; 3] {
        let ([x, y, z], [ox, oy, oz]) = (self.0, other.0);
        [x - ox, y - oy, z - oz]
    }

    /// The longitude and latitude of the place on the ellipsoid that it has the direction of, as seen from the middle of the earth;
    /// `None` for that middle.
    pub(super) fn point(self) -> Option<Point> {
        let [x, y, z] = self.0;
        let from_axis = libm::hypot(x, y);
        if libm::hypot(from_axis, z) < 1.0 {
            return None;
        }
        let lat = libm::atan2(z, from_axis * (1.0 - ECCENTRICITY_SQUARED));
        Some(Point {
            lon: libm::atan2(y, x).to_degrees(),
            lat: lat.to_degrees(),
        })
    }
}

/// Steps of a turn whose sines are known.
const STEPS: f64 = 1024.0;

/// Sines and cosines of the steps from half a turn back to half a turn on.
static KNOWN: LazyLock<Vec<(f64, f64)>> = LazyLock::new(|| {
    let half = STEPS as i32 / 2;
    let known = |step: i32| match step.rem_euclid(2 * half) {
        0 => (0.0, 1.0),
        step if 2 * step == half => (1.0, 0.0),
        step if step == half => (0.0, -1.0),
        step if 2 * step == 3 * half => (-1.0, 0.0),
        step => libm::sincos((f64::from(step) * (360.0 / STEPS)).to_radians()),
    };
    (-half..=half).map(known).collect()
});

/// Sine and cosine of at most half a turn in degrees, within 1e-15: from the nearest step whose sines are known,
/// by the sum formula and the first terms of Taylor's series, of which the next are below 1e-21. Exact where a quarter of a turn makes
/// them 0 or 1, so that the poles are one place each and the antimeridian is one line.
#[inline]
pub(super) fn sin_cos(degrees: f64) -> (f64, f64) {
    // Half a turn on there is none below 0, which a whole number rounds the same way everywhere.
    let number = (degrees * (STEPS / 360.0) + (STEPS / 2.0 + 0.5)) as i32;
    let rest = (degrees - (f64::from(number) - STEPS / 2.0) * (360.0 / STEPS)).to_radians();
    let (sin, cos) = KNOWN
        .get(number as usize)
        .copied()
        .unwrap_or((f64::NAN, f64::NAN));
    let square = rest * rest;
    let rest_sin = rest - rest * square / 6.0 * (1.0 - square / 20.0);
    let lack = square / 2.0 * (1.0 - square / 12.0 * (1.0 - square / 30.0));
    (
        sin + (cos * rest_sin - sin * lack),
        cos - (sin * rest_sin + cos * lack),
    )
}

/// Microseconds since midnight of a time in microseconds since 2000-01-01.
#[inline]
pub fn time_of_day(departed_at: i64) -> i64 {
    departed_at.rem_euclid(DAY)
}

/// From `from` to `to` by the shorter way round the clock: above -12 h, at most 12 h.
#[inline]
pub(super) const fn turn(from: i64, to: i64) -> i64 {
    let turn = to - from;
    if turn > DAY / 2 {
        turn - DAY
    } else if turn <= -DAY / 2 {
        turn + DAY
    } else {
        turn
    }
}

/// A trip as it is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Where it begins.
    pub origin: Position,
    /// Where it ends.
    pub destination: Position,
    /// Microseconds since midnight.
    pub time: i64,
}

impl Place {
    /// That of a trip.
    pub fn of(trip: &Trip) -> Place {
        Place {
            origin: Position::of(trip.origin),
            destination: Position::of(trip.destination),
            time: time_of_day(trip.departed_at),
        }
    }
}

/// What trips may differ by and still be similar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Metres between origins, above 0.
    pub origin_distance: f64,
    /// Metres between destinations, above 0.
    pub destination_distance: f64,
    /// Microseconds between times of day, above 0.
    pub time_difference: i64,
}

impl Limits {
    /// How unlike two trips are: the sum of the squares of the three differences, each as a share of its limit. `None` if one
    /// of these is above 1: the trips are not similar.
    #[inline]
    pub fn unlikeness(&self, one: &Place, other: &Place) -> Option<f64> {
        let time = turn(one.time, other.time).abs();
        if time > self.time_difference {
            return None;
        }
        let origin = one.origin.distance_squared(other.origin);
        let origin_limit = self.origin_distance * self.origin_distance;
        if origin > origin_limit {
            return None;
        }
        let destination = one.destination.distance_squared(other.destination);
        let destination_limit = self.destination_distance * self.destination_distance;
        if destination > destination_limit {
            return None;
        }
        let time = time as f64 / self.time_difference as f64;
        Some(origin / origin_limit + destination / destination_limit + time * time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lon: f64, lat: f64) -> Position {
        Position::of(Point { lon, lat })
    }

    fn metres(one: Position, other: Position) -> f64 {
        one.distance_squared(other).sqrt()
    }

    #[test]
    fn degrees_are_as_long_as_on_wgs84() {
        // ST_Distance of geographies, PostGIS 3.3: 0.01 degrees from (7.68, 45.07).
        let turin = at(7.68, 45.07);
        assert!((metres(turin, at(7.69, 45.07)) - 787.507_698).abs() < 1e-5);
        assert!((metres(turin, at(7.68, 45.08)) - 1_111.332_431).abs() < 1e-5);
    }

    #[test]
    fn the_antimeridian_is_one_line_and_a_pole_is_one_place() {
        assert_eq!(at(180.0, -17.0), at(-180.0, -17.0));
        assert_eq!(at(12.0, 90.0), at(-168.0, 90.0));
        assert!(metres(at(179.9999, 65.0), at(-179.9999, 65.0)) < 10.0);
        assert!(metres(at(0.0, 89.9999), at(180.0, 89.9999)) < 23.0);
    }

    #[test]
    fn a_position_gives_back_its_point() {
        for lat in [
            -90.0, -89.9, -45.07, -0.01, 0.0, 1e-9, 23.4, 60.0, 89.999_999,
        ] {
            for lon in [-180.0, -90.0, -7.68, 0.0, 1e-9, 90.0, 179.999_999] {
                let point = at(lon, lat).point().unwrap();
                assert!(
                    metres(Position::of(point), at(lon, lat)) < 1e-8,
                    "{lon} {lat}"
                );
            }
        }
        assert_eq!(Position([0.0; 3]).point(), None);
    }

    #[test]
    fn sines_are_those_of_the_library() {
        for number in -1_800_000..=1_800_000 {
            let degrees = f64::from(number) / 10_000.0;
            let ((sin, cos), (known_sin, known_cos)) =
                (sin_cos(degrees), libm::sincos(degrees.to_radians()));
            assert!(
                (sin - known_sin).abs() < 1e-15,
                "{degrees} {sin} {known_sin}"
            );
            assert!(
                (cos - known_cos).abs() < 1e-15,
                "{degrees} {cos} {known_cos}"
            );
        }
    }

    #[test]
    fn midnight_is_between_23_55_and_0_05() {
        const MINUTE: i64 = 60_000_000;
        assert_eq!(turn(DAY - 5 * MINUTE, 5 * MINUTE), 10 * MINUTE);
        assert_eq!(turn(5 * MINUTE, DAY - 5 * MINUTE), -10 * MINUTE);
        assert_eq!(turn(0, DAY / 2), DAY / 2);
        assert_eq!(turn(DAY / 2, 0), DAY / 2);
        assert_eq!(time_of_day(-1), DAY - 1);
        assert_eq!(time_of_day(3 * DAY + 7), 7);
    }
}
