//! Places in eight bytes: coarse, but enough to tell most trips that are not similar without a look at the trips themselves.
//!
//! Each coordinate in space is counted in parts of the distance, and the time of day in parts of the difference; of each count the
//! lowest eight bits are kept. Counts of similar trips differ by a little more than the parts of the limit, so do these bits, round a
//! clock of 256: what differs by more is not similar. Others may be.

use super::metric::{DAY, Limits, Place, Position};

/// Parts of a limit: eight limits go round the clock, so that what lies in cells around one place is told apart.
const PARTS: u64 = 32;

/// Counts of what is apart by a limit differ by this at most: rounding down may add one, and arithmetic another.
const WITHIN: u64 = PARTS + 2;

/// Parts have at least so many metres, so that counts are far from where doubles have gaps.
const LEAST_PART: f64 = 1e-3;

/// Bits of a field: eight of a count, and one above that tells a number from one that is less.
const FIELD: u32 = 9;

/// The highest bits of the seven fields.
const GUARDS: u64 = fields([256; 7]);

/// A place, coarsely: seven fields whose highest bits are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sketch(u64);

/// A place that others are compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe(u64);

/// Makes and compares sketches for some limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sketcher {
    /// Parts of a metre.
    origin: f64,
    destination: f64,
    /// Parts of a day.
    day: i64,
    /// What fields of similar trips differ by at most, either way.
    within: u64,
    /// Twice that, with the highest bits set.
    most: u64,
}

const fn fields([a, b, c, d, e, f, g]: [u64; 7]) -> u64 {
    a | b << FIELD
        | c << (2 * FIELD)
        | d << (3 * FIELD)
        | e << (4 * FIELD)
        | f << (5 * FIELD)
        | g << (6 * FIELD)
}

impl Sketcher {
    pub(super) fn new(limits: &Limits) -> Sketcher {
        let parts = |distance: f64| 1.0 / (distance / PARTS as f64).max(LEAST_PART);
        // The clock of 256 has gone round a whole number of times when a day has passed.
        let turns = i128::from(PARTS) * i128::from(DAY) / i128::from(limits.time_difference) / 256;
        let day = turns.clamp(1, 1 << 20) * 256;
        let time = (day * i128::from(limits.time_difference) / i128::from(DAY)) as u64 + 2;
        let all = |place, time| fields([place, place, place, place, place, place, time]);
        Sketcher {
            origin: parts(limits.origin_distance),
            destination: parts(limits.destination_distance),
            day: day as i64,
            within: all(WITHIN, time.min(127)),
            most: GUARDS | all(2 * WITHIN, if time > 127 { 255 } else { 2 * time }),
        }
    }

    /// The sketch of a place.
    pub(super) fn sketch(&self, place: &Place) -> Sketch {
        let counts = |position: Position, parts: f64| {
            position
                .0
                .map(|metres| u64::from((metres * parts) as i64 as u8))
        };
        let [a, b, c] = counts(place.origin, self.origin);
        let [d, e, f] = counts(place.destination, self.destination);
        let time = (i128::from(place.time) * i128::from(self.day) / i128::from(DAY)) as u8;
        Sketch(fields([a, b, c, d, e, f, u64::from(time)]))
    }

    /// What is to be compared with sketches.
    pub(super) fn probe(&self, sketch: Sketch) -> Probe {
        Probe((sketch.0 + self.within) | GUARDS)
    }

    /// Whether trips with these sketches may be similar; always true if they are.
    #[inline]
    pub(super) fn may_be_similar(&self, one: Probe, other: Sketch) -> bool {
        // The difference of each field, raised by what it may be below 0; the guards keep fields from borrowing of the next.
        let differences = (one.0 - other.0) & !GUARDS;
        (self.most - differences) & GUARDS == GUARDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn similar_places_have_sketches_that_may_be_similar(
            distance in prop_oneof![1e-9..1.0f64, 1.0..2000.0f64, 1e3..2e7f64],
            time_difference in prop_oneof![1..DAY, 1..10_000_000i64, Just(1_800_000_000), Just(DAY)],
            position in [-6.4e6..6.4e6f64, -6.4e6..6.4e6f64, -6.4e6..6.4e6f64],
            shares in [-1.0..=1.0f64, -1.0..=1.0f64, -1.0..=1.0f64, -1.0..=1.0f64],
            time in 0..DAY,
        ) {
            let limits = Limits { origin_distance: distance, destination_distance: 2.0 * distance, time_difference };
            let sketcher = Sketcher::new(&limits);
            let turn = (time_difference as f64 * shares[3]) as i64;
            let moved = |by: f64| {
                let [x, y, z] = position;
                Position([x + shares[0] * by, y + shares[1] * by, z + shares[2] * by])
            };
            let one = Place { origin: Position(position), destination: Position(position), time };
            let other = Place {
                origin: moved(distance),
                destination: moved(2.0 * distance),
                time: (time + turn).rem_euclid(DAY),
            };
            if limits.unlikeness(&one, &other).is_some() {
                let (one, other) = (sketcher.sketch(&one), sketcher.sketch(&other));
                prop_assert!(sketcher.may_be_similar(sketcher.probe(one), other));
                prop_assert!(sketcher.may_be_similar(sketcher.probe(other), one));
            }
        }
    }

    #[test]
    fn places_two_limits_apart_have_other_sketches() {
        let limits = Limits {
            origin_distance: 500.0,
            destination_distance: 500.0,
            time_difference: 1_800_000_000,
        };
        let sketcher = Sketcher::new(&limits);
        let place = |x: f64, y: f64, time: i64| Place {
            origin: Position([4_400_000.0 + x, 600_000.0, 4_500_000.0]),
            destination: Position([4_400_000.0, 600_000.0 + y, 4_500_000.0]),
            time: time.rem_euclid(DAY),
        };
        let probe = sketcher.probe(sketcher.sketch(&place(0.0, 0.0, 0)));
        for (x, y, time) in [
            (1000.0, 0.0, 0),
            (-1000.0, 0.0, 0),
            (0.0, 1000.0, 0),
            (0.0, -3000.0, 0),
            (0.0, 0.0, 3_600_000_000),
            (0.0, 0.0, -3_600_000_000),
        ] {
            let other = sketcher.sketch(&place(x, y, time));
            assert!(!sketcher.may_be_similar(probe, other), "{x} {y} {time}");
        }
    }
}
