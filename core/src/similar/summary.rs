//! What is said of a group: how many trips, where, when.

use super::metric::{DAY, Place, Position, sin_cos, turn};
use super::{Group, Trip};
use crate::ingest::parse::point::Point;

use std::f64::consts::TAU;

/// Radians that a microsecond turns the clock's hand by.
const RADIANS: f64 = TAU / DAY as f64;

/// More metres than two places can be apart.
const MOST_APART: f64 = 13_000_000.0;

/// What a sine may be above one by, where it was rounded.
const SLACK: f64 = 1e-9;

/// Sums over the trips of a group, of what sets them apart from one of them: so they are small and keep their digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Summary {
    trips: u64,
    first_departure: i64,
    last_departure: i64,
    origin: Spread,
    destination: Spread,
    /// Of the angles on the clock: the sines, and what the cosines lack to one.
    sines: f64,
    versines: f64,
}

/// Sums over the places at one end.
#[derive(Debug, Clone, Copy, Default)]
struct Spread {
    by: [f64; 3],
    squares: f64,
}

impl Spread {
    fn add(&mut self, by: [f64; 3]) {
        for (sum, by) in self.by.iter_mut().zip(by) {
            *sum += by;
            self.squares += by * by;
        }
    }

    /// The mean of so many places, and the root of the mean square of their distances from it, metres.
    fn mean(&self, trips: f64) -> ([f64; 3], f64) {
        let mean = self.by.map(|sum| sum / trips);
        let [x, y, z] = mean;
        let variance = self.squares / trips - (x * x + y * y + z * z);
        (mean, variance.max(0.0).sqrt())
    }
}

impl Summary {
    /// That of one trip, the one that the others are set apart from.
    pub(super) fn of(trip: &Trip) -> Summary {
        Summary {
            trips: 1,
            first_departure: trip.departed_at,
            last_departure: trip.departed_at,
            origin: Spread::default(),
            destination: Spread::default(),
            sines: 0.0,
            versines: 0.0,
        }
    }

    /// Adds a trip to the group of `first`.
    pub(super) fn add(&mut self, first: &Place, departed_at: i64, place: &Place) {
        self.trips += 1;
        self.first_departure = self.first_departure.min(departed_at);
        self.last_departure = self.last_departure.max(departed_at);
        self.origin.add(place.origin.minus(first.origin));
        self.destination
            .add(place.destination.minus(first.destination));
        let half = turn(first.time, place.time) as f64 * (180.0 / DAY as f64);
        let (sin, cos) = sin_cos(half);
        self.sines += 2.0 * sin * cos;
        self.versines += 2.0 * sin * sin;
    }

    /// Words that [`Summary::words`] gives.
    pub(super) const WORDS: usize = 13;

    /// All that it holds, bit for bit.
    pub(super) fn words(&self) -> [u64; Summary::WORDS] {
        let spread = |spread: &Spread| {
            let [x, y, z] = spread.by;
            [x, y, z, spread.squares].map(f64::to_bits)
        };
        let [a, b, c, d] = spread(&self.origin);
        let [e, f, g, h] = spread(&self.destination);
        let (first, last) = (self.first_departure as u64, self.last_departure as u64);
        let (sines, versines) = (self.sines.to_bits(), self.versines.to_bits());
        [
            self.trips, first, last, a, b, c, d, e, f, g, h, sines, versines,
        ]
    }

    /// That of which these are the words; `None` where no trips have such sums.
    pub(super) fn of_words(words: &[u64; Summary::WORDS]) -> Option<Summary> {
        let [trips, first, last, a, b, c, d, e, f, g, h, sines, versines] = *words;
        let spread = |by: [u64; 3], squares| Spread {
            by: by.map(f64::from_bits),
            squares: f64::from_bits(squares),
        };
        let summary = Summary {
            trips,
            first_departure: first as i64,
            last_departure: last as i64,
            origin: spread([a, b, c], d),
            destination: spread([e, f, g], h),
            sines: f64::from_bits(sines),
            versines: f64::from_bits(versines),
        };
        summary.is_sound().then_some(summary)
    }

    /// Whether trips can have such sums. Each of them is of at most so many trips, at the other end of the earth and of the clock.
    fn is_sound(&self) -> bool {
        const MOST_TRIPS: u64 = 1 << 48;
        let trips = self.trips as f64;
        let within = |sum: f64, of_one: f64| sum.abs() <= of_one * trips;
        let is_sound = |spread: &Spread| {
            let squares = (0.0..=MOST_APART * MOST_APART * trips).contains(&spread.squares);
            squares && spread.by.iter().all(|by| within(*by, MOST_APART))
        };
        (1..=MOST_TRIPS).contains(&self.trips)
            && self.first_departure <= self.last_departure
            && is_sound(&self.origin)
            && is_sound(&self.destination)
            && within(self.sines, 1.0 + SLACK)
            && (0.0..=(2.0 + SLACK) * trips).contains(&self.versines)
    }

    pub(super) const fn trips(&self) -> u64 {
        self.trips
    }

    /// The group of `first`.
    pub(super) fn group(&self, first: &Trip, place: &Place) -> Group {
        let trips = self.trips as f64;
        let centre = |position: Position, [x, y, z]: [f64; 3], point: Point| {
            let [px, py, pz] = position.0;
            Position([px + x, py + y, pz + z]).point().unwrap_or(point)
        };
        let (origin_by, origin_radius) = self.origin.mean(trips);
        let (destination_by, destination_radius) = self.destination.mean(trips);
        // One trip, or many at one place: no arithmetic has touched it.
        let at = |by: [f64; 3], position, point| match by == [0.0; 3] {
            true => point,
            false => centre(position, by, point),
        };
        let (sine, cosine) = (self.sines / trips, 1.0 - self.versines / trips);
        let angle = libm::atan2(sine, cosine);
        let time = (place.time + (angle / RADIANS).round() as i64).rem_euclid(DAY);
        // 1 - R², of which R is the length of the mean of the hands.
        let versine = self.versines / trips;
        let lack = (2.0 * versine - versine * versine - sine * sine).clamp(0.0, 1.0);
        // The circular standard deviation, sqrt(-2 ln R) (Mardia and Jupp, 2000); at most half a day.
        let spread = (-libm::log1p(-lack)).sqrt() / RADIANS;
        Group {
            trips: self.trips,
            first: first.id,
            origin: at(origin_by, place.origin, first.origin),
            destination: at(destination_by, place.destination, first.destination),
            origin_radius,
            destination_radius,
            time_of_day: time,
            time_spread: spread.min((DAY / 2) as f64).round() as i64,
            first_departure: self.first_departure,
            last_departure: self.last_departure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn trip(id: i64, lon: f64, lat: f64, departed_at: i64) -> Trip {
        Trip {
            id,
            departed_at,
            origin: Point { lon, lat },
            destination: Point {
                lon: lon + 1.0,
                lat,
            },
        }
    }

    fn group(trips: &[Trip]) -> Group {
        let first = &trips[0];
        let place = Place::of(first);
        let mut summary = Summary::of(first);
        for trip in &trips[1..] {
            summary.add(&place, trip.departed_at, &Place::of(trip));
        }
        summary.group(first, &place)
    }

    #[test]
    fn one_trip_is_its_own_middle() {
        let one = trip(7, 7.68, 45.07, 5 * DAY + 123);
        let group = group(&[one]);
        assert_eq!((group.trips, group.first), (1, 7));
        assert_eq!(
            (group.origin, group.destination),
            (one.origin, one.destination)
        );
        assert_eq!((group.origin_radius, group.destination_radius), (0.0, 0.0));
        assert_eq!((group.time_of_day, group.time_spread), (123, 0));
        assert_eq!(
            (group.first_departure, group.last_departure),
            (5 * DAY + 123, 5 * DAY + 123)
        );
    }

    #[test]
    fn the_middle_round_midnight_and_the_antimeridian_is_between() {
        let group = group(&[
            trip(1, 179.999, 10.0, 2 * DAY - 5 * MINUTE),
            trip(2, -179.999, 10.0, DAY + 15 * MINUTE),
        ]);
        assert!(
            (group.origin.lon.abs() - 180.0).abs() < 1e-9,
            "{:?}",
            group.origin
        );
        assert!((group.origin.lat - 10.0).abs() < 1e-8);
        // 219 m apart: both are half of it from the middle.
        assert!(
            (group.origin_radius - 109.6).abs() < 0.1,
            "{}",
            group.origin_radius
        );
        assert_eq!(group.time_of_day, 5 * MINUTE);
        // Of two hands 20 minutes apart, nearly the ten minutes of the straight line.
        assert!(
            (group.time_spread - 10 * MINUTE).abs() < MINUTE / 60,
            "{}",
            group.time_spread
        );
        assert_eq!(
            (group.first_departure, group.last_departure),
            (DAY + 15 * MINUTE, 2 * DAY - 5 * MINUTE)
        );
    }

    #[test]
    fn small_spreads_keep_their_digits() {
        // 1 ms and 1 mm apart.
        let group = group(&[trip(1, 7.0, 45.0, 0), trip(2, 7.0, 45.0 + 9e-9, 1000)]);
        assert_eq!((group.time_of_day, group.time_spread), (500, 500));
        assert!(
            (group.origin_radius - 0.0005).abs() < 1e-5,
            "{}",
            group.origin_radius
        );
    }

    #[test]
    fn hands_that_point_everywhere_spread_over_half_a_day() {
        let all: Vec<_> = (0..24)
            .map(|hour| trip(hour, 7.0, 45.0, hour * 60 * MINUTE))
            .collect();
        assert_eq!(group(&all).time_spread, DAY / 2);
    }
}
