//! From trips to the columns of a leaf.

use hashbrown::HashSet;

use super::day_index::{bitmap_bytes, pairs_bytes};
use super::points::{CELL, HEADER_BYTES, write_header};
use super::{LeafColumns, MAX_TRIPS, POINTS_BYTES, exact, others, regions};
use crate::area::axis::Axis;
use crate::area::{End, Entry};

/// How many of `entries`, from the first on, one leaf takes: as many as [`MAX_TRIPS`] and [`POINTS_BYTES`]
/// allow, and so at least one if there is one.
pub fn capacity(entries: &[Entry]) -> usize {
    let entries = entries.get(..MAX_TRIPS).unwrap_or(entries);
    let with_bitmap = capacity_with_bitmap(entries);
    if with_bitmap == entries.len() {
        return with_bitmap;
    }
    with_bitmap.max(capacity_with_pairs(entries, with_bitmap))
}

/// Whether so many trips with a day index of this length have room in `points`.
const fn has_room(trips: usize, index_bytes: usize) -> bool {
    HEADER_BYTES + index_bytes + 2 * CELL * trips <= POINTS_BYTES
}

/// How many of `entries` a leaf takes whose days are a bitmap.
fn capacity_with_bitmap(entries: &[Entry]) -> usize {
    let (mut first, mut last) = (i32::MAX, i32::MIN);
    let fits = |(before, entry): &(usize, &Entry)| {
        (first, last) = (first.min(entry.day), last.max(entry.day));
        let trips = before + 1;
        has_room(trips, bitmap_bytes(trips, last.abs_diff(first)))
    };
    entries.iter().enumerate().take_while(fits).count()
}

/// How many of `entries` a leaf takes whose days are pairs. Gives up early if these are not more than `enough`.
fn capacity_with_pairs(entries: &[Entry], enough: usize) -> usize {
    let mut days = HashSet::new();
    let fits = |(before, entry): &(usize, &Entry)| {
        days.insert(entry.day);
        has_room((before + 1).max(enough + 1), pairs_bytes(days.len()))
    };
    entries.iter().enumerate().take_while(fits).count()
}

/// The columns of a leaf. Puts `entries` in the order of their days, and leaves the order of each day.
///
/// There is at least one entry, there are no more than [`capacity`] says, and all coordinates are finite.
pub fn encode(entries: &mut [Entry], end: End) -> LeafColumns {
    debug_assert!((1..=capacity(entries)).contains(&entries.len()));
    sort_by_day(entries);
    let x = Keys::of(entries, |entry| entry.point.lon);
    let y = Keys::of(entries, |entry| entry.point.lat);
    let region = one_region(entries);
    LeafColumns {
        points: points(entries, region, &x, &y),
        exact: exact::write(x.parts(), y.parts()),
        other: match end {
            End::Origin => {
                let x = Keys::of(entries, |entry| entry.other.lon);
                let y = Keys::of(entries, |entry| entry.other.lat);
                Some(others::write(x.parts(), y.parts()))
            }
            End::Destination => None,
        },
        regions: match region {
            Some(_) => None,
            None => Some(regions::write(entries.iter().map(|entry| entry.region_id))),
        },
    }
}

fn points(entries: &[Entry], region: Option<i16>, x: &Keys, y: &Keys) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(POINTS_BYTES);
    let days = entries.iter().map(|entry| entry.day);
    write_header(&x.axis, &y.axis, region, days, &mut bytes);
    for Keys { axis, keys } in [x, y] {
        let shift = axis.shift();
        bytes.extend(
            keys.iter()
                .flat_map(|key| ((key >> shift) as u16).to_le_bytes()),
        );
    }
    bytes
}

/// The region that all trips have.
fn one_region(entries: &[Entry]) -> Option<i16> {
    let region = entries.first()?.region_id;
    let is_only = entries.iter().all(|entry| entry.region_id == region);
    is_only.then_some(region)
}

/// One coordinate of all trips.
struct Keys {
    axis: Axis,
    keys: Vec<u64>,
}

impl Keys {
    fn of(entries: &[Entry], coordinate: impl Fn(&Entry) -> f64) -> Self {
        let values: Vec<f64> = entries.iter().map(coordinate).collect();
        let axis = Axis::fit(values.iter().copied());
        let keys = values.iter().map(|value| axis.key(*value)).collect();
        Keys { axis, keys }
    }

    fn parts(&self) -> (&Axis, &[u64]) {
        (&self.axis, &self.keys)
    }
}

/// A stable sort, by counting unless days lie far apart.
fn sort_by_day(entries: &mut [Entry]) {
    if entries.is_sorted_by_key(|entry| entry.day) {
        return;
    }
    let days = || entries.iter().map(|entry| entry.day);
    let (first, last) = (days().min().unwrap_or(0), days().max().unwrap_or(0));
    let span = last.abs_diff(first) as usize;
    if span > 4 * MAX_TRIPS {
        return entries.sort_by_key(|entry| entry.day);
    }
    let step = |entry: &Entry| entry.day.abs_diff(first) as usize;
    // Where the next trip of each day belongs.
    let mut places = vec![0; span + 2];
    for entry in entries.iter() {
        places[step(entry) + 1] += 1;
    }
    let mut before = 0;
    for place in &mut places {
        before += *place;
        *place = before;
    }
    let unsorted = entries.to_vec();
    for entry in unsorted {
        let place = &mut places[step(&entry)];
        entries[*place] = entry;
        *place += 1;
    }
}
