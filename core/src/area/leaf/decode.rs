//! From the columns of a leaf to its trips.

use super::packed::BATCH;
use super::{Exact, LeafRow, Others, Points, Regions};
use crate::area::{Corrupt, End, Entry};
use crate::ingest::parse::point::Point;

/// Appends the trips of a leaf to `out`, in the order of their days: those that [`encode`](super::encode()) was
/// given, with 0 for -0.
///
/// # Errors
/// The columns are none that `encode` gives for a tree of `end`; then nothing is appended.
pub fn decode(row: &dyn LeafRow, end: End, out: &mut Vec<Entry>) -> Result<(), Corrupt> {
    let points = Points::parse(row.points())?;
    let is_cut = points.x().shift() + points.y().shift() > 0;
    let exact = is_cut.then(|| row.exact()).flatten();
    let exact = match &exact {
        Some(bytes) => Exact::parse(&points, bytes)?,
        None => Exact::none(&points)?,
    };
    let other = match end {
        End::Origin => Some(row.other().ok_or(Corrupt("a leaf has no other ends"))?),
        End::Destination => None,
    };
    let others = match &other {
        Some(bytes) => Some(Others::parse(points.len(), bytes)?),
        None => None,
    };
    let several = match points.region() {
        Some(_) => None,
        None => Some(row.regions().ok_or(Corrupt("a leaf has no regions"))?),
    };
    let regions = match &several {
        Some(bytes) => Some(Regions::parse(points.len(), bytes)?),
        None => None,
    };
    let region = points.region().unwrap_or_default();
    let days = points.days();
    out.reserve(days.len());
    for (days, from) in days.chunks(BATCH).zip((0..).step_by(BATCH)) {
        let (lon, lat) = (exact.longitudes(from), exact.latitudes(from));
        let (other_lon, other_lat) = match &others {
            Some(others) => (others.longitudes(from), others.latitudes(from)),
            None => ([0.0; BATCH], [0.0; BATCH]),
        };
        let ends = lon.iter().zip(&lat).zip(other_lon.iter().zip(&other_lat));
        out.extend(
            days.iter()
                .zip(ends)
                .zip(from..)
                .map(|((day, (point, other)), i)| Entry {
                    point: point_of(point),
                    other: point_of(other),
                    day: *day,
                    region_id: match &regions {
                        Some(regions) => regions.region(i),
                        None => region,
                    },
                }),
        );
    }
    Ok(())
}

fn point_of((lon, lat): (&f64, &f64)) -> Point {
    Point {
        lon: *lon,
        lat: *lat,
    }
}
