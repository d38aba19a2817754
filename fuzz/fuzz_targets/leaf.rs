//! Any trips make a leaf that gives them back. Whatever is then written into its columns, it is refused, or answers all
//! questions alike and holds trips that make a leaf again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trips_core::area::leaf::{LeafColumns, Points, capacity, decode, encode};
use trips_core::area::{End, Entry};
use trips_core::ingest::parse::point::Point;

/// Coordinates, day and region of a trip.
type Trip = ([i64; 4], i32, i16);

/// A column, a place in it, and what is written there; without that, the column ends there.
type Damage = (u8, u16, Option<u8>);

/// A number of a few digits behind the point, or any double.
fn coordinate(random: i64) -> f64 {
    let double = f64::from_bits(random as u64);
    match random % 4 {
        0 => random as i32 as f64 / 1e7,
        1 => (random >> 13) as f64 / 1e13,
        _ if double.is_finite() => double,
        _ => 0.0,
    }
}

fn entry((coordinates, day, region_id): Trip, end: End) -> Entry {
    let [x, y, other_x, other_y] = coordinates.map(coordinate);
    let [point, other] = [(x, y), (other_x, other_y)].map(|(lon, lat)| Point { lon, lat });
    let entry = Entry {
        point,
        other,
        day,
        region_id,
    };
    match end {
        End::Origin => entry,
        End::Destination => Entry {
            other: Point { lon: 0.0, lat: 0.0 },
            ..entry
        },
    }
}

/// What is compared of trips, in an order that does not depend on the leaf.
fn sorted(trips: &[Entry]) -> Vec<([u64; 4], i32, i16)> {
    let bits = |trip: &Entry| {
        // Zero has but one sign.
        let bits = coordinates(trip).map(|value| (value + 0.0).to_bits());
        (bits, trip.day, trip.region_id)
    };
    let mut sorted: Vec<_> = trips.iter().map(bits).collect();
    sorted.sort_unstable();
    sorted
}

fn coordinates(trip: &Entry) -> [f64; 4] {
    let Entry { point, other, .. } = *trip;
    [point.lon, point.lat, other.lon, other.lat]
}

/// Writes the trips as leaves, and reads these.
fn written_and_read(mut trips: &mut [Entry], end: End) -> (Vec<LeafColumns>, Vec<Entry>) {
    let (mut leaves, mut read) = (vec![], vec![]);
    while !trips.is_empty() {
        let (some, rest) = trips.split_at_mut(capacity(trips));
        let leaf = encode(some, end);
        decode(&leaf, end, &mut read).expect("a leaf");
        leaves.push(leaf);
        trips = rest;
    }
    (leaves, read)
}

fn damage(leaf: &mut LeafColumns, (column, place, byte): Damage) {
    let column = match column % 4 {
        0 => Some(&mut leaf.points),
        1 => leaf.exact.as_mut(),
        2 => leaf.other.as_mut(),
        _ => leaf.regions.as_mut(),
    };
    let Some(column) = column.filter(|column| !column.is_empty()) else {
        return;
    };
    let place = usize::from(place) % column.len();
    match byte {
        Some(byte) => column[place] = byte,
        None => column.truncate(place),
    }
}

/// Asks the points all there is to ask.
fn ask(points: &Points<'_>) {
    let mut counted = 0;
    points.each_day(|day, trips| {
        assert_eq!(trips.start, counted);
        counted = trips.end;
        let next = day.saturating_add(1);
        assert!(day == next || points.slice(day..next) == trips);
    });
    assert_eq!(counted, points.len());
    for axis in [points.x(), points.y()] {
        for key in [0, axis.max_key() / 2, axis.max_key()] {
            let value = axis.value(key);
            let (least, greatest) = (axis.at_least(value), axis.at_most(value));
            // Both zeros may have a key.
            assert_eq!(least.map(|key| axis.value(key)), Some(value));
            assert_eq!(greatest.map(|key| axis.value(key)), Some(value));
            assert!(least <= Some(key) && Some(key) <= greatest);
        }
    }
}

fuzz_target!(|input: (bool, Vec<Trip>, Vec<Damage>)| {
    let (origin, trips, damages) = input;
    let end = if origin {
        End::Origin
    } else {
        End::Destination
    };
    let mut trips: Vec<Entry> = trips.into_iter().map(|trip| entry(trip, end)).collect();
    let (leaves, read) = written_and_read(&mut trips, end);
    assert_eq!(sorted(&read), sorted(&trips));
    for mut leaf in leaves {
        damages.iter().for_each(|of| damage(&mut leaf, *of));
        if let Ok(points) = Points::parse(&leaf.points) {
            ask(&points);
        }
        let mut trips = Vec::new();
        let is_taken = decode(&leaf, end, &mut trips).is_ok();
        if is_taken && trips.iter().flat_map(coordinates).all(f64::is_finite) {
            let (_, read) = written_and_read(&mut trips, end);
            assert_eq!(sorted(&read), sorted(&trips));
        }
    }
});
