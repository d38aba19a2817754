//! A database with trips of all kinds, ordinary and odd, and what its area trees must answer.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::ask_random::{question, seeded};
use crate::database::{Database, Session};
use crate::facts::Facts;
use crate::files::Files;
use crate::ingest::load;
use crate::rows::write_generated;

/// Regions of the odd trips: they share their places, with each other and with the cities.
const ODD_REGIONS: [&str; 4] = ["Fiji", "Greenwich", "Poles", "Prague"];

/// The number, one of few decimals near it, or one that is hard to tell from it.
fn odd_number(random: &mut ChaCha8Rng, base: f64) -> f64 {
    match random.random_range(0..5) {
        0 => (base * 100.0).round() / 100.0,
        1 => base.next_up(),
        2 => base.next_down(),
        3 => base + random.random_range(-1e-9..1e-9),
        _ => base,
    }
}

/// A place of an odd trip: at a pole, at the antimeridian, at Greenwich, at a station, on a coarse grid, or a hair off
/// another one.
fn odd_place(random: &mut ChaCha8Rng) -> (f64, f64) {
    let tiny = [
        0.0, -0.0, 1e-300, -1e-300, 5e-324, -5e-324, 1e-17, -1e-17, 0.25, -0.25,
    ];
    let any_lat = random.random_range(-90.0..=90.0);
    match random.random_range(0..10) {
        0 => (
            [-180.0, 0.0, 180.0, 33.3][random.random_range(0..4)],
            [-90.0, 90.0][random.random_range(0..2)],
        ),
        1 => ([-180.0, 180.0][random.random_range(0..2)], any_lat),
        2 => {
            let from_180 = odd_number(random, 0.5).abs();
            let lon = 180.0 - from_180;
            (if random.random() { lon } else { -lon }, -17.5)
        }
        3 => (tiny[random.random_range(0..tiny.len())], 51.4778),
        4 => {
            let mut any = || tiny[random.random_range(0..8)];
            (any(), any())
        }
        // Stations: hundreds, and more than a leaf takes.
        5 | 6 => (14.4355, 50.0832),
        7 => [(7.6783, 45.0617), (178.44, -18.14)][random.random_range(0..2)],
        8 => {
            let decimals = [10.0, 100.0, 1000.0][random.random_range(0..3)];
            let mut grid = |least, most| {
                let value: f64 = random.random_range(least..most);
                (value * decimals).round() / decimals
            };
            (grid(14.3, 14.7), grid(49.9, 50.2))
        }
        _ => (odd_number(random, 14.42), odd_number(random, 50.08)),
    }
}

/// A day from 1900 to 2100, or one of few.
fn odd_day(random: &mut ChaCha8Rng) -> String {
    let year = match random.random_range(0..4) {
        0 => random.random_range(1900..=2100),
        _ => 2018,
    };
    let (month, day) = (random.random_range(1..=12), random.random_range(1..=28));
    format!("{year}-{month:02}-{day:02}")
}

/// Rows of trips that are hard to keep, or to keep apart.
pub fn odd_rows(random: &mut ChaCha8Rng, count: usize) -> Vec<String> {
    (0..count)
        .map(|_| {
            let (from, to) = (odd_place(random), odd_place(random));
            let region = ODD_REGIONS[random.random_range(0..ODD_REGIONS.len())];
            let time = ["00:00:00", "23:59:59.999999"][random.random_range(0..2)];
            let day = odd_day(random);
            format!(
                "{region},POINT ({:?} {:?}),POINT ({:?} {:?}),{day} {time},car",
                from.0, from.1, to.0, to.1
            )
        })
        .collect()
}

/// Several ingests: two of cities, two of odd trips.
pub struct Scene {
    /// What questions are drawn from.
    pub random: ChaCha8Rng,
    /// A session of the database.
    pub session: Session,
    /// The ingests of cities: 66,000 and 6,000 trips.
    pub cities: [i64; 2],
    /// Those of odd trips: 5,000 and 3,000.
    pub odd: [i64; 2],
    _database: Option<Database>,
}

impl Scene {
    /// In a database of its own.
    pub fn alone() -> Scene {
        let database = Database::new();
        let scene = Scene::in_database(database.connect(), database.files(), seeded());
        Scene {
            _database: Some(database),
            ..scene
        }
    }

    /// In the empty database of a session, from files that its server can read. The trees of the first ingest have nodes above nodes;
    /// the others' nodes are roots.
    pub fn in_database(mut session: Session, files: &Files, mut random: ChaCha8Rng) -> Scene {
        session.run("SET jit = off; INSERT INTO trips.region (id, name) VALUES (100, 'Nowhere')");
        let cities =
            [("many.csv", 66_000, 3), ("more.csv", 6_000, 5)].map(|(name, rows, regions)| {
                let path = write_generated(files, name, rows, regions, random.random());
                load(&mut session, &path).id()
            });
        let odd = [("odd.csv", 5_000), ("odder.csv", 3_000)].map(|(name, rows)| {
            let rows = odd_rows(&mut random, rows);
            load(&mut session, &files.write_rows(name, rows)).id()
        });
        Scene {
            random,
            session,
            cities,
            odd,
            _database: None,
        }
    }

    /// Asks `count` random questions, which must be answered as counting says, and has the trees checked. Where few are asked,
    /// all of them may miss the trips: then it goes on until they do not.
    #[track_caller]
    pub fn ask(&mut self, count: usize) {
        let facts = Facts::of(&mut self.session);
        let (mut asked, mut hits) = (0, 0);
        while asked < count || (hits <= asked as i64 && asked < 10 * count) {
            let question = question(&mut self.random, &facts);
            hits += question.check(&mut self.session, &facts);
            asked += 1;
        }
        println!(
            "{asked} questions about {} trips, {hits} counted",
            facts.len()
        );
        assert!(hits > asked as i64, "the questions miss the trips");
        assert_eq!(differences(&mut self.session), Vec::<String>::new());
    }

    /// Merges all runs into one.
    #[track_caller]
    pub fn compact(&mut self) {
        let runs: i64 = self.session.value("SELECT runs_after FROM trips_compact()");
        assert_eq!(runs, 1);
        assert_eq!(self.session.count("trips.area_run"), 1);
    }
}

/// What trips_check() finds.
pub fn differences(session: &mut Session) -> Vec<String> {
    try_differences(session).expect("it can be checked")
}

/// As [`differences`], whatever comes of it.
///
/// # Errors
/// What the server says.
pub fn try_differences(session: &mut Session) -> Result<Vec<String>, postgres::Error> {
    let rows = session.query("SELECT c::text FROM trips_check() c", &[])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
