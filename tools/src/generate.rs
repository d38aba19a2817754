//! A seeded generator of trip files in the format that `trips_ingest` reads.
//!
//! The trips are invented, their shape is not: cities of different size, half of the ends at a few hot spots, commuting
//! peaks, fewer trips at weekends, two years in roughly increasing order of time.
//!
//! The same number of rows, cities and the same seed give the same bytes on every machine. That is why nothing here
//! calls a function whose last bit may differ between C libraries (`ln`, `sin`, `cos`): only IEEE basic
//! arithmetic is exact everywhere.

mod calendar;
mod city;

use std::io::{self, ErrorKind, Write};

pub use calendar::{FIRST_DAY, PERIOD_DAYS};
pub use city::{Hotspot, Point, REGIONS, Region};

use crate::draw::Draw;
use calendar::{Calendar, Instant};

/// Cities in a file unless more or fewer are asked for: the first of [`REGIONS`].
pub const DEFAULT_REGIONS: usize = 3;

/// The first line of every file.
pub const HEADER: &str = "region,origin_coord,destination_coord,datetime,datasource";

/// The names in the column `datasource`.
pub const DATASOURCES: [&str; 5] = [
    "funny_car",
    "baba_car",
    "cheap_mobile",
    "bad_diesel_vehicles",
    "pt_search_app",
];

/// The generator's stream, apart from other users of the same algorithm and seed.
const STREAM: u128 = 0x7472_6970_735f_6578;

/// Bytes collected before they are handed to the writer.
const BUFFER_BYTES: usize = 1 << 18;

/// No row is longer: two points of two doubles in at most 24 bytes each, and the names.
const ROW_BYTES: usize = 256;

/// What a file of trips holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contents {
    /// Number of trips.
    pub rows: u64,
    /// Seed of the random numbers.
    pub seed: u64,
    /// Number of cities that the trips are drawn from, each as likely: the first of [`REGIONS`], at least one.
    pub regions: usize,
}

/// Writes a header and the trips to `out`.
///
/// # Errors
/// Those of `out`, and [`ErrorKind::InvalidInput`] when there is no such number of cities.
pub fn write_trips<W: Write>(mut out: W, contents: &Contents) -> io::Result<()> {
    let Contents { rows, seed, .. } = *contents;
    let regions = cities(contents.regions)?;
    let calendar = Calendar::new();
    let mut draw = Draw::new(seed, STREAM);
    let mut buffer = Vec::with_capacity(BUFFER_BYTES + ROW_BYTES);
    buffer.extend_from_slice(HEADER.as_bytes());
    buffer.push(b'\n');
    for row in 0..rows {
        Trip::draw(&mut draw, &calendar, regions, row, rows).write(&calendar, &mut buffer);
        if buffer.len() >= BUFFER_BYTES {
            out.write_all(&buffer)?;
            buffer.clear();
        }
    }
    out.write_all(&buffer)?;
    out.flush()
}

fn cities(number: usize) -> io::Result<&'static [Region]> {
    match REGIONS.get(..number) {
        Some(regions) if !regions.is_empty() => Ok(regions),
        _ => Err(io::Error::new(
            ErrorKind::InvalidInput,
            format!("{number} cities, there are 1 to {}", REGIONS.len()),
        )),
    }
}

/// One row of the file.
struct Trip {
    region: &'static Region,
    origin: Point,
    destination: Point,
    departed_at: Instant,
    datasource: &'static str,
}

impl Trip {
    /// Draws the trip number `row` of `rows`; the place in the file decides the time, nearly.
    fn draw(
        draw: &mut Draw,
        calendar: &Calendar,
        regions: &'static [Region],
        row: u64,
        rows: u64,
    ) -> Self {
        let departed_at = calendar.departure(draw, row, rows);
        let region = draw.pick(regions);
        let (origin_share, destination_share) = hotspot_shares(departed_at.hour());
        Self {
            region,
            origin: region.draw_point(draw, origin_share),
            destination: region.draw_point(draw, destination_share),
            departed_at,
            datasource: draw.pick::<&str>(&DATASOURCES),
        }
    }

    fn write(&self, calendar: &Calendar, out: &mut Vec<u8>) {
        out.extend_from_slice(self.region.name.as_bytes());
        out.push(b',');
        self.origin.write_wkt(out);
        out.push(b',');
        self.destination.write_wkt(out);
        out.push(b',');
        calendar.write(self.departed_at, out);
        out.push(b',');
        out.extend_from_slice(self.datasource.as_bytes());
        out.push(b'\n');
    }
}

/// How many of the origins, and of the destinations, are at hot spots: people travel to them in the
/// morning and from them in the evening; over a day it is half of all ends.
fn hotspot_shares(hour: u32) -> (f64, f64) {
    match hour {
        5..=10 => (0.35, 0.65),
        15..=20 => (0.65, 0.35),
        _ => (0.5, 0.5),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn generate(rows: u64, seed: u64) -> String {
        generate_in(DEFAULT_REGIONS, rows, seed)
    }

    fn generate_in(regions: usize, rows: u64, seed: u64) -> String {
        let mut out = Vec::new();
        let contents = Contents {
            rows,
            seed,
            regions,
        };
        write_trips(&mut out, &contents).expect("a vector takes every write");
        String::from_utf8(out).expect("the generator writes UTF-8")
    }

    fn names(text: &str) -> BTreeSet<&str> {
        let names = text
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').next());
        names.collect()
    }

    /// FNV-1a: enough to notice a change.
    fn fingerprint(text: &str) -> u64 {
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    fn point(wkt: &str) -> Point {
        let (lon, lat) = wkt
            .strip_prefix("POINT (")
            .and_then(|rest| rest.strip_suffix(')'))
            .and_then(|pair| pair.split_once(' '))
            .expect("a point is written as POINT (lon lat)");
        Point {
            lon: lon.parse().expect("a longitude is a number"),
            lat: lat.parse().expect("a latitude is a number"),
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(generate(1_000, 42), generate(1_000, 42));
        assert_eq!(fingerprint(&generate(1_000, 42)), 0xde36_db57_8a26_d8cd);
    }

    #[test]
    fn more_cities_are_asked_for_by_their_number() {
        let names_of = |regions| -> Vec<&str> {
            REGIONS[..regions]
                .iter()
                .map(|region| region.name)
                .collect()
        };
        for regions in 1..=REGIONS.len() {
            let trips = generate_in(regions, 1_000, 8);
            let expected = BTreeSet::from_iter(names_of(regions));
            assert_eq!(names(&trips), expected);
        }
        assert_eq!(
            fingerprint(&generate_in(5, 1_000, 42)),
            0x27eb_44ab_687e_0c48
        );
    }

    #[test]
    fn a_number_of_cities_that_do_not_exist_is_an_error() {
        for regions in [0, REGIONS.len() + 1, usize::MAX] {
            let contents = Contents {
                rows: 1,
                seed: 1,
                regions,
            };
            let error = write_trips(Vec::new(), &contents).expect_err("there is no such number");
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn another_seed_gives_other_trips() {
        assert_ne!(generate(1_000, 1), generate(1_000, 2));
    }

    #[test]
    fn a_file_of_no_rows_is_a_header() {
        assert_eq!(generate(0, 1), format!("{HEADER}\n"));
    }

    #[test]
    fn every_row_has_the_columns_of_the_header() {
        let text = generate(5_000, 3);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(HEADER));
        let mut rows = 0;
        for line in lines {
            rows += 1;
            let fields: Vec<&str> = line.split(',').collect();
            assert_eq!(fields.len(), 5, "{line}");
            assert!(REGIONS.iter().any(|region| region.name == fields[0]));
            assert!(DATASOURCES.contains(&fields[4]), "{line}");
            assert!(line.len() < ROW_BYTES);
        }
        assert_eq!(rows, 5_000);
    }

    #[test]
    fn every_point_lies_in_the_box_of_its_region() {
        for line in generate_in(REGIONS.len(), 20_000, 4).lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            let region = REGIONS
                .iter()
                .find(|region| region.name == fields[0])
                .expect("the region is known");
            assert!(region.contains(point(fields[1])), "{line}");
            assert!(region.contains(point(fields[2])), "{line}");
        }
    }

    #[test]
    fn a_written_coordinate_reads_back_as_the_same_double() {
        let mut draw = Draw::new(5, STREAM);
        for _ in 0..10_000 {
            let drawn = draw.pick(&REGIONS).draw_point(&mut draw, 0.5);
            let mut wkt = Vec::new();
            drawn.write_wkt(&mut wkt);
            let read = point(std::str::from_utf8(&wkt).expect("a point is ASCII"));
            assert_eq!(read.lon.to_bits(), drawn.lon.to_bits());
            assert_eq!(read.lat.to_bits(), drawn.lat.to_bits());
        }
    }

    #[test]
    fn about_half_of_the_points_are_at_hot_spots() {
        let trips = generate_in(REGIONS.len(), 20_000, 6);
        let near = trips
            .lines()
            .skip(1)
            .flat_map(|line| line.split(',').skip(1).take(2))
            .filter(|wkt| {
                let at = point(wkt);
                REGIONS.iter().any(|region| region.near_hotspot(at))
            })
            .count();
        // Those of the other half that fall near a hot spot by chance come on top.
        let share = near as f64 / 40_000.0;
        assert!((0.5..0.62).contains(&share), "{share}");
    }

    #[test]
    fn the_sample_in_the_repository_is_what_the_generator_writes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/trips.csv");
        let sample = std::fs::read_to_string(path).expect("the sample is in the repository");
        assert!(
            sample == generate(1_000, 1),
            "samples/trips.csv differs: write it again with `make sample`"
        );
    }
}
