//! Groups around representatives as bytes, so that a grouping can go on later.
//!
//! A version, 1; then words of eight bytes, little-endian: of the representative its id, departure, and its origin and destination, longitude
//! first; and of a group of several trips its [`Summary`]. Numbers are kept to the last bit: what goes on gives the same as
//! what was never interrupted.

use super::Trip;
use super::summary::Summary;
use crate::ingest::parse::point::Point;

const VERSION: u8 = 1;

/// Words of a trip.
const TRIP: usize = 6;

/// Words of a trip and a summary.
const ALL: usize = TRIP + Summary::WORDS;

/// The bytes of a group.
pub(super) fn keep(trip: &Trip, summary: Option<&Summary>) -> Vec<u8> {
    let ends = [
        trip.origin.lon,
        trip.origin.lat,
        trip.destination.lon,
        trip.destination.lat,
    ];
    let own = [trip.id as u64, trip.departed_at as u64];
    let words = own.into_iter().chain(ends.map(f64::to_bits));
    let summary = summary.map(Summary::words).into_iter().flatten();
    let bytes = words.chain(summary).flat_map(u64::to_le_bytes);
    [VERSION].into_iter().chain(bytes).collect()
}

/// The group of bytes that [`keep`] has made; `None` for others.
pub(super) fn restore(bytes: &[u8]) -> Option<(Trip, Option<Summary>)> {
    let (version, bytes) = bytes.split_first()?;
    let (words, rest) = bytes.as_chunks::<8>();
    if *version != VERSION || !rest.is_empty() {
        return None;
    }
    let mut all = [0; ALL];
    let own = all.get_mut(..words.len())?;
    for (word, bytes) in own.iter_mut().zip(words) {
        *word = u64::from_le_bytes(*bytes);
    }
    let (trip, summary) = all.split_first_chunk::<TRIP>()?;
    let [id, departed_at, from_lon, from_lat, to_lon, to_lat] = *trip;
    let point = |lon, lat| {
        let (lon, lat) = (f64::from_bits(lon), f64::from_bits(lat));
        (lon.abs() <= 180.0 && lat.abs() <= 90.0).then_some(Point { lon, lat })
    };
    let trip = Trip {
        id: id as i64,
        departed_at: departed_at as i64,
        origin: point(from_lon, from_lat)?,
        destination: point(to_lon, to_lat)?,
    };
    match words.len() {
        TRIP => Some((trip, None)),
        ALL => Some((trip, Some(Summary::of_words(summary.first_chunk()?)?))),
        _ => None,
    }
}
