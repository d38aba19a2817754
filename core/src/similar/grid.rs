//! Cells so large that whatever is within a limit of a point lies in one of few cells around it.
//!
//! The earth is cut into bands of latitude, and each band into columns as wide as its latitude asks for. A band is at least
//! twice as high as the distance reaches, and a column twice as wide: so a point has at most two bands and in each two
//! columns to look at. The day is cut into slots the same way.
//!
//! How far a distance reaches: the straight line between two points is not shorter than the one between their places on
//! the meridian ellipse, whose curvature is nowhere above that of a circle of radius b²/a; by Schur's comparison theorem the latter
//! is at least 2 b²/a sin(Δφ/2). Nor is it shorter than its shadow on the plane of the equator, which is at least 2 r sin(Δλ/2)
//! where neither point is nearer to the axis than r.

use super::Trip;
use super::metric::{DAY, ECCENTRICITY_SQUARED, EQUATOR_RADIUS, Limits, POLE_RADIUS, time_of_day};
use crate::ingest::parse::point::Point;

use std::f64::consts::{FRAC_PI_2, PI, TAU};

/// Distances reach at least so many metres, so that bands are not too many to know.
const LEAST_REACH: f64 = 100.0;

/// What is added to distances, so that rounding takes nothing away.
const SLACK: f64 = 1.0 + 1e-6;

/// Slots of a day at most.
const MOST_SLOTS: i64 = 4096;

/// Numbers of cells, or of slots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Few<const N: usize> {
    values: [u64; N],
    count: usize,
}

impl<const N: usize> Few<N> {
    const NONE: Few<N> = Few {
        values: [0; N],
        count: 0,
    };

    /// Adds one that is not there yet.
    fn add(&mut self, value: u64) {
        if !self.as_slice().contains(&value)
            && let Some(place) = self.values.get_mut(self.count)
        {
            *place = value;
            self.count += 1;
        }
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u64] {
        self.values.get(..self.count).unwrap_or_default()
    }
}

/// The cells for one end of trips.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    /// How far the distance reaches, in radians of latitude.
    reach: f64,
    band_height: f64,
    bands: Vec<Band>,
}

/// A band of latitude.
#[derive(Debug, Clone, Copy)]
struct Band {
    columns: u32,
    /// How far the distance reaches in radians of longitude.
    reach: f64,
}

/// Half of the angle's chord on a circle: the angle, or `None` if the chord is longer than the circle is wide.
fn angle(chord: f64, radius: f64) -> Option<f64> {
    let half = chord / (2.0 * radius);
    (half < 1.0).then(|| 2.0 * libm::asin(half))
}

/// Metres from the axis at a latitude in radians.
fn from_axis(lat: f64) -> f64 {
    let (sin, cos) = libm::sincos(lat);
    EQUATOR_RADIUS * cos / (1.0 - ECCENTRICITY_SQUARED * sin * sin).sqrt()
}

impl Cells {
    /// Cells twice as wide and high as the distance reaches.
    fn new(distance: f64) -> Cells {
        Cells::wide(distance, 2.0)
    }

    /// Cells that are at least twice, `times`, as wide and high as the distance reaches.
    pub(super) fn wide(distance: f64, times: f64) -> Cells {
        let distance = distance.max(LEAST_REACH) * SLACK;
        let least_radius = POLE_RADIUS * POLE_RADIUS / EQUATOR_RADIUS;
        let Some(reach) = angle(distance, least_radius).filter(|reach| times * reach < PI) else {
            // All of the earth is one cell.
            let all = Band {
                columns: 1,
                reach: PI,
            };
            return Cells {
                reach: PI,
                band_height: 2.0 * PI,
                bands: vec![all],
            };
        };
        let band_height = times * reach * SLACK;
        let count = (PI / band_height) as usize + 1;
        let band = |number: usize| {
            // A point outside of the band may reach into it.
            let south = number as f64 * band_height - FRAC_PI_2 - reach;
            let north = south + band_height + 2.0 * reach;
            let farthest = south.abs().max(north.abs());
            let reach = match farthest < FRAC_PI_2 {
                true => angle(distance, from_axis(farthest)),
                false => None,
            };
            match reach {
                Some(reach) if times * reach < PI => Band {
                    columns: (TAU / (times * reach * SLACK)) as u32,
                    reach,
                },
                _ => Band {
                    columns: 1,
                    reach: PI,
                },
            }
        };
        Cells {
            reach,
            band_height,
            bands: (0..count).map(band).collect(),
        }
    }

    fn band(&self, lat: f64) -> usize {
        let number = ((lat + FRAC_PI_2) / self.band_height).max(0.0) as usize;
        number.min(self.bands.len() - 1)
    }

    fn cell(band: usize, columns: u32, lon: f64) -> u64 {
        let turns = (lon + PI) / TAU;
        let column = (turns - turns.floor()) * f64::from(columns);
        (band as u64) << 32 | u64::from((column as u32).min(columns - 1))
    }

    /// The cell of a point.
    pub(super) fn of(&self, point: Point) -> u64 {
        let band = self.band(point.lat.to_radians());
        let columns = self.bands.get(band).map_or(1, |band| band.columns);
        Cells::cell(band, columns, point.lon.to_radians())
    }

    /// The cells of what is within the distance of a point.
    pub(super) fn around(&self, point: Point) -> Few<4> {
        let (lon, lat) = (point.lon.to_radians(), point.lat.to_radians());
        let mut cells = Few::NONE;
        let (first, last) = (self.band(lat - self.reach), self.band(lat + self.reach));
        for number in first..=last {
            if let Some(band) = self.bands.get(number) {
                cells.add(Cells::cell(number, band.columns, lon - band.reach));
                cells.add(Cells::cell(number, band.columns, lon + band.reach));
            }
        }
        cells
    }
}

/// The slots of a day.
#[derive(Debug, Clone, Copy)]
struct Slots {
    count: i64,
    difference: i64,
}

impl Slots {
    fn new(difference: i64) -> Slots {
        Slots {
            count: (DAY / difference.saturating_mul(4).max(1)).clamp(1, MOST_SLOTS),
            difference,
        }
    }

    /// The slot of a time of day.
    fn of(self, time: i64) -> u64 {
        (time.rem_euclid(DAY) * self.count / DAY) as u64
    }

    /// The slots of what is within the difference of a time of day.
    fn around(self, time: i64) -> Few<2> {
        let mut slots = Few::NONE;
        if self.count == 1 {
            slots.add(0);
        } else {
            slots.add(self.of(time - self.difference));
            slots.add(self.of(time + self.difference));
        }
        slots
    }
}

/// Keys that trips in the same cells and slot share, of some method's limits.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    origins: Cells,
    destinations: Cells,
    slots: Slots,
}

/// The keys around a trip.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    origins: Few<4>,
    destinations: Few<4>,
    slots: Few<2>,
}

impl Around {
    /// Calls `visit` with each key, at most 32; two may be the same.
    #[inline]
    pub(super) fn each(&self, mut visit: impl FnMut(u64)) {
        for origin in self.origins.as_slice() {
            for destination in self.destinations.as_slice() {
                for slot in self.slots.as_slice() {
                    visit(mix(*origin, *destination, *slot));
                }
            }
        }
    }
}

/// Numbers of cells and slot as one that looks random. Other numbers may give the same: it makes candidates, no more.
#[inline]
pub(super) fn mix(origin: u64, destination: u64, slot: u64) -> u64 {
    // Odd numbers of SplitMix64 (Steele and others, 2014) and xxHash.
    let sum = origin
        .wrapping_mul(0x9e37_79b1_85eb_ca87)
        .wrapping_add(destination.wrapping_mul(0xc2b2_ae3d_27d4_eb4f))
        .wrapping_add(slot.wrapping_mul(0x1656_67b1_9e37_79f9));
    let product = u128::from(sum ^ sum >> 32) * 0xbf58_476d_1ce4_e5b9;
    (product >> 64) as u64 ^ product as u64
}

impl Grid {
    /// The grid for these limits.
    pub(super) fn new(limits: &Limits) -> Grid {
        Grid {
            origins: Cells::new(limits.origin_distance),
            destinations: Cells::new(limits.destination_distance),
            slots: Slots::new(limits.time_difference),
        }
    }

    /// The key of a trip.
    pub(super) fn key(&self, trip: &Trip) -> u64 {
        mix(
            self.origins.of(trip.origin),
            self.destinations.of(trip.destination),
            self.slots.of(time_of_day(trip.departed_at)),
        )
    }

    /// The cell of its origin.
    pub(super) fn origin(&self, trip: &Trip) -> u64 {
        self.origins.of(trip.origin)
    }

    /// The cell of its destination.
    pub(super) fn destination(&self, trip: &Trip) -> u64 {
        self.destinations.of(trip.destination)
    }

    /// The cells of the origins of all trips that are similar to a trip.
    pub(super) fn origins_around(&self, trip: &Trip) -> Few<4> {
        self.origins.around(trip.origin)
    }

    /// The cells of their destinations.
    pub(super) fn destinations_around(&self, trip: &Trip) -> Few<4> {
        self.destinations.around(trip.destination)
    }

    /// The keys of all trips that are similar to a trip, its own among them.
    pub(super) fn around(&self, trip: &Trip) -> Around {
        Around {
            origins: self.origins.around(trip.origin),
            destinations: self.destinations.around(trip.destination),
            slots: self.slots.around(time_of_day(trip.departed_at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::metric::{Place, Position};
    use super::*;
    use proptest::prelude::*;

    fn points() -> impl Strategy<Value = Point> {
        let lon = prop_oneof![
            -180.0..=180.0f64,
            Just(180.0),
            Just(-180.0),
            179.99..=180.0f64,
            Just(0.0)
        ];
        let lat = prop_oneof![
            -90.0..=90.0f64,
            Just(90.0),
            Just(-90.0),
            89.99..=90.0f64,
            -90.0..=-89.999f64,
            Just(0.0)
        ];
        (lon, lat).prop_map(|(lon, lat)| Point { lon, lat })
    }

    /// A point at a distance in about this direction, as far as there is one.
    fn beside(point: Point, metres: f64, direction: f64) -> Point {
        let lat = point.lat + (metres * direction.cos() / 111_000.0);
        let radius = from_axis(point.lat.to_radians()).max(1e-3);
        let lon = point.lon
            + (metres * direction.sin() / radius)
                .to_degrees()
                .clamp(-180.0, 180.0);
        Point {
            lon: (lon + 540.0).rem_euclid(360.0) - 180.0,
            lat: lat.clamp(-90.0, 90.0),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn what_is_within_the_distance_is_in_the_cells_around(
            point in points(),
            distance in prop_oneof![1.0..2000.0f64, 1e3..1e6f64, 1e6..2e7f64],
            share in prop_oneof![0.9..=1.0f64, 0.0..1.0f64],
            direction in 0.0..TAU,
        ) {
            let other = beside(point, distance * share, direction);
            let cells = Cells::new(distance);
            let apart = Position::of(point).distance_squared(Position::of(other)).sqrt();
            if apart <= distance {
                prop_assert!(cells.around(point).as_slice().contains(&cells.of(other)));
                prop_assert!(cells.around(other).as_slice().contains(&cells.of(point)));
            }
            prop_assert!(cells.around(point).as_slice().contains(&cells.of(point)));
        }

        #[test]
        fn what_is_within_the_difference_is_in_the_slots_around(
            time in 0..DAY,
            difference in prop_oneof![1..DAY, 1..10_000_000i64, Just(900_000_000), Just(DAY / 2), Just(DAY / 4)],
            share in prop_oneof![Just(1.0), 0.0..1.0f64],
            earlier in any::<bool>(),
        ) {
            let slots = Slots::new(difference);
            let turn = (difference as f64 * share) as i64;
            let other = if earlier { time - turn } else { time + turn };
            prop_assert!(slots.around(time).as_slice().contains(&slots.of(other)));
        }

        #[test]
        fn a_similar_trip_has_one_of_the_keys_around(
            (from, to) in (points(), points()),
            distances in [1.0..5000.0f64, 1.0..5000.0f64],
            shares in [0.0..1.0f64, 0.0..1.0f64],
            directions in [0.0..TAU, 0.0..TAU],
            (departed_at, turn) in (0..3 * DAY, -1_000_000_000..1_000_000_000i64),
        ) {
            let limits = Limits {
                origin_distance: distances[0],
                destination_distance: distances[1],
                time_difference: 1_000_000_000,
            };
            let one = Trip { id: 1, departed_at, origin: from, destination: to };
            let other = Trip {
                id: 2,
                departed_at: departed_at + turn,
                origin: beside(from, distances[0] * shares[0], directions[0]),
                destination: beside(to, distances[1] * shares[1], directions[1]),
            };
            let grid = Grid::new(&limits);
            let mut keys = Vec::new();
            grid.around(&one).each(|key| keys.push(key));
            prop_assert!(keys.len() <= 32);
            if limits.unlikeness(&Place::of(&one), &Place::of(&other)).is_some() {
                prop_assert!(keys.contains(&grid.key(&other)));
            }
        }
    }

    #[test]
    fn cells_are_about_twice_as_wide_and_high_as_the_distance() {
        let cells = Cells::new(500.0);
        for lat in [0.0f64, 45.0, -60.0, 80.0] {
            let band = cells.bands[cells.band(lat.to_radians())];
            let width = TAU * from_axis(lat.to_radians()) / f64::from(band.columns);
            assert!((1000.0..1010.0).contains(&width), "{lat} {width}");
        }
        let height = cells.band_height * POLE_RADIUS * POLE_RADIUS / EQUATOR_RADIUS;
        assert!((1000.0..1001.0).contains(&height));
    }
}
