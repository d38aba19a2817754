//! Days of the proleptic Gregorian calendar, as PostgreSQL counts them.

use std::fmt;
use std::str::FromStr;

use maud::{Markup, Render, html};

/// A day: its number since 2000-01-01, as in PostgreSQL's `date`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i32);

/// Days from 0000-03-01, where a cycle of 400 years begins, to 2000-01-01.
const CYCLE_TO_2000: i64 = 730_425;
const DAYS_IN_CYCLE: i64 = 146_097;

impl Day {
    /// Days in a week.
    pub const WEEK: i32 = 7;

    /// The day with this date. A month or day beyond its range counts on.
    pub fn of(year: i64, month: i64, day: i64) -> Day {
        // With the year beginning in March the leap day is its last one.
        let year = year + (month - 3).div_euclid(12);
        let month = (month - 3).rem_euclid(12);
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        let days = year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - CYCLE_TO_2000;
        Day(i32::try_from(days).unwrap_or(i32::MAX))
    }

    /// Year, month from 1 and day from 1.
    pub fn date(self) -> (i64, i64, i64) {
        let days = i64::from(self.0) + CYCLE_TO_2000;
        let (cycle, day) = (
            days.div_euclid(DAYS_IN_CYCLE),
            days.rem_euclid(DAYS_IN_CYCLE),
        );
        let year = (day - day / 1460 + day / 36_524 - day / (DAYS_IN_CYCLE - 1)) / 365;
        let in_year = day - (365 * year + year / 4 - year / 100);
        let month = (5 * in_year + 2) / 153;
        let day = in_year - (153 * month + 2) / 5 + 1;
        let (years, month) = if month < 10 {
            (0, month + 3)
        } else {
            (1, month - 9)
        };
        (cycle * 400 + year + years, month, day)
    }

    /// The day some days later.
    pub fn after(self, days: i32) -> Day {
        Day(self.0.saturating_add(days))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Day, String> {
        let numbers: Vec<i64> = text
            .split('-')
            .map_while(|part| part.parse().ok())
            .collect();
        let day = match numbers[..] {
            [year, month, day] if (1..10_000).contains(&year) => Some(Day::of(year, month, day)),
            _ => None,
        };
        // A date that does not exist comes out as another one.
        day.filter(|day| day.to_string() == text)
            .ok_or_else(|| "a day is written as 2018-05-28".to_owned())
    }
}

impl Render for Day {
    fn render(&self) -> Markup {
        html! { time { (self.to_string()) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_postgres() {
        // SELECT date '...' - date '2000-01-01'
        let known = [
            ("2000-01-01", 0),
            ("2018-05-28", 6722),
            ("1999-12-31", -1),
            ("2000-02-29", 59),
            ("1600-03-01", -146_037),
            ("9999-12-31", 2_921_939),
        ];
        for (text, number) in known {
            assert_eq!(text.parse(), Ok(Day(number)), "{text}");
            assert_eq!(Day(number).to_string(), text);
        }
    }

    #[test]
    fn every_day_of_a_cycle_comes_back() {
        for number in -200_000..200_000 {
            let (year, month, day) = Day(number).date();
            assert_eq!(Day::of(year, month, day), Day(number));
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        for text in [
            "2018-02-29",
            "2018-13-01",
            "2018-1-1",
            "18-01-01",
            "2018-01",
            "yesterday",
            "",
            "2018-01-01 ",
            "infinity",
        ] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_month_beyond_december_is_one_of_the_next_year() {
        assert_eq!(Day::of(2018, 13, 1).to_string(), "2019-01-01");
        assert_eq!(Day::of(2019, 0, 1).to_string(), "2018-12-01");
    }
}
