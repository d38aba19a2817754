//! The questions of a report, in one transaction, so that its figures agree.

use std::io::IsTerminal as _;

use tokio_postgres::{Row, Transaction};

use super::data::{About, DRAWN_REGIONS, Datasource, Groups, HOURS, Period, Region, Report, Week};
use super::day::Day;
use super::text::Text;
use super::{Options, read_groups, read_ledger, read_maps};
use crate::error::Error;

/// How many weeks a page can show; more come from a date that is wrong.
const MOST_WEEKS: i64 = 6_000;

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
        restricted: options.from.is_some() || options.to.is_some(),
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
    (report.ledger, report.rejected) = read_ledger::ledger(transaction).await?;
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
    report.groups = read_groups::groups(transaction, options.groups, period, report).await?;
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
