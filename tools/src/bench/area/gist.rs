//! The usual way: a GiST index on the origins, and `count(*)` with `ST_Intersects`.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use postgres::Client;

use super::answers::City;
use super::checks::Checks;
use super::trips::settle;
use crate::bench::figures::{mebibytes, median, milliseconds, seconds, thousands, times_as_long};

/// Counts that are timed for each city, after one that is not.
const REPEATS: usize = 3;

/// A city, counted both ways.
#[derive(Debug)]
struct Counted {
    name: &'static str,
    trips: u64,
    /// Median of the counts with the index.
    index: Duration,
    /// Medians of `trips_weekly_average` at each moment.
    trees: Vec<Duration>,
}

/// What the index costs and gives; [`fmt::Display`] writes the section.
#[derive(Debug)]
pub(super) struct Gist {
    built: Duration,
    bytes: u64,
    plan: String,
    cities: Vec<Counted>,
}

impl Gist {
    /// Builds the index, counts the cities by it, and drops it.
    pub(super) fn measure(
        control: &mut Client,
        cities: Vec<City>,
        checks: &mut Checks,
    ) -> Result<Self, Box<dyn Error>> {
        let start = Instant::now();
        control.batch_execute("CREATE INDEX bench_origin ON trips.trip USING gist (origin)")?;
        let built = start.elapsed();
        settle(control)?;
        let size = "SELECT pg_relation_size('trips.bench_origin')";
        let bytes = control.query_one(size, &[])?.try_get(0)?;
        let mut gist = Self {
            built,
            bytes: i64::unsigned_abs(bytes),
            plan: String::new(),
            cities: Vec::new(),
        };
        for city in cities {
            if gist.plan.is_empty() {
                gist.plan = plan(control, &city)?;
            }
            gist.cities.push(counted(control, city, checks)?);
        }
        control.batch_execute("DROP INDEX trips.bench_origin")?;
        Ok(gist)
    }

    /// The least that the trees are faster by, of all cities, at each moment.
    pub(super) fn least_ratios(&self) -> Vec<f64> {
        let moments = self.cities.first().map_or(0, |city| city.trees.len());
        let least = |moment: usize| {
            let ratios = self.cities.iter().filter_map(|city| city.ratio(moment));
            ratios.fold(f64::INFINITY, f64::min)
        };
        (0..moments).map(least).collect()
    }
}

impl Counted {
    fn ratio(&self, moment: usize) -> Option<f64> {
        let trees = *self.trees.get(moment)?;
        Some(times_as_long(self.index, trees))
    }
}

fn counted(
    control: &mut Client,
    city: City,
    checks: &mut Checks,
) -> Result<Counted, Box<dyn Error>> {
    let query = count_query(&city);
    let mut times = Vec::new();
    for repeat in 0..=REPEATS {
        let start = Instant::now();
        let trips: i64 = control.query_one(&query, &[])?.try_get(0)?;
        if repeat > 0 {
            times.push(start.elapsed());
        }
        checks.same(city.region.name, city.trips, trips.unsigned_abs());
    }
    let weeks = format!(
        "SELECT coalesce(sum(trips), 0)::bigint FROM trips_weekly_trips({})",
        city.bounds.arguments()
    );
    let trips: i64 = control.query_one(&weeks, &[])?.try_get(0)?;
    checks.same(city.region.name, city.trips, trips.unsigned_abs());
    Ok(Counted {
        name: city.region.name,
        trips: city.trips,
        index: median(&times),
        trees: city.times,
    })
}

fn count_query(city: &City) -> String {
    format!(
        "SELECT count(*) FROM trips.trip WHERE st_intersects(origin, st_makeenvelope({}, 4326))",
        city.bounds.arguments()
    )
}

/// The nodes of the server's plan, from the top.
fn plan(control: &mut Client, city: &City) -> Result<String, Box<dyn Error>> {
    let explain = format!("EXPLAIN (FORMAT JSON) {}", count_query(city));
    let rows = super::table::text(control, &explain)?;
    let plan: serde_json::Value = serde_json::from_str(&rows)?;
    let mut nodes = Vec::new();
    let mut next = plan.pointer("/0/Plan");
    while let Some(node) = next {
        nodes.extend(node.get("Node Type").and_then(|name| name.as_str()));
        next = node.pointer("/Plans/0");
    }
    Ok(nodes.join(", "))
}

impl fmt::Display for Gist {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "## GiST and ST_Intersects\n\n`CREATE INDEX ON trips.trip USING gist (origin)` took {}, the index is {}. \
             `count(*)` of the trips whose origin meets a city's box, median of {REPEATS} after one that is not \
             counted, timed by the client; `trips_weekly_average` of the same box, timed inside the server. The \
             server's plan: {}.\n",
            seconds(self.built),
            mebibytes(self.bytes),
            self.plan
        )?;
        writeln!(
            out,
            "| city | trips | `count(*)` | trees | times as fast | trees, compacted | times as fast |\n\
             |---|---:|---:|---:|---:|---:|---:|"
        )?;
        for city in &self.cities {
            let (trips, index) = (thousands(city.trips), milliseconds(city.index));
            write!(out, "| {} | {trips} | {index} |", city.name)?;
            for (moment, &trees) in city.trees.iter().enumerate() {
                let ratio = city.ratio(moment).unwrap_or_default();
                write!(out, " {} | {ratio:.1} |", milliseconds(trees))?;
            }
            writeln!(out)?;
        }
        writeln!(out)
    }
}
