//! Prints what parsing costs: nanoseconds a row on one core, for plain and for quoted rows.
//!
//! `cargo run --release -p trips_core --example parse_speed [rows]`

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Instant;

use trips_core::Error;
use trips_core::ingest::batch::{Dimension, Names, Parser};
use trips_core::ingest::source::{Block, Source};

const BLOCK_BYTES: usize = 256 << 10;

/// Gives names the ids 1, 2, 3 ...
struct Counter(i16);

impl Names for Counter {
    fn id(&mut self, _: Dimension, _: &str) -> Result<i16, Error> {
        self.0 += 1;
        Ok(self.0)
    }
}

/// Rows that look like real ones: five regions, coordinates of 13 to 15 decimals, any second of two
/// years. `quote` is put around each field.
fn rows(count: u64, quote: &str) -> String {
    const REGIONS: [&str; 5] = ["Prague", "Turin", "Hamburg", "Rotterdam", "Brno"];
    let mut text = String::from("region,origin_coord,destination_coord,datetime,datasource\n");
    let mut seed = 42u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    for _ in 0..count {
        let mut point = || {
            let fraction = |r: u64| r as f64 / 1e9 * 0.123_456_789_012_3;
            let lon = 14.4 + fraction(random(1_000_000_000));
            let lat = 50.0 + fraction(random(1_000_000_000));
            format!("POINT ({lon} {lat})")
        };
        let (origin, destination) = (point(), point());
        let fields = [
            REGIONS[random(5) as usize].to_owned(),
            origin,
            destination,
            format!(
                "20{:02}-{:02}-{:02} {:02}:{:02}:{:02}",
                18 + random(2),
                1 + random(12),
                1 + random(28),
                random(24),
                random(60),
                random(60)
            ),
            ["funny_car", "baba_car", "cheap_mobile"][random(3) as usize].to_owned(),
        ];
        let quoted: Vec<_> = fields
            .iter()
            .map(|f| format!("{quote}{f}{quote}"))
            .collect();
        writeln!(text, "{}", quoted.join(",")).unwrap();
    }
    text
}

/// Reads and parses the text several times, and prints what the fastest time took.
fn measure(what: &str, count: u64, text: &str) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let per_row = |start: Instant| start.elapsed().as_nanos() as f64 / count as f64;
    let (mut reading, mut parsing) = (f64::MAX, f64::MAX);
    let blocks = || {
        let source = Source::open(file.path().to_str().unwrap(), &[]).unwrap();
        source.into_blocks(BLOCK_BYTES).unwrap()
    };
    for _ in 0..5 {
        let start = Instant::now();
        let (header, mut reader) = blocks();
        while reader.next().unwrap().is_some() {}
        reader.finish().unwrap();
        reading = reading.min(per_row(start));

        let mut reader = blocks().1;
        let all: Vec<Block> = std::iter::from_fn(|| reader.next().unwrap()).collect();
        let mut parser = Parser::new(&header, 1, Counter(0));
        let start = Instant::now();
        let mut loaded = 0;
        for block in &all {
            loaded += parser.parse(block).unwrap().tuples.len();
        }
        parsing = parsing.min(per_row(start));
        assert_eq!(loaded as u64, count);
    }
    println!("{what}: read, hash and split {reading:.0} ns/row, parse {parsing:.0} ns/row");
}

fn main() {
    let count = std::env::args().nth(1).and_then(|rows| rows.parse().ok());
    let count = count.unwrap_or(1_000_000);
    measure("plain", count, &rows(count, ""));
    measure("quoted", count, &rows(count, "\""));
}
