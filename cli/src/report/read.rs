//! The questions of a report, in one transaction, so that its figures agree.

use std::io::IsTerminal as _;

use tokio_postgres::{Row, Transaction};

use super::data::{
    About, DRAWN_REGIONS, Datasource, Example, Group, Groups, HOURS, Ledger, Load, Method, Period,
    Reason, Region, Rejected, Report, Week,
};
use super::day::Day;
use super::text::Text;
use super::{GroupChoice, Options, read_maps};
use crate::error::Error;

/// Up to so many trips are grouped whole by default: around representatives.
const MOST_FOR_REPRESENTATIVES: i64 = 1_000_000;

/// Up to so many trips are grouped whole by default: by cells. Of more, the last weeks are grouped.
const MOST_FOR_CELLS: i64 = 5_000_000;

/// The last weeks that are grouped then are as many as hold no more trips than these.
const MOST_OF_LAST_WEEKS: i64 = 500_000;

/// How many weeks a page can show; more come from a date that is wrong.
const MOST_WEEKS: i64 = 6_000;

/// How many groups of each region are told, loads, reasons, and rejected rows.
const GROUPS: i64 = 8;
const LOADS: i64 = 20;
const REASONS: i64 = 20;
const EXAMPLES: i64 = 20;

/// SQLSTATE of too little memory, which `trips_ext.group_memory` may bring about.
const OUT_OF_MEMORY: &str = "53200";

/// Finds out all that a report tells.
///
/// # Errors
/// The extension or the region is not there, the role may not read trips, or the server fails.
pub async fn report(transaction: &mut Transaction<'_>, options: &Options) -> Result<Report, Error> {
    let about = about(transaction).await?;
    let chosen = region(transaction, options).await?;
    let id = chosen.as_ref().map(|(id, _)| *id);
    let mut report = Report {
        about,
        region: chosen.map(|(_, name)| name),
        period: None,
        regions: Vec::new(),
        weeks: Vec::new(),
        hours: [0; HOURS],
        datasources: Vec::new(),
        maps: Vec::new(),
        groups: Groups::NotAsked,
        ledger: None,
        rejected: None,
    };
    step("weeks");
    report.period = period(transaction, id, options).await?;
    if let Some(period) = report.period {
        report.regions = regions(transaction, id, period).await?;
        read_trips(transaction, id, period, options, &mut report).await?;
    }
    step("ledger");
    (report.ledger, report.rejected) = ledger(transaction).await?;
    Ok(report)
}

/// Says on a terminal what is being looked at.
fn step(what: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("trips report: {what}");
    }
}

/// All that needs trips, where there are any.
async fn read_trips(
    transaction: &mut Transaction<'_>,
    id: Option<i16>,
    period: Period,
    options: &Options,
    report: &mut Report,
) -> Result<(), Error> {
    let drawn: Vec<i16> = report.drawn().iter().map(|region| region.id).collect();
    report.weeks = weeks(transaction, &drawn, id, period).await?;
    if report.trips() == 0 {
        return Ok(());
    }
    step("hours of the week");
    hours(transaction, id, period, report).await?;
    step("maps");
    report.maps = read_maps::maps(transaction, report.drawn(), period).await?;
    step("groups of similar trips");
    report.groups = groups(transaction, options.groups, period, report).await?;
    Ok(())
}

/// Where the report comes from. From here on names are looked for where the extension is.
async fn about(transaction: &Transaction<'_>) -> Result<About, Error> {
    let found = transaction
        .query_opt(include_str!("sql/about.sql"), &[])
        .await?;
    let Some(row) = found else {
        let database: String = transaction
            .query_one("SELECT current_database()::text", &[])
            .await?
            .try_get(0)?;
        return Err(Error::new(format!(
            "the database \"{database}\" does not have the extension trips_ext"
        ))
        .hint("Name another one with --dbname, or run CREATE EXTENSION trips_ext CASCADE in it."));
    };
    Ok(About {
        database: row.try_get(0)?,
        made_at: row.try_get(1)?,
        version: row.try_get(2)?,
    })
}

/// The region that is asked for; the server says which there are where it is none of them.
async fn region(
    transaction: &Transaction<'_>,
    options: &Options,
) -> Result<Option<(i16, Text)>, Error> {
    let Some(name) = &options.region else {
        return Ok(None);
    };
    let query = "SELECT r.id, r.name FROM trips.region r WHERE r.id = trips.region_named($1)";
    // With no row in the table the condition is not looked at.
    let known = "SELECT trips.region_named($1)";
    transaction.query_one(known, &[name]).await?;
    let row = transaction.query_one(query, &[name]).await?;
    Ok(Some((row.try_get(0)?, row.try_get(1)?)))
}

async fn period(
    transaction: &Transaction<'_>,
    id: Option<i16>,
    options: &Options,
) -> Result<Option<Period>, Error> {
    let (from, to) = (options.from.map(|day| day.0), options.to.map(|day| day.0));
    let row = transaction
        .query_one(include_str!("sql/period.sql"), &[&id, &from, &to])
        .await?;
    let ends: (Option<i32>, Option<i32>) = (row.try_get(0)?, row.try_get(1)?);
    let (Some(from), Some(to)) = ends else {
        return Ok(None);
    };
    let period = Period {
        from: Day(from),
        to: Day(to),
    };
    if period.days() > MOST_WEEKS * i64::from(Day::WEEK) {
        return Err(Error::new(format!(
            "the trips from {} to {} are too far apart for a report",
            period.from, period.to
        ))
        .hint("Some date may be wrong; choose a period with --from and --to."));
    }
    Ok(Some(period).filter(|period| period.days() > 0))
}

async fn regions(
    transaction: &Transaction<'_>,
    id: Option<i16>,
    period: Period,
) -> Result<Vec<Region>, Error> {
    let rows = transaction
        .query(
            include_str!("sql/regions.sql"),
            &[&id, &period.from.0, &period.to.0],
        )
        .await?;
    let region = |row: &Row| {
        Ok(Region {
            id: row.try_get(0)?,
            key: row.try_get(1)?,
            name: row.try_get(1)?,
            trips: row.try_get(2)?,
            weekly: row.try_get(3)?,
            days: None,
        })
    };
    rows.iter().map(region).collect()
}

async fn weeks(
    transaction: &Transaction<'_>,
    drawn: &[i16],
    id: Option<i16>,
    period: Period,
) -> Result<Vec<Week>, Error> {
    let rows = transaction
        .query(
            include_str!("sql/weeks.sql"),
            &[&drawn, &id, &period.from.0, &period.to.0],
        )
        .await?;
    let mut weeks: Vec<Week> = Vec::new();
    for row in rows {
        let monday = Day(row.try_get(0)?);
        if weeks.last().is_none_or(|week| week.monday != monday) {
            weeks.push(Week {
                monday,
                days: row.try_get(1)?,
                series: [0; DRAWN_REGIONS + 1],
            });
        }
        let place: i32 = row.try_get(2)?;
        let place = usize::try_from(place).unwrap_or_default();
        if let Some(trips) = weeks.last_mut().and_then(|week| week.series.get_mut(place)) {
            *trips = row.try_get(3)?;
        }
    }
    Ok(weeks)
}

async fn hours(
    transaction: &Transaction<'_>,
    id: Option<i16>,
    period: Period,
    report: &mut Report,
) -> Result<(), Error> {
    let rows = transaction
        .query(
            include_str!("sql/hours.sql"),
            &[&id, &period.from.0, &period.to.0],
        )
        .await?;
    for row in rows {
        let (kind, key, trips): (&str, i32, i64) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(3)?);
        let days = (Day(row.try_get(4)?), Day(row.try_get(5)?));
        match kind {
            "hour" => {
                let hour = usize::try_from(key).unwrap_or_default();
                if let Some(cell) = report.hours.get_mut(hour) {
                    *cell = trips;
                }
            }
            "region" => {
                if let Some(region) = report
                    .regions
                    .iter_mut()
                    .find(|region| i32::from(region.id) == key)
                {
                    region.days = Some(days);
                }
            }
            _ => report.datasources.push(Datasource {
                name: row.try_get(2)?,
                trips,
                days,
            }),
        }
    }
    Ok(())
}

/// The method, and of what days: where nothing is said, one that takes seconds.
fn choice(choice: GroupChoice, period: Period, report: &Report) -> Option<(Method, Period)> {
    match choice {
        GroupChoice::None => None,
        GroupChoice::Representative => Some((Method::Representative, period)),
        GroupChoice::Density => Some((Method::Density, period)),
        GroupChoice::Cell => Some((Method::Cell, period)),
        GroupChoice::Auto => Some(match report.trips() {
            trips if trips <= MOST_FOR_REPRESENTATIVES => (Method::Representative, period),
            trips if trips <= MOST_FOR_CELLS => (Method::Cell, period),
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

async fn groups(
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

/// The ledger and the rejected rows, each if it may be read.
async fn ledger(
    transaction: &Transaction<'_>,
) -> Result<(Option<Ledger>, Option<Rejected>), Error> {
    let row = transaction
        .query_one(include_str!("sql/rights.sql"), &[])
        .await?;
    let ledger = match row.try_get(0)? {
        true => Some(loads(transaction).await?),
        false => None,
    };
    let rejected = match row.try_get(1)? {
        true => Some(rejected(transaction).await?),
        false => None,
    };
    Ok((ledger, rejected))
}

async fn loads(transaction: &Transaction<'_>) -> Result<Ledger, Error> {
    let rows = transaction
        .query(include_str!("sql/ledger.sql"), &[&LOADS])
        .await?;
    let mut ledger = Ledger::default();
    for row in rows {
        ledger.count = row.try_get(0)?;
        ledger.rows = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        ledger.loads.push(Load {
            ingest: row.try_get(4)?,
            file: row.try_get(5)?,
            finished_at: row.try_get(6)?,
            rows: (row.try_get(7)?, row.try_get(8)?, row.try_get(9)?),
            bytes: row.try_get(10)?,
            seconds: row.try_get(11)?,
        });
    }
    Ok(ledger)
}

async fn rejected(transaction: &Transaction<'_>) -> Result<Rejected, Error> {
    let mut rejected = Rejected::default();
    for row in transaction
        .query(include_str!("sql/reasons.sql"), &[&REASONS])
        .await?
    {
        rejected.count = row.try_get(4)?;
        rejected.reasons.push(Reason {
            sqlstate: row.try_get(0)?,
            column: row.try_get(1)?,
            reason: row.try_get(2)?,
            rows: row.try_get(3)?,
        });
    }
    for row in transaction
        .query(include_str!("sql/rejected.sql"), &[&EXAMPLES])
        .await?
    {
        rejected.examples.push(Example {
            ingest: row.try_get(0)?,
            line: row.try_get(1)?,
            column: row.try_get(2)?,
            sqlstate: row.try_get(3)?,
            reason: row.try_get(4)?,
            raw: row.try_get(5)?,
        });
    }
    Ok(rejected)
}

#[cfg(test)]
mod tests {
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
            week(0, 900_000),
            week(7, 600_000),
            week(14, 0),
            week(21, 400_000),
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
