//! From trips to the columns of a leaf.

use hashbrown::HashSet;

use super::day_index::{bitmap_bytes, pairs_bytes};
use super::points::{CELL, HEADER_BYTES, write_header};
use super::{LeafColumns, MAX_TRIPS, POINTS_BYTES, exact, others, regions};
use crate::area::axis::Axis;
use crate::area::days::DayTally;
use crate::area::node::Summary;
use crate::area::{End, Entry, Rect};

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
    let with =
        |(first, last): (i32, i32), entry: &Entry| (first.min(entry.day), last.max(entry.day));
    let has_room = |trips, (first, last): (i32, i32)| {
        has_room(trips, bitmap_bytes(trips, last.abs_diff(first)))
    };
    // So many would have room even with the days of all.
    let nothing = (i32::MAX, i32::MIN);
    let all = entries.iter().fold(nothing, with);
    let mut trips = entries.len();
    while trips > 0 && !has_room(trips, all) {
        trips -= 1;
    }
    let (sure, rest) = entries.split_at(trips);
    let mut days = sure.iter().fold(nothing, with);
    let fits = |(before, entry): &(usize, &Entry)| {
        days = with(days, entry);
        has_room(before + 1, days)
    };
    trips + (trips..).zip(rest).take_while(fits).count()
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
    entries.sort_by_key(|entry| entry.day);
    Encoder::default().encode(entries, end).0
}

/// Makes one leaf after the other, in the same memory.
#[derive(Debug, Default)]
pub struct Encoder {
    days: Vec<i32>,
    /// How many trips each day has, from the first to the last. Nothing if they lie far apart.
    counts: Vec<u32>,
    places: Vec<u32>,
    /// Which entry is the first trip of the leaf, which the next, and so on.
    order: Vec<u32>,
    x: Keys,
    y: Keys,
}

impl Encoder {
    /// A leaf as of [`encode`], and its summary.
    pub fn encode(&mut self, entries: &[Entry], end: End) -> (LeafColumns, Summary) {
        debug_assert!((1..=capacity(entries)).contains(&entries.len()));
        self.sort_by_day(entries);
        let trips = || self.order.iter().map(|place| &entries[*place as usize]);
        self.x.fit(trips().map(|trip| trip.point.lon));
        self.y.fit(trips().map(|trip| trip.point.lat));
        let region = one_region(entries);
        let mut columns = LeafColumns {
            points: self.points(region),
            exact: exact::write(self.x.parts(), self.y.parts()),
            other: None,
            regions: match region {
                Some(_) => None,
                None => Some(regions::write(trips().map(|trip| trip.region_id))),
            },
        };
        let mut summary = Summary {
            bounds: self.bounds(),
            other: None,
            trips: entries.len() as u64,
            first_day: self.days.first().copied().unwrap_or_default(),
            last_day: self.days.last().copied().unwrap_or_default(),
            region,
        };
        if end == End::Origin {
            self.x.fit(trips().map(|trip| trip.other.lon));
            self.y.fit(trips().map(|trip| trip.other.lat));
            columns.other = Some(others::write(self.x.parts(), self.y.parts()));
            summary.other = Some(self.bounds());
        }
        (columns, summary)
    }

    fn points(&self, region: Option<i16>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(POINTS_BYTES);
        let days = self.days.iter().copied();
        write_header(&self.x.axis, &self.y.axis, region, days, &mut bytes);
        for Keys { axis, keys, .. } in [&self.x, &self.y] {
            let (start, shift) = (bytes.len(), axis.shift());
            bytes.resize(start + CELL * keys.len(), 0);
            for (cell, key) in bytes[start..].as_chunks_mut().0.iter_mut().zip(keys) {
                *cell = ((key >> shift) as u16).to_le_bytes();
            }
        }
        bytes
    }

    /// The least rectangle around the points whose keys are at hand.
    fn bounds(&self) -> Rect {
        Axis::bounds(&self.x.axis, &self.y.axis)
    }

    /// Adds the trips of the last leaf by day.
    pub fn tally(&self, tally: &mut DayTally) {
        match self.days.first() {
            Some(first) if !self.counts.is_empty() => tally.add_from(*first, &self.counts),
            _ => self.days.iter().for_each(|day| tally.add(*day, 1)),
        }
    }

    /// Finds the order of the days, in which those of one day keep theirs; by counting unless days lie far apart.
    fn sort_by_day(&mut self, entries: &[Entry]) {
        self.days.clear();
        self.days.extend(entries.iter().map(|entry| entry.day));
        self.order.clear();
        self.order.extend(0..entries.len() as u32);
        self.counts.clear();
        let days = || self.days.iter().copied();
        let (first, last) = (days().min().unwrap_or(0), days().max().unwrap_or(0));
        let span = last.abs_diff(first) as usize;
        if span > 4 * MAX_TRIPS {
            self.order.sort_by_key(|place| self.days[*place as usize]);
            return self.days.sort_unstable();
        }
        let step = |day: i32| day.abs_diff(first) as usize;
        self.counts.resize(span + 1, 0);
        for day in days() {
            self.counts[step(day)] += 1;
        }
        if self.days.is_sorted() {
            return;
        }
        // Where the next trip of each day belongs.
        let mut before = 0;
        self.places.clear();
        self.places.extend(self.counts.iter().map(|count| {
            before += count;
            before - count
        }));
        for (number, entry) in (0..).zip(entries) {
            let next = &mut self.places[step(entry.day)];
            let place = *next as usize;
            self.order[place] = number;
            self.days[place] = entry.day;
            *next += 1;
        }
    }
}

/// The region that all trips have.
fn one_region(entries: &[Entry]) -> Option<i16> {
    let region = entries.first()?.region_id;
    let is_only = entries.iter().all(|entry| entry.region_id == region);
    is_only.then_some(region)
}

/// One coordinate of all trips.
#[derive(Debug)]
struct Keys {
    axis: Axis,
    values: Vec<f64>,
    keys: Vec<u64>,
}

impl Default for Keys {
    fn default() -> Self {
        Keys {
            axis: Axis::fit(std::iter::once(0.0)),
            values: Vec::new(),
            keys: Vec::new(),
        }
    }
}

impl Keys {
    fn fit(&mut self, values: impl Iterator<Item = f64>) {
        self.values.clear();
        self.values.extend(values);
        self.axis = Axis::fit(self.values.iter().copied());
        self.keys.clear();
        let keys = self.values.iter().map(|value| self.axis.key(*value));
        self.keys.extend(keys);
    }

    fn parts(&self) -> (&Axis, &[u64]) {
        (&self.axis, &self.keys)
    }
}
