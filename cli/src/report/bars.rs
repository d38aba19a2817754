//! Bars of a chart of weeks: one for each, or for some in a row where there are many.

use super::data::{DRAWN_REGIONS, Week};
use super::day::Day;

/// More bars than these are too thin to be seen: weeks are drawn some at a time.
const MOST_BARS: usize = 420;

/// One bar: a week, or some in a row.
#[derive(Debug, Clone)]
pub struct Bar {
    /// The first Monday.
    pub monday: Day,
    /// Trips a week.
    pub series: [f64; DRAWN_REGIONS + 1],
    /// Whether the period holds only a part of it.
    pub cut: bool,
    /// Days in the period.
    pub days: i32,
}

impl Bar {
    /// Trips a week of all regions.
    pub fn trips(&self) -> f64 {
        self.series.iter().sum()
    }
}

/// The bars of weeks, in their order.
pub fn bars(weeks: &[Week]) -> Vec<Bar> {
    let size = weeks.len().div_ceil(MOST_BARS).max(1);
    weeks
        .chunks(size)
        .filter_map(|weeks| bar(weeks, size))
        .collect()
}

fn bar(weeks: &[Week], size: usize) -> Option<Bar> {
    let first = weeks.first()?;
    let days: i32 = weeks.iter().map(|week| week.days).sum();
    let mut series = [0.0; DRAWN_REGIONS + 1];
    for week in weeks {
        for (sum, trips) in series.iter_mut().zip(week.series) {
            *sum += trips as f64;
        }
    }
    if size > 1 {
        series = series.map(|trips| trips * f64::from(Day::WEEK) / f64::from(days.max(1)));
    }
    Some(Bar {
        monday: first.monday,
        series,
        cut: size == 1 && days < Day::WEEK,
        days,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week(number: i32, trips: i64, days: i32) -> Week {
        let mut series = [0; DRAWN_REGIONS + 1];
        series[1] = trips;
        Week {
            monday: Day(2 + number * 7),
            days,
            series,
        }
    }

    #[test]
    fn every_week_has_a_place_even_without_trips() {
        let weeks = [week(0, 3, 7), week(1, 0, 7), week(2, 5, 2)];
        let bars = bars(&weeks);
        assert_eq!(
            bars.iter().map(Bar::trips).collect::<Vec<_>>(),
            [3.0, 0.0, 5.0]
        );
        assert_eq!(
            bars.iter().map(|bar| bar.cut).collect::<Vec<_>>(),
            [false, false, true]
        );
    }

    #[test]
    fn many_weeks_are_drawn_as_weekly_averages_of_some() {
        let weeks: Vec<Week> = (0..1000)
            .map(|number| week(number, 10 * i64::from(number % 3), 7))
            .collect();
        let bars = bars(&weeks);
        assert_eq!(bars.len(), 334);
        assert!(
            bars.iter()
                .take(333)
                .all(|bar| (bar.trips() - 10.0).abs() < 1e-9)
        );
    }
}
