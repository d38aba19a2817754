//! The questions behind the maps: where the trips of each region are, then how many begin and go where.

use tokio_postgres::{Row, Transaction};

use super::data::{Flow, Map, Period, Region};
use super::frame::{Frame, wrapped};
use crate::error::Error;

/// Up to so many trips are all looked at.
const MOST_TRIPS: i64 = 1_000_000;

/// Of more trips about so many are looked at.
const SAMPLE_TRIPS: i64 = 500_000;

/// What these queries need: more memory than the default, and no compiler, which takes longer than they do.
const SETTINGS: &str = "SET LOCAL jit = off; SET LOCAL work_mem = '64MB'";

/// About so many are looked at to choose the frames.
const FRAME_TRIPS: i64 = 200_000;

/// Fewer ends than these in a sample say too little about where a region is.
const LEAST_ENDS: i64 = 400;

/// A map is mostly empty where a frame so many times smaller holds nine of ten trips.
const MOSTLY_EMPTY: f64 = 4.0;

/// Cells along the longer side of a map.
const CELLS: i32 = 60;

/// Ways that are looked for in each region.
const FLOWS: i64 = 30;

/// Per cent of the table that hold about `wanted` trips; a hundred where there are no more.
fn per_cent(all: i64, wanted: i64) -> f32 {
    if all <= wanted {
        return 100.0;
    }
    (wanted as f64 * 100.0 / all as f64) as f32
}

/// How the queries take a sample.
const SAMPLE: &str = "TABLESAMPLE SYSTEM ($4::float4) REPEATABLE (1)";

/// A query that looks at a part of the table. Where that is all, indexes and parallel workers can help.
fn sampling(query: &str, part: f32) -> String {
    match part {
        part if part < 100.0 => query.to_owned(),
        _ => query
            .replace(SAMPLE, "")
            .replace("$4 > 0", "$4::float4 > 0"),
    }
}

/// The maps of regions, in their order.
///
/// # Errors
/// The server fails.
pub async fn maps(
    transaction: &Transaction<'_>,
    regions: &[Region],
    period: Period,
) -> Result<Vec<Map>, Error> {
    transaction.batch_execute(SETTINGS).await?;
    let trips: i64 = regions.iter().map(|region| region.trips).sum();
    // So much of the table holds so much of any part of it, more or less.
    let frame_part = per_cent(trips, FRAME_TRIPS);
    let ids: Vec<i16> = regions.iter().map(|region| region.id).collect();
    let mut frames = frames(transaction, &ids, period, frame_part).await?;
    let known: Vec<i16> = frames.iter().map(|(id, _)| *id).collect();
    let unknown: Vec<i16> = ids
        .iter()
        .copied()
        .filter(|id| !known.contains(id))
        .collect();
    if !unknown.is_empty() {
        frames.extend(self::frames(transaction, &unknown, period, 100.0).await?);
    }
    let part = match trips {
        trips if trips <= MOST_TRIPS => 100.0,
        trips => per_cent(trips, SAMPLE_TRIPS),
    };
    let mut maps: Vec<Map> = Vec::new();
    for (place, region) in regions.iter().enumerate() {
        if let Some((_, frame)) = frames.iter().find(|(id, _)| *id == region.id) {
            maps.push(empty(place, *frame, (part < 100.0).then_some(region.trips)));
        }
    }
    fill(transaction, &ids, period, part, &mut maps).await?;
    Ok(maps)
}

fn empty(place: usize, frame: Frame, region_trips: Option<i64>) -> Map {
    Map {
        place,
        frame,
        grid: frame.grid(CELLS),
        looked_at: 0,
        begin: 0,
        end: 0,
        stay: 0,
        cells: Vec::new(),
        flows: Vec::new(),
        region_trips,
    }
}

async fn frames(
    transaction: &Transaction<'_>,
    ids: &[i16],
    period: Period,
    part: f32,
) -> Result<Vec<(i16, Frame)>, Error> {
    let rows = transaction
        .query(
            &sampling(include_str!("sql/frames.sql"), part),
            &[&ids, &period.from.0, &period.to.0, &part],
        )
        .await?;
    let mut frames = Vec::new();
    for row in rows {
        let ends: i64 = row.try_get(1)?;
        if part >= 100.0 || ends >= LEAST_ENDS {
            frames.push((row.try_get(0)?, frame(&row)?));
        }
    }
    Ok(frames)
}

/// The frame that a row of percentiles asks for: what holds all but the outermost hundredths or, where a few trips far
/// away would make the map mostly empty, all but the outermost twentieths.
fn frame(row: &Row) -> Result<Frame, Error> {
    let bounds = |column: usize| -> Result<[f64; 4], Error> {
        let bounds: Vec<f64> = row.try_get(column)?;
        bounds
            .try_into()
            .map_err(|_| Error::new("the server gave no bounds of a region"))
    };
    let (plain, eastward, latitudes) = (bounds(2)?, bounds(3)?, bounds(4)?);
    let [south, inner_south, inner_north, north] = latitudes;
    let [west, inner_west, inner_east, east] = nearer(plain, eastward);
    let whole = Frame::around(wrapped(west), south, east - west, north - south);
    let inner = Frame::around(
        wrapped(inner_west),
        inner_south,
        inner_east - inner_west,
        inner_north - inner_south,
    );
    Ok(if inner.area() * MOSTLY_EMPTY < whole.area() {
        inner
    } else {
        whole
    })
}

/// Longitudes as they are, or counted eastwards all around, whichever lie closer together.
fn nearer(plain: [f64; 4], eastward: [f64; 4]) -> [f64; 4] {
    let extent = |[west, .., east]: [f64; 4]| east - west;
    if extent(eastward) < extent(plain) {
        eastward
    } else {
        plain
    }
}

async fn fill(
    transaction: &Transaction<'_>,
    ids: &[i16],
    period: Period,
    part: f32,
    maps: &mut [Map],
) -> Result<(), Error> {
    let ids: Vec<i16> = maps
        .iter()
        .filter_map(|map| ids.get(map.place).copied())
        .collect();
    let of = |value: fn(&Frame) -> f64| -> Vec<f64> {
        maps.iter().map(|map| value(&map.frame)).collect()
    };
    let (west, south) = (of(|frame| frame.west), of(|frame| frame.south));
    let (width, height) = (of(|frame| frame.width), of(|frame| frame.height));
    let (columns, rows): (Vec<i32>, Vec<i32>) = maps.iter().map(|map| map.grid).unzip();
    let found = transaction
        .query(
            &sampling(include_str!("sql/cells.sql"), part),
            &[
                &ids,
                &period.from.0,
                &period.to.0,
                &part,
                &west,
                &south,
                &width,
                &height,
                &columns,
                &rows,
                &FLOWS,
            ],
        )
        .await?;
    for row in found {
        let place: i32 = row.try_get(1)?;
        let place = usize::try_from(place - 1).unwrap_or(usize::MAX);
        if let Some(map) = maps.get_mut(place) {
            put(&row, map)?;
        }
    }
    Ok(())
}

/// Puts what a row tells into its map.
fn put(row: &Row, map: &mut Map) -> Result<(), Error> {
    let (kind, trips): (&str, i64) = (row.try_get(0)?, row.try_get(2)?);
    let (a, b): (f64, f64) = (row.try_get(3)?, row.try_get(4)?);
    match kind {
        "total" => {
            let stay: f64 = row.try_get(5)?;
            map.looked_at = trips;
            (map.begin, map.end, map.stay) = (a as i64, b as i64, stay as i64);
        }
        "cell" => map.cells.push((a as i32, b as i32, trips)),
        _ => map.flows.push(Flow {
            trips,
            from: (a, b),
            to: (row.try_get(5)?, row.try_get(6)?),
        }),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_across_the_antimeridian_is_one_place() {
        let plain = [-179.9, -179.8, 179.8, 179.9];
        let eastward = [179.7, 179.8, 180.2, 180.3];
        assert_eq!(nearer(plain, eastward), eastward);
        assert_eq!(
            nearer([-1.0, -0.5, 0.5, 1.0], [0.0, 0.5, 359.5, 360.0]),
            [-1.0, -0.5, 0.5, 1.0]
        );
    }

    #[test]
    fn all_trips_are_looked_at_without_a_sample() {
        for query in [
            include_str!("sql/frames.sql"),
            include_str!("sql/cells.sql"),
        ] {
            assert!(sampling(query, 5.0).contains(SAMPLE));
            assert!(!sampling(query, 100.0).contains("TABLESAMPLE"));
        }
    }

    #[test]
    fn so_much_of_a_table_is_looked_at_as_holds_what_is_wanted() {
        assert_eq!(per_cent(500, 1000), 100.0);
        assert_eq!(per_cent(20_000_000, 1_000_000), 5.0);
    }
}
