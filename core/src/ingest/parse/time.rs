//! Times: local civil time without a zone, as microseconds since 2000-01-01 00:00:00, which is
//! how PostgreSQL keeps a `timestamp`.
//!
//! The canonical form `2018-05-28 09:03:40` takes the fast path. The exact path takes the other
//! spellings of ISO order that `COPY` takes, and gives the values that `COPY` gives.

use std::fmt;

/// Why a field is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    /// It is not spelled as a time in ISO order.
    Syntax,
    /// It carries a time zone or an offset.
    Zone,
    /// It is spelled well, but there is no such time.
    OutOfRange,
}

impl TimeError {
    /// The SQLSTATE: five characters.
    pub const fn sqlstate(self) -> &'static str {
        match self {
            TimeError::Syntax | TimeError::Zone => "22007",
            TimeError::OutOfRange => "22008",
        }
    }
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimeError::Syntax => "invalid input syntax for type timestamp",
            TimeError::Zone => "time zone in a local civil time",
            TimeError::OutOfRange => "date/time field value out of range",
        })
    }
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// The last year of PostgreSQL's timestamps.
const LAST_YEAR: u64 = 294_276;

/// The first microsecond that is no timestamp of PostgreSQL any more: 294277-01-01.
const END: i64 = 9_223_371_331_200_000_000;

/// The time in `field`: microseconds since 2000-01-01 00:00:00.
///
/// # Errors
/// Anything but ISO order, zones, words such as `now`, and times that do not exist.
pub fn parse(field: &[u8]) -> Result<i64, TimeError> {
    match canonical(field) {
        Some(time) => Ok(time),
        None => exact(field),
    }
}

/// `YYYY-MM-DD HH:MM:SS` with plain values; `None` leaves the field to [`exact`].
fn canonical(field: &[u8]) -> Option<i64> {
    const PATTERN: &[u8; 19] = b"0000-00-00 00:00:00";
    let text: &[u8; 19] = field.try_into().ok()?;
    let mut digits = [0u8; 19];
    let mut odd = false;
    for ((digit, byte), pattern) in digits.iter_mut().zip(text).zip(PATTERN) {
        // What is left of a digit is 0 to 9, of a separator that is in its place 0.
        *digit = byte.wrapping_sub(*pattern);
        odd |= *digit > if *pattern == b'0' { 9 } else { 0 };
    }
    if odd {
        return None;
    }
    let pair = |at: usize| u32::from(digits[at]) * 10 + u32::from(digits[at + 1]);
    let (year, month, day) = (pair(0) * 100 + pair(2), pair(5), pair(8));
    let (hour, minute, second) = (pair(11), pair(14), pair(17));
    if year == 0 || !is_date(i64::from(year), month, day) || hour > 23 || minute > 59 || second > 59
    {
        return None;
    }
    let days = days_since_2000(i64::from(year), month, day);
    let seconds = (hour * 60 + minute) * 60 + second;
    Some((days * 86_400 + i64::from(seconds)) * SECOND)
}

/// Whether the year has such a day.
fn is_date(year: i64, month: u32, day: u32) -> bool {
    const DAYS: [u32; 16] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0];
    let leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    month < 16 && day >= 1 && day <= DAYS[month as usize & 15] + u32::from(leap)
}

/// Days from 2000-01-01 to a date of the Gregorian calendar, extended backwards.
///
/// Years are counted from March, so that the leap day comes last and months follow a line.
fn days_since_2000(year: i64, month: u32, day: u32) -> i64 {
    const FROM_YEAR_ZERO: i64 = 730_425;
    let early = month <= 2;
    let year = year - i64::from(early);
    let month = i64::from(if early { month + 9 } else { month - 3 });
    let day_of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - FROM_YEAR_ZERO
}

/// Any time in ISO order.
fn exact(field: &[u8]) -> Result<i64, TimeError> {
    let mut text = Cursor { rest: trim(field) };
    let first = text.digits();
    if first.len() < 4 || text.rest.is_empty() {
        return Err(not_iso(first, &mut text));
    }
    if !text.byte(b'-') {
        return Err(TimeError::Syntax);
    }
    let year = number(first);
    let month = text.one_or_two_digits()?;
    if !text.byte(b'-') {
        return Err(TimeError::Syntax);
    }
    let day = text.one_or_two_digits()?;
    let time = text.time_of_day()?;
    if year == 0 || year > LAST_YEAR {
        return Err(TimeError::OutOfRange);
    }
    let year = year as i64;
    if !is_date(year, month, day) {
        return Err(TimeError::OutOfRange);
    }
    let time = days_since_2000(year, month, day) * DAY + time.microseconds()?;
    if time < END {
        Ok(time)
    } else {
        Err(TimeError::OutOfRange)
    }
}

/// What to say of a field that does not start with a year. Numbers without anything else, and
/// dates whose first number can be no month, are out of range for `COPY` too.
fn not_iso(first: &[u8], text: &mut Cursor<'_>) -> TimeError {
    if first.is_empty() {
        return TimeError::Syntax;
    }
    let Some((separator @ (b'-' | b'/' | b'.'), _)) = text.rest.split_first() else {
        return if text.rest.is_empty() {
            TimeError::OutOfRange
        } else {
            TimeError::Syntax
        };
    };
    text.byte(*separator);
    let second = text.digits();
    let is_date = first.len() <= 2
        && matches!(second.len(), 1 | 2)
        && text.byte(*separator)
        && !text.digits().is_empty();
    if is_date && number(first) > 12 {
        TimeError::OutOfRange
    } else {
        TimeError::Syntax
    }
}

/// The value of some digits; more of them than fit give the largest value.
fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value: u64, digit| {
        value
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    })
}

/// A time of day as it is written.
#[derive(Default)]
struct TimeOfDay {
    hour: u32,
    minute: u32,
    second: u32,
    /// 0 to 1,000,000: `.9999999` rounds up to a whole second.
    microsecond: i64,
}

impl TimeOfDay {
    /// Microseconds since midnight. As in PostgreSQL, 24:00:00 is the end of the day and a second
    /// 60 the start of the next minute, as long as they stay within the day.
    fn microseconds(&self) -> Result<i64, TimeError> {
        let seconds = i64::from((self.hour * 60 + self.minute) * 60 + self.second);
        let time = seconds * SECOND + self.microsecond;
        if self.hour > 24 || self.minute > 59 || self.second > 60 || time > DAY {
            return Err(TimeError::OutOfRange);
        }
        Ok(time)
    }
}

/// Whether the byte is white space to the server, which knows the vertical tab, too.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    text
}

fn trim(text: &[u8]) -> &[u8] {
    let mut text = trim_start(text);
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// What of a field is still to be read.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Takes `byte` if it comes next.
    fn byte(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes the digits that come next; there may be none.
    fn digits(&mut self) -> &'a [u8] {
        let count = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self
            .rest
            .split_at_checked(count)
            .unwrap_or((b"", self.rest));
        self.rest = rest;
        digits
    }

    /// Takes a number of one or two digits, which must come next.
    fn one_or_two_digits(&mut self) -> Result<u32, TimeError> {
        match *self.digits() {
            [one] => Ok(u32::from(one - b'0')),
            [ten, one] => Ok(u32::from(ten - b'0') * 10 + u32::from(one - b'0')),
            _ => Err(TimeError::Syntax),
        }
    }

    /// What follows a date: nothing, which is midnight, or a separator and a time of day.
    fn time_of_day(&mut self) -> Result<TimeOfDay, TimeError> {
        if self.rest.is_empty() {
            return Ok(TimeOfDay::default());
        }
        let after_date = self.rest;
        if !self.byte(b'T') && !self.byte(b't') {
            self.rest = trim_start(self.rest);
            let is_time = self.rest.first().is_some_and(u8::is_ascii_digit);
            if self.rest.len() == after_date.len() || !is_time {
                return Err(self.unexpected());
            }
        }
        let hour = self.one_or_two_digits()?;
        if !self.byte(b':') {
            return Err(TimeError::Syntax);
        }
        let minute = self.one_or_two_digits()?;
        let (mut second, mut microsecond) = (0, 0);
        if self.byte(b':') {
            second = self.one_or_two_digits()?;
            microsecond = self.fraction()?;
        }
        if !self.rest.is_empty() {
            return Err(self.unexpected());
        }
        Ok(TimeOfDay {
            hour,
            minute,
            second,
            microsecond,
        })
    }

    /// The fraction of a second, if there is one: rounded by way of a double, as PostgreSQL does,
    /// so that values halfway between two microseconds agree.
    fn fraction(&mut self) -> Result<i64, TimeError> {
        let start = self.rest;
        if !self.byte(b'.') {
            return Ok(0);
        }
        if self.digits().is_empty() {
            return Err(TimeError::Syntax);
        }
        let length = start.len() - self.rest.len();
        let fraction: f64 = start
            .get(..length)
            .and_then(|digits| fast_float2::parse(digits).ok())
            .ok_or(TimeError::Syntax)?;
        Ok((fraction * SECOND as f64).round_ties_even() as i64)
    }

    /// What to say of the text that is left: signs and words are taken for a zone, but for those
    /// that PostgreSQL knows as something else.
    fn unexpected(&self) -> TimeError {
        let text = trim(self.rest);
        let word = ["AM", "PM", "AD", "BC"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
        match text.first() {
            Some(b'+' | b'-') => TimeError::Zone,
            Some(letter) if letter.is_ascii_alphabetic() && !word => TimeError::Zone,
            _ => TimeError::Syntax,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_form_takes_the_fast_path_and_both_paths_agree() {
        for text in [
            "2000-01-01 00:00:00",
            "2018-05-28 09:03:40",
            "1999-12-31 23:59:59",
            "0001-01-01 00:00:00",
            "9999-12-31 23:59:59",
            "2020-02-29 12:30:00",
        ] {
            let fast = canonical(text.as_bytes());
            assert!(fast.is_some(), "{text}");
            assert_eq!(
                fast.ok_or(TimeError::Syntax),
                exact(text.as_bytes()),
                "{text}"
            );
        }
        assert_eq!(parse(b"2000-01-01 00:00:00"), Ok(0));
        assert_eq!(parse(b"1999-12-31 23:59:59"), Ok(-1_000_000));
    }

    #[test]
    fn white_space_is_what_the_server_takes_for_it() {
        for text in [
            "\u{b}2018-05-28\u{b}09:03:40\u{b}",
            "\u{c}2018-05-28\t\n\r 09:03:40 ",
        ] {
            assert_eq!(parse(text.as_bytes()), parse(b"2018-05-28 09:03:40"));
        }
        assert_eq!(parse("\u{b}".as_bytes()), Err(TimeError::Syntax));
    }

    #[test]
    fn the_fast_path_leaves_everything_else() {
        for text in [
            "2018-05-28T09:03:40",
            "2018-05-28 24:00:00",
            "2018-05-28 09:03:60",
            "2018-05-28 09:60:00",
            "2018-02-29 09:03:40",
            "2018-13-01 09:03:40",
            "2018-15-01 09:03:40",
            "2018-99-01 09:03:40",
            "0000-01-01 00:00:00",
            "2018-05-2/ 09:03:40",
            "2018-05-2: 09:03:40",
            "2018-05-28 09:03:4",
            "2018-05-28 09:03:40 ",
            "",
        ] {
            assert_eq!(canonical(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let mut expected = days_since_2000(1600, 1, 1);
        assert_eq!(expected, -146_097);
        for year in 1600..2400 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if is_date(year, month, day) {
                        assert_eq!(days_since_2000(year, month, day), expected);
                        expected += 1;
                    }
                }
            }
        }
        assert_eq!(expected, 146_097);
    }
}
