//! When the generated trips depart: commuting peaks, quieter weekends, two years in file order.

use crate::draw::Draw;

/// The first day of the generated trips, a Monday.
pub const FIRST_DAY: &str = "2018-01-01";

/// The number of days from [`FIRST_DAY`] on that hold trips: two years.
pub const PERIOD_DAYS: u32 = 730;

const FIRST_YEAR: u32 = 2018;
const HOUR_SECONDS: u32 = 3_600;
const DAY_SECONDS: u32 = 24 * HOUR_SECONDS;

/// A trip is written to the file up to this many seconds after its departure, so that
/// neighbouring rows are not in strict order.
const REPORT_DELAY_SECONDS: u32 = 1_800;

/// Relative number of trips in each hour of a working day.
const WORKDAY: [u32; 24] = [
    2, 1, 1, 1, 2, 5, 12, 22, 24, 14, 10, 10, 12, 11, 11, 14, 20, 25, 22, 15, 10, 8, 6, 4,
];

/// Relative number of trips in each hour of a Saturday or Sunday.
const WEEKEND: [u32; 24] = [
    5, 4, 3, 2, 2, 2, 3, 4, 6, 8, 10, 12, 13, 13, 12, 12, 12, 13, 13, 12, 10, 9, 8, 6,
];

/// Seconds since the first day's midnight, in local civil time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Instant(u32);

impl Instant {
    /// The hour of its day, 0 to 23.
    pub(super) fn hour(self) -> u32 {
        self.0 % DAY_SECONDS / HOUR_SECONDS
    }
}

/// The tables behind [`Calendar::departure`] and [`Calendar::write`].
pub(super) struct Calendar {
    /// For each share of a week's trips, the hour of the week it falls in and its place in that hour:
    /// an hour of weight 12 has 12 shares.
    shares: Vec<Share>,
    /// `2018-01-01` and so on.
    dates: Vec<String>,
}

struct Share {
    starts_at: u32,
    seconds: f64,
}

impl Calendar {
    pub(super) fn new() -> Self {
        Self {
            shares: week_shares(),
            dates: dates(),
        }
    }

    /// When trip number `row` of `rows` departs.
    pub(super) fn departure(&self, draw: &mut Draw, row: u64, rows: u64) -> Instant {
        let week_shares = self.shares.len() as f64;
        let position = (row as f64 + draw.uniform()) / rows as f64 * self.period_shares() as f64;
        let week = (position / week_shares).floor();
        let in_week = position - week * week_shares;
        // The last position of the last week may round up to the next one's start.
        let index = (in_week as usize).min(self.shares.len() - 1);
        let share = &self.shares[index];
        let within = ((in_week - index as f64).clamp(0.0, 1.0) * share.seconds) as u32;
        let reported_at = week as u32 * 7 * DAY_SECONDS + share.starts_at + within;
        let delay = draw.below(REPORT_DELAY_SECONDS);
        let last = PERIOD_DAYS * DAY_SECONDS - 1;
        Instant(reported_at.saturating_sub(delay).min(last))
    }

    /// The shares in the whole period: its full weeks, and the working days that remain.
    fn period_shares(&self) -> usize {
        let weeks = (PERIOD_DAYS / 7) as usize;
        let remaining_days = PERIOD_DAYS % 7;
        let workday: u32 = WORKDAY.iter().sum();
        weeks * self.shares.len() + (remaining_days * workday) as usize
    }

    /// Appends `YYYY-MM-DD HH:MM:SS`.
    pub(super) fn write(&self, instant: Instant, out: &mut Vec<u8>) {
        let day = (instant.0 / DAY_SECONDS) as usize;
        let second = instant.0 % DAY_SECONDS;
        out.extend_from_slice(self.dates[day].as_bytes());
        for (separator, number) in [
            (b' ', second / HOUR_SECONDS),
            (b':', second / 60 % 60),
            (b':', second % 60),
        ] {
            let tens = b'0' + (number / 10) as u8;
            let ones = b'0' + (number % 10) as u8;
            out.extend_from_slice(&[separator, tens, ones]);
        }
    }
}

fn week_shares() -> Vec<Share> {
    let mut shares = Vec::new();
    for day in 0..7 {
        let profile = if day < 5 { &WORKDAY } else { &WEEKEND };
        for (hour, &weight) in (0..).zip(profile) {
            let hour_starts_at = day * DAY_SECONDS + hour * HOUR_SECONDS;
            shares.extend((0..weight).map(|share| Share {
                starts_at: hour_starts_at + share * HOUR_SECONDS / weight,
                seconds: f64::from(HOUR_SECONDS) / f64::from(weight),
            }));
        }
    }
    shares
}

fn dates() -> Vec<String> {
    let mut dates = Vec::with_capacity(PERIOD_DAYS as usize);
    for year in FIRST_YEAR.. {
        for month in 1..=12 {
            for day in 1..=days_in_month(year, month) {
                if dates.len() == PERIOD_DAYS as usize {
                    return dates;
                }
                dates.push(format!("{year:04}-{month:02}-{day:02}"));
            }
        }
    }
    dates
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn departures(rows: u64) -> Vec<Instant> {
        let calendar = Calendar::new();
        let mut draw = Draw::new(11, 0);
        (0..rows)
            .map(|row| calendar.departure(&mut draw, row, rows))
            .collect()
    }

    fn written(seconds: u32) -> String {
        let mut out = Vec::new();
        Calendar::new().write(Instant(seconds), &mut out);
        String::from_utf8(out).expect("a time is ASCII")
    }

    #[test]
    fn times_are_written_as_civil_times() {
        assert_eq!(written(0), "2018-01-01 00:00:00");
        assert_eq!(written(59 * DAY_SECONDS + 3_661), "2018-03-01 01:01:01");
        assert_eq!(written(730 * DAY_SECONDS - 1), "2019-12-31 23:59:59");
    }

    #[test]
    fn the_dates_begin_on_the_first_day_and_span_the_period() {
        let dates = dates();
        assert_eq!(dates.len(), PERIOD_DAYS as usize);
        assert_eq!(dates[0], FIRST_DAY);
    }

    #[test]
    fn rows_are_in_order_of_time_but_for_the_delay_of_their_report() {
        let times = departures(50_000);
        for pair in times.windows(2) {
            assert!(pair[1].0 + REPORT_DELAY_SECONDS > pair[0].0);
        }
        assert!(times.windows(2).any(|pair| pair[1].0 < pair[0].0));
    }

    #[test]
    fn the_whole_period_holds_trips() {
        let times = departures(10_000);
        assert!(times[0].0 < DAY_SECONDS);
        assert_eq!(times[9_999].0 / DAY_SECONDS, PERIOD_DAYS - 1);
    }

    #[test]
    fn working_days_and_rush_hours_hold_more_trips() {
        let times = departures(100_000);
        let share = |holds: &dyn Fn(&Instant) -> bool| {
            times.iter().filter(|time| holds(time)).count() as f64 / times.len() as f64
        };
        let weekend = share(&|time| time.0 / DAY_SECONDS % 7 >= 5);
        assert!((0.20..0.26).contains(&weekend), "{weekend}");
        let rush = share(&|time| matches!(time.hour(), 7 | 8 | 16..=18));
        assert!(rush > 0.35, "{rush}");
    }
}
