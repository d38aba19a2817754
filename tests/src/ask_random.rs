//! Random questions about what a session sees: areas that end where trips do, periods that begin and end where data do.

use geo::{BoundingRect, Coord, LineString, MultiPolygon, Polygon, Validation};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::facts::{Facts, week_of};
use crate::plane::{Area, Matching};
use crate::question::Question;

/// Names the number of random questions of a test.
const CASES_ENV: &str = "TRIPS_TEST_CASES";

/// Names the seed of a run that is to be repeated.
const SEED_ENV: &str = "TRIPS_TEST_SEED";

/// The matchings that area trees answer.
const MATCHINGS: [Matching; 4] = [
    Matching::Origin,
    Matching::Destination,
    Matching::Either,
    Matching::Both,
];

/// How many random questions a test asks: `default`, or what `TRIPS_TEST_CASES` says.
pub fn cases(default: usize) -> usize {
    let cases = std::env::var(CASES_ENV).ok();
    cases.map_or(default, |cases| cases.parse().expect("it is a number"))
}

/// Numbers of a seed that is printed, so that a failure can be had again with `TRIPS_TEST_SEED`.
pub fn seeded() -> ChaCha8Rng {
    let seed = std::env::var(SEED_ENV).ok();
    let seed = seed.map(|seed| seed.parse().expect("it is a number"));
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("{SEED_ENV}={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

/// A random question about the facts: most about areas, some about a region alone.
pub fn question(random: &mut ChaCha8Rng, facts: &Facts) -> Question {
    let region = match random.random_range(0..5) {
        0 | 1 => None,
        _ => Some(any_region(random, facts).to_owned()),
    };
    let area = match (&region, random.random_range(0..12)) {
        (Some(_), 0) => None,
        (_, 0..=6) => Some(box_area(random, facts)),
        _ => Some(polygons(random, facts)),
    };
    let (from, to) = period(random, facts);
    Question {
        area,
        matching: MATCHINGS[random.random_range(0..MATCHINGS.len())],
        region,
        from,
        to,
    }
}

fn any_region<'f>(random: &mut ChaCha8Rng, facts: &'f Facts) -> &'f str {
    let place = random.random_range(0..facts.regions().len());
    facts.regions().nth(place).expect("it is one of them")
}

/// A region that has trips, each as likely: what is rare is asked about as often as what is not.
fn inhabited<'f>(random: &mut ChaCha8Rng, facts: &'f Facts) -> &'f str {
    loop {
        let region = any_region(random, facts);
        if facts.trips_of(region) > 0 {
            return region;
        }
    }
}

fn any_trip(random: &mut ChaCha8Rng, facts: &Facts, region: &str) -> ([Coord; 2], i32) {
    let number = random.random_range(0..facts.trips_of(region));
    facts.trip_of(region, number)
}

fn any_end(random: &mut ChaCha8Rng, facts: &Facts, region: &str) -> Coord {
    any_trip(random, facts, region).0[random.random_range(0..2)]
}

/// Another end in the region: the nearest of a few, or of many.
fn neighbour(random: &mut ChaCha8Rng, facts: &Facts, region: &str, of: Coord) -> Coord {
    let looked_at = [1, 3, 20, 200][random.random_range(0..4)];
    let distance = |at: &Coord| (at.x - of.x).hypot(at.y - of.y);
    (0..looked_at)
        .map(|_| any_end(random, facts, region))
        .filter(|at| *at != of)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .unwrap_or(of)
}

/// A length in degrees, from less than a millimetre to half a continent.
fn length(random: &mut ChaCha8Rng) -> f64 {
    10f64.powf(random.random_range(-8.0..1.3))
}

/// The number itself or, now and then, the next one.
fn nudged(random: &mut ChaCha8Rng, value: f64) -> f64 {
    match random.random_range(0..8) {
        0 => value.next_up(),
        1 => value.next_down(),
        _ => value,
    }
}

/// Numbers about zero that are hard to tell apart.
fn about_zero(random: &mut ChaCha8Rng) -> f64 {
    let size = [0.0, 5e-324, 1e-300, 2.3e-308, 1e-17, 1e-9, 0.5][random.random_range(0..7)];
    if random.random() { -size } else { size }
}

/// A box of any kind; its latitudes are put in order.
fn box_area(random: &mut ChaCha8Rng, facts: &Facts) -> Area {
    let region = inhabited(random, facts);
    let at = any_end(random, facts, region);
    let other = neighbour(random, facts, region, at);
    let (width, height) = (length(random), length(random));
    let infinite = f64::INFINITY;
    let [west, south, east, north] = match random.random_range(0..15) {
        0 => [-180.0, -90.0, 180.0, 90.0],
        1 => {
            let mut bounds = [-infinite, -infinite, infinite, infinite];
            // One or two of them are not: half the world, a strip, a corner.
            for _ in 0..2 {
                let side = random.random_range(0..4);
                bounds[side] = if side % 2 == 0 { at.x } else { at.y };
            }
            bounds
        }
        2 | 3 => [at.x, at.y, at.x, at.y],
        4 => [at.x, at.y - height, at.x, at.y + height],
        5 => [at.x - width, at.y, at.x + width, at.y],
        6..=8 => [
            at.x.min(other.x),
            at.y.min(other.y),
            at.x.max(other.x),
            at.y.max(other.y),
        ],
        9 => [at.x - width, at.y - height, at.x + width, at.y + height],
        // A neighbourhood without its middle is empty, nearly.
        10 => [at.x.next_up(), at.y.next_up(), at.x + 1e-13, at.y + 1e-13],
        11 => across_the_antimeridian(random, at),
        12 => [at.x + width, at.y - height, at.x - width, at.y + height],
        13 => {
            let pole = [-90.0, 90.0][random.random_range(0..2)];
            [-180.0, pole, at.x.max(-179.0), pole + height]
        }
        _ => [
            about_zero(random),
            -60.0,
            about_zero(random) * [1.0, -1.0, 20.0][random.random_range(0..3)],
            60.0,
        ],
    };
    let [west, south, east, north] = [west, south, east, north].map(|bound| nudged(random, bound));
    Area::Box {
        west,
        south: south.min(north),
        east,
        north: south.max(north),
    }
}

fn across_the_antimeridian(random: &mut ChaCha8Rng, at: Coord) -> [f64; 4] {
    let ends = [
        (180.0, -180.0),
        (179.0, -179.0),
        (at.x.abs(), -180.0),
        (180.0, -at.x.abs()),
        (179.9999, -180.0),
    ];
    let (west, east) = ends[random.random_range(0..ends.len())];
    [west, at.y - length(random), east, at.y + length(random)]
}

/// A valid polygon or multipolygon of any kind.
fn polygons(random: &mut ChaCha8Rng, facts: &Facts) -> Area {
    let polygons = loop {
        let drawn = draw_polygons(random, facts);
        if drawn
            .iter()
            .all(|polygon| polygon.is_valid() && is_decidable(polygon))
        {
            break drawn;
        }
    };
    Area::Polygons(MultiPolygon(polygons))
}

/// Whether no corner is so near to 0 that the products underflow which tell on which side of an edge a point lies.
fn is_decidable(polygon: &Polygon) -> bool {
    let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors());
    let mut corners = rings.flat_map(|ring| &ring.0);
    corners.all(|corner| corner.x.abs() > 1e-9 && corner.y.abs() > 1e-9)
}

fn draw_polygons(random: &mut ChaCha8Rng, facts: &Facts) -> Vec<Polygon> {
    let region = inhabited(random, facts);
    let at = any_end(random, facts, region);
    match random.random_range(0..10) {
        0 => vec![round(random, facts, region, 3)],
        1 | 2 => {
            let corners = random.random_range(4..=60);
            vec![round(random, facts, region, corners)]
        }
        3 => {
            let corners = random.random_range(3..=60);
            vec![star(random, at, corners)]
        }
        4 => {
            let other = neighbour(random, facts, region, at);
            vec![rectangle(at, other)]
        }
        5 => vec![with_holes(random, at)],
        6 => chessboard(random, facts, region),
        7 => far_apart(random, facts),
        8 => vec![sliver(random, facts, region, at)],
        _ => edges_of_the_world(random, at),
    }
}

fn ring(mut corners: Vec<Coord>) -> LineString {
    corners.extend(corners.first().copied());
    LineString(corners)
}

fn at_angle(centre: Coord, angle: f64, radius: f64) -> Coord {
    Coord {
        x: centre.x + radius * angle.cos(),
        y: centre.y + radius * angle.sin(),
    }
}

fn angles(random: &mut ChaCha8Rng, count: usize) -> Vec<f64> {
    let mut angles: Vec<f64> = (0..count)
        .map(|_| random.random_range(0.0..std::f64::consts::TAU))
        .collect();
    angles.sort_by(f64::total_cmp);
    angles
}

/// Corners round a centre, nearer and farther.
fn star(random: &mut ChaCha8Rng, centre: Coord, corners: usize) -> Polygon {
    let size = length(random);
    let corners = angles(random, corners)
        .into_iter()
        .map(|angle| at_angle(centre, angle, size * random.random_range(0.3..1.0)));
    Polygon::new(ring(corners.collect()), Vec::new())
}

/// A polygon whose corners are ends of trips.
fn round(random: &mut ChaCha8Rng, facts: &Facts, region: &str, corners: usize) -> Polygon {
    let first = any_end(random, facts, region);
    let mut ends: Vec<Coord> = (0..corners)
        .map(|_| neighbour(random, facts, region, first))
        .collect();
    let count = ends.len() as f64;
    let sum = ends.iter().fold(Coord::zero(), |sum, end| sum + *end);
    let centre = sum / count;
    let angle = |at: &Coord| (at.y - centre.y).atan2(at.x - centre.x);
    ends.sort_by(|a, b| angle(a).total_cmp(&angle(b)));
    ends.dedup();
    Polygon::new(ring(ends), Vec::new())
}

fn rectangle(a: Coord, b: Coord) -> Polygon {
    let (west, east) = (a.x.min(b.x), a.x.max(b.x));
    let (south, north) = (a.y.min(b.y), a.y.max(b.y));
    let corners = [(west, south), (east, south), (east, north), (west, north)];
    Polygon::new(
        ring(corners.map(|(x, y)| Coord { x, y }).to_vec()),
        Vec::new(),
    )
}

/// A star with a hole in its middle, or one that touches a corner, or islands in a row.
fn with_holes(random: &mut ChaCha8Rng, at: Coord) -> Polygon {
    let size = length(random);
    let corners = random.random_range(6..=40);
    let outer: Vec<Coord> = (0..corners)
        .map(|number| {
            let angle = std::f64::consts::TAU * f64::from(number) / f64::from(corners);
            at_angle(at, angle, size * random.random_range(0.7..1.0))
        })
        .collect();
    let hole = |centre: Coord, size: f64, random: &mut ChaCha8Rng| {
        let corners = random.random_range(3..12);
        let corners = angles(random, corners)
            .into_iter()
            .map(|angle| at_angle(centre, angle, size));
        ring(corners.collect())
    };
    let holes = match random.random_range(0..3) {
        0 => vec![hole(at, size * 0.5, random)],
        1 => {
            let towards = |share: f64, angle| at_angle(at, angle, size * share);
            vec![ring(vec![
                outer[0],
                towards(0.3, 0.2),
                towards(0.3, std::f64::consts::TAU - 0.2),
            ])]
        }
        _ => [-0.4, 0.0, 0.4]
            .map(|share| {
                let centre = Coord {
                    x: at.x + share * size,
                    y: at.y,
                };
                hole(centre, size * 0.15, random)
            })
            .to_vec(),
    };
    Polygon::new(ring(outer), holes)
}

/// The black squares of a board whose lines go through ends of trips: they touch at their corners alone.
fn chessboard(random: &mut ChaCha8Rng, facts: &Facts, region: &str) -> Vec<Polygon> {
    let lines = random.random_range(3..6);
    let ends: Vec<Coord> = (0..lines).map(|_| any_end(random, facts, region)).collect();
    let sorted = |axis: fn(&Coord) -> f64| {
        let mut lines: Vec<f64> = ends.iter().map(axis).collect();
        lines.sort_by(f64::total_cmp);
        lines.dedup();
        lines
    };
    let (columns, rows) = (sorted(|end| end.x), sorted(|end| end.y));
    let mut squares = Vec::new();
    for (i, x) in columns.windows(2).enumerate() {
        for (j, y) in rows.windows(2).enumerate() {
            if (i + j) % 2 == 0 {
                let corner = |place: usize| Coord {
                    x: x[place],
                    y: y[place],
                };
                squares.push(rectangle(corner(0), corner(1)));
            }
        }
    }
    squares
}

/// Some small polygons in different places.
fn far_apart(random: &mut ChaCha8Rng, facts: &Facts) -> Vec<Polygon> {
    let mut apart: Vec<Polygon> = Vec::new();
    for _ in 0..random.random_range(2..6) {
        let region = inhabited(random, facts);
        let at = any_end(random, facts, region);
        let corners = random.random_range(3..20);
        let star = star(random, at, corners);
        let bounds = |polygon: &Polygon| polygon.bounding_rect().expect("it has corners");
        let touches = |other: &Polygon| {
            let (a, b) = (bounds(&star), bounds(other));
            let overlap = |axis: fn(Coord) -> f64| {
                axis(a.min()) <= axis(b.max()) && axis(b.min()) <= axis(a.max())
            };
            overlap(|at| at.x) && overlap(|at| at.y)
        };
        if !apart.iter().any(touches) {
            apart.push(star);
        }
    }
    apart
}

/// A triangle that is hardly wider than the line through two ends of trips.
fn sliver(random: &mut ChaCha8Rng, facts: &Facts, region: &str, at: Coord) -> Polygon {
    let other = neighbour(random, facts, region, at);
    let middle = (at + other) / 2.0;
    let width = [1e-15, 1e-12, 1e-6][random.random_range(0..3)];
    let third = Coord {
        x: middle.x + width,
        y: middle.y - width,
    };
    Polygon::new(ring(vec![at, other, third]), Vec::new())
}

/// Areas at the antimeridian and at the poles, and beyond them.
fn edges_of_the_world(random: &mut ChaCha8Rng, at: Coord) -> Vec<Polygon> {
    let corner = |x: f64, y: f64| Coord { x, y };
    let reach = length(random);
    match random.random_range(0..4) {
        0 => vec![
            rectangle(corner(180.0 - reach, -60.0), corner(180.0, 60.0)),
            rectangle(corner(-180.0, -60.0), corner(-180.0 + reach, 60.0)),
        ],
        1 => vec![rectangle(
            corner(-180.0, 90.0 - reach),
            corner(at.x.max(0.0) + 1.0, 90.0),
        )],
        2 => vec![rectangle(corner(-1000.0, -1000.0), corner(at.x, at.y))],
        _ => vec![Polygon::new(
            ring(vec![
                corner(at.x, at.y),
                corner(1e6, 3.0),
                corner(7.0, 1e6),
                corner(-1e6, -1e6),
            ]),
            Vec::new(),
        )],
    }
}

/// Bounds of a period, each given or left to its default; where both are given, the first is the lesser.
fn period(random: &mut ChaCha8Rng, facts: &Facts) -> (Option<i32>, Option<i32>) {
    let region = inhabited(random, facts);
    let (_, day) = any_trip(random, facts, region);
    let (first, last) = facts.days(None).expect("there are trips");
    let week = week_of(day);
    match random.random_range(0..12) {
        0 | 1 => (None, None),
        2 => (Some(day), Some(day + 1)),
        3 => (Some(week), Some(week + 7 * random.random_range(1..10))),
        4 => (Some(week), Some(week + 7)),
        5 => (
            Some(day - random.random_range(0..40)),
            Some(day + random.random_range(1..400)),
        ),
        6 => (Some(first - 400), Some(first)),
        7 => (Some(last + 1), Some(last + 9)),
        8 => (Some(day), None),
        9 => (None, Some(day)),
        10 => (Some(first), Some(last + 1)),
        _ => (Some(day - 40_000), Some(day + random.random_range(1..3))),
    }
}
