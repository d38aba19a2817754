//! Groups of similar trips by the methods 'representative' and 'density': those of their definitions, worked out here over
//! every pair of trips.

use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trips_tests::database::eventually;
use trips_tests::ingest::load;
use trips_tests::rows::write_generated;
use trips_tests::space::in_space;
use trips_tests::{Database, Role, Row, Session, refused};

const DAY: i64 = 86_400;

/// A trip as it is compared: places in metres in space, seconds since midnight.
#[derive(Debug, Clone, Copy)]
struct Trip {
    id: i64,
    departed: f64,
    origin: [f64; 3],
    destination: [f64; 3],
    second: f64,
}

/// All trips in the order of departure and id.
fn trips(session: &mut Session) -> Vec<Trip> {
    let query = "SELECT id, extract(epoch FROM departed_at)::float8, st_x(origin), st_y(origin), st_x(destination), st_y(destination)
                   FROM trips.trip ORDER BY departed_at, id";
    let rows = session.query(query, &[]).unwrap();
    rows.iter()
        .map(|row| {
            let departed: f64 = row.get(1);
            Trip {
                id: row.get(0),
                departed,
                origin: in_space(row.get(2), row.get(3)),
                destination: in_space(row.get(4), row.get(5)),
                second: departed.rem_euclid(DAY as f64),
            }
        })
        .collect()
}

/// Metres, metres, seconds.
type Limits = (f64, f64, f64);

/// The sum of squares of what sets two trips apart, as shares of the limits; none if one is above its limit.
fn unlike(one: &Trip, other: &Trip, (origin, destination, time): Limits) -> Option<f64> {
    let metres = |a: [f64; 3], b: [f64; 3]| {
        (0..3)
            .map(|axis| (a[axis] - b[axis]).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    let apart = (one.second - other.second).abs();
    let shares = [
        metres(one.origin, other.origin) / origin,
        metres(one.destination, other.destination) / destination,
        apart.min(DAY as f64 - apart) / time,
    ];
    shares
        .iter()
        .all(|share| *share <= 1.0)
        .then(|| shares.iter().map(|share| share * share).sum())
}

/// The first trip of each trip's group.
type Groups = HashMap<i64, i64>;

fn by_representatives(trips: &[Trip], limits: Limits) -> Groups {
    let mut representatives: Vec<&Trip> = Vec::new();
    let mut groups = Groups::new();
    for trip in trips {
        let similar = representatives
            .iter()
            .filter_map(|other| Some((unlike(other, trip, limits)?, *other)));
        // The first of equals is the earliest.
        let nearest = similar.min_by(|one, other| one.0.total_cmp(&other.0));
        let (_, representative) = nearest.unwrap_or((0.0, trip));
        if representative.id == trip.id {
            representatives.push(trip);
        }
        groups.insert(trip.id, representative.id);
    }
    groups
}

fn by_density(trips: &[Trip], limits: Limits, min_trips: usize) -> Groups {
    let similar: Vec<Vec<(usize, f64)>> = trips
        .iter()
        .map(|one| {
            let others = trips.iter().enumerate();
            others
                .filter_map(|(place, other)| Some((place, unlike(one, other, limits)?)))
                .collect()
        })
        .collect();
    let is_core = |place: usize| similar[place].len() >= min_trips;
    let mut labels: HashMap<usize, usize> = HashMap::new();
    for seed in 0..trips.len() {
        let mut reached = vec![seed];
        while let Some(place) = reached.pop() {
            if is_core(place) && !labels.contains_key(&place) {
                labels.insert(place, seed);
                reached.extend(similar[place].iter().map(|(other, _)| *other));
            }
        }
    }
    let cores = labels.clone();
    for place in (0..trips.len()).filter(|place| !is_core(*place)) {
        let near = similar[place].iter().filter(|(other, _)| is_core(*other));
        let nearest = near.min_by(|one, other| {
            one.1
                .total_cmp(&other.1)
                .then(trips[one.0].id.cmp(&trips[other.0].id))
        });
        if let Some((core, _)) = nearest {
            labels.insert(place, cores[core]);
        }
    }
    let mut first: HashMap<usize, i64> = HashMap::new();
    for (place, trip) in trips.iter().enumerate() {
        if let Some(label) = labels.get(&place) {
            first.entry(*label).or_insert(trip.id);
        }
    }
    labels
        .iter()
        .map(|(place, label)| (trips[*place].id, first[label]))
        .collect()
}

/// The groups that `trips_group_members` gives; they must be those of `trips_groups`.
fn members(session: &mut Session, trips: &[Trip], arguments: &str) -> Groups {
    let rows = session
        .query(
            &format!("SELECT group_id, trip_id FROM trips_group_members({arguments})"),
            &[],
        )
        .unwrap();
    let mut of_group: HashMap<i64, Vec<i64>> = HashMap::new();
    for row in &rows {
        of_group.entry(row.get(0)).or_default().push(row.get(1));
    }
    let by_id: HashMap<i64, &Trip> = trips.iter().map(|trip| (trip.id, trip)).collect();
    let groups = session
        .query(
            &format!(
                "SELECT group_id, trips, extract(epoch FROM first_departure)::float8, extract(epoch FROM last_departure)::float8
                   FROM trips_groups({arguments})"
            ),
            &[],
        )
        .unwrap();
    assert_eq!(groups.len(), of_group.len());
    let mut found = Groups::new();
    for (number, group) in (1i64..).zip(&groups) {
        assert_eq!(group.get::<_, i64>(0), number);
        let mut members: Vec<&Trip> = of_group[&number].iter().map(|id| by_id[id]).collect();
        members.sort_by(|one, other| {
            one.departed
                .total_cmp(&other.departed)
                .then(one.id.cmp(&other.id))
        });
        let (first, last) = (members[0], members[members.len() - 1]);
        assert_eq!(group.get::<_, i64>(1), members.len() as i64);
        assert_eq!(
            (group.get::<_, f64>(2), group.get::<_, f64>(3)),
            (first.departed, last.departed)
        );
        found.extend(members.iter().map(|trip| (trip.id, first.id)));
    }
    assert!(
        groups
            .windows(2)
            .all(|pair| pair[0].get::<_, i64>(1) >= pair[1].get::<_, i64>(1))
    );
    found
}

fn row((lon, lat): (f64, f64), to: (f64, f64), second: i64, day: u32) -> Row {
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Row {
        region: "Turin".to_owned(),
        origin: (lon, lat),
        destination: to,
        departed_at: format!("2018-05-{day:02} {hour:02}:{minute:02}:{second:02}"),
        datasource: "car".to_owned(),
    }
}

/// A database with trips between few places with some noise: in cities, on the antimeridian, at the poles, round midnight.
fn scene(count: usize) -> (Database, Session, Vec<Trip>) {
    const CENTRES: [(f64, f64); 6] = [
        (7.6, 45.0),
        (7.605, 45.0),
        (7.6, 45.004),
        (179.9999, -17.0),
        (30.0, -89.999),
        (100.0, 89.9995),
    ];
    let seed = std::env::var("TRIPS_TEST_SEED")
        .ok()
        .map(|seed| seed.parse().unwrap());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("TRIPS_TEST_SEED={seed}");
    let random = &mut ChaCha8Rng::seed_from_u64(seed);
    let near = |random: &mut ChaCha8Rng| {
        let (lon, lat) = CENTRES[random.random_range(0..CENTRES.len())];
        let stretch = if lat.abs() > 89.0 { 10_000.0 } else { 1.0 };
        let mut noise = || {
            if random.random_bool(0.2) {
                0.0
            } else {
                random.random_range(-0.004..0.004)
            }
        };
        let lon: f64 = lon + noise() * stretch;
        (
            (lon + 540.0).rem_euclid(360.0) - 180.0,
            (lat + noise()).clamp(-90.0, 90.0),
        )
    };
    let rows: Vec<_> = (0..count)
        .map(|_| {
            let second = ([0, 8, 17, 23][random.random_range(0..4)] * 3600
                + random.random_range(0..3600))
                % DAY;
            row(
                near(random),
                near(random),
                second,
                random.random_range(1..29),
            )
            .to_string()
        })
        .collect();
    let database = Database::new();
    let mut session = database.connect();
    load(&mut session, &database.files().write_rows("t.csv", rows));
    let trips = trips(&mut session);
    assert_eq!(trips.len(), count);
    (database, session, trips)
}

#[test]
fn representatives_are_those_of_the_definition_whatever_the_threads_and_the_memory() {
    let (_database, mut session, trips) = scene(12_000);
    for (origin, destination, minutes) in [
        (500.0, 500.0, 30),
        (250.0, 900.0, 15),
        (200.0, 3e7, 720),
        (3e7, 3e7, 1440),
    ] {
        let expected = by_representatives(&trips, (origin, destination, f64::from(minutes) * 60.0));
        // Half of it is less than all trips take, and a quarter of it less than those that begin near one place, half of all. Of these limits
        // one makes too many representatives for that.
        let little = if origin == 250.0 { "3MB" } else { "1120kB" };
        for (threads, memory) in [(1, "1GB"), (4, "1GB"), (2, little)] {
            session.run(&format!(
                "SET trips_ext.group_threads = {threads}; SET trips_ext.group_memory = '{memory}'"
            ));
            let arguments = format!("{origin}, {destination}, '{minutes} minutes', 1");
            assert_eq!(
                members(&mut session, &trips, &arguments),
                expected,
                "{arguments} {threads} {memory}"
            );
        }
    }
}

#[test]
fn densities_are_those_of_the_definition_whatever_the_threads_and_the_memory() {
    let (_database, mut session, trips) = scene(3000);
    for (origin, destination, minutes, min_trips) in [
        (500.0, 500.0, 30, 2),
        (250.0, 900.0, 15, 5),
        (700.0, 700.0, 60, 12),
        (1.0, 3e7, 720, 3),
    ] {
        let limits = (origin, destination, f64::from(minutes) * 60.0);
        let expected = by_density(&trips, limits, min_trips);
        // The last is less than all trips take, and enough for half of them, which begin near one place.
        for (threads, memory) in [(1, "1GB"), (4, "1GB"), (2, "700kB")] {
            session.run(&format!(
                "SET trips_ext.group_threads = {threads}; SET trips_ext.group_memory = '{memory}'"
            ));
            let arguments = format!(
                "{origin}, {destination}, '{minutes} minutes', {min_trips}, method => 'density'"
            );
            assert_eq!(
                members(&mut session, &trips, &arguments),
                expected,
                "{arguments} {threads} {memory}"
            );
        }
    }
}

#[test]
fn a_shuffled_file_gives_the_same_groups() {
    // Of trips at one time the lower line comes first, so no two may be at one.
    let random = &mut ChaCha8Rng::seed_from_u64(7);
    let mut rows: Vec<String> = (0..2000)
        .map(|number: i64| {
            let mut near = |middle: f64| middle + random.random_range(-0.01..0.01);
            row(
                (near(7.6), near(45.0)),
                (near(7.7), near(45.1)),
                number * 43,
                1 + (number % 28) as u32,
            )
            .to_string()
        })
        .collect();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let database = Database::new();
        let mut session = database.connect();
        load(&mut session, &database.files().write_rows("t.csv", &rows));
        let answer: Vec<_> = ["representative", "density"]
            .into_iter()
            .map(|method| {
                session.value::<String>(&format!(
                    "SELECT string_agg(g::text, '\n' ORDER BY g.group_id) FROM trips_groups(800, 800, '1 hour', method => '{method}') g"
                ))
            })
            .collect();
        answers.push(answer);
        rows.reverse();
        rows.rotate_left(701);
    }
    assert!(answers[0][0].lines().count() > 50);
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn small_groups_are_left_out_and_region_area_and_period_choose_the_trips() {
    let (database, mut session, _) = scene(1500);
    let other = (0..100).map(|number| {
        Row {
            region: "Oslo".to_owned(),
            ..row((10.7, 59.9), (10.8, 59.9), number, 3)
        }
        .to_string()
    });
    load(
        &mut session,
        &database.files().write_rows("oslo.csv", other),
    );
    let sum = |session: &mut Session, arguments: &str| {
        session.value::<i64>(&format!(
            "SELECT coalesce(sum(trips), 0)::bigint FROM trips_groups({arguments})"
        ))
    };
    assert_eq!(sum(&mut session, "min_trips => 1"), 1600);
    assert_eq!(sum(&mut session, "min_trips => 1, region => 'Turin'"), 1500);
    assert_eq!(sum(&mut session, "min_trips => 100, region => 'Oslo'"), 100);
    assert_eq!(sum(&mut session, "min_trips => 101, region => 'Oslo'"), 0);
    let north = "min_trips => 1, area => st_makeenvelope(10, 59, 11, 60, 4326)";
    assert_eq!(sum(&mut session, north), 100);
    let period = "min_trips => 1, from_date => '2018-05-10', to_date => '2018-05-12'";
    let expected = session
        .count("trips.trip WHERE departed_at >= '2018-05-10' AND departed_at < '2018-05-12'");
    assert_eq!(sum(&mut session, period), expected);
    // 100 trips in one group, over four weeks.
    let average: String = session.value(
        "SELECT weekly_average::text FROM trips_groups(region => 'Oslo', from_date => '2018-04-30', to_date => '2018-05-28') LIMIT 1",
    );
    assert_eq!(average, "25");
}

#[test]
fn a_flow_across_the_antimeridian_is_two_lines_and_its_middles_are_true() {
    let database = Database::new();
    let mut session = database.connect();
    let rows = [
        row((179.5, 10.0), (-179.5, 10.2), 86_390, 1),
        row((179.5, 10.0), (-179.5, 10.2), 10, 3),
    ];
    load(
        &mut session,
        &database
            .files()
            .write_rows("t.csv", rows.iter().map(Row::to_string)),
    );
    let group = session
        .query_one(
            "SELECT trips, st_astext(flow, 6), time_of_day::text, time_spread::text, origin_radius, origin_geohash, weekly_average::text
               FROM trips_groups(from_date => '2018-04-30', to_date => '2018-05-07')",
            &[],
        )
        .unwrap();
    assert_eq!(group.get::<_, i64>(0), 2);
    assert_eq!(
        group.get::<_, &str>(1),
        "MULTILINESTRING((179.5 10,180 10.1),(-180 10.1,-179.5 10.2))"
    );
    assert_eq!(
        (group.get::<_, &str>(2), group.get::<_, &str>(3)),
        ("00:00:00", "00:00:10")
    );
    assert_eq!(
        (group.get::<_, f64>(4), group.get::<_, &str>(5)),
        (0.0, "xcz8us7")
    );
    assert_eq!(group.get::<_, &str>(6), "2");
}

#[test]
fn a_flow_that_ends_on_the_antimeridian_keeps_to_one_side_of_it() {
    let database = Database::new();
    let mut session = database.connect();
    for (ends, line) in [
        ("180, 10, -180, 10.2", "LINESTRING(180 10,180 10.2)"),
        ("-180, 10, 180, 10.2", "LINESTRING(-180 10,-180 10.2)"),
        ("180, 10, -179.5, 10.2", "LINESTRING(-180 10,-179.5 10.2)"),
        ("-179.5, 10, 180, 10.2", "LINESTRING(-179.5 10,-180 10.2)"),
    ] {
        let flow: String = session.value(&format!("SELECT st_astext(trips.flow({ends}))"));
        assert_eq!(flow, line, "{ends}");
    }
}

#[test]
fn memory_that_is_short_is_an_error_that_says_what_to_do() {
    let database = Database::new();
    let mut session = database.connect();
    load(
        &mut session,
        &write_generated(database.files(), "t.csv", 100_000, 3, 1),
    );
    session.run("SET trips_ext.group_memory = '1MB'");
    for method in ["representative", "density", "cell"] {
        let error = refused(
            session.query(
                &format!("SELECT * FROM trips_groups(1, 1, method => '{method}')"),
                &[],
            ),
            "53200",
        );
        assert_eq!(
            error.message(),
            "grouping takes more memory than trips_ext.group_memory allows"
        );
        assert_eq!(error.detail(), Some("The limit is 1 MB."));
        assert!(
            error
                .hint()
                .unwrap()
                .starts_with("Raise trips_ext.group_memory, or ask for a region")
        );
        // A short period fits.
        let some = session.count(&format!("trips_groups(5000, 5000, '12 hours', region => 'Turin', from_date => '2018-05-01', to_date => '2018-05-02', method => '{method}')"));
        assert!(some > 0);
    }
}

#[test]
fn memory_stays_below_the_setting() {
    const LIMIT: u64 = 128 << 20;
    let database = Database::new();
    let mut session = database.connect();
    load(
        &mut session,
        &write_generated(database.files(), "t.csv", 400_000, 3, 1),
    );
    session.run("SET trips_ext.group_memory = '128MB'; SET work_mem = '1MB'");
    let (growth, trips) = session
        .memory_of(|session| session.value::<i64>("SELECT sum(trips)::bigint FROM trips_groups()"));
    assert!(trips > 100_000);
    // What PostgreSQL and threads take besides.
    assert!(growth < LIMIT + (24 << 20), "{growth}");
}

#[test]
fn a_cancelled_grouping_leaves_no_thread() {
    let database = Database::new();
    let mut session = database.connect();
    load(
        &mut session,
        &write_generated(database.files(), "t.csv", 300_000, 1, 1),
    );
    for method in ["representative", "density"] {
        session.run("SET statement_timeout = '300ms'");
        // All trips are similar: hours, were it not cancelled.
        let limits = if method == "density" {
            "3e7, 3e7, '1 day', 1000000"
        } else {
            "1, 1, '1 second'"
        };
        let ended = session.query(
            &format!("SELECT count(*) FROM trips_groups({limits}, method => '{method}')"),
            &[],
        );
        if method == "density" {
            refused(ended, "57014");
        }
        session.run("SET statement_timeout = 0");
        eventually("threads end", || session.is_single_threaded());
    }
}

#[test]
fn a_policy_hides_trips_from_groups() {
    let (role, stranger) = (Role::new(""), Role::new(""));
    let (database, mut session, _) = scene(500);
    session.run(&format!(
        "GRANT USAGE ON SCHEMA trips TO {0}; GRANT SELECT ON ALL TABLES IN SCHEMA trips TO {0};
         ALTER TABLE trips.trip ENABLE ROW LEVEL SECURITY;
         CREATE POLICY early ON trips.trip USING (departed_at < '2018-05-10')",
        role.name
    ));
    let mut other = database.connect_as(&role);
    let seen = other.count("trips.trip");
    assert!(seen > 0 && seen < 500);
    for method in ["representative", "density", "cell"] {
        let sum: i64 = other.value(&format!(
            "SELECT sum(trips)::bigint FROM trips_groups(min_trips => 1, method => '{method}')"
        ));
        assert_eq!(sum, seen, "{method}");
    }
    refused(
        database
            .connect_as(&stranger)
            .query("SELECT * FROM trips_groups()", &[]),
        "42501",
    );
}
