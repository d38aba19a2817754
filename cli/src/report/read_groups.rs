//! The question for groups of similar trips, by a method that suits how many there are.

use tokio_postgres::{Row, Transaction};

use super::GroupChoice;
use super::data::{Group, Groups, Method, Period, Report, Week};
use super::day::Day;
use super::text::Text;
use crate::error::Error;

/// Up to so many trips are grouped whole by default. Of more, the last weeks are grouped.
const MOST_TRIPS: i64 = 1_000_000;

/// The last weeks that are grouped then are as many as hold no more trips than these.
const MOST_OF_LAST_WEEKS: i64 = 500_000;

/// How many groups of each region are told.
const GROUPS: i64 = 8;

/// SQLSTATE of too little memory, which `trips_ext.group_memory` may bring about.
const OUT_OF_MEMORY: &str = "53200";

/// The method, and of what days: where nothing is said, one that takes seconds.
fn choice(choice: GroupChoice, period: Period, report: &Report) -> Option<(Method, Period)> {
    match choice {
        GroupChoice::None => None,
        GroupChoice::Representative => Some((Method::Representative, period)),
        GroupChoice::Density => Some((Method::Density, period)),
        GroupChoice::Cell => Some((Method::Cell, period)),
        GroupChoice::Auto => Some(match report.trips() {
            trips if trips <= MOST_TRIPS => (Method::Representative, period),
            _ => (Method::Representative, latest(&report.weeks, period)),
        }),
    }
}

/// The last weeks of a period that do not hold too many trips, one at least. Weeks without trips at its end count.
fn latest(weeks: &[Week], period: Period) -> Period {
    let mut trips = 0;
    let mut from = period.to.after(-Day::WEEK);
    for week in weeks.iter().rev() {
        trips += week.trips();
        let fits = trips <= MOST_OF_LAST_WEEKS;
        if !fits && trips > week.trips() {
            break;
        }
        from = week.monday;
        if !fits {
            break;
        }
    }
    Period {
        from: from.max(period.from),
        to: period.to,
    }
}

/// Groups of similar trips of each region that is drawn.
///
/// # Errors
/// The server fails, but for too little memory: that is told.
pub async fn groups(
    transaction: &mut Transaction<'_>,
    chosen: GroupChoice,
    period: Period,
    report: &Report,
) -> Result<Groups, Error> {
    let Some((method, of)) = choice(chosen, period, report) else {
        return Ok(Groups::NotAsked);
    };
    let mut regions = Vec::new();
    for region in report.drawn() {
        // What fails in it does not end the transaction.
        let attempt = transaction.savepoint("groups").await?;
        let rows = attempt
            .query(
                include_str!("sql/groups.sql"),
                &[&region.key, &of.from.0, &of.to.0, &method.name(), &GROUPS],
            )
            .await;
        match rows {
            Ok(rows) => regions.push(rows.iter().map(group).collect::<Result<_, _>>()?),
            Err(error)
                if error
                    .code()
                    .is_some_and(|code| code.code() == OUT_OF_MEMORY) =>
            {
                attempt.rollback().await?;
                let said = error.as_db_error().map(|told| Text::new(told.message()));
                return Ok(Groups::TooLarge(method, said.unwrap_or_default()));
            }
            Err(error) => return Err(error.into()),
        }
        attempt.commit().await?;
    }
    Ok(Groups::Made {
        method,
        period: of,
        latest_only: of != period,
        regions,
    })
}

fn group(row: &Row) -> Result<Group, Error> {
    Ok(Group {
        trips: row.try_get(0)?,
        origin: (row.try_get(1)?, row.try_get(2)?),
        destination: (row.try_get(3)?, row.try_get(4)?),
        km: row.try_get(5)?,
        time_of_day: row.try_get(6)?,
        spread: row.try_get(7)?,
        days: (Day(row.try_get(8)?), Day(row.try_get(9)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::data::DRAWN_REGIONS;
    use super::*;

    fn week(monday: i32, trips: i64) -> Week {
        let mut series = [0; DRAWN_REGIONS + 1];
        series[1] = trips;
        Week {
            monday: Day(monday),
            days: 7,
            series,
        }
    }

    #[test]
    fn the_last_weeks_are_as_many_as_can_be_grouped() {
        let weeks = [
            week(0, 450_000),
            week(7, 300_000),
            week(14, 0),
            week(21, 200_000),
        ];
        let period = Period {
            from: Day(0),
            to: Day(28),
        };
        assert_eq!(
            latest(&weeks, period),
            Period {
                from: Day(7),
                to: Day(28)
            }
        );
    }

    #[test]
    fn one_week_is_grouped_however_many_trips_it_has() {
        let weeks = [week(0, 1), week(7, 9_000_000), week(14, 0)];
        let period = Period {
            from: Day(2),
            to: Day(21),
        };
        assert_eq!(
            latest(&weeks, period),
            Period {
                from: Day(7),
                to: Day(21)
            }
        );
    }

    #[test]
    fn a_period_that_begins_within_a_week_stays() {
        let period = Period {
            from: Day(2),
            to: Day(6),
        };
        assert_eq!(latest(&[week(0, 5)], period), period);
    }
}
