//! Trips counted by day.
//!
//! A day is counted from 2000-01-01, as PostgreSQL's dates are. Encoded, counts are pairs of
//! variable-length integers (seven bits a byte, the lowest first), in the order of the days: the day (the
//! first one in zigzag, any other as the number of days left out before it), and the count in zigzag.

use std::ops::{Range, RangeInclusive};

use hashbrown::HashMap;

use super::Corrupt;

/// Microseconds in a day.
const MICROSECONDS: i64 = 86_400_000_000;

/// The days that a `timestamp` of PostgreSQL can lie on, and so a trip can depart on: to the end of the year 294276.
pub const DAYS: RangeInclusive<i64> = -2_451_545..=106_751_982;

/// The day of a time, which is in microseconds since 2000-01-01 00:00:00.
pub const fn day_of(time: i64) -> i32 {
    // No 64-bit number of microseconds has more days than fit.
    time.div_euclid(MICROSECONDS) as i32
}

/// The Monday of the ISO week that `day` lies in. 2000-01-03, day 2, is a Monday.
pub const fn week_of(day: i32) -> i32 {
    const MONDAY: i32 = 2;
    let since_monday = (day.rem_euclid(7) + 7 - MONDAY) % 7;
    day.saturating_sub(since_monday)
}

/// How many trips there are on each day; negative, where trips are taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DayCounts {
    /// By day; no count is 0.
    counts: Vec<(i32, i64)>,
}

impl DayCounts {
    /// No trips.
    pub const fn new() -> Self {
        DayCounts { counts: Vec::new() }
    }

    /// Adds `count` trips to `day`. Quick for days that come in order; [`DayTally`] for any order.
    pub fn add(&mut self, day: i32, count: i64) {
        let at = match self.counts.last() {
            Some((last, _)) if *last >= day => self.counts.partition_point(|(of, _)| *of < day),
            _ => self.counts.len(),
        };
        match self.counts.get_mut(at) {
            Some((of, sum)) if *of == day => {
                *sum = sum.saturating_add(count);
                if *sum == 0 {
                    self.counts.remove(at);
                }
            }
            _ if count == 0 => {}
            _ => self.counts.insert(at, (day, count)),
        }
    }

    /// Adds `sign` times the trips of `other`.
    pub fn add_all(&mut self, other: &DayCounts, sign: i64) {
        let mut sum = Vec::with_capacity(self.counts.len() + other.counts.len());
        let mut left = self.counts.iter().copied().peekable();
        for (day, count) in other.iter() {
            while let Some(before) = left.next_if(|(of, _)| *of < day) {
                sum.push(before);
            }
            let own = left.next_if(|(of, _)| *of == day);
            let count = count
                .saturating_mul(sign)
                .saturating_add(own.map_or(0, |(_, count)| count));
            if count != 0 {
                sum.push((day, count));
            }
        }
        sum.extend(left);
        self.counts = sum;
    }

    /// All trips.
    pub fn total(&self) -> i64 {
        sum(&self.counts)
    }

    /// Whether no day has a count other than 0.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The first day with a count other than 0.
    pub fn first_day(&self) -> Option<i32> {
        self.counts.first().map(|(day, _)| *day)
    }

    /// The last day with a count other than 0.
    pub fn last_day(&self) -> Option<i32> {
        self.counts.last().map(|(day, _)| *day)
    }

    /// The days with a count other than 0, in order, and their counts.
    pub fn iter(&self) -> impl Iterator<Item = (i32, i64)> {
        self.counts.iter().copied()
    }

    /// The trips on `days`.
    pub fn within(&self, days: Range<i32>) -> i64 {
        let before = |bound| self.counts.partition_point(|(day, _)| *day < bound);
        let slice = before(days.start)..before(days.end);
        sum(self.counts.get(slice).unwrap_or_default())
    }

    /// The counts as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(3 * self.counts.len() + 8);
        let mut last = None;
        for (day, count) in self.iter() {
            put_varint(
                &mut bytes,
                match last {
                    None => zigzag(i64::from(day)),
                    Some(last) => day.abs_diff(last).into(),
                },
            );
            put_varint(&mut bytes, zigzag(count));
            last = day.checked_add(1);
        }
        bytes
    }

    /// The counts of [`DayCounts::encode`].
    ///
    /// # Errors
    /// The bytes are none that `encode` gives.
    pub fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut counts = Vec::with_capacity(bytes.len() / 2);
        each_encoded(bytes, |day, count| counts.push((day, count)))?;
        Ok(DayCounts { counts })
    }
}

/// The sum of counts.
fn sum(counts: &[(i32, i64)]) -> i64 {
    counts
        .iter()
        .fold(0, |sum: i64, (_, count)| sum.saturating_add(*count))
}

/// Calls `visit` with each day of encoded counts, in order, and its count, which is not 0.
///
/// # Errors
/// The bytes are none that [`DayCounts::encode`] gives; `visit` may have been called before.
pub fn each_encoded(mut bytes: &[u8], mut visit: impl FnMut(i32, i64)) -> Result<(), Corrupt> {
    const RANGE: Corrupt = Corrupt("a day is out of range");
    let mut next = None;
    while !bytes.is_empty() {
        let (day, count) = take_pair(&mut bytes)?;
        let day = match next {
            None => unzigzag(day),
            Some(next) => i64::try_from(day)
                .ok()
                .and_then(|skipped| skipped.checked_add(next))
                .ok_or(RANGE)?,
        };
        let count = unzigzag(count);
        if count == 0 {
            return Err(Corrupt("a day has no trips"));
        }
        if !DAYS.contains(&day) {
            return Err(RANGE);
        }
        visit(day as i32, count);
        next = Some(day + 1);
    }
    Ok(())
}

/// The trips on `days` of encoded counts.
///
/// # Errors
/// The bytes are none that [`DayCounts::encode`] gives.
pub fn sum_encoded(bytes: &[u8], days: Range<i32>) -> Result<i64, Corrupt> {
    let mut sum = 0i64;
    each_encoded(bytes, |day, count| {
        if days.contains(&day) {
            sum = sum.saturating_add(count);
        }
    })?;
    Ok(sum)
}

/// A signed integer as one that is small if it was near zero.
fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// The inverse of [`zigzag`].
fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Adds seven bits a byte, the lowest first; all bytes but the last have their highest bit set.
fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// The two numbers that `bytes` start with; takes them off.
#[inline(always)]
fn take_pair(bytes: &mut &[u8]) -> Result<(u64, u64), Corrupt> {
    // Most have one byte and then one or two, by chance: no branch tells these apart.
    if let Some([first, low, high]) = bytes.first_chunk()
        && (first | (low & high)) < 0x80
    {
        let has_high = low >> 7;
        let high = high & has_high.wrapping_neg();
        *bytes = bytes.get(2 + usize::from(has_high)..).unwrap_or_default();
        return Ok((
            u64::from(*first),
            u64::from(low & 0x7f) | u64::from(high) << 7,
        ));
    }
    Ok((take_varint(bytes)?, take_varint(bytes)?))
}

/// The number that `bytes` start with; takes it off them.
fn take_varint(bytes: &mut &[u8]) -> Result<u64, Corrupt> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes
            .split_first()
            .ok_or(Corrupt("a number is cut short"))?;
        *bytes = rest;
        let low = u64::from(byte & 0x7f);
        if low << shift >> shift != low {
            break;
        }
        value |= low << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Corrupt("a number has more than 64 bits"))
}

/// How many days stand together in a [`DayTally`].
const BLOCK: usize = 64;

/// Trips counted by day, quick for days in any order, quicker where neighbours follow each other.
#[derive(Debug, Clone)]
pub struct DayTally {
    /// Where a block of days is in `counts`, by the first day over [`BLOCK`].
    places: HashMap<i32, usize>,
    counts: Vec<[i64; BLOCK]>,
    /// The block of the last day that was added, and its place.
    last: (i32, usize),
}

impl Default for DayTally {
    fn default() -> Self {
        Self::new()
    }
}

impl DayTally {
    /// No trips.
    pub fn new() -> Self {
        DayTally {
            places: HashMap::new(),
            counts: Vec::new(),
            // There is no such block.
            last: (i32::MAX, 0),
        }
    }

    /// Adds `count` trips to `day`.
    pub fn add(&mut self, day: i32, count: i64) {
        if let [sum, ..] = self.block_from(day) {
            *sum = sum.saturating_add(count);
        }
    }

    /// Adds trips of days that follow each other from `first` on.
    pub fn add_from(&mut self, first: i32, mut counts: &[u32]) {
        let mut day = first;
        while !counts.is_empty() {
            let sums = self.block_from(day);
            let (now, later) = counts.split_at(counts.len().min(sums.len()));
            for (sum, count) in sums.iter_mut().zip(now) {
                *sum = sum.saturating_add(i64::from(*count));
            }
            // Beyond the last day there is none to add to.
            day = day.saturating_add(now.len() as i32);
            counts = later;
        }
    }

    /// The counts of `day` and of those after it in its block.
    fn block_from(&mut self, day: i32) -> &mut [i64] {
        let block = day.div_euclid(BLOCK as i32);
        if block != self.last.0 {
            let place = *self.places.entry(block).or_insert_with(|| {
                self.counts.push([0; BLOCK]);
                self.counts.len() - 1
            });
            self.last = (block, place);
        }
        let counts = self.counts.get_mut(self.last.1);
        let offset = day.rem_euclid(BLOCK as i32) as usize;
        counts
            .and_then(|counts| counts.get_mut(offset..))
            .unwrap_or_default()
    }

    /// Adds `sign` times the trips of `counts`.
    pub fn add_all(&mut self, counts: &DayCounts, sign: i64) {
        for (day, count) in counts.iter() {
            self.add(day, count.saturating_mul(sign));
        }
    }

    /// What has been added.
    pub fn into_counts(self) -> DayCounts {
        let mut blocks: Vec<(i32, usize)> = self.places.into_iter().collect();
        blocks.sort_unstable();
        let mut days = DayCounts::new();
        for (block, place) in blocks {
            for (offset, count) in self.counts.get(place).into_iter().flatten().enumerate() {
                days.add(block * BLOCK as i32 + offset as i32, *count);
            }
        }
        days
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(days: &[(i32, i64)]) -> DayCounts {
        let mut counts = DayCounts::new();
        for (day, count) in days {
            counts.add(*day, *count);
        }
        counts
    }

    #[test]
    fn a_day_is_that_of_the_calendar() {
        assert_eq!(day_of(0), 0);
        assert_eq!(day_of(-1), -1);
        assert_eq!(day_of(MICROSECONDS - 1), 0);
        assert_eq!(day_of(MICROSECONDS), 1);
        // The last time of PostgreSQL's is in 294276.
        assert_eq!(day_of(i64::MAX), 106_751_991);
    }

    #[test]
    fn a_week_is_that_of_iso_8601() {
        // 1999-12-27 to 2000-01-02, and the first day of the next week.
        for day in -5..=1 {
            assert_eq!(week_of(day), -5);
        }
        assert_eq!(week_of(2), 2);
        // 1970-01-01 was a Thursday.
        assert_eq!(week_of(-10_957), -10_960);
        assert_eq!(week_of(i32::MIN), i32::MIN);
    }

    #[test]
    fn neighbouring_days_take_two_bytes() {
        let days = counts(&[(-2, 1), (-1, -1), (0, 63), (4, 2)]);
        assert_eq!(days.encode(), [3, 2, 0, 1, 0, 126, 3, 4]);
        assert_eq!(counts(&[]).encode(), Vec::<u8>::new());
    }

    #[test]
    fn the_first_and_the_last_day_there_are_can_be_counted() {
        let (first, last) = (*DAYS.start() as i32, *DAYS.end() as i32);
        assert_eq!(last, day_of(9_223_371_331_199_999_999), "294276-12-31");
        let days = counts(&[(last, i64::MIN), (first, i64::MAX)]);
        assert_eq!(DayCounts::decode(&days.encode()), Ok(days.clone()));
        for day in [first - 1, last + 1] {
            let bytes = counts(&[(day, 1)]).encode();
            assert!(DayCounts::decode(&bytes).is_err(), "{day}");
        }
        let mut tally = DayTally::new();
        tally.add_all(&days, 1);
        assert_eq!(tally.into_counts(), days);
        assert_eq!(days.within(i32::MIN..last), i64::MAX);
        let mut twice = days.clone();
        twice.add_all(&days, 1);
        assert_eq!(twice, days);
    }

    #[test]
    fn days_that_follow_each_other_can_be_added_together() {
        let trips: Vec<u32> = (0..200).map(|day| day % 5).collect();
        for first in [0, -130, 63, i32::MIN, i32::MAX - 199] {
            let (mut together, mut each) = (DayTally::new(), DayTally::new());
            for _ in 0..2 {
                together.add_from(first, &trips);
                for (day, trips) in (first..=i32::MAX).zip(&trips) {
                    each.add(day, i64::from(*trips));
                }
            }
            assert_eq!(together.into_counts(), each.into_counts(), "{first}");
        }
    }

    #[test]
    fn days_whose_trips_cancel_are_not_kept() {
        let mut days = counts(&[(3, 2), (5, 0), (4, 1), (3, -2)]);
        assert_eq!(days, counts(&[(4, 1)]));
        days.add_all(&days.clone(), -1);
        assert!(days.is_empty());
        assert_eq!(
            (days.first_day(), days.last_day(), days.total()),
            (None, None, 0)
        );
    }

    #[test]
    fn a_period_that_ends_before_it_begins_has_no_trips() {
        let days = counts(&[(3, 2), (4, 1)]);
        let (late, early) = (9, 1);
        assert_eq!(days.within(late..early), 0);
        assert_eq!(sum_encoded(&days.encode(), late..early), Ok(0));
    }

    #[test]
    fn bytes_that_are_no_counts_are_refused() {
        let refused = [
            // A number, or the count of a day, is cut short.
            &[0x80][..],
            &[2],
            // No trips.
            &[2, 0],
            // More than 64 bits; the last of ten bytes may be 1.
            &[2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
            &[2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 128, 0],
            // Days beyond 32 bits, as the first and as a later one.
            &[128, 128, 128, 128, 16, 2],
            &[254, 255, 255, 255, 15, 2, 0, 2],
            &[2, 2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2],
        ];
        for bytes in refused {
            assert!(DayCounts::decode(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(
            DayCounts::decode(&[2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
            Ok(counts(&[(1, i64::MIN)]))
        );
    }
}
