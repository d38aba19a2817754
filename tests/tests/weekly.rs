//! Weekly averages and counts are what a count of every trip says: of random trips, areas, periods, matchings and
//! regions, beside PostGIS and beside the `geo` crate.

use geo::{BooleanOps, Coord, LineString, MultiPolygon, Polygon, Validation};
use postgres::types::ToSql;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trips_tests::ingest::{forget, load};
use trips_tests::plane::{Area, Matching};
use trips_tests::{Database, Row, Session, refused};

/// How many questions are asked; more with `TRIPS_TEST_CASES=5000`.
const CASES_ENV: &str = "TRIPS_TEST_CASES";
const DEFAULT_CASES: usize = 400;

/// How many files of trips these questions are spread over.
const FILES: usize = 4;

const REGIONS: [&str; 3] = ["Turin", "Fiji", "Nowhere near"];

/// A seed that is printed, so that a failure can be had again with `TRIPS_TEST_SEED`.
fn seeded() -> ChaCha8Rng {
    let seed = std::env::var("TRIPS_TEST_SEED")
        .ok()
        .map(|seed| seed.parse().unwrap());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("TRIPS_TEST_SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

fn cases() -> usize {
    let cases = std::env::var(CASES_ENV)
        .ok()
        .map(|cases| cases.parse().unwrap());
    cases.unwrap_or(DEFAULT_CASES)
}

/// Numbers on a grid of 1/64 degree, on which every product that decides about a side is exact.
fn on_grid(random: &mut ChaCha8Rng, least: f64, most: f64) -> f64 {
    (random.random_range(least..=most) * 64.0).round() / 64.0
}

/// A place where areas end, too: on the grid near two centres, at the antimeridian, at a pole.
fn place(random: &mut ChaCha8Rng) -> (f64, f64) {
    match random.random_range(0..10) {
        0 => (
            [-180.0, 180.0][random.random_range(0..2)],
            on_grid(random, -20.0, -15.0),
        ),
        1 => (
            on_grid(random, -180.0, 180.0),
            [-90.0, 90.0][random.random_range(0..2)],
        ),
        2..=4 => {
            let lon = on_grid(random, 177.0, 183.0);
            (
                if lon > 180.0 { lon - 360.0 } else { lon },
                on_grid(random, -20.0, -15.0),
            )
        }
        _ => (on_grid(random, 7.0, 8.5), on_grid(random, 44.5, 45.5)),
    }
}

/// The number itself or, now and then, its neighbour: a box is exact in double precision.
fn nudged(random: &mut ChaCha8Rng, value: f64, limit: f64) -> f64 {
    let nudged = match random.random_range(0..6) {
        0 => value.next_up(),
        1 => value.next_down(),
        _ => value,
    };
    nudged.clamp(-limit, limit)
}

/// Days around a year's end, in three clusters with empty weeks between them.
fn day(random: &mut ChaCha8Rng) -> String {
    let days = [
        "2018-12-24",
        "2018-12-30",
        "2018-12-31",
        "2019-01-01",
        "2019-01-06",
        "2019-01-07",
        "2019-02-18",
        "2020-02-29",
        "2020-12-27",
        "2020-12-28",
        "2021-01-03",
        "2021-01-04",
    ];
    days[random.random_range(0..days.len())].to_owned()
}

fn trips(random: &mut ChaCha8Rng, count: usize, nudge: bool) -> Vec<Row> {
    let at = |random: &mut ChaCha8Rng| {
        let (lon, lat) = place(random);
        match nudge {
            true => (nudged(random, lon, 180.0), nudged(random, lat, 90.0)),
            false => (lon, lat),
        }
    };
    (0..count)
        .map(|_| {
            let origin = at(random);
            let destination = if random.random_range(0..20) == 0 {
                origin
            } else {
                at(random)
            };
            let time = ["00:00:00", "23:59:59.999999", "12:30:00"][random.random_range(0..3)];
            Row {
                region: REGIONS[random.random_range(0..2)].to_owned(),
                origin,
                destination,
                departed_at: format!("{} {time}", day(random)),
                datasource: "car".to_owned(),
            }
        })
        .collect()
}

fn random_box(random: &mut ChaCha8Rng) -> Area {
    let ((west, south), (east, north)) = (place(random), place(random));
    let (south, north) = (south.min(north), south.max(north));
    // As often as not the box goes the short way; the long way round is a box, too.
    let (west, east) = match random.random_range(0..4) {
        0 => (west, east),
        1 => (west, west),
        _ if (west - east).abs() > 180.0 => (west.max(east), west.min(east)),
        _ => (west.min(east), west.max(east)),
    };
    let south = nudged(random, south, 90.0);
    Area::Box {
        west: nudged(random, west, 180.0),
        south,
        east: nudged(random, east, 180.0),
        north: nudged(random, north, 90.0).max(south),
    }
}

/// A ring of corners on the grid, round a centre, with so many of them on the antimeridian or at a pole at most.
///
/// More than two on one such line may go back and forth on it: that is no ring, and both `geo` and GEOS may give up where they
/// are to tell.
fn ring(
    random: &mut ChaCha8Rng,
    centre: Coord,
    radius: [f64; 2],
    most_at_limits: usize,
) -> LineString {
    let is_at_limit = |corner: &&Coord| corner.x.abs() == 180.0 || corner.y.abs() == 90.0;
    loop {
        let ring = any_ring(random, centre, radius);
        let corners = &ring.0[1..];
        if corners.iter().filter(is_at_limit).count() <= most_at_limits {
            return ring;
        }
    }
}

fn any_ring(random: &mut ChaCha8Rng, centre: Coord, [least, most]: [f64; 2]) -> LineString {
    let corners = random.random_range(3..9);
    let mut angles: Vec<f64> = (0..corners)
        .map(|_| random.random_range(0.0..std::f64::consts::TAU))
        .collect();
    angles.sort_by(f64::total_cmp);
    let mut ring: Vec<Coord> = angles
        .iter()
        .map(|angle| {
            let radius = random.random_range(least..=most);
            let grid = |value: f64| (value * 64.0).round() / 64.0;
            Coord {
                x: grid(centre.x + radius * angle.cos()).clamp(-180.0, 180.0),
                y: grid(centre.y + radius * angle.sin()).clamp(-90.0, 90.0),
            }
        })
        .collect();
    ring.push(ring[0]);
    LineString(ring)
}

fn random_polygon(random: &mut ChaCha8Rng) -> Polygon {
    let (x, y) = place(random);
    let centre = Coord { x, y };
    let holes = match random.random_range(0..3) {
        0 => vec![ring(random, centre, [0.1, 0.4], 0)],
        _ => Vec::new(),
    };
    Polygon::new(ring(random, centre, [0.4, 2.0], 2), holes)
}

/// A valid polygon or multipolygon.
fn random_polygons(random: &mut ChaCha8Rng) -> Area {
    loop {
        let count = [1, 1, 2, 3][random.random_range(0..4)];
        let parts: Vec<Polygon> = (0..count).map(|_| random_polygon(random)).collect();
        if !parts.iter().all(Validation::is_valid) {
            continue;
        }
        let apart = (1..parts.len()).all(|n| {
            let before = MultiPolygon(parts[..n].to_vec());
            before.intersection(&parts[n]).0.is_empty()
        });
        let polygons = MultiPolygon(parts);
        if apart && polygons.is_valid() {
            return Area::Polygons(polygons);
        }
    }
}

/// What is asked.
#[derive(Debug)]
struct Question {
    area: Option<Area>,
    matching: Matching,
    region: Option<&'static str>,
    from: Option<String>,
    to: Option<String>,
}

fn question(random: &mut ChaCha8Rng, area: Option<Area>) -> Question {
    let mut period = [None, None].map(|_: Option<()>| match random.random_range(0..3) {
        0 => None,
        _ => Some(format!(
            "20{}-{:02}-{:02}",
            random.random_range(18..=21),
            [1, 1, 2, 6, 12, 12][random.random_range(0..6)],
            random.random_range(1..=28)
        )),
    });
    if period[0].is_some() && period[1].is_some() {
        period.sort();
    }
    if period[0].is_some() && period[0] == period[1] {
        period[0] = None;
    }
    let [from, to] = period;
    Question {
        region: match area {
            None => Some(REGIONS[random.random_range(0..3)]),
            Some(_) => [
                None,
                None,
                Some(REGIONS[0]),
                Some(REGIONS[1]),
                Some(REGIONS[2]),
            ][random.random_range(0..5)],
        },
        area,
        matching: Matching::ALL[random.random_range(0..5)],
        from,
        to,
    }
}

/// Calls one of the two functions with a question's arguments.
fn ask(
    session: &mut Session,
    select: &str,
    function: &str,
    question: &Question,
) -> Vec<postgres::Row> {
    let mut values: Vec<&(dyn ToSql + Sync)> = Vec::new();
    let ewkb;
    let matching = question.matching.word();
    let arguments = match &question.area {
        None => {
            values.push(&question.region);
            "$1"
        }
        Some(Area::Box {
            west,
            south,
            east,
            north,
        }) => {
            values.extend([west as &(dyn ToSql + Sync), south, east, north]);
            "$1, $2, $3, $4"
        }
        Some(area) => {
            ewkb = area.ewkb();
            values.push(&ewkb);
            "st_geomfromewkb($1)"
        }
    };
    let mut arguments = arguments.to_owned();
    let mut add = |values: &mut Vec<_>, value, name: &str, cast: &str| {
        values.push(value);
        arguments += &format!(", {name} => ${}{cast}", values.len());
    };
    add(
        &mut values,
        &question.from as &(dyn ToSql + Sync),
        "from_date",
        "::text::date",
    );
    add(&mut values, &question.to, "to_date", "::text::date");
    if question.area.is_some() {
        add(&mut values, &matching, "matching", "");
        if question.region.is_some() {
            add(&mut values, &question.region, "region", "");
        }
    }
    let query = format!("SELECT {select} FROM {function}({arguments}) AS q");
    session
        .query(&query, &values)
        .unwrap_or_else(|error| panic!("{question:?}: {query}: {error:?}"))
}

/// The count of every trip, with nothing but comparisons and `ST_Intersects`.
const BRUTE_FORCE: &str = "
WITH asked AS (SELECT $1::text AS region, $2::text::date AS from_date, $3::text::date AS to_date, $4::text AS matching,
                      st_geomfromewkb($5::bytea) AS area, $6::float8 AS west, $7::float8 AS south,
                      $8::float8 AS east, $9::float8 AS north),
trips AS MATERIALIZED (
    SELECT t.*, r.name FROM trips.trip t JOIN trips.region r ON r.id = t.region_id),
weeks AS (
    SELECT date_trunc('week', min(departed_at))::date AS first, date_trunc('week', max(departed_at))::date + 7 AS next
      FROM trips, asked WHERE asked.region IS NULL OR name = asked.region),
period AS (
    SELECT coalesce(from_date, first) AS a, coalesce(to_date, next) AS b FROM asked, weeks),
placed AS (
    SELECT departed_at::date AS day,
           CASE WHEN area IS NULL THEN true
                WHEN west IS NULL THEN st_intersects(origin, area)
                ELSE st_y(origin) BETWEEN south AND north
                     AND CASE WHEN west <= east THEN st_x(origin) BETWEEN west AND east
                              ELSE st_x(origin) >= west OR st_x(origin) <= east END END AS o,
           CASE WHEN area IS NULL THEN true
                WHEN west IS NULL THEN st_intersects(destination, area)
                ELSE st_y(destination) BETWEEN south AND north
                     AND CASE WHEN west <= east THEN st_x(destination) BETWEEN west AND east
                              ELSE st_x(destination) >= west OR st_x(destination) <= east END END AS d,
           matching = 'crosses' AND area IS NOT NULL AND st_intersects(area,
               CASE WHEN st_x(origin) = st_x(destination) AND st_y(origin) = st_y(destination) THEN origin
                    ELSE st_makeline(origin, destination) END) AS meets, matching
      FROM trips, asked, period
     WHERE departed_at >= a AND departed_at < b AND (asked.region IS NULL OR name = asked.region)),
counted AS (
    SELECT day FROM placed
     WHERE CASE matching WHEN 'origin' THEN o WHEN 'destination' THEN d WHEN 'either' THEN o OR d
                         WHEN 'both' THEN o AND d ELSE o OR d OR meets END),
listed AS (
    SELECT w::date AS week, least(w::date + 7, b) - greatest(w::date, a) AS days
      FROM period, generate_series(date_trunc('week', a::timestamp), b - interval '1 day', interval '1 week') w
     WHERE a < b)
SELECT week::text, (SELECT count(*) FROM counted WHERE day >= week AND day < week + 7) AS trips, days
  FROM listed ORDER BY week";

fn brute_force(session: &mut Session, question: &Question) -> Vec<(String, i64, i32)> {
    let ewkb = question.area.as_ref().map(Area::ewkb);
    let corners = match question.area {
        Some(Area::Box {
            west,
            south,
            east,
            north,
        }) => [west, south, east, north].map(Some),
        _ => [None; 4],
    };
    let matching = question.matching.word();
    let values: [&(dyn ToSql + Sync); 9] = [
        &question.region,
        &question.from,
        &question.to,
        &matching,
        &ewkb,
        &corners[0],
        &corners[1],
        &corners[2],
        &corners[3],
    ];
    let rows = session.query(BRUTE_FORCE, &values).unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

/// How many trips the `geo` crate counts in a period that the server has worked out.
fn by_geo(rows: &[Row], question: &Question, weeks: &[(String, i64, i32)]) -> i64 {
    let Some(area) = &question.area else {
        return weeks.iter().map(|week| week.1).sum();
    };
    let from = question.from.clone().unwrap_or_else(|| weeks[0].0.clone());
    let is_counted = |row: &&Row| {
        let day = &row.departed_at[..10];
        // The default end is behind the last trip of the region, and so behind all that count.
        let in_period = day >= from.as_str() && question.to.as_deref().is_none_or(|to| day < to);
        let at = |(x, y): (f64, f64)| Coord { x, y };
        in_period
            && question.region.is_none_or(|region| region == row.region)
            && area.matches(question.matching, at(row.origin), at(row.destination))
    };
    rows.iter().filter(is_counted).count() as i64
}

/// The answers are those of both oracles; how many trips that counted.
#[track_caller]
fn check(session: &mut Session, rows: &[Row], question: &Question) -> i64 {
    let expected = brute_force(session, question);
    let (total, days) = expected.iter().fold((0, 0), |sum, week| {
        (sum.0 + week.1, sum.1 + i64::from(week.2))
    });
    if expected.is_empty() {
        // A default bound beyond the one that was given: an empty period.
        return 0;
    }
    assert_eq!(
        total,
        by_geo(rows, question, &expected),
        "the oracles disagree: {question:?}"
    );
    let found = ask(
        session,
        "week::text, trips, days",
        "trips_weekly_trips",
        question,
    );
    let found: Vec<(String, i64, i32)> = found
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    assert_eq!(found, expected, "{question:?}");
    let average = format!("q::text, round(q, 9) = round({total} * 7 / {days}::numeric, 9)");
    let found = ask(session, &average, "trips_weekly_average", question);
    assert!(
        found[0].get::<_, bool>(1),
        "{} is not {total} * 7 / {days}: {question:?}",
        found[0].get::<_, &str>(0)
    );
    total
}

fn is_valid(session: &mut Session, area: &Area) -> bool {
    let Area::Polygons(_) = area else {
        return true;
    };
    let query = "SELECT st_isvalid(st_geomfromewkb($1))";
    let row = session.query_one(query, &[&area.ewkb()]).unwrap();
    row.get(0)
}

/// Asks questions about random trips in several files; `nudge` moves points off the grid by one double.
fn ask_about(nudge: bool, mut area: impl FnMut(&mut ChaCha8Rng) -> Option<Area>) {
    let mut random = seeded();
    let database = Database::new();
    let mut session = database.connect();
    // To compile the brute force takes longer than to run it.
    session.run("SET jit = off; INSERT INTO trips.region (id, name) VALUES (100, 'Nowhere near')");
    let mut hits = 0;
    for file in 0..FILES {
        let rows = trips(&mut random, 600, nudge);
        let path = database
            .files()
            .write_rows(&format!("{file}.csv"), rows.iter().map(Row::to_string));
        let ingest = load(&mut session, &path).id();
        for _ in 0..cases() / FILES {
            // PostGIS finds some polygons at fault in which `geo` finds nothing, and would not answer about them.
            let area = std::iter::repeat_with(|| area(&mut random))
                .find(|area| {
                    area.as_ref()
                        .is_none_or(|area| is_valid(&mut session, area))
                })
                .unwrap();
            let question = question(&mut random, area);
            hits += check(&mut session, &rows, &question);
        }
        forget(&mut session, ingest).unwrap();
    }
    println!("{} questions, {hits} trips counted", cases());
    assert!(hits > cases() as i64, "the questions miss the trips");
}

#[test]
fn boxes_count_what_brute_force_counts() {
    ask_about(true, |random| Some(random_box(random)));
}

#[test]
fn polygons_count_what_brute_force_counts() {
    ask_about(false, |random| Some(random_polygons(random)));
}

#[test]
fn regions_count_what_brute_force_counts() {
    ask_about(false, |_| None);
}

#[test]
fn trips_that_sql_inserted_count_like_those_of_files() {
    let database = Database::new();
    let mut session = database.connect();
    session.run(
        "INSERT INTO trips.region (id, name) VALUES (1, 'Turin');
         INSERT INTO trips.datasource (id, name) VALUES (1, 'car');
         INSERT INTO trips.trip SELECT n, timestamp '2018-05-07' + n * interval '1 day', 1, 1,
             st_point(7, 45, 4326), st_point(8, 46, 4326) FROM generate_series(0, 27) n",
    );
    assert!(session.value::<bool>("SELECT trips_weekly_average('Turin') = 7"));
    assert!(session.value::<bool>("SELECT trips_weekly_average(7, 45, 7, 45) = 7"));
}

#[test]
fn disjoint_boxes_add_up_by_origin() {
    let mut random = seeded();
    let database = Database::new();
    let mut session = database.connect();
    let rows = trips(&mut random, 1000, false);
    load(
        &mut session,
        &database
            .files()
            .write_rows("t.csv", rows.iter().map(Row::to_string)),
    );
    // Halves that meet between two points of the grid.
    let sum = "SELECT abs(sum(trips_weekly_average(w, -90, e, 90)) - trips_weekly_average(-180, -90, 180, 90)) < 1e-9
        FROM (VALUES (-180, -0.001::float8), (-0.001::float8, 7.501::float8), (7.501::float8, 180)) b (w, e)";
    assert!(session.value::<bool>(sum));
    let across = "SELECT abs(trips_weekly_average(177.001, -90, -177.001, 90)
        - trips_weekly_average(177.001, -90, 180, 90) - trips_weekly_average(-180, -90, -177.001, 90)) < 1e-9";
    assert!(session.value::<bool>(across));
}

mod periods {
    use super::*;

    /// One trip on each of these days in Turin, one in Oslo long before.
    fn session_with(days: &[&str]) -> (Database, Session) {
        let database = Database::new();
        let mut session = database.connect();
        let row = |region: &str, day: &str| {
            format!("{region},POINT (7 45),POINT (8 46),{day} 12:00:00,car")
        };
        let rows = days
            .iter()
            .map(|day| row("Turin", day))
            .chain([row("Oslo", "2016-01-01")]);
        let path = database.files().write_rows("t.csv", rows);
        load(&mut session, &path);
        (database, session)
    }

    fn weeks(session: &mut Session, arguments: &str) -> String {
        session.value(&format!(
            "SELECT coalesce(string_agg(week || ':' || trips || '/' || days, ' ' ORDER BY week), '')
               FROM trips_weekly_trips({arguments})"
        ))
    }

    #[test]
    fn the_default_period_is_the_weeks_of_the_regions_that_match() {
        let (_database, mut session) = session_with(&["2018-05-09", "2018-05-29"]);
        assert_eq!(
            weeks(&mut session, "'Turin'"),
            "2018-05-07:1/7 2018-05-14:0/7 2018-05-21:0/7 2018-05-28:1/7"
        );
        assert!(session.value::<bool>("SELECT trips_weekly_average('Turin') = 0.5"));
        // An area alone means all regions, and so the year 2016.
        let all = "trips_weekly_trips(6, 44, 9, 47)";
        assert_eq!(
            session.value::<String>(&format!("SELECT min(week)::text FROM {all}")),
            "2015-12-28"
        );
        assert_eq!(
            weeks(&mut session, "6, 44, 9, 47, region => 'Oslo'"),
            "2015-12-28:1/7"
        );
        // No trip of Turin lies there, but its weeks are the same.
        assert_eq!(
            weeks(&mut session, "-6, 44, -5, 47, region => 'Turin'"),
            "2018-05-07:0/7 2018-05-14:0/7 2018-05-21:0/7 2018-05-28:0/7"
        );
    }

    #[test]
    fn a_period_is_half_open_and_its_weeks_know_their_days() {
        let (_database, mut session) = session_with(&["2018-05-09", "2018-05-16", "2018-05-17"]);
        assert_eq!(
            weeks(&mut session, "'Turin', '2018-05-09', '2018-05-17'"),
            "2018-05-07:1/5 2018-05-14:1/3"
        );
        let average =
            "SELECT trips_weekly_average('Turin', '2018-05-09', '2018-05-17') = 2 * 7 / 8::numeric";
        assert!(session.value::<bool>(average));
        assert_eq!(
            weeks(&mut session, "'Turin', '2018-05-16', '2018-05-17'"),
            "2018-05-14:1/1"
        );
        assert_eq!(
            weeks(&mut session, "'Turin', to_date => '2018-05-16'"),
            "2018-05-07:1/7 2018-05-14:0/2"
        );
        assert_eq!(
            weeks(&mut session, "'Turin', '2018-05-17'"),
            "2018-05-14:1/4"
        );
    }

    #[test]
    fn weeks_are_iso_weeks_across_the_years_end() {
        let (_database, mut session) = session_with(&[
            "2018-12-31",
            "2019-01-06",
            "2019-01-07",
            "2020-12-31",
            "2021-01-03",
        ]);
        let first = weeks(&mut session, "'Turin', '2018-12-31', '2019-01-14'");
        assert_eq!(first, "2018-12-31:2/7 2019-01-07:1/7");
        assert_eq!(
            weeks(&mut session, "'Turin', '2020-12-28'"),
            "2020-12-28:2/7"
        );
    }

    #[test]
    fn a_known_region_without_trips_in_the_period_gives_zero() {
        let (_database, mut session) = session_with(&["2018-05-09"]);
        assert!(
            session.value::<bool>(
                "SELECT trips_weekly_average('Turin', '2001-01-01', '2001-02-01') = 0"
            )
        );
        assert_eq!(
            weeks(&mut session, "'Turin', '2001-01-01', '2001-01-03'"),
            "2001-01-01:0/2"
        );
        session.run("INSERT INTO trips.region (id, name) VALUES (50, 'Empty')");
        assert!(session.value::<bool>("SELECT trips_weekly_average('Empty') = 0"));
        assert_eq!(weeks(&mut session, "'Empty'"), "");
        assert_eq!(
            weeks(&mut session, "'Empty', '2018-05-07', '2018-05-14'"),
            "2018-05-07:0/7"
        );
    }

    #[test]
    fn no_trips_at_all_give_zero() {
        let database = Database::new();
        let mut session = database.connect();
        assert!(session.value::<bool>("SELECT trips_weekly_average(7, 44, 8, 45) = 0"));
        assert!(session.value::<bool>(
            "SELECT trips_weekly_average(7, 44, 8, 45, '2018-05-07', '2018-05-14') = 0"
        ));
        assert!(
            session.value::<bool>(
                "SELECT trips_weekly_average(st_makeenvelope(7, 44, 8, 45, 4326)) = 0"
            )
        );
        assert_eq!(weeks(&mut session, "7, 44, 8, 45"), "");
        assert_eq!(
            weeks(&mut session, "7, 44, 8, 45, '2018-05-07', '2018-05-14'"),
            "2018-05-07:0/7"
        );
    }

    #[test]
    fn trips_of_any_year_that_a_file_may_hold_are_counted() {
        let (_database, mut session) = session_with(&["0001-01-01", "9999-12-31"]);
        let days = session.value::<i64>("SELECT sum(days) FROM trips_weekly_trips('Turin')");
        assert_eq!(
            days,
            session.value::<i64>("SELECT (date '10000-01-03' - date '0001-01-01')::bigint")
        );
        assert_eq!(
            session.value::<i64>("SELECT sum(trips)::bigint FROM trips_weekly_trips('Turin')"),
            2
        );
    }
}

mod errors {
    use super::*;

    fn scene() -> (Database, Session) {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows(
            "t.csv",
            [
                "Turin,POINT (7 45),POINT (8 46),2018-05-09 12:00:00,car",
                "Prague,POINT (14 50),POINT (15 51),2018-05-09 12:00:00,car",
            ],
        );
        load(&mut session, &path);
        (database, session)
    }

    const FUNCTIONS: [&str; 2] = ["trips_weekly_average", "trips_weekly_trips"];

    #[test]
    fn an_unknown_region_is_an_error_that_lists_the_known_ones() {
        let (_database, mut session) = scene();
        for function in FUNCTIONS {
            for arguments in [
                "'turin'",
                "''",
                "'Turin x'",
                "7, 44, 8, 45, region => 'Rome'",
            ] {
                let error = refused(
                    session.query(&format!("SELECT {function}({arguments})"), &[]),
                    "22023",
                );
                let said = format!("{:?} {:?}", error.detail(), error.hint());
                assert!(
                    said.contains("Prague") && said.contains("Turin"),
                    "{arguments}: {said}"
                );
            }
        }
    }

    #[test]
    fn arguments_that_make_no_sense_are_refused() {
        let (_database, mut session) = scene();
        let arguments = [
            "'Turin', '2018-05-10', '2018-05-10'",
            "'Turin', '2018-05-11', '2018-05-10'",
            "'Turin', '-infinity'",
            "'Turin', to_date => 'infinity'",
            "'Turin', '2018-05-10', 'infinity'",
            "7, 45, 8, 44",
            "'NaN', 44, 8, 45",
            "7, 'NaN', 8, 45",
            "7, 44, 'NaN', 45",
            "7, 44, 8, 'NaN'",
            "7, 44, 8, 45, '2018-05-10', '2018-05-10'",
            "7, 44, 8, 45, matching => 'inside'",
            "7, 44, 8, 45, matching => 'Origin'",
            "7, 44, 8, 45, matching => ''",
            "st_makeenvelope(7, 44, 8, 45, 4326), matching => 'inside'",
            "st_makeenvelope(7, 44, 8, 45, 4326), '2018-05-11', '2018-05-10'",
            "st_makeenvelope(7, 44, 8, 45)",
            "st_makeenvelope(7, 44, 8, 45, 3857)",
            "st_point(7, 45, 4326)",
            "'SRID=4326;LINESTRING (7 44, 8 45)'::geometry",
            "'SRID=4326;GEOMETRYCOLLECTION (POLYGON ((7 44, 8 44, 8 45, 7 44)))'::geometry",
            "'SRID=4326;MULTIPOINT (7 44)'::geometry",
            "'SRID=4326;CURVEPOLYGON (CIRCULARSTRING (0 0, 4 0, 4 4, 0 4, 0 0))'::geometry",
        ];
        for function in FUNCTIONS {
            for arguments in arguments {
                refused(
                    session.query(&format!("SELECT {function}({arguments})"), &[]),
                    "22023",
                );
            }
        }
    }

    #[test]
    fn a_required_argument_that_is_null_gives_null_or_no_rows() {
        let (_database, mut session) = scene();
        for arguments in [
            "NULL::text",
            "NULL::geometry",
            "NULL, 44, 8, 45",
            "7, NULL, 8, 45",
            "7, 44, NULL, 45",
            "7, 44, 8, NULL",
            "NULL::text, '2018-05-07', '2018-05-14'",
        ] {
            let is_null = format!("SELECT trips_weekly_average({arguments}) IS NULL");
            assert!(session.value::<bool>(&is_null), "{arguments}");
            assert_eq!(
                session.count(&format!("trips_weekly_trips({arguments})")),
                0,
                "{arguments}"
            );
        }
    }

    #[test]
    fn an_empty_area_holds_nothing() {
        let (_database, mut session) = scene();
        for area in ["POLYGON EMPTY", "MULTIPOLYGON EMPTY"] {
            let average = format!("SELECT trips_weekly_average('SRID=4326;{area}'::geometry) = 0");
            assert!(session.value::<bool>(&average), "{area}");
        }
    }
}
