//! What the area trees cost: nanoseconds to build and to merge a trip, bytes of a trip, and what a search takes.
//!
//!     cargo run --release -p trips_core --example area_speed -- [TRIPS] [RUNS]

#![allow(clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
#[path = "../tests/common/forest.rs"]
mod forest;

use std::time::Instant;

use forest::Forest;
use trips_core::area::search::{Question, count};
use trips_core::area::{Area, End, Entry, Rect, build};
use trips_core::ingest::parse::point::Point;

/// West, east, south and north of five cities.
const CITIES: [[f64; 4]; 5] = [
    [14.31, 14.67, 49.99, 50.13],
    [7.51, 7.78, 44.97, 45.14],
    [9.78, 10.22, 53.41, 53.66],
    [4.75, 4.95, 45.70, 45.81],
    [-8.70, -8.55, 41.11, 41.20],
];

const DAYS: usize = 730;

/// Numbers that look random: SplitMix64.
struct Random(u64);

impl Random {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ bits >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn point(&mut self, [west, east, south, north]: [f64; 4]) -> Point {
        let mut middle = || (self.share() + self.share() + self.share()) / 3.0;
        Point {
            lon: west + middle() * (east - west),
            lat: south + middle() * (north - south),
        }
    }
}

/// Trips `from` to `to` of `total`, which are in the order of time.
fn entries(random: &mut Random, from: usize, to: usize, total: usize) -> Vec<Entry> {
    (from..to)
        .map(|number| {
            let city = (random.share() * 5.0) as usize;
            Entry {
                point: random.point(CITIES[city]),
                other: random.point(CITIES[city]),
                day: (6575 + number * DAYS / total) as i32,
                region_id: city as i16 + 1,
            }
        })
        .collect()
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let trips = arguments.next().and_then(Result::ok).unwrap_or(2_000_000);
    let runs = arguments.next().and_then(Result::ok).unwrap_or(1);
    let mut random = Random(1);
    let mut forest = Forest::default();
    let mut bytes = [0; 4];
    let (mut build_ns, mut both_ns) = ([0, 0], 0);
    for run in 0..runs {
        let entries = entries(
            &mut random,
            run * trips / runs,
            (run + 1) * trips / runs,
            trips,
        );
        for (place, end) in End::BOTH.into_iter().enumerate() {
            let since = Instant::now();
            let tree = build::build(&entries, 1, end, |row| {
                if let build::Row::Leaf { columns, .. } = row {
                    let sizes = [&columns.exact, &columns.other, &columns.regions];
                    bytes[0] += columns.points.len();
                    for (sum, column) in bytes[1..].iter_mut().zip(sizes) {
                        *sum += column.as_ref().map_or(0, Vec::len);
                    }
                }
                Ok(())
            });
            build_ns[place] += since.elapsed().as_nanos();
            tree.expect("nothing fails here");
        }
        let since = Instant::now();
        forest.plant(1, &entries);
        both_ns += since.elapsed().as_nanos();
    }
    let each = |ns: u128| ns as f64 / trips as f64;
    println!(
        "build: {:.0} ns a trip for origins, {:.0} for destinations, {:.0} for both with two threads",
        each(build_ns[0]),
        each(build_ns[1]),
        each(both_ns)
    );
    let share = |bytes: usize| bytes as f64 / trips as f64;
    println!(
        "bytes a trip, both trees: points {:.2}, exact {:.2}, other {:.2}, regions {:.2}",
        share(bytes[0]),
        share(bytes[1]),
        share(bytes[2]),
        share(bytes[3])
    );
    ask(&mut forest, "before");
    let since = Instant::now();
    forest.merge_all();
    println!(
        "merge of {runs} runs: {:.0} ns a trip with two threads",
        each(since.elapsed().as_nanos())
    );
    ask(&mut forest, "after");
}

fn ask(forest: &mut Forest, when: &str) {
    let all = i32::MIN..i32::MAX;
    let month = 6875..6905;
    for (name, [west, east, south, north]) in [
        ("1x1 km", [14.48, 14.494, 50.05, 50.059]),
        ("5x5 km", [14.44, 14.51, 50.03, 50.075]),
        ("half a city", [14.31, 14.49, 49.99, 50.13]),
        ("a city", CITIES[0]),
    ] {
        let rect = Rect {
            min_x: west,
            min_y: south,
            max_x: east,
            max_y: north,
        };
        let star = |n: usize| {
            let angle = n as f64 / 50.0 * std::f64::consts::TAU;
            let radius = if n.is_multiple_of(2) { 0.5 } else { 0.35 };
            [
                (west + east) / 2.0 + radius * (east - west) * angle.cos(),
                (south + north) / 2.0 + radius * (north - south) * angle.sin(),
            ]
        };
        let polygon = vec![vec![(0..50).map(star).collect::<Vec<_>>()]];
        let shapes = [
            ("box", Area::boxes(&[rect])),
            ("polygon", Area::polygons(polygon).expect("finite")),
        ];
        for (shape, area) in &shapes {
            for (period, days, both) in [
                ("all days", &all, false),
                ("a month", &month, false),
                ("both ends", &all, true),
            ] {
                let question = Question {
                    end: End::Origin,
                    area,
                    both,
                    days: days.clone(),
                    region: None,
                    by_week: false,
                };
                let runs = forest.runs(End::Origin);
                let mut best = f64::INFINITY;
                let mut answer = Default::default();
                for _ in 0..5 {
                    let since = Instant::now();
                    answer = count(&question, &runs, forest).expect("whole trees");
                    best = best.min(since.elapsed().as_secs_f64() * 1e3);
                }
                println!(
                    "{when}: {name}, {shape}, {period}: {best:.3} ms, {} trips, {:?}",
                    answer.trips, answer.effort
                );
            }
        }
    }
}
