//! What the benchmark asks of the loaded trips before it asks about areas: emptying and filling the tables, and
//! where and when trips are.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use postgres::Client;

use super::question::{Centre, SERIES};
use crate::bench::Run;
use crate::bench::session::{execute, ingest, timed};
use crate::draw::Draw;
use crate::generate::{FIRST_DAY, Point, REGIONS};

/// Loads leave trips out of the trees: then no area can be asked about.
pub(super) const WITHOUT_TREES: &str = "SET trips_ext.area_trees = off";
/// What is so unless it is said.
pub(super) const WITH_TREES: &str = "SET trips_ext.area_trees = on";

/// Has no worker merge runs on its own: when that happens is up to the benchmark. Sessions that come after this see it.
pub(super) fn leave_merging_to_us(control: &mut Client) -> Result<(), postgres::Error> {
    control.batch_execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET trips_ext.merge_delay = -1', current_database()); END $$",
    )
}

/// Months that the generator's two years have.
const MONTHS: i32 = 24;

/// Removes all trips, so that the next load starts as the first did.
pub(super) fn empty(control: &mut Client) -> Result<(), postgres::Error> {
    execute(
        control,
        &[
            "TRUNCATE trips.trip",
            "DELETE FROM trips.ingest",
            "VACUUM",
            "CHECKPOINT",
        ],
    )
}

/// What autovacuum would do some time in the minutes after a load, and would disturb the times by.
pub(super) fn settle(control: &mut Client) -> Result<(), postgres::Error> {
    execute(control, &["VACUUM (ANALYZE)", "CHECKPOINT"])
}

/// Loads a file of so many rows into empty tables.
pub(super) fn load(
    conninfo: &str,
    control: &mut Client,
    file: &Path,
    rows: u64,
    settings: &str,
) -> Result<Run, Box<dyn Error>> {
    let run = timed(conninfo, settings, &ingest(file))?;
    let loaded = count(control, "trips.trip")?;
    if loaded != rows {
        return Err(format!("{}: {loaded} rows of {rows}", file.display()).into());
    }
    Ok(run)
}

/// The rows of a table.
pub(super) fn count(session: &mut Client, table: &str) -> Result<u64, postgres::Error> {
    let row = session.query_one(&format!("SELECT count(*) FROM {table}"), &[])?;
    row.try_get(0).map(i64::unsigned_abs)
}

/// The runs that answers come from.
pub(super) fn runs(session: &mut Client) -> Result<u64, postgres::Error> {
    count(session, "trips.area_run WHERE sign <> 0")
}

/// The origins of random trips of the only ingest, one for each question of a series.
pub(super) fn centres(
    session: &mut Client,
    rows: u64,
    draw: &mut Draw,
) -> Result<Vec<Centre>, Box<dyn Error>> {
    // Line 1 of the file is its header.
    let bound = u32::try_from(rows).unwrap_or(u32::MAX);
    let lines: Vec<i64> = (0..SERIES)
        .map(|_| 2 + i64::from(draw.below(bound)))
        .collect();
    let query = "SELECT r.name, st_x(t.origin), st_y(t.origin)
                   FROM unnest($1::bigint[]) WITH ORDINALITY AS drawn(line, place)
                   JOIN trips.trip t   ON t.id = (SELECT max(id) FROM trips.ingest) << 32 | drawn.line
                   JOIN trips.region r ON r.id = t.region_id
                  ORDER BY drawn.place";
    let rows = session.query(query, &[&lines])?;
    if rows.len() != SERIES {
        return Err(format!("{} trips found of {SERIES} drawn", rows.len()).into());
    }
    let centres = rows.iter().map(|row| {
        let name: &str = row.try_get(0)?;
        let city = REGIONS.iter().position(|region| region.name == name);
        Ok(Centre {
            city: city.ok_or_else(|| format!("unknown region {name}"))?,
            point: Point {
                lon: row.try_get(1)?,
                lat: row.try_get(2)?,
            },
        })
    });
    centres.collect()
}

/// The months of the generator's two years, in days since 2000-01-01.
pub(super) fn months(session: &mut Client) -> Result<Vec<Range<i32>>, postgres::Error> {
    let query = "SELECT (first_day + make_interval(months => month))::date - date '2000-01-01'
                   FROM CAST($1::text AS date) AS first_day, generate_series(0, $2::integer) AS month
                  ORDER BY month";
    let rows = session.query(query, &[&FIRST_DAY, &MONTHS])?;
    let starts = rows.iter().map(|row| row.try_get(0));
    let starts = starts.collect::<Result<Vec<i32>, _>>()?;
    Ok(starts.windows(2).map(|pair| pair[0]..pair[1]).collect())
}
