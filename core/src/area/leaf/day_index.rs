//! Which trips of a leaf departed on which day, the trips being in the order of their days.
//!
//! As a bitmap, it has a one for each trip and a zero for each step from a day to the next: trip `i` of
//! day `d` is bit `i + d - first`, so that a day is found by counting zeros. Where days lie so far apart that this
//! would be longer, it has a pair for each day that has trips: the day, and where its trips end.

use std::ops::Range;

use crate::area::Corrupt;

/// Bytes in a word of the bitmap: little-endian, the first bit is the lowest.
const WORD: usize = 8;

/// Bytes in a pair: the day in 4, the end in 2.
const PAIR: usize = 6;

/// How an index is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Bitmap,
    Pairs,
}

impl Form {
    /// The bytes of one unit.
    const fn unit(self) -> usize {
        match self {
            Form::Bitmap => WORD,
            Form::Pairs => PAIR,
        }
    }
}

/// The bytes of a bitmap for `trips`, of which there are some, over days that are `span` apart.
pub(super) const fn bitmap_bytes(trips: usize, span: u32) -> usize {
    (trips + span as usize).div_ceil(u64::BITS as usize) * WORD
}

/// The bytes of pairs for so many days.
pub(super) const fn pairs_bytes(days: usize) -> usize {
    days * PAIR
}

/// An index, written.
pub(super) struct Written {
    pub(super) form: Form,
    /// How many words or pairs.
    pub(super) units: u16,
    pub(super) bytes: Vec<u8>,
}

/// The shorter of the two forms for days in order.
pub(super) fn write(days: impl ExactSizeIterator<Item = i32> + Clone) -> Written {
    let mut last = None;
    let distinct = days.clone().filter(|day| last.replace(*day) != Some(*day));
    let distinct = distinct.count();
    let first = days.clone().next().unwrap_or_default();
    let span = last.unwrap_or_default().abs_diff(first);
    let (form, bytes) = if bitmap_bytes(days.len(), span) <= pairs_bytes(distinct) {
        (Form::Bitmap, bitmap(days, first, span))
    } else {
        (Form::Pairs, pairs(days))
    };
    Written {
        form,
        units: (bytes.len() / form.unit()) as u16,
        bytes,
    }
}

fn bitmap(days: impl ExactSizeIterator<Item = i32>, first: i32, span: u32) -> Vec<u8> {
    let mut bytes = vec![0; bitmap_bytes(days.len(), span)];
    let mut words = bytes.as_chunks_mut::<WORD>().0.iter_mut();
    let (mut word, mut first_bit) = (0u64, 0);
    let mut write = |word: u64| {
        if let Some(bytes) = words.next() {
            *bytes = word.to_le_bytes();
        }
    };
    for (place, day) in days.enumerate() {
        let bit = place + day.abs_diff(first) as usize;
        while bit - first_bit >= u64::BITS as usize {
            write(std::mem::take(&mut word));
            first_bit += u64::BITS as usize;
        }
        word |= 1 << (bit - first_bit);
    }
    write(word);
    bytes
}

fn pairs(days: impl Iterator<Item = i32>) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut days = days.zip(1u16..).peekable();
    while let Some((day, end)) = days.next() {
        if days.peek().is_none_or(|(next, _)| *next != day) {
            bytes.extend_from_slice(&day.to_le_bytes());
            bytes.extend_from_slice(&end.to_le_bytes());
        }
    }
    bytes
}

/// An index as it is read. Its bytes have been checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct DayIndex<'a> {
    trips: usize,
    first: i32,
    last: i32,
    form: Form,
    bytes: &'a [u8],
}

impl<'a> DayIndex<'a> {
    /// The index of `trips` from the day `first`, at the start of `bytes`; takes it off them.
    pub(super) fn read(
        bytes: &mut &'a [u8],
        (form, units): (Form, u16),
        trips: usize,
        first: i32,
    ) -> Result<Self, Corrupt> {
        let (index, rest) = bytes
            .split_at_checked(usize::from(units) * form.unit())
            .ok_or(Corrupt("the days of a leaf are cut short"))?;
        *bytes = rest;
        let last = match form {
            Form::Bitmap => last_of_bitmap(index, trips, first),
            Form::Pairs => last_of_pairs(index, trips, first),
        };
        Ok(DayIndex {
            trips,
            first,
            last: last.ok_or(Corrupt("the days of a leaf are not those of its trips"))?,
            form,
            bytes: index,
        })
    }

    pub(super) fn trips(&self) -> usize {
        self.trips
    }

    pub(super) fn first_day(&self) -> i32 {
        self.first
    }

    pub(super) fn last_day(&self) -> i32 {
        self.last
    }

    /// The trips that departed on `days`.
    pub(super) fn slice(&self, days: Range<i32>) -> Range<usize> {
        let start = self.before(days.start);
        start..self.before(days.end).max(start)
    }

    /// How many trips departed before `day`.
    fn before(&self, day: i32) -> usize {
        if day <= self.first {
            0
        } else if day > self.last {
            self.trips
        } else {
            match self.form {
                Form::Bitmap => ones_before_zero(self.bytes, day.abs_diff(self.first) as usize),
                Form::Pairs => pairs_of(self.bytes)
                    .take_while(|(of, _)| *of < day)
                    .last()
                    .map_or(0, |(_, end)| end),
            }
        }
    }

    /// Calls `visit` with each day that has trips, in order, and its trips.
    pub(super) fn each_day(&self, mut visit: impl FnMut(i32, Range<usize>)) {
        let mut start = 0;
        let mut day_ends = |day, end| {
            if end > start {
                visit(day, start..end);
                start = end;
            }
        };
        match self.form {
            Form::Pairs => pairs_of(self.bytes).for_each(|(day, end)| day_ends(day, end)),
            Form::Bitmap => {
                let mut day = self.first;
                for (word, first_bit) in words_of(self.bytes).zip((0..).step_by(64)) {
                    let mut zeros = !word;
                    // Behind the last one there is nothing but padding.
                    while zeros != 0 && day < self.last {
                        let bit = first_bit + zeros.trailing_zeros() as usize;
                        day_ends(day, bit - day.abs_diff(self.first) as usize);
                        zeros &= zeros - 1;
                        day += 1;
                    }
                }
                day_ends(self.last, self.trips);
            }
        }
    }

    /// The day of each trip.
    pub(super) fn of_trips(&self) -> Vec<i32> {
        let mut days = Vec::with_capacity(self.trips);
        match self.form {
            Form::Pairs => pairs_of(self.bytes).for_each(|(day, end)| days.resize(end, day)),
            // Not by each_day: whether a day has trips is what a processor guesses wrong.
            Form::Bitmap => {
                for (word, first_bit) in words_of(self.bytes).zip((0..).step_by(64)) {
                    let mut ones = word;
                    while ones != 0 {
                        let bit = first_bit + ones.trailing_zeros() as usize;
                        days.push(self.first.wrapping_add((bit - days.len()) as i32));
                        ones &= ones - 1;
                    }
                }
            }
        }
        days
    }
}

/// The last day of a bitmap that has so many ones, the first of them as its first bit and one in its
/// last word.
fn last_of_bitmap(bytes: &[u8], trips: usize, first: i32) -> Option<i32> {
    let ones: u32 = words_of(bytes).map(u64::count_ones).sum();
    let last_word = words_of(bytes).last()?;
    let is_tight = last_word != 0 && bytes.first()? & 1 == 1;
    if !is_tight || ones as usize != trips {
        return None;
    }
    let bits = bytes.len() * 8 - last_word.leading_zeros() as usize;
    let span = u32::try_from(bits - trips).ok()?;
    first.checked_add_unsigned(span)
}

/// The last day of pairs that ascend from `first` to the end of the trips.
fn last_of_pairs(bytes: &[u8], trips: usize, first: i32) -> Option<i32> {
    let mut last = None;
    for (day, end) in pairs_of(bytes) {
        let ascends = match last {
            None => day == first && end > 0,
            Some((last_day, last_end)) => day > last_day && end > last_end,
        };
        if !ascends {
            return None;
        }
        last = Some((day, end));
    }
    last.filter(|(_, end)| *end == trips).map(|(day, _)| day)
}

/// The ones before the zero that has the number `zero`, counted from 1; it must be there.
fn ones_before_zero(bytes: &[u8], zero: usize) -> usize {
    let mut left = zero;
    let mut ones = 0;
    for word in words_of(bytes) {
        let zeros = word.count_zeros() as usize;
        if zeros >= left {
            let mut candidates = !word;
            for _ in 1..left {
                candidates &= candidates.wrapping_sub(1);
            }
            return ones + candidates.trailing_zeros() as usize - (left - 1);
        }
        left -= zeros;
        ones += 64 - zeros;
    }
    ones
}

fn words_of(bytes: &[u8]) -> impl DoubleEndedIterator<Item = u64> + Clone {
    let words = bytes.as_chunks::<WORD>().0;
    words.iter().map(|word| u64::from_le_bytes(*word))
}

fn pairs_of(bytes: &[u8]) -> impl Iterator<Item = (i32, usize)> {
    let pairs = bytes.as_chunks::<PAIR>().0.iter();
    pairs.map(|[a, b, c, d, low, high]| {
        let day = i32::from_le_bytes([*a, *b, *c, *d]);
        (day, usize::from(u16::from_le_bytes([*low, *high])))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: Form, bytes: &[u8], trips: usize, first: i32) -> Result<DayIndex<'_>, Corrupt> {
        let units = (bytes.len() / form.unit()) as u16;
        DayIndex::read(&mut &bytes[..], (form, units), trips, first)
    }

    fn days_of(index: &DayIndex<'_>) -> Vec<i32> {
        let mut days = Vec::new();
        index.each_day(|day, trips| days.resize(trips.end, day));
        assert_eq!(index.of_trips(), days);
        days
    }

    #[test]
    fn both_forms_say_the_same() {
        let all: [&[i32]; 5] = [
            &[0],
            &[i32::MAX; 200],
            &[i32::MIN, i32::MIN + 1, i32::MIN + 63, i32::MIN + 64],
            &[-1, -1, 0, 62, 62, 63, 64, 64, 65, 127, 128, 200],
            &[5, 70, 200, 1000],
        ];
        for days in all {
            let (first, last) = (days[0], days[days.len() - 1]);
            let bitmap = bitmap(days.iter().copied(), first, last.abs_diff(first));
            let pairs = pairs(days.iter().copied());
            for (form, bytes) in [(Form::Bitmap, &bitmap), (Form::Pairs, &pairs)] {
                let index = read(form, bytes, days.len(), first).unwrap();
                assert_eq!((index.first_day(), index.last_day()), (first, last));
                assert_eq!(days_of(&index), days);
                for day in days.iter().flat_map(|day| [day.saturating_sub(1), *day]) {
                    let before = days.partition_point(|of| *of < day);
                    assert_eq!(index.before(day), before, "{form:?} {day}");
                }
            }
        }
    }

    #[test]
    fn the_shorter_form_is_written() {
        let form = |days: &[i32]| write(days.iter().copied()).form;
        assert_eq!(form(&[9]), Form::Pairs);
        assert_eq!(form(&[9, 10]), Form::Bitmap);
        assert_eq!(form(&[i32::MIN, i32::MAX]), Form::Pairs);
        let months: Vec<i32> = (0..944).map(|trip| trip * 146 / 944).collect();
        assert_eq!(write(months.into_iter()).bytes.len(), 144);
    }

    #[test]
    fn an_index_that_is_not_that_of_its_trips_is_refused() {
        let word = |word: u64| word.to_le_bytes().to_vec();
        // Two trips, on the days 0 and 1.
        assert!(read(Form::Bitmap, &word(0b101), 2, 0).is_ok());
        for (bytes, trips, first) in [
            (vec![], 0, 0),
            (word(0b101), 3, 0),
            (word(0b1010), 2, 0),
            ([word(0b101), word(0)].concat(), 2, 0),
            (word(0b101), 2, i32::MAX),
        ] {
            assert!(
                read(Form::Bitmap, &bytes, trips, first).is_err(),
                "{bytes:?}"
            );
        }
        let pairs = |pairs: &[(i32, u16)]| -> Vec<u8> {
            let bytes =
                |(day, end): &(i32, u16)| [&day.to_le_bytes()[..], &end.to_le_bytes()].concat();
            pairs.iter().flat_map(bytes).collect()
        };
        assert!(read(Form::Pairs, &pairs(&[(0, 1), (1, 2)]), 2, 0).is_ok());
        for (bytes, trips) in [
            (pairs(&[]), 0),
            (pairs(&[(0, 0)]), 0),
            (pairs(&[(1, 2)]), 2),
            (pairs(&[(0, 1), (1, 2)]), 3),
            (pairs(&[(0, 1), (1, 1)]), 1),
            (pairs(&[(0, 1), (0, 2)]), 2),
        ] {
            assert!(read(Form::Pairs, &bytes, trips, 0).is_err(), "{bytes:?}");
        }
        assert!(DayIndex::read(&mut &[1, 0][..], (Form::Bitmap, 1), 1, 0).is_err());
    }
}
