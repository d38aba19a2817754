//! Any bytes are refused, or are counts by day that a plain map counts alike, and that give the same counts again.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use trips_core::area::days::{DAYS, DayCounts, DayTally, each_encoded, sum_encoded};

/// Counts whose sums stay within 64 bits, whatever their order.
const SMALL: i64 = i64::MAX >> 24;

fuzz_target!(|input: (&[u8], &[u8], [i32; 2], bool)| {
    let (bytes, other, [from, to], adds) = input;
    let Ok(counts) = DayCounts::decode(bytes) else {
        assert!(each_encoded(bytes, |_, _| ()).is_err());
        assert!(sum_encoded(bytes, from..to).is_err());
        return;
    };
    let all: Vec<(i32, i64)> = counts.iter().collect();
    assert!(all.is_sorted_by(|one, next| one.0 < next.0));
    assert!(
        all.iter()
            .all(|(day, count)| *count != 0 && DAYS.contains(&i64::from(*day)))
    );
    let again = counts.encode();
    assert!(again.len() <= bytes.len());
    assert_eq!(DayCounts::decode(&again).as_ref(), Ok(&counts));
    assert_eq!(sum_encoded(bytes, from..to), Ok(counts.within(from..to)));
    let mut tally = DayTally::new();
    tally.add_all(&counts, 1);
    assert_eq!(tally.into_counts(), counts);

    let Ok(other) = DayCounts::decode(other) else {
        return;
    };
    if all
        .iter()
        .copied()
        .chain(other.iter())
        .any(|(_, count)| count.unsigned_abs() > SMALL.unsigned_abs())
    {
        return;
    }
    let sign = if adds { 1 } else { -1 };
    let mut expected: BTreeMap<i32, i64> = all.into_iter().collect();
    for (day, count) in other.iter() {
        *expected.entry(day).or_default() += sign * count;
    }
    expected.retain(|_, count| *count != 0);
    let mut sum = counts;
    sum.add_all(&other, sign);
    assert!(
        sum.iter()
            .eq(expected.iter().map(|(day, count)| (*day, *count)))
    );
    assert_eq!(sum.total(), expected.values().sum::<i64>());
    if from <= to {
        assert_eq!(
            sum.within(from..to),
            expected
                .range(from..to)
                .map(|(_, count)| count)
                .sum::<i64>()
        );
    }
});
