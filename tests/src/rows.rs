//! Rows of trip files.

use std::fmt::{self, Display};
use std::io::{BufWriter, Write};

use rand::{Rng, RngExt};
use trips_tools::generate::{Contents, write_trips};

use crate::database::{Database, Session};
use crate::files::{Files, HEADER};

/// A valid row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Name of its region.
    pub region: String,
    /// Longitude and latitude of its origin.
    pub origin: (f64, f64),
    /// Longitude and latitude of its destination.
    pub destination: (f64, f64),
    /// When it began, as the file says it.
    pub departed_at: String,
    /// Name of its source.
    pub datasource: String,
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{},POINT ({} {}),POINT ({} {}),{},{}",
            self.region,
            self.origin.0,
            self.origin.1,
            self.destination.0,
            self.destination.1,
            self.departed_at,
            self.datasource
        )
    }
}

/// A valid row, told apart from others by its number: a region, three sources, May 2018.
pub fn numbered(number: u64) -> Row {
    let step = (number % 997) as f64 / 8192.0;
    Row {
        region: "Turin".to_owned(),
        origin: (7.5 + step, 45.0 + step / 2.0),
        destination: (7.6 - step / 4.0, 45.1 - step),
        departed_at: format!(
            "2018-05-{:02} {:02}:{:02}:{:02}",
            1 + number / 86400 % 28,
            number / 3600 % 24,
            number / 60 % 60,
            number % 60
        ),
        datasource: ["funny_car", "baba_car", "cheap_mobile"][number as usize % 3].to_owned(),
    }
}

/// Valid rows with these numbers, ready for [`Files::write_rows`].
pub fn numbered_rows(numbers: std::ops::Range<u64>) -> impl Iterator<Item = String> {
    numbers.map(|number| numbered(number).to_string())
}

/// Writes a file of `count` rows in the full form of a real file: five cities, 17 digits, about 128 bytes a row.
pub fn write_full_form(files: &Files, name: &str, count: u64, random: &mut impl Rng) -> String {
    const CITIES: [(&str, f64, f64); 5] = [
        ("Prague", 14.31, 49.99),
        ("Turin", 7.51, 44.97),
        ("Hamburg", 9.78, 53.41),
        ("Lyon", 4.75, 45.70),
        ("Porto", -8.70, 41.11),
    ];
    const SOURCES: [&str; 3] = ["funny_car", "cheap_mobile", "pt_search_app"];
    let mut out = BufWriter::with_capacity(1 << 20, files.create(name));
    out.write_all(HEADER.as_bytes()).expect("the disk has room");
    for number in 0..count {
        let (region, lon, lat) = CITIES[random.random_range(0..CITIES.len())];
        let mut at = || {
            (
                lon + random.random_range(0.0..0.3),
                lat + random.random_range(0.0..0.15),
            )
        };
        let row = Row {
            region: region.to_owned(),
            origin: at(),
            destination: at(),
            ..numbered(number)
        };
        let source = SOURCES[random.random_range(0..SOURCES.len())];
        writeln!(
            out,
            "{}",
            Row {
                datasource: source.to_owned(),
                ..row
            }
        )
        .expect("the disk has room");
    }
    out.flush().expect("the disk has room");
    files.path(name)
}

/// Writes a file of the generator's trips: the first `regions` of its cities, two years from 2018 on; its path.
pub fn write_generated(files: &Files, name: &str, rows: u64, regions: usize, seed: u64) -> String {
    let contents = Contents {
        rows,
        seed,
        regions,
    };
    write_trips(files.create(name), &contents).expect("the disk has room");
    files.path(name)
}

/// Makes loads slow: each trip also goes into two GiST indexes.
pub fn make_slow(session: &mut Session) {
    session.run(
        "CREATE INDEX ON trips.trip USING gist (origin);
         CREATE INDEX ON trips.trip USING gist (destination)",
    );
}

/// A file whose load into such a table takes seconds; its path.
pub fn slow_file(database: &Database) -> String {
    database
        .files()
        .write_rows("slow.csv", numbered_rows(0..600_000))
}
