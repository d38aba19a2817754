//! The questions behind the maps: where the trips of each region are, then how many begin and go where.

use tokio_postgres::{Row, Transaction};

use super::data::{Flow, Map, Period, Region};
use super::frame::{Frame, wrapped};
use crate::error::Error;

/// Up to so many trips are all looked at; of more, about so many.
const MOST_TRIPS: i64 = 2_000_000;

/// About so many are looked at to choose the frames.
const FRAME_TRIPS: i64 = 200_000;

/// Fewer ends than these in a sample say too little about where a region is.
const LEAST_ENDS: i64 = 400;

/// Cells along the longer side of a map.
const CELLS: i32 = 48;

/// Ways that are looked for in each region.
const FLOWS: i64 = 30;

/// Per cent of the table that hold about `wanted` trips; a hundred where there are no more.
fn per_cent(all: i64, wanted: i64) -> f32 {
    if all <= wanted {
        return 100.0;
    }
    (wanted as f64 * 100.0 / all as f64) as f32
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
    let part = per_cent(trips, MOST_TRIPS);
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
            include_str!("sql/frames.sql"),
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

/// The frame that a row of percentiles asks for: longitudes as they are, or counted eastwards all around, whichever
/// lie closer together.
fn frame(row: &Row) -> Result<Frame, Error> {
    let bounds = |column: usize| -> Result<(f64, f64), Error> {
        let bounds: Vec<f64> = row.try_get(column)?;
        match bounds[..] {
            [least, most] => Ok((least, most)),
            _ => Err(Error::new("the server gave no bounds of a region")),
        }
    };
    let (plain, eastward, latitudes) = (bounds(2)?, bounds(3)?, bounds(4)?);
    let nearer = |a: (f64, f64), b: (f64, f64)| if b.1 - b.0 < a.1 - a.0 { b } else { a };
    let (west, east) = nearer(plain, eastward);
    Ok(Frame::around(
        wrapped(west),
        latitudes.0,
        east - west,
        latitudes.1 - latitudes.0,
    ))
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
            include_str!("sql/cells.sql"),
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
