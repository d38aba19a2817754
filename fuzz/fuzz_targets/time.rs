//! Any field: a time that is taken is one of PostgreSQL's, and its canonical spelling gives the
//! same time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trips_core::ingest::parse::time::parse;

const DAY: i64 = 86_400_000_000;
const DAYS_OF_400_YEARS: i64 = 146_097;

/// The date of a day counted from 2000-01-01, found by going through years and months.
fn date(days: i64) -> (i64, usize, i64) {
    let mut year = 2000 + days.div_euclid(DAYS_OF_400_YEARS) * 400;
    let mut left = days.rem_euclid(DAYS_OF_400_YEARS);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let february = 28 + i64::from(leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    (year, month + 1, left + 1)
}

fuzz_target!(|field: &[u8]| {
    let Ok(time) = parse(field) else { return };
    let (year, month, day) = date(time.div_euclid(DAY));
    assert!((1..=294_276).contains(&year));
    let (second, microsecond) = (time.rem_euclid(DAY) / 1_000_000, time.rem_euclid(1_000_000));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    if microsecond != 0 {
        text += &format!(".{microsecond:06}");
    }
    assert_eq!(parse(text.as_bytes()), Ok(time), "{text}");
});
