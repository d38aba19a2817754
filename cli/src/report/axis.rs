//! The dates that an axis of time names.

use super::day::Day;

/// Days that an axis names, and how: first days of months or years, Mondays where there are few weeks.
pub fn date_ticks(first: Day, days: f64, most: i32) -> Vec<(Day, String)> {
    let months = days / 30.44;
    let step = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600]
        .into_iter()
        .find(|step| months / f64::from(*step) <= f64::from(most));
    let step = i64::from(step.unwrap_or(1200));
    if months < 3.0 {
        let weeks = (days / 7.0 / f64::from(most)).ceil().max(1.0) as i32;
        let mondays = (0..most).map(|number| first.after(number * weeks * Day::WEEK));
        return mondays.map(|day| (day, day.to_string())).collect();
    }
    let (year, month, _) = first.date();
    let begin = (year * 12 + month - 1).div_euclid(step) * step;
    let named = |number: i64| {
        let months = begin + number * step;
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        let label = if step >= 12 {
            format!("{year}")
        } else {
            format!("{year}-{month:02}")
        };
        (Day::of(year, month, 1), label)
    };
    (0..=i64::from(most) + 1).map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(days: f64, most: i32) -> (Day, String) {
        date_ticks("2017-09-25".parse().unwrap(), days, most).swap_remove(1)
    }

    #[test]
    fn dates_are_whole_years_months_or_weeks() {
        assert_eq!(second(1300.0, 4), (Day::of(2018, 1, 1), "2018".to_owned()));
        assert_eq!(
            second(200.0, 9),
            (Day::of(2017, 10, 1), "2017-10".to_owned())
        );
        assert_eq!(second(28.0, 9).1, "2017-10-02");
    }

    #[test]
    fn dates_are_no_more_than_there_is_room_for() {
        for days in [7, 28, 90, 91, 400, 1300, 5000, 40_000] {
            let first = Day::of(2018, 1, 1);
            let within = |(day, _): &(Day, String)| (first..=first.after(days)).contains(day);
            let dates = date_ticks(first, f64::from(days), 4);
            assert!(
                (1..=5).contains(&dates.iter().filter(|date| within(date)).count()),
                "{dates:?}"
            );
        }
    }
}
