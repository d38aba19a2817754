//! Questions to the area trees and their upkeep; `sql/area.sql` declares these functions and documents them.

use std::time::Instant;

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::area::digest::digest;
use trips_core::ingest::parse::point::Point;

use super::given;
use crate::area::ask::{self, Asked, Matching, Weeks};
use crate::area::{change, check, compact};
use crate::postgres::{exit, own_statement, session};
use crate::{error, ingest};

/// What SQL gives for an area, a period and a region.
struct Arguments<'a> {
    matching: Option<&'a str>,
    bounds: Option<Vec<f64>>,
    polygons: Option<&'a [u8]>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    region: Option<i16>,
}

impl Arguments<'_> {
    fn asked(self, by_week: bool) -> Result<Asked, Error> {
        Ok(Asked {
            area: ask::area(self.bounds.as_deref(), self.polygons)?,
            matching: Matching::new(given("matching", self.matching)?)?,
            days: days(self.from_date, self.to_date)?,
            region: self.region,
            by_week,
        })
    }
}

fn days(from: Option<Date>, to: Option<Date>) -> Result<std::ops::Range<i32>, Error> {
    let from = given("from_date", from)?.to_pg_epoch_days();
    Ok(from..given("to_date", to)?.to_pg_epoch_days())
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn area_trips(
    matching: Option<&str>,
    bounds: Option<Vec<f64>>,
    polygons: Option<&[u8]>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    region_id: Option<i16>,
    by_week: bool,
) -> TableIterator<'static, (name!(week, Option<Date>), name!(trips, i64))> {
    let arguments = Arguments {
        matching,
        bounds,
        polygons,
        from_date,
        to_date,
        region: region_id,
    };
    let answer = ask::require_answer()
        .and_then(|()| arguments.asked(by_week))
        .and_then(|asked| ask::weeks(&asked));
    rows(answer)
}

#[pg_extern(sql = false)]
fn region_trips(
    region_id: Option<i16>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    by_week: bool,
) -> TableIterator<'static, (name!(week, Option<Date>), name!(trips, i64))> {
    let answer = ask::require_answer()
        .and_then(|()| days(from_date, to_date))
        .and_then(|days| ask::region_weeks(region_id, days, by_week));
    rows(answer)
}

fn rows(
    answer: Result<Weeks, Error>,
) -> TableIterator<'static, (name!(week, Option<Date>), name!(trips, i64))> {
    let weeks = answer.unwrap_or_else(|error| error::raise(&error));
    TableIterator::new(
        weeks
            .into_iter()
            .map(move |(week, trips)| (week.map(date), trips)),
    )
}

/// A day of the trees, which has come from the server and so is one that it knows.
fn date(day: i32) -> Date {
    Date::saturating_from_raw(day)
}

#[pg_extern(sql = false)]
fn trees_answer() -> bool {
    ask::may_answer()
}

#[pg_extern(sql = false)]
fn known_days(
    region_id: Option<i16>,
) -> TableIterator<
    'static,
    (
        name!(first_day, Option<Date>),
        name!(last_day, Option<Date>),
    ),
> {
    let known = ask::require_answer().and_then(|()| ask::known_days(region_id));
    let known = known.unwrap_or_else(|error| error::raise(&error));
    let (first, last) = known.unzip();
    TableIterator::once((first.map(date), last.map(date)))
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn area_plan(
    matching: Option<&str>,
    bounds: Option<Vec<f64>>,
    polygons: Option<&[u8]>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    region_id: Option<i16>,
) -> TableIterator<
    'static,
    (
        name!(tree, &'static str),
        name!(runs, i64),
        name!(nodes_opened, i64),
        name!(leaves_read, i64),
        name!(points_tested, i64),
        name!(points_fetched, i64),
        name!(trips, i64),
    ),
> {
    let arguments = Arguments {
        matching,
        bounds,
        polygons,
        from_date,
        to_date,
        region: region_id,
    };
    let steps = ask::require_answer()
        .and_then(|()| arguments.asked(false))
        .and_then(|asked| ask::plan(&asked));
    let steps = steps.unwrap_or_else(|error| error::raise(&error));
    TableIterator::new(steps.into_iter().map(|step| {
        (
            step.tree,
            step.effort.runs as i64,
            step.effort.nodes_opened as i64,
            step.effort.leaves_read as i64,
            step.effort.points_tested as i64,
            step.effort.points_fetched as i64,
            step.trips,
        )
    }))
}

#[pg_extern(sql = false)]
fn index_trips(rows: &str, sign: i16) -> i64 {
    exit::before_exit(ingest::session_ends);
    change::index(rows, sign).unwrap_or_else(|error| error::raise(&error))
}

#[pg_extern(sql = false)]
fn release_runs(ingests: Vec<i64>) {
    change::release(&ingests).unwrap_or_else(|error| error::raise(&error));
}

#[pg_extern(sql = false)]
fn drop_runs(ingest: i64, trips: i64) -> bool {
    change::drop_runs(ingest, trips).unwrap_or_else(|error| error::raise(&error))
}

#[pg_extern(sql = false)]
fn forget_trips(ingest: i64) -> i64 {
    exit::before_exit(ingest::session_ends);
    change::forget(ingest).unwrap_or_else(|error| error::raise(&error))
}

#[pg_extern(sql = false)]
fn own_statement() -> bool {
    own_statement::runs()
}

#[pg_extern(sql = false)]
fn drop_all_runs() {
    change::drop_all().unwrap_or_else(|error| error::raise(&error));
}

#[pg_extern(sql = false)]
fn trips_compact() -> TableIterator<
    'static,
    (
        name!(runs_before, i64),
        name!(runs_after, i64),
        name!(trips, i64),
        name!(elapsed, Interval),
    ),
> {
    let since = Instant::now();
    session::require_write_access(c"trips_compact()");
    exit::before_exit(ingest::session_ends);
    let summary = compact::all().unwrap_or_else(|error| error::raise(&error));
    TableIterator::once((
        summary.before as i64,
        summary.after as i64,
        summary.trips,
        Interval::from_micros(since.elapsed().as_micros() as i64),
    ))
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn area_contents(
    tree: &str,
) -> TableIterator<
    'static,
    (
        name!(region_id, i16),
        name!(day, Date),
        name!(trips, i64),
        name!(digest, i64),
    ),
> {
    let contents = ask::require_answer().and_then(|()| check::contents(tree));
    let contents = contents.unwrap_or_else(|error| error::raise(&error));
    TableIterator::new(
        contents
            .into_iter()
            .map(|((region, day), sum)| (region, date(day), sum.trips, sum.digest)),
    )
}

#[pg_extern(sql = false)]
fn trip_digest(lon: f64, lat: f64) -> i64 {
    i64::from(digest(Point { lon, lat }))
}
