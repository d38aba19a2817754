//! Leaves, nodes and counts by day: what is written is read back, and bytes that nobody wrote do no harm.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use proptest::prelude::*;
use trips_core::area::axis::Axis;
use trips_core::area::days::{
    DAYS, DayCounts, DayTally, day_of, each_encoded, sum_encoded, week_of,
};
use trips_core::area::leaf::{
    self, Exact, LeafColumns, MAX_TRIPS, Others, POINTS_BYTES, Points, Regions,
};
use trips_core::area::node::{self, Summary};
use trips_core::area::{End, Entry, FANOUT};
use trips_core::ingest::parse::point::Point;

/// Where the coordinates of a test lie.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Numbers with so many digits behind the point.
    Decimals(u8),
    /// Numbers of any size with any number of digits, as far as a double has them.
    Mixed,
    /// Full doubles within a city.
    City,
    /// Around zero, with zeros of both signs.
    Zero,
    /// The least numbers there are.
    Subnormal,
    /// Any finite number.
    Anywhere,
    /// All the same.
    One(f64),
}

impl Place {
    /// A coordinate, from an even number.
    fn coordinate(self, random: u64) -> f64 {
        let unit = (random >> 11) as f64 / (1u64 << 53) as f64;
        match self {
            Place::Decimals(digits) => {
                let power = 10f64.powi(i32::from(digits));
                ((unit - 0.5) * 360.0 * power).round() / power
            }
            Place::Mixed => {
                let integer = random as i64 >> (10 + random % 54);
                integer as f64 / 10f64.powi((random >> 6) as i32 % 16)
            }
            Place::City => 14.31 + 0.36 * unit,
            Place::Zero => match random % 4 {
                0 => 0.0,
                1 => -0.0,
                2 => unit - 0.5,
                _ => (unit - 0.5) * 1e-300,
            },
            Place::Subnormal => f64::from_bits(random & 0x8000_0000_0000_ffff),
            Place::Anywhere => {
                let value = f64::from_bits(random);
                if value.is_finite() { value } else { unit }
            }
            Place::One(value) => value,
        }
    }
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        4 => (0u8..=13).prop_map(Place::Decimals),
        2 => Just(Place::Mixed),
        2 => Just(Place::City),
        1 => Just(Place::Zero),
        1 => Just(Place::Subnormal),
        1 => Just(Place::Anywhere),
        1 => prop_oneof![Just(0.0), Just(-0.0), -180.0..180.0f64].prop_map(Place::One),
    ]
}

/// The days of a test: the first, and how many there are; or a few that lie anywhere.
#[derive(Debug, Clone)]
enum Days {
    Within(i32, u32),
    Among(Vec<i32>),
}

/// 1970-01-01 and 294276-12-31.
const FAR_APART: [i32; 2] = [-10_957, 106_741_034];

impl Days {
    fn day(&self, random: u32) -> i32 {
        match self {
            Days::Within(first, count) => first.saturating_add_unsigned(random % count),
            Days::Among(days) => days[random as usize % days.len()],
        }
    }
}

fn days() -> impl Strategy<Value = Days> {
    prop_oneof![
        2 => (any::<i32>(), prop_oneof![Just(1u32), 1..200u32, 1..5000u32])
            .prop_map(|(first, count)| Days::Within(first, count)),
        1 => Just(Days::Within(6700, 146)),
        1 => Just(Days::Among(FAR_APART.into())),
        1 => prop::collection::vec(any::<i32>(), 1..20).prop_map(Days::Among),
        1 => Just(Days::Within(i32::MIN, u32::MAX)),
    ]
}

/// Trips: up to `most`, of one region or of several, up to 1,000.
fn entries(most: usize) -> impl Strategy<Value = Vec<Entry>> {
    let trip = (any::<[u64; 4]>(), any::<u32>(), any::<u16>());
    let trips = prop::collection::vec(trip, 1..=most);
    let regions = prop_oneof![Just(1u16), 1u16..5, Just(1000u16)];
    ([place(), place(), place(), place()], days(), regions, trips).prop_map(
        |(places, days, regions, trips)| {
            let entry = |(random, day, region): ([u64; 4], u32, u16)| {
                let at = |axis: usize| places[axis].coordinate(random[axis]);
                Entry {
                    point: Point {
                        lon: at(0),
                        lat: at(1),
                    },
                    other: Point {
                        lon: at(2),
                        lat: at(3),
                    },
                    day: days.day(day),
                    region_id: 1 + (region % regions) as i16,
                }
            };
            trips.into_iter().map(entry).collect()
        },
    )
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Origin), Just(End::Destination)]
}

/// The bits of what a leaf keeps: zero has but one sign.
fn bits(entry: &Entry, end: End) -> ([u64; 4], i32, i16) {
    let Entry { point, other, .. } = *entry;
    let other = match end {
        End::Origin => other,
        End::Destination => Point { lon: 0.0, lat: 0.0 },
    };
    let coordinates = [point.lon, point.lat, other.lon, other.lat];
    (
        coordinates.map(|value| (value + 0.0).to_bits()),
        entry.day,
        entry.region_id,
    )
}

/// The first entries, as many as one leaf takes, and the leaf.
fn first_leaf(mut entries: Vec<Entry>, end: End) -> (Vec<Entry>, LeafColumns) {
    entries.truncate(leaf::capacity(&entries));
    let columns = leaf::encode(&mut entries, end);
    (entries, columns)
}

/// How long `points` is for these trips, by the format's description.
fn points_bytes(entries: &[Entry]) -> usize {
    let days: BTreeSet<i32> = entries.iter().map(|entry| entry.day).collect();
    let span = days.last().unwrap().abs_diff(*days.first().unwrap()) as usize;
    let bitmap = (entries.len() + span).div_ceil(64) * 8;
    46 + bitmap.min(6 * days.len()) + 4 * entries.len()
}

/// All that can be asked of the points of a leaf.
fn ask_points(points: &Points<'_>) {
    let n = points.len();
    for i in [0, n / 2, n - 1, n, usize::MAX] {
        let _cells = (points.x_cell(i), points.y_cell(i));
    }
    for axis in [points.x(), points.y()] {
        ask_axis(&axis);
    }
    assert_eq!(points.x_cells().len(), 2 * n);
    assert_eq!(points.y_cells().len(), 2 * n);
    let (first, last) = (points.first_day(), points.last_day());
    for day in [first, last, first.midpoint(last), i32::MIN, i32::MAX] {
        let slice = points.slice(day..day.saturating_add(1));
        assert!(slice.start <= slice.end && slice.end <= n);
    }
    let mut end = 0;
    points.each_day(|day, trips| {
        assert!((first..=last).contains(&day));
        assert!(trips.start == end && trips.end > end);
        end = trips.end;
    });
    assert_eq!(end, n);
}

/// All that can be asked of an axis.
fn ask_axis(axis: &Axis) {
    for key in [0, axis.max_key() / 2, axis.max_key(), u64::MAX] {
        let value = axis.value(key);
        let _keys = (axis.key(value), axis.cell(value));
        let _bounds = (axis.at_least(value), axis.at_most(value));
    }
    for cell in [0, 1, u16::MAX] {
        let (least, greatest) = axis.cell_bounds(cell);
        assert!(least <= greatest);
    }
}

/// Reads what may not be a leaf, in all ways there are.
fn read_leaf(columns: &LeafColumns) {
    for end in End::BOTH {
        let mut found = Vec::new();
        if leaf::decode(columns, end, &mut found).is_err() {
            assert!(found.is_empty());
        }
    }
    let Ok(points) = Points::parse(&columns.points) else {
        return;
    };
    ask_points(&points);
    let n = points.len();
    let exact = columns.exact.as_deref();
    if let Ok(exact) = exact.map_or_else(|| Exact::none(&points), |of| Exact::parse(&points, of)) {
        let _points = [0, n - 1, n, usize::MAX].map(|i| exact.point(i));
    }
    if let Some(Ok(others)) = columns.other.as_deref().map(|of| Others::parse(n, of)) {
        let _points = [0, n - 1, n, usize::MAX].map(|i| others.point(i));
        ask_axis(&others.x());
        ask_axis(&others.y());
    }
    if let Some(Ok(regions)) = columns.regions.as_deref().map(|of| Regions::parse(n, of)) {
        let _regions = [0, n - 1, n, usize::MAX].map(|i| regions.region(i));
    }
}

/// A column by its number, 0 to 3.
fn column(columns: &mut LeafColumns, which: usize) -> Option<&mut Vec<u8>> {
    match which {
        0 => Some(&mut columns.points),
        1 => columns.exact.as_mut(),
        2 => columns.other.as_mut(),
        _ => columns.regions.as_mut(),
    }
}

/// A change to bytes: where, and what is written there or, without that, the end.
type Damage = (prop::sample::Index, Option<u8>);

fn damaged(bytes: &[u8], (place, byte): &Damage) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if bytes.is_empty() {
        return bytes;
    }
    // Much of what matters stands at the front.
    let place = place.index(bytes.len() + 60) % bytes.len();
    match byte {
        Some(byte) => bytes[place] = *byte,
        None => bytes.truncate(place),
    }
    bytes
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    // Now and then with what a header starts with.
    let header = prop_oneof![Just(vec![]), Just(vec![1, 0]), Just(vec![1, 3, 2, 0])];
    (header, prop::collection::vec(any::<u8>(), 0..200))
        .prop_map(|parts| [parts.0, parts.1].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_key_stands_for_its_value_and_keeps_the_order(
        place in place(),
        random in prop::collection::vec(any::<u64>(), 1..40),
    ) {
        let mut values: Vec<f64> = random.into_iter().map(|r| place.coordinate(r)).collect();
        let axis = Axis::fit(values.iter().copied());
        values.sort_by(f64::total_cmp);
        let mut before = None;
        for value in &values {
            let key = axis.key(*value);
            prop_assert_eq!(axis.value(key).to_bits(), (value + 0.0).to_bits());
            prop_assert!(before.is_none_or(|(last, at): (f64, u64)| (last < *value) == (at < key)));
            let cell = axis.cell(*value);
            prop_assert_eq!(u64::from(cell), key >> axis.shift());
            let (least, greatest) = axis.cell_bounds(cell);
            prop_assert!(least <= *value && *value <= greatest);
            before = Some((*value, key));
        }
        prop_assert_eq!(axis.key(values[0]), 0);
        prop_assert_eq!(axis.key(values[values.len() - 1]), axis.max_key());
        prop_assert_eq!(axis.bits(), axis.max_key().checked_ilog2().map_or(0, |log| log + 1));
        let mut bytes = Vec::new();
        axis.write(&mut bytes);
        prop_assert_eq!(bytes.len(), Axis::BYTES);
        prop_assert_eq!(Axis::read(&mut bytes.as_slice()), Ok(axis));
    }

    #[test]
    fn the_bounds_of_cells_follow_each_other(
        place in place(),
        random in prop::collection::vec(any::<u64>(), 1..40),
        cells in any::<[u16; 8]>(),
    ) {
        let axis = Axis::fit(random.iter().map(|random| place.coordinate(*random)));
        for cell in cells {
            let (least, greatest) = axis.cell_bounds(cell);
            prop_assert!(least <= greatest);
            if let Some(next) = cell.checked_add(1) {
                prop_assert!(greatest <= axis.cell_bounds(next).0);
            }
        }
    }

    #[test]
    fn a_bound_on_values_is_one_on_keys(
        place in place(),
        random in prop::collection::vec(any::<u64>(), 1..40),
        elsewhere in (self::place(), any::<u64>()),
    ) {
        let values: Vec<f64> = random.iter().map(|random| place.coordinate(*random)).collect();
        let axis = Axis::fit(values.iter().copied());
        let last = axis.max_key();
        let mut bounds = vec![f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0];
        bounds.push(elsewhere.0.coordinate(elsewhere.1));
        bounds.extend(values.iter().flat_map(|v| [*v, v.next_up(), v.next_down()]));
        for bound in bounds {
            // Values ascend with keys, so neighbours tell what a search through all of them would.
            match axis.at_least(bound) {
                Some(key) => {
                    prop_assert!(key <= last && axis.value(key) >= bound);
                    prop_assert!(key == 0 || axis.value(key - 1) < bound);
                }
                None => prop_assert!(axis.value(last) < bound),
            }
            match axis.at_most(bound) {
                Some(key) => {
                    prop_assert!(key <= last && axis.value(key) <= bound);
                    prop_assert!(key == last || axis.value(key + 1) > bound);
                }
                None => prop_assert!(axis.value(0) > bound),
            }
        }
        prop_assert_eq!((axis.at_least(f64::NAN), axis.at_most(f64::NAN)), (None, None));
    }

    #[test]
    fn bounds_are_those_of_a_linear_search(
        digits in 0u8..=13,
        (first, count) in (-1_000_000i64..1_000_000, 0u64..300),
        bound in -1_000_010.0..1_000_310.0f64,
        near in -0.6..0.6f64,
    ) {
        let power = 10f64.powi(i32::from(digits));
        let value = |step: u64| first.wrapping_add_unsigned(step) as f64 / power;
        let axis = Axis::fit([value(0), value(count)].into_iter());
        let keys = || 0..=axis.max_key();
        prop_assume!(axis.max_key() < 100_000);
        for bound in [bound / power, value(0) + near, value(count) + near, value(count / 2)] {
            let least = keys().find(|key| axis.value(*key) >= bound);
            prop_assert_eq!(axis.at_least(bound), least);
            let greatest = keys().rev().find(|key| axis.value(*key) <= bound);
            prop_assert_eq!(axis.at_most(bound), greatest);
        }
    }

    #[test]
    fn decimals_take_no_more_bits_than_their_digits(
        digits in 0u8..=13,
        integers in prop::collection::vec(-1_000_000_000i64..1_000_000_000, 1..40),
    ) {
        let power = 10f64.powi(i32::from(digits));
        let axis = Axis::fit(integers.iter().map(|integer| *integer as f64 / power));
        let range = integers.iter().max().unwrap() - integers.iter().min().unwrap();
        prop_assert!(axis.max_key() <= range as u64);
    }

    #[test]
    fn weeks_begin_on_monday(day in any::<i32>()) {
        let week = week_of(day);
        prop_assert!(week <= day && day.abs_diff(week) < 7);
        // 2000-01-03 is a Monday; the first days there are have no Monday before them.
        prop_assert!((i64::from(week) - 2) % 7 == 0 || week == i32::MIN);
        prop_assert_eq!(day_of(i64::from(day % 100_000_000) * 86_400_000_000), day % 100_000_000);
    }

    #[test]
    fn day_counts_are_a_map(
        steps in prop::collection::vec((prop_oneof![-50..50i64, DAYS], -3..3i64), 0..200),
        period in (-60..60i32, -60..60i32),
    ) {
        let mut model = BTreeMap::<i32, i64>::new();
        let (mut counts, mut tally) = (DayCounts::new(), DayTally::default());
        let mut halves = [DayCounts::new(), DayCounts::new()];
        for (place, (day, count)) in steps.into_iter().enumerate() {
            let day = day as i32;
            *model.entry(day).or_default() += count;
            counts.add(day, count);
            tally.add(day, count);
            let sign = [1, -1][place % 2];
            halves[place % 2].add(day, sign * count);
        }
        model.retain(|_, count| *count != 0);
        prop_assert!(counts.iter().eq(model.iter().map(|(day, count)| (*day, *count))));
        prop_assert_eq!(&tally.into_counts(), &counts);
        let mut sum = halves[0].clone();
        sum.add_all(&halves[1], -1);
        prop_assert_eq!(&sum, &counts);
        let mut tally = DayTally::default();
        tally.add_all(&halves[0], 1);
        tally.add_all(&halves[1], -1);
        prop_assert_eq!(&tally.into_counts(), &counts);

        prop_assert_eq!(counts.first_day(), model.keys().next().copied());
        prop_assert_eq!(counts.last_day(), model.keys().next_back().copied());
        prop_assert_eq!(counts.is_empty(), model.is_empty());
        prop_assert_eq!(counts.total(), model.values().sum::<i64>());
        let days = period.0..period.1;
        let within = |days: &Range<i32>| {
            let inside = model.iter().filter(|(day, _)| days.contains(day));
            inside.map(|(_, count)| count).sum::<i64>()
        };
        prop_assert_eq!(counts.within(days.clone()), within(&days));
        let bytes = counts.encode();
        prop_assert_eq!(sum_encoded(&bytes, days.clone()), Ok(within(&days)));
        let read = DayCounts::decode(&bytes).unwrap();
        prop_assert_eq!(&read, &counts);
    }

    #[test]
    fn bytes_that_are_no_day_counts_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut days = Vec::new();
        let all = each_encoded(&bytes, |day, count| days.push((day, count)));
        prop_assert!(days.is_sorted_by_key(|(day, _)| *day));
        let read = DayCounts::decode(&bytes);
        prop_assert_eq!(read.is_ok(), all.is_ok());
        prop_assert_eq!(sum_encoded(&bytes, 0..9).is_ok(), all.is_ok());
        if let Ok(read) = read {
            prop_assert_eq!(DayCounts::decode(&read.encode()), Ok(read));
        }
    }

    #[test]
    fn a_node_gives_its_children_back(
        trips in prop::collection::vec(entries(5), 1..=FANOUT),
        end in end(),
        damage in any::<Damage>(),
    ) {
        let children: Vec<Summary> = trips.iter().map(|trips| Summary::of(trips, end)).collect();
        let bytes = node::encode(&children);
        prop_assert!(bytes.len() <= 6000);
        let read = node::parse(&bytes).unwrap();
        prop_assert_eq!(read.len(), children.len());
        prop_assert_eq!(read.iter().collect::<Vec<_>>(), children.clone());
        prop_assert_eq!(Summary::join(&children), Some(Summary::of(&trips.concat(), end)));
        if let Ok(children) = node::parse(&damaged(&bytes, &damage)) {
            prop_assert_eq!(children.iter().count(), children.len());
        }
    }

    #[test]
    fn bytes_that_are_no_node_do_no_harm(bytes in any_bytes()) {
        if let Ok(children) = node::parse(&bytes) {
            prop_assert_eq!(children.iter().count(), children.len());
        }
    }

    #[test]
    fn bytes_that_are_no_leaf_do_no_harm(
        points in any_bytes(),
        rest in [any_bytes(), any_bytes(), any_bytes()].prop_map(|rest| rest.map(Some)),
    ) {
        let [exact, other, regions] = rest;
        read_leaf(&LeafColumns { points, exact, other, regions });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_leaf_gives_its_trips_back(
        entries in prop_oneof![entries(20), entries(MAX_TRIPS + 200)],
        end in end(),
    ) {
        let (entries, columns) = first_leaf(entries, end);
        let mut read = vec![entries[0]];
        leaf::decode(&columns, end, &mut read).unwrap();
        prop_assert_eq!(read.len(), entries.len() + 1);
        for (read, given) in read[1..].iter().zip(&entries) {
            prop_assert_eq!(bits(read, end), bits(given, end));
        }
        prop_assert_eq!(columns.other.is_some(), end == End::Origin);
    }

    #[test]
    fn a_leaf_takes_what_has_room_and_no_more(entries in entries(MAX_TRIPS + 200)) {
        let takes = leaf::capacity(&entries);
        let (first, columns) = first_leaf(entries.clone(), End::Destination);
        prop_assert!((1..=MAX_TRIPS).contains(&takes));
        prop_assert_eq!(columns.points.len(), points_bytes(&first));
        prop_assert!(columns.points.len() <= POINTS_BYTES);
        if takes < entries.len().min(MAX_TRIPS) {
            prop_assert!(points_bytes(&entries[..takes + 1]) > POINTS_BYTES);
        }
    }

    #[test]
    fn trips_are_put_in_the_order_of_their_days_and_else_left(entries in entries(300)) {
        let (sorted, _) = first_leaf(entries.clone(), End::Origin);
        let mut expected = entries[..sorted.len()].to_vec();
        expected.sort_by_key(|entry| entry.day);
        prop_assert_eq!(sorted, expected);
    }

    #[test]
    fn a_period_is_a_slice(
        entries in prop_oneof![entries(20), entries(MAX_TRIPS + 200)],
        days in (days(), any::<u32>(), any::<u32>()),
    ) {
        let (entries, columns) = first_leaf(entries, End::Destination);
        let points = Points::parse(&columns.points).unwrap();
        prop_assert_eq!(points.len(), entries.len());
        prop_assert_eq!(points.first_day(), entries[0].day);
        prop_assert_eq!(points.last_day(), entries[entries.len() - 1].day);
        for (i, entry) in entries.iter().enumerate() {
            prop_assert_eq!(points.x_cell(i), points.x().cell(entry.point.lon));
            prop_assert_eq!(points.y_cell(i), points.y().cell(entry.point.lat));
            prop_assert_eq!(points.x_cells()[2 * i..][..2].to_vec(), points.x_cell(i).to_le_bytes());
            prop_assert_eq!(points.y_cells()[2 * i..][..2].to_vec(), points.y_cell(i).to_le_bytes());
        }
        let mut bounds: Vec<i32> = entries.iter().step_by(97).map(|entry| entry.day).collect();
        bounds.extend([days.0.day(days.1), days.0.day(days.2), i32::MIN, i32::MAX]);
        bounds.extend(bounds.clone().iter().flat_map(|day| [day.saturating_sub(1), day.saturating_add(1)]));
        for from in &bounds {
            for to in &bounds {
                let slice = points.slice(*from..*to);
                prop_assert!(slice.start <= slice.end);
                let inside = entries.iter().enumerate().filter(|(_, e)| (*from..*to).contains(&e.day));
                let inside: Vec<usize> = inside.map(|(place, _)| place).collect();
                prop_assert!(slice.eq(inside), "{}..{}", from, to);
            }
        }
        let mut by_day = Vec::new();
        points.each_day(|day, trips| by_day.extend(trips.map(|place| (place, day))));
        prop_assert!(by_day.into_iter().eq(entries.iter().map(|entry| entry.day).enumerate()));
    }

    #[test]
    fn each_column_can_be_read_by_itself(entries in entries(MAX_TRIPS), end in end()) {
        let (entries, columns) = first_leaf(entries, end);
        let points = Points::parse(&columns.points).unwrap();
        let exact = match &columns.exact {
            Some(bytes) => Exact::parse(&points, bytes).unwrap(),
            None => Exact::none(&points).unwrap(),
        };
        let others = columns.other.as_deref().map(|bytes| Others::parse(points.len(), bytes).unwrap());
        let regions = columns.regions.as_deref().map(|bytes| Regions::parse(points.len(), bytes).unwrap());
        prop_assert_eq!(points.region().is_none(), regions.is_some());
        for (i, entry) in entries.iter().enumerate() {
            prop_assert_eq!(exact.point(i), entry.point);
            if let Some(others) = &others {
                prop_assert_eq!(others.point(i), entry.other);
                prop_assert_eq!(others.x_key(i), others.x().key(entry.other.lon));
                prop_assert_eq!(others.y_key(i), others.y().key(entry.other.lat));
            }
            let region = regions.map(|regions| regions.region(i)).or(points.region());
            prop_assert_eq!(region, Some(entry.region_id));
        }
    }

    #[test]
    fn a_damaged_leaf_does_no_harm(
        entries in prop_oneof![entries(3), entries(300)],
        end in end(),
        damage in prop::collection::vec(any::<Damage>(), 1..4),
    ) {
        let (_, mut columns) = first_leaf(entries, end);
        for damage in &damage {
            for which in 0..4 {
                if let Some(bytes) = column(&mut columns, which) {
                    *bytes = damaged(bytes, damage);
                }
            }
            read_leaf(&columns);
        }
    }

    #[test]
    fn a_column_that_is_missing_or_of_another_length_is_found_out(
        entries in entries(40),
        end in end(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (_, columns) = first_leaf(entries, end);
        let read = |columns: &LeafColumns| leaf::decode(columns, end, &mut Vec::new());
        prop_assert_eq!(read(&columns), Ok(()));
        for which in 0..4 {
            for is_longer in [false, true] {
                let mut wrong = columns.clone();
                let Some(column) = column(&mut wrong, which) else {
                    continue;
                };
                let length = column.len();
                column.resize(if is_longer { length + 1 } else { cut.index(length) }, 0);
                prop_assert!(read(&wrong).is_err(), "{} {}", which, is_longer);
            }
        }
        for missing in [
            LeafColumns { exact: None, ..columns.clone() },
            LeafColumns { other: None, ..columns.clone() },
            LeafColumns { regions: None, ..columns.clone() },
        ] {
            prop_assert_eq!(read(&missing).is_err(), missing != columns);
        }
    }
}
