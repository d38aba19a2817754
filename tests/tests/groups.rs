//! Groups of `method => 'cell'`: a partition of the trips into cells no larger than asked for, and the same as one
//! worked out here.

use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trips_tests::ingest::load;
use trips_tests::space::{below, in_space};
use trips_tests::{Database, Row, Session, refused};

/// A trip as the grouping sees it.
#[derive(Debug, Clone)]
struct Trip {
    origin: (f64, f64),
    destination: (f64, f64),
    /// Seconds since midnight.
    seconds: u32,
    day: u32,
}

fn row(trip: &Trip) -> Row {
    let (hour, minute, second) = (
        trip.seconds / 3600,
        trip.seconds / 60 % 60,
        trip.seconds % 60,
    );
    Row {
        region: "Turin".to_owned(),
        origin: trip.origin,
        destination: trip.destination,
        departed_at: format!("2018-05-{:02} {hour:02}:{minute:02}:{second:02}", trip.day),
        datasource: "car".to_owned(),
    }
}

/// Trips between few places with some metres of noise, at a few times of day: near the equator, in the north, on the
/// date line and close to the poles.
fn trips(random: &mut ChaCha8Rng, count: usize) -> Vec<Trip> {
    const CENTRES: [(f64, f64); 7] = [
        (7.6, 45.0),
        (7.61, 45.01),
        (0.0, 0.0),
        (-78.5, -0.2),
        (15.6, 78.2),
        (179.999, -17.0),
        (30.0, -89.99),
    ];
    let near = |random: &mut ChaCha8Rng| {
        let (lon, lat) = CENTRES[random.random_range(0..CENTRES.len())];
        let noise = 0.01;
        (
            (lon + random.random_range(-noise..noise)).clamp(-180.0, 180.0),
            (lat + random.random_range(-noise..noise)).clamp(-90.0, 90.0),
        )
    };
    (0..count)
        .map(|_| Trip {
            origin: near(random),
            destination: near(random),
            seconds: [0, 8 * 3600, 17 * 3600, 86_399][random.random_range(0..4)] / 1800 * 1800
                + random.random_range(0..1800),
            day: random.random_range(1..29),
        })
        .collect()
}

/// Metres of a degree of latitude at the poles of WGS84, where it is longest; no degree of longitude is longer than
/// this times the cosine of its latitude.
const METRES: f64 = 111_694.0;

/// The cell of a place: rows counted from the equator, and columns as wide as a cell on the row's edge that is
/// nearer to the equator.
fn cell((lon, lat): (f64, f64), distance: f64) -> (i64, i64) {
    let row = (lat * METRES / distance).floor();
    let edge = row.abs().min((row + 1.0).abs()) * distance / METRES;
    let column = (lon * METRES * edge.to_radians().cos() / distance).floor();
    (row as i64, column as i64)
}

type Key = ((i64, i64), (i64, i64), u32);

fn expected(
    trips: &[Trip],
    origin_distance: f64,
    destination_distance: f64,
    slot: u32,
) -> HashMap<Key, Vec<&Trip>> {
    let mut groups: HashMap<Key, Vec<&Trip>> = HashMap::new();
    for trip in trips {
        let key = (
            cell(trip.origin, origin_distance),
            cell(trip.destination, destination_distance),
            trip.seconds / slot,
        );
        groups.entry(key).or_default().push(trip);
    }
    groups
}

/// A group as `trips_groups` gives it.
#[derive(Debug)]
struct Group {
    id: i64,
    trips: i64,
    origin: (f64, f64),
    destination: (f64, f64),
    /// Seconds since midnight, and their spread.
    time: (f64, f64),
    first: String,
    last: String,
}

fn groups(session: &mut Session, arguments: &str) -> Vec<Group> {
    let separator = if arguments.is_empty() { "" } else { ", " };
    let query = format!(
        "SELECT group_id, trips, st_x(origin), st_y(origin), st_x(destination), st_y(destination),
                extract(epoch FROM time_of_day)::float8, extract(epoch FROM time_spread)::float8,
                first_departure::text, last_departure::text
           FROM trips_groups({arguments}{separator}method => 'cell')"
    );
    let rows = session
        .query(&query, &[])
        .unwrap_or_else(|error| panic!("{query}: {error:?}"));
    rows.iter()
        .map(|row| Group {
            id: row.get(0),
            trips: row.get(1),
            origin: (row.get(2), row.get(3)),
            destination: (row.get(4), row.get(5)),
            time: (row.get(6), row.get(7)),
            first: row.get(8),
            last: row.get(9),
        })
        .collect()
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    values.clone().sum::<f64>() / values.count() as f64
}

/// The longitude and latitude in the direction of the middle of places in space.
fn middle(places: impl Iterator<Item = (f64, f64)> + Clone) -> (f64, f64) {
    below([0, 1, 2].map(|axis| mean(places.clone().map(|(lon, lat)| in_space(lon, lat)[axis]))))
}

/// The circular mean of seconds of the day, and the circular standard deviation, at most half a day.
fn on_the_clock(seconds: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let radians = std::f64::consts::TAU / 86_400.0;
    let sine = mean(seconds.clone().map(|second| (second * radians).sin()));
    let cosine = mean(seconds.map(|second| (second * radians).cos()));
    let time = (sine.atan2(cosine) / radians).rem_euclid(86_400.0);
    let spread = (-2.0 * sine.hypot(cosine).min(1.0).ln()).sqrt() / radians;
    (time, spread.min(43_200.0))
}

#[track_caller]
fn assert_same(found: &[Group], expected: &HashMap<Key, Vec<&Trip>>, min_trips: usize) {
    let expected: Vec<&Vec<&Trip>> = expected
        .values()
        .filter(|members| members.len() >= min_trips)
        .collect();
    assert_eq!(found.len(), expected.len());
    // A group is known by where its middle lies: no two of them have the same.
    let key = |x: (f64, f64), y: (f64, f64), t: f64| {
        [x.0, x.1, y.0, y.1, t].map(|v| (v * 1e5).round() as i64)
    };
    let by_middle: HashMap<_, &Group> = found
        .iter()
        .map(|group| (key(group.origin, group.destination, group.time.0), group))
        .collect();
    for members in expected {
        let origin = middle(members.iter().map(|trip| trip.origin));
        let destination = middle(members.iter().map(|trip| trip.destination));
        let (time, spread) = on_the_clock(members.iter().map(|trip| f64::from(trip.seconds)));
        let group = near(&by_middle, key(origin, destination, time))
            .unwrap_or_else(|| panic!("no group at {origin:?} {destination:?} {time}"));
        assert_eq!(group.trips, members.len() as i64, "{group:?}");
        assert!(
            // Of nothing the sine and the cosine here make some hundredths of a second.
            (group.time.1 - spread).abs() < 0.05,
            "{group:?}: spread {spread}"
        );
        let mut departures: Vec<String> =
            members.iter().map(|trip| row(trip).departed_at).collect();
        departures.sort();
        assert_eq!(
            (&group.first, &group.last),
            (&departures[0], &departures[departures.len() - 1])
        );
    }
}

/// The group whose rounded middle is this, or off by one in some part.
fn near<'a>(groups: &HashMap<[i64; 5], &'a Group>, middle: [i64; 5]) -> Option<&'a Group> {
    (0..3_i64.pow(5)).find_map(|number| {
        let mut near = middle;
        for (place, part) in near.iter_mut().enumerate() {
            *part += number / 3_i64.pow(place as u32) % 3 - 1;
        }
        groups.get(&near).copied()
    })
}

fn scene(count: usize) -> (Database, Session, Vec<Trip>) {
    let seed = std::env::var("TRIPS_TEST_SEED")
        .ok()
        .map(|seed| seed.parse().unwrap());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("TRIPS_TEST_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let trips = trips(&mut random, count);
    let database = Database::new();
    let mut session = database.connect();
    let path = database
        .files()
        .write_rows("t.csv", trips.iter().map(|trip| row(trip).to_string()));
    load(&mut session, &path);
    (database, session, trips)
}

#[test]
fn groups_of_the_same_cells_are_those_worked_out_here() {
    let (_database, mut session, trips) = scene(4000);
    for (origin, destination, minutes, min_trips) in [
        (500.0, 500.0, 30, 2),
        (500.0, 500.0, 30, 1),
        (2000.0, 800.0, 60, 3),
        (250.0, 5000.0, 15, 2),
        (3e7, 3e7, 1440, 1),
    ] {
        let found = groups(
            &mut session,
            &format!("{origin}, {destination}, '{minutes} minutes', {min_trips}"),
        );
        let expected = expected(&trips, origin, destination, minutes * 60);
        assert_same(&found, &expected, min_trips);
    }
}

#[test]
fn the_defaults_are_500_metres_30_minutes_and_2_trips() {
    let (_database, mut session, trips) = scene(3000);
    let found = groups(&mut session, "");
    assert_same(&found, &expected(&trips, 500.0, 500.0, 1800), 2);
    assert!(!found.is_empty());
}

#[test]
fn every_trip_is_in_one_group_and_small_groups_are_left_out() {
    let (_database, mut session, trips) = scene(3000);
    let sizes = |session: &mut Session, min_trips: usize| -> Vec<i64> {
        groups(session, &format!("min_trips => {min_trips}"))
            .iter()
            .map(|group| group.trips)
            .collect()
    };
    let all = sizes(&mut session, 1);
    assert_eq!(all.iter().sum::<i64>(), trips.len() as i64);
    for min_trips in [2, 3, 5] {
        let large: Vec<i64> = all
            .iter()
            .copied()
            .filter(|size| *size >= min_trips as i64)
            .collect();
        assert_eq!(sizes(&mut session, min_trips), large);
    }
    assert_eq!(sizes(&mut session, 1_000_000), [0; 0]);
}

#[test]
fn groups_are_numbered_from_one_the_largest_first_and_the_same_each_time() {
    let (_database, mut session, _trips) = scene(3000);
    let found = groups(&mut session, "min_trips => 1");
    for (number, group) in (1..).zip(&found) {
        assert_eq!(group.id, number);
    }
    assert!(found.is_sorted_by(|a, b| a.trips >= b.trips));
    let again = groups(&mut session, "min_trips => 1");
    assert_eq!(format!("{found:?}"), format!("{again:?}"));
}

#[test]
fn no_member_is_further_away_than_a_cell_is_wide_and_no_slot_is_longer_than_asked() {
    let (_database, mut session, trips) = scene(3000);
    let distance = 500.0;
    let cells = expected(&trips, distance, distance, 1800);
    // True metres on the ellipsoid, by PostGIS: a cell's diagonal is at most the root of two times its width.
    for members in cells.values().filter(|members| members.len() > 1) {
        let (a, b) = (members[0], members[members.len() - 1]);
        for (a, b) in [(a.origin, b.origin), (a.destination, b.destination)] {
            let metres: f64 = session
                .query_one(
                    "SELECT st_distance(st_point($1, $2)::geography, st_point($3, $4)::geography)",
                    &[&a.0, &a.1, &b.0, &b.1],
                )
                .unwrap()
                .get(0);
            assert!(
                metres <= distance * 2_f64.sqrt(),
                "{metres} metres in {members:?}"
            );
        }
    }
}

#[test]
fn flow_geohashes_and_numbers_belong_to_the_middles() {
    let (_database, mut session, _trips) = scene(2000);
    for method in ["cell", "representative", "density"] {
        let groups = format!("trips_groups(method => '{method}')");
        assert!(session.count(&groups) > 0);
        let wrong = session.count(&format!(
            "{groups} WHERE NOT st_orderingequals(st_geometryn(flow, 1), st_makeline(origin, destination)) AND abs(origin_lon - destination_lon) <= 180
                OR st_srid(flow) <> 4326 OR st_srid(origin) <> 4326 OR st_srid(destination) <> 4326
                OR origin_geohash <> left(st_geohash(origin, 12), length(origin_geohash))
                OR destination_geohash <> left(st_geohash(destination, 12), length(destination_geohash))
                OR length(origin_geohash) < 5 OR first_departure > last_departure
                OR (origin_lon, origin_lat, destination_lon, destination_lat)
                   IS DISTINCT FROM (st_x(origin), st_y(origin), st_x(destination), st_y(destination))",
        ));
        assert_eq!(wrong, 0, "{method}");
    }
}

#[test]
fn region_area_and_period_choose_the_trips() {
    let (database, mut session, trips) = scene(2000);
    let oslo = trips[..200].iter().map(|trip| {
        Row {
            region: "Oslo".to_owned(),
            ..row(trip)
        }
        .to_string()
    });
    load(&mut session, &database.files().write_rows("oslo.csv", oslo));
    let sum = |session: &mut Session, arguments: &str| -> i64 {
        let groups = groups(session, &format!("min_trips => 1, {arguments}"));
        groups.iter().map(|group| group.trips).sum()
    };
    assert_eq!(sum(&mut session, "region => 'Oslo'"), 200);
    assert_eq!(sum(&mut session, "region => 'Turin'"), 2000);
    let north = "area => st_makeenvelope(-180, 70, 180, 90, 4326)";
    let in_north =
        |trips: &[Trip]| trips.iter().filter(|trip| trip.origin.1 >= 70.0).count() as i64;
    assert_eq!(
        sum(&mut session, north),
        in_north(&trips) + in_north(&trips[..200])
    );
    assert_eq!(
        sum(&mut session, &format!("{north}, region => 'Oslo'")),
        in_north(&trips[..200])
    );
    let days = trips
        .iter()
        .filter(|trip| (10..15).contains(&trip.day))
        .count() as i64;
    let period = "from_date => '2018-05-10', to_date => '2018-05-15', region => 'Turin'";
    assert_eq!(sum(&mut session, period), days);
}

#[test]
fn no_trips_make_no_groups() {
    let database = Database::new();
    let mut session = database.connect();
    for method in ["cell", "representative", "density"] {
        for function in ["trips_groups", "trips_group_members"] {
            assert_eq!(
                session.count(&format!("{function}(min_trips => 1, method => '{method}')")),
                0
            );
        }
    }
}

#[test]
fn methods_and_arguments_that_are_not_there_are_refused() {
    let (_database, mut session, _trips) = scene(10);
    for (arguments, sqlstate) in [
        ("method => 'Cell'", "22023"),
        ("method => ''", "22023"),
        ("method => NULL", "22023"),
        ("origin_distance => 0", "22023"),
        ("origin_distance => -1", "22023"),
        ("origin_distance => 'NaN'", "22023"),
        ("origin_distance => 'Infinity'", "22023"),
        ("destination_distance => 0", "22023"),
        ("destination_distance => 'NaN'", "22023"),
        ("time_difference => '0'", "22023"),
        ("time_difference => '-1 minute'", "22023"),
        ("time_difference => '2 days'", "22023"),
        ("min_trips => 0", "22023"),
        ("min_trips => -1", "22023"),
        ("region => 'Rome'", "22023"),
        ("area => st_point(7, 45, 4326)", "22023"),
        ("area => st_makeenvelope(7, 45, 8, 46, 3857)", "22023"),
        (
            "from_date => '2018-05-10', to_date => '2018-05-10'",
            "22023",
        ),
    ] {
        for function in ["trips_groups", "trips_group_members"] {
            let query = format!("SELECT * FROM {function}({arguments})");
            refused(session.query(&query, &[]), sqlstate);
        }
    }
}
