//! What a report tells, as values: between the queries that find it out and the pages that show it.

use super::day::Day;
use super::frame::Frame;
use super::text::Text;

/// How many regions have a colour and a map of their own.
pub const DRAWN_REGIONS: usize = 6;

/// Hours of a week.
pub const HOURS: usize = 168;

/// All that a report tells.
#[derive(Debug)]
pub struct Report {
    /// Where it comes from.
    pub about: About,
    /// The region that it is restricted to.
    pub region: Option<Text>,
    /// Whether days were asked for.
    pub restricted: bool,
    /// The days that it covers; none where there are no trips that could say.
    pub period: Option<Period>,
    /// Regions, most trips first.
    pub regions: Vec<Region>,
    /// Weeks of the period, each of them.
    pub weeks: Vec<Week>,
    /// Trips by hour of the week; the first is Monday's first.
    pub hours: [i64; HOURS],
    /// Datasources, most trips first.
    pub datasources: Vec<Datasource>,
    /// Maps of the first regions.
    pub maps: Vec<Map>,
    /// Groups of similar trips.
    pub groups: Groups,
    /// The ledger; none where the role may not read it.
    pub ledger: Option<Ledger>,
    /// Rejected rows; none where the role may not read them.
    pub rejected: Option<Rejected>,
}

impl Report {
    /// Trips in all.
    pub fn trips(&self) -> i64 {
        self.regions.iter().map(|region| region.trips).sum()
    }

    /// Regions that are drawn by themselves: those with most trips.
    pub fn drawn(&self) -> &[Region] {
        let with_trips = self
            .regions
            .iter()
            .take_while(|region| region.trips > 0)
            .count();
        self.regions
            .get(..with_trips.min(DRAWN_REGIONS))
            .unwrap_or_default()
    }
}

/// Where a report comes from.
#[derive(Debug)]
pub struct About {
    /// Name of the database.
    pub database: Text,
    /// When its figures were true, UTC to the minute.
    pub made_at: Text,
    /// Version of trips_ext.
    pub version: Text,
}

/// Days from the first up to, but without, the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first day.
    pub from: Day,
    /// The first day after it.
    pub to: Day,
}

impl Period {
    /// Days in it; none where it ends before it begins.
    pub fn days(&self) -> i64 {
        (i64::from(self.to.0) - i64::from(self.from.0)).max(0)
    }
}

/// A region.
#[derive(Debug)]
pub struct Region {
    /// What trips.trip.region_id holds.
    pub id: i16,
    /// Its name as the database has it, for further questions.
    pub key: String,
    /// Its name, to be shown.
    pub name: Text,
    /// Trips in the period.
    pub trips: i64,
    /// Trips a week.
    pub weekly: f64,
    /// First and last day with a trip.
    pub days: Option<(Day, Day)>,
}

/// A week.
#[derive(Debug, Clone)]
pub struct Week {
    /// Its Monday.
    pub monday: Day,
    /// Days of it in the period.
    pub days: i32,
    /// Trips of all regions that are not drawn, and then of each that is.
    pub series: [i64; DRAWN_REGIONS + 1],
}

impl Week {
    /// Trips of all regions.
    pub fn trips(&self) -> i64 {
        self.series.iter().sum()
    }
}

/// A datasource.
#[derive(Debug)]
pub struct Datasource {
    /// Its name.
    pub name: Text,
    /// Trips in the period.
    pub trips: i64,
    /// First and last day with a trip.
    pub days: (Day, Day),
}

/// Where the trips of a region begin, and which ways they take.
#[derive(Debug)]
pub struct Map {
    /// Place of its region among those that are drawn.
    pub place: usize,
    /// What it shows.
    pub frame: Frame,
    /// Columns and rows of its grid; ways within a cell of three by three are not told apart.
    pub grid: (i32, i32),
    /// Trips that were looked at.
    pub looked_at: i64,
    /// Of these, those that begin in the frame.
    pub begin: i64,
    /// Of these, those that end in it, too.
    pub end: i64,
    /// Of these, those that stay within one cell of three by three.
    pub stay: i64,
    /// Column, row and trips of cells where any begin, from the south-west.
    pub cells: Vec<(i32, i32, i64)>,
    /// Ways, most trips first.
    pub flows: Vec<Flow>,
    /// Trips of the region, where those looked at are a sample of them.
    pub region_trips: Option<i64>,
}

/// Trips between two places of a map.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Trips that were looked at.
    pub trips: i64,
    /// Middle of their origins: parts of the frame's width and height, from the south-west.
    pub from: (f64, f64),
    /// Middle of their destinations.
    pub to: (f64, f64),
}

/// How groups are made, as trips_groups calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Around representatives.
    Representative,
    /// By density.
    Density,
    /// By cells.
    Cell,
}

impl Method {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Method::Representative => "representative",
            Method::Density => "density",
            Method::Cell => "cell",
        }
    }
}

/// Groups of similar trips.
#[derive(Debug)]
pub enum Groups {
    /// None were asked for.
    NotAsked,
    /// The server had too little memory for them: what it said.
    TooLarge(Method, Text),
    /// Those of each region that is drawn.
    Made {
        /// How.
        method: Method,
        /// Of which days.
        period: Period,
        /// Whether these days are fewer than those of the report.
        latest_only: bool,
        /// The largest of each region, by its place among those that are drawn.
        regions: Vec<Vec<Group>>,
    },
}

/// A group of similar trips.
#[derive(Debug)]
pub struct Group {
    /// How many there are.
    pub trips: i64,
    /// Longitude and latitude of the middle of the origins in degrees.
    pub origin: (f64, f64),
    /// Longitude and latitude of the middle of the destinations.
    pub destination: (f64, f64),
    /// Kilometres between the two.
    pub km: f64,
    /// Typical time of day, hours and minutes.
    pub time_of_day: Text,
    /// Standard deviation of the times of day in minutes.
    pub spread: f64,
    /// Day of the first trip and of the last.
    pub days: (Day, Day),
}

/// The ledger.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Loads in all.
    pub count: i64,
    /// Rows read, loaded and rejected by all loads.
    pub rows: (i64, i64, i64),
    /// The last loads, the last first.
    pub loads: Vec<Load>,
}

/// A load of a file.
#[derive(Debug)]
pub struct Load {
    /// Number of the ingest.
    pub ingest: i64,
    /// Path of the file.
    pub file: Text,
    /// When it was done, UTC to the minute.
    pub finished_at: Text,
    /// Rows read, loaded and rejected.
    pub rows: (i64, i64, i64),
    /// Size of the file.
    pub bytes: i64,
    /// How long it took.
    pub seconds: f64,
}

/// Rejected rows.
#[derive(Debug, Default)]
pub struct Rejected {
    /// How many there are.
    pub count: i64,
    /// What is wrong with most of them.
    pub reasons: Vec<Reason>,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// What is wrong with rows.
#[derive(Debug)]
pub struct Reason {
    /// SQLSTATE.
    pub sqlstate: Text,
    /// The column at fault.
    pub column: Option<Text>,
    /// In words.
    pub reason: Text,
    /// Rows.
    pub rows: i64,
}

/// A rejected row.
#[derive(Debug)]
pub struct Example {
    /// Number of the ingest.
    pub ingest: i64,
    /// Line of the file.
    pub line: i64,
    /// The column at fault.
    pub column: Option<Text>,
    /// SQLSTATE.
    pub sqlstate: Text,
    /// What is wrong.
    pub reason: Text,
    /// How it begins.
    pub raw: Text,
}
