//! Groups of similar trips; `sql/groups.sql` declares these functions and documents them.

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::similar::{Group, Limits};

use super::given;
use crate::area::ask;
use crate::error;
use crate::ingest;
use crate::postgres::exit;
use crate::similar::{self, Asked, Method};

/// What SQL gives: checked there.
struct Arguments<'a> {
    method: Option<&'a str>,
    origin_distance: Option<f64>,
    destination_distance: Option<f64>,
    time_difference: Option<i64>,
    min_trips: Option<i64>,
    region: Option<i16>,
    polygons: Option<&'a [u8]>,
    from_date: Option<Date>,
    to_date: Option<Date>,
}

impl Arguments<'_> {
    fn asked(self) -> Result<Asked, Error> {
        exit::before_exit(ingest::session_ends);
        let from = given("from_date", self.from_date)?.to_pg_epoch_days();
        let to = given("to_date", self.to_date)?.to_pg_epoch_days();
        Ok(Asked {
            method: Method::new(given("method", self.method)?)?,
            limits: Limits {
                origin_distance: given("origin_distance", self.origin_distance)?,
                destination_distance: given("destination_distance", self.destination_distance)?,
                time_difference: given("time_difference", self.time_difference)?.max(1),
            },
            min_trips: given("min_trips", self.min_trips)?.max(1) as u64,
            region: self.region,
            area: match self.polygons {
                Some(polygons) => Some(ask::area(None, Some(polygons))?),
                None => None,
            },
            days: from..to,
            ingests: None,
        })
    }
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn similar_groups(
    method: Option<&str>,
    origin_distance: Option<f64>,
    destination_distance: Option<f64>,
    time_difference: Option<i64>,
    min_trips: Option<i64>,
    region_id: Option<i16>,
    area: Option<&[u8]>,
    from_date: Option<Date>,
    to_date: Option<Date>,
) -> TableIterator<
    'static,
    (
        name!(group_id, i64),
        name!(trips, i64),
        name!(origin_lon, f64),
        name!(origin_lat, f64),
        name!(destination_lon, f64),
        name!(destination_lat, f64),
        name!(origin_radius, f64),
        name!(destination_radius, f64),
        name!(time_of_day, i64),
        name!(time_spread, i64),
        name!(first_departure, i64),
        name!(last_departure, i64),
    ),
> {
    let arguments = Arguments {
        method,
        origin_distance,
        destination_distance,
        time_difference,
        min_trips,
        region: region_id,
        polygons: area,
        from_date,
        to_date,
    };
    let groups = arguments.asked().and_then(|asked| similar::groups(&asked));
    let groups = groups.unwrap_or_else(|error| error::raise(&error));
    TableIterator::new((1..).zip(groups).map(|(number, group): (i64, Group)| {
        (
            number,
            group.trips as i64,
            group.origin.lon,
            group.origin.lat,
            group.destination.lon,
            group.destination.lat,
            group.origin_radius,
            group.destination_radius,
            group.time_of_day,
            group.time_spread,
            group.first_departure,
            group.last_departure,
        )
    }))
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn similar_members(
    method: Option<&str>,
    origin_distance: Option<f64>,
    destination_distance: Option<f64>,
    time_difference: Option<i64>,
    min_trips: Option<i64>,
    region_id: Option<i16>,
    area: Option<&[u8]>,
    from_date: Option<Date>,
    to_date: Option<Date>,
) -> TableIterator<'static, (name!(group_id, i64), name!(trip_id, i64))> {
    let arguments = Arguments {
        method,
        origin_distance,
        destination_distance,
        time_difference,
        min_trips,
        region: region_id,
        polygons: area,
        from_date,
        to_date,
    };
    let members = arguments.asked().and_then(|asked| similar::members(&asked));
    TableIterator::new(members.unwrap_or_else(|error| error::raise(&error)))
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
fn similar_refresh(
    kept: &str,
    origin_distance: Option<f64>,
    destination_distance: Option<f64>,
    time_difference: Option<i64>,
    region_id: Option<i16>,
    area: Option<&[u8]>,
    from_date: Option<Date>,
    to_date: Option<Date>,
    ingests: Option<Vec<i64>>,
) -> TableIterator<
    'static,
    (
        name!(group_id, i64),
        name!(trips, i64),
        name!(origin_lon, f64),
        name!(origin_lat, f64),
        name!(destination_lon, f64),
        name!(destination_lat, f64),
        name!(origin_radius, f64),
        name!(destination_radius, f64),
        name!(time_of_day, i64),
        name!(time_spread, i64),
        name!(first_departure, i64),
        name!(last_departure, i64),
        name!(state, Vec<u8>),
    ),
> {
    let arguments = Arguments {
        method: Some("representative"),
        origin_distance,
        destination_distance,
        time_difference,
        min_trips: Some(1),
        region: region_id,
        polygons: area,
        from_date,
        to_date,
    };
    let refreshed = arguments
        .asked()
        .and_then(|asked| similar::refresh(&Asked { ingests, ..asked }, kept))
        .unwrap_or_else(|error| error::raise(&error));
    TableIterator::new(refreshed.groups().map(|(number, group, state)| {
        (
            number,
            group.trips as i64,
            group.origin.lon,
            group.origin.lat,
            group.destination.lon,
            group.destination.lat,
            group.origin_radius,
            group.destination_radius,
            group.time_of_day,
            group.time_spread,
            group.first_departure,
            group.last_departure,
            state,
        )
    }))
}
