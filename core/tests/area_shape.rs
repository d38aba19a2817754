//! Areas against another implementation of the same predicates, and the sieve against the exact coordinates.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use geo::{Coord, Intersects, Line, LineString, MultiPolygon};
use proptest::prelude::*;
use proptest::sample::Index;
use trips_core::area::leaf::{self, Points};
use trips_core::area::sieve::{self, EDGE, INSIDE, OUTSIDE};
use trips_core::area::{Area, End, Entry, Rect, Relation};
use trips_core::ingest::parse::point::Point;

type Ring = Vec<[f64; 2]>;
type Polygons = Vec<Vec<Ring>>;

/// A number that many share, one between these, or any near zero.
fn coordinate() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => (-6..=6).prop_map(f64::from),
        1 => (-60..=60).prop_map(|tenths| f64::from(tenths) / 10.0),
        1 => -6.0..6.0f64,
    ]
}

fn position() -> impl Strategy<Value = [f64; 2]> {
    prop::array::uniform2(coordinate())
}

/// Any positions: lines cross, repeat, turn back and lie on each other.
fn any_ring() -> impl Strategy<Value = Ring> {
    (prop::collection::vec(position(), 0..14), any::<bool>()).prop_map(|(mut ring, closed)| {
        ring.extend(ring.first().copied().filter(|_| closed));
        ring
    })
}

/// A ring around `center` that does not cross itself, with so many edges at most.
fn star(center: [f64; 2], radius: f64, edges: usize) -> impl Strategy<Value = Ring> {
    prop::collection::vec(0.3..1.0f64, 3..edges).prop_map(move |radii| {
        let turn = std::f64::consts::TAU / radii.len() as f64;
        let position = |(number, share): (usize, &f64)| {
            let (sin, cos) = (number as f64 * turn).sin_cos();
            let [x, y] = center;
            [x + radius * share * cos, y + radius * share * sin]
        };
        radii.iter().enumerate().map(position).collect()
    })
}

/// A star with holes, which may reach beyond it.
fn star_with_holes() -> impl Strategy<Value = Vec<Ring>> {
    let hole = position().prop_flat_map(|center| star(center, 1.5, 9));
    (star([0.0, 0.0], 7.0, 80), prop::collection::vec(hole, 0..4))
        .prop_map(|(exterior, holes)| [vec![exterior], holes].concat())
}

fn bow_tie() -> impl Strategy<Value = Vec<Ring>> {
    (position(), position()).prop_map(|([a, b], [c, d])| vec![vec![[a, b], [c, d], [c, b], [a, d]]])
}

fn polygons() -> impl Strategy<Value = Polygons> {
    let polygon = prop_oneof![
        3 => prop::collection::vec(any_ring(), 0..4),
        2 => star_with_holes(),
        1 => bow_tie(),
    ];
    let lone_ring = prop_oneof![any_ring(), star([0.0, 0.0], 7.0, 80)];
    prop_oneof![
        2 => prop::collection::vec(polygon, 0..12),
        1 => lone_ring.prop_map(|ring| vec![vec![ring]]),
    ]
}

/// The same polygons for the other implementation.
fn multipolygon(polygons: &Polygons) -> MultiPolygon<f64> {
    let line = |ring: &Ring| LineString::from(ring.clone());
    let polygon = |rings: &Vec<Ring>| {
        let mut rings = rings.iter().map(line);
        let exterior = rings.next().unwrap_or(LineString::new(vec![]));
        geo::Polygon::new(exterior, rings.collect())
    };
    MultiPolygon::new(polygons.iter().map(polygon).collect())
}

/// All edges; a ring is closed.
fn edges(polygons: &Polygons) -> Vec<[[f64; 2]; 2]> {
    let of_ring = |ring: &Ring| -> Vec<_> {
        let to = ring.iter().cycle().skip(1);
        ring.iter().zip(to).map(|(from, to)| [*from, *to]).collect()
    };
    polygons.iter().flatten().flat_map(of_ring).collect()
}

/// Where to ask: anywhere, or so far along an edge, which is on it where numbers allow.
fn places() -> impl Strategy<Value = Vec<(Index, f64, [f64; 2], bool)>> {
    let share = prop_oneof![Just(0.0), Just(0.5), Just(0.25), 0.0..1.0f64];
    prop::collection::vec((any::<Index>(), share, position(), any::<bool>()), 1..60)
}

fn point_of(
    edges: &[[[f64; 2]; 2]],
    (edge, share, position, on_edge): &(Index, f64, [f64; 2], bool),
) -> Point {
    let [lon, lat] = if *on_edge && !edges.is_empty() {
        let [[a, b], [c, d]] = *edge.get(edges);
        [a + share * (c - a), b + share * (d - b)]
    } else {
        *position
    };
    Point { lon, lat }
}

fn coord(point: Point) -> Coord<f64> {
    Coord {
        x: point.lon,
        y: point.lat,
    }
}

fn rect([a, b]: [f64; 2], [c, d]: [f64; 2]) -> Rect {
    Rect {
        min_x: a.min(c),
        min_y: b.min(d),
        max_x: a.max(c),
        max_y: b.max(d),
    }
}

/// A grid of points in the rectangle, its corners and edges included.
fn points_in(rect: &Rect) -> Vec<Point> {
    let at = |min: f64, max: f64, step: i32| (min + (max - min) * f64::from(step) / 7.0).min(max);
    let steps = |y| (0..8).map(move |x| (x, y));
    (0..8)
        .flat_map(steps)
        .map(|(x, y)| Point {
            lon: at(rect.min_x, rect.max_x, x),
            lat: at(rect.min_y, rect.max_y, y),
        })
        .collect()
}

/// Entries at the points, as a leaf has them, and the leaf.
fn leaf_of(points: impl IntoIterator<Item = Point>, days: i32) -> (Vec<Entry>, Vec<u8>) {
    let entry = |(number, point)| Entry {
        point,
        other: Point { lon: 0.0, lat: 0.0 },
        day: number % days,
        region_id: 1,
    };
    let mut entries: Vec<_> = (0..).zip(points).map(entry).collect();
    entries.truncate(leaf::capacity(&entries));
    let columns = leaf::encode(&mut entries, End::Destination);
    (entries, columns.points)
}

/// Compares codes and counts of a leaf with its exact points; gives the number of points on the edge.
fn check_leaf(area: &Area, entries: &[Entry], bytes: &[u8]) -> Result<usize, TestCaseError> {
    let points = Points::parse(bytes).unwrap();
    let n = entries.len();
    let mut codes = vec![9; 3];
    let mut on_edge = 0;
    for slice in [0..n, n / 3..n, 0..n.min(5), n / 2..n / 2] {
        sieve::sort(area, &points, slice.clone(), &mut codes);
        prop_assert_eq!(codes.len(), slice.len());
        for (entry, code) in entries[slice.clone()].iter().zip(&codes) {
            let expected = area.contains(entry.point);
            match *code {
                OUTSIDE => prop_assert!(!expected, "{:?}", entry),
                INSIDE => prop_assert!(expected, "{:?}", entry),
                _ => prop_assert_eq!(*code, EDGE),
            }
        }
        let edges = codes.iter().filter(|code| **code == EDGE).count();
        let inside = codes.iter().filter(|code| **code == INSIDE).count();
        let expected = (edges == 0).then_some(inside as u64);
        prop_assert_eq!(sieve::count(area, &points, slice.clone()), expected);
        if slice == (0..n) {
            on_edge = edges;
        }
    }
    if points.x().shift() == 0 && points.y().shift() == 0 {
        prop_assert_eq!(on_edge, 0, "cells are exact");
    }
    Ok(on_edge)
}

/// Leaves of cities where axes are of all kinds: decimals, doubles, and doubles of several magnitudes.
fn leaf_points() -> impl Strategy<Value = Vec<Point>> {
    let size = prop_oneof![Just(12.0), Just(1.0), Just(1e-3), Just(1e-13)];
    let digits = prop_oneof![Just(0), Just(2), Just(6), Just(99)];
    (position(), size, digits).prop_flat_map(|([x, y], size, digits)| {
        let shares = prop::array::uniform2(-0.5..0.5f64);
        prop::collection::vec(shares, 1..400).prop_map(move |shares| {
            let power = 10f64.powi(digits.min(15));
            let rounded = |value: f64| match digits {
                99 => value,
                _ => (value * power).round() / power,
            };
            let point = |[a, b]: [f64; 2]| Point {
                lon: rounded(x + size * a),
                lat: rounded(y + size * b),
            };
            shares.into_iter().map(point).collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_polygon_has_the_points_that_it_has_elsewhere(polygons in polygons(), places in places()) {
        let area = Area::polygons(polygons.clone()).unwrap();
        let (expected, edges) = (multipolygon(&polygons), edges(&polygons));
        for place in &places {
            let point = point_of(&edges, place);
            prop_assert_eq!(area.contains(point), expected.intersects(&coord(point)), "{:?}", point);
            let relation = match area.contains(point) {
                true => Relation::Inside,
                false => Relation::Outside,
            };
            prop_assert_eq!(area.relation(&Rect::of_point(point)), relation);
        }
    }

    #[test]
    fn a_relation_holds_for_all_points_of_the_rectangle(
        polygons in polygons(),
        corner in position(),
        size in prop_oneof![prop::array::uniform2(coordinate()), prop::array::uniform2(-0.1..0.1f64)],
    ) {
        let area = Area::polygons(polygons.clone()).unwrap();
        let rect = rect(corner, [corner[0] + size[0], corner[1] + size[1]]);
        let relation = area.relation(&rect);
        let vertices = polygons.iter().flatten().flatten().map(|[lon, lat]| Point { lon: *lon, lat: *lat });
        let in_rect = vertices.filter(|point| rect.contains(*point));
        for point in points_in(&rect).into_iter().chain(in_rect) {
            match relation {
                Relation::Outside => prop_assert!(!area.contains(point), "{:?}", point),
                Relation::Inside => prop_assert!(area.contains(point), "{:?}", point),
                Relation::Border => {}
            }
        }
        // Border is said only where there is an edge.
        let geo_rect = geo::Rect::new((rect.min_x, rect.min_y), (rect.max_x, rect.max_y));
        let is_there = |[[a, b], [c, d]]: &[[f64; 2]; 2]| {
            Line::new((*a, *b), (*c, *d)).intersects(&geo_rect)
        };
        if relation == Relation::Border {
            prop_assert!(edges(&polygons).iter().any(is_there));
        }
    }

    #[test]
    fn bounds_are_around_the_exteriors(polygons in polygons()) {
        let area = Area::polygons(polygons.clone()).unwrap();
        let positions = polygons.iter().filter_map(|rings| rings.first()).flatten();
        let around = positions.map(|position| rect(*position, *position)).reduce(Rect::join);
        prop_assert_eq!(area.bounds(), around);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn codes_of_polygons_are_those_of_the_exact_points(
        polygons in polygons(),
        points in leaf_points(),
        places in places(),
        days in 1..70,
    ) {
        let area = Area::polygons(polygons.clone()).unwrap();
        let edges = edges(&polygons);
        let (entries, bytes) = leaf_of(points.clone(), days);
        check_leaf(&area, &entries, &bytes)?;
        // On edges and vertices.
        let points = places.iter().map(|place| point_of(&edges, place)).chain(points);
        let (entries, bytes) = leaf_of(points, days);
        check_leaf(&area, &entries, &bytes)?;
    }

    #[test]
    fn codes_of_boxes_are_those_of_the_exact_points(
        corners in prop::collection::vec((position(), any::<Index>(), position()), 0..4),
        points in leaf_points(),
        days in 1..70,
    ) {
        let (entries, bytes) = leaf_of(points, days);
        // Most have a corner at a point.
        let corner = |(number, (position, index, other)): (usize, &(_, Index, _))| {
            let Point { lon, lat } = index.get(&entries).point;
            rect(if number % 3 == 0 { *position } else { [lon, lat] }, *other)
        };
        let boxes: Vec<_> = corners.iter().enumerate().map(corner).collect();
        let area = Area::boxes(&boxes);
        for entry in &entries {
            let expected = boxes.iter().any(|b| {
                (b.min_x..=b.max_x).contains(&entry.point.lon) && (b.min_y..=b.max_y).contains(&entry.point.lat)
            });
            prop_assert_eq!(area.contains(entry.point), expected);
        }
        check_leaf(&area, &entries, &bytes)?;
        // A point that one box has for certain is on no other's edge.
        let codes = |area: &Area| {
            let mut codes = vec![];
            sieve::sort(area, &Points::parse(&bytes).unwrap(), 0..entries.len(), &mut codes);
            codes
        };
        let rank = |code: u8| [OUTSIDE, EDGE, INSIDE].iter().position(|other| *other == code);
        let alone: Vec<_> = boxes.iter().map(|b| codes(&Area::boxes(&[*b]))).collect();
        for (place, code) in codes(&area).into_iter().enumerate() {
            let best = alone.iter().map(|codes| rank(codes[place])).max();
            prop_assert_eq!(rank(code), best.unwrap_or(Some(0)));
        }
    }
}

/// Numbers that look random, the same at each run.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn unit(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn point(&mut self, [x, y]: [f64; 2], size: f64) -> Point {
        Point {
            lon: x + size * (self.unit() - 0.5),
            lat: y + size * (self.unit() - 0.5),
        }
    }
}

/// A ring of so many edges around a city.
fn city(edges: usize, random: &mut Random) -> Ring {
    let position = |number: usize| {
        let turn = number as f64 / edges as f64 * std::f64::consts::TAU;
        let radius = 0.05 + 0.05 * random.unit();
        [14.5 + radius * turn.cos(), 50.1 + radius * turn.sin()]
    };
    (0..edges).map(position).collect()
}

#[test]
fn few_points_need_their_exact_coordinates() {
    let random = &mut Random(1);
    let ring = city(50, random);
    let polygon = Area::polygons(vec![vec![ring.clone()]]).unwrap();
    let (mut tested, mut of_polygon, mut of_box) = (0, 0, 0);
    for number in 0..400 {
        let corner = ring[number % 50];
        let (entries, bytes) = leaf_of((0..900).map(|_| random.point(corner, 0.003)), 60);
        tested += entries.len();
        of_polygon += check_leaf(&polygon, &entries, &bytes).unwrap();
        let boxes = Area::boxes(&[rect(corner, [14.5, 50.1])]);
        of_box += check_leaf(&boxes, &entries, &bytes).unwrap();
    }
    // An edge through a leaf touches one cell in some 30,000.
    assert!(tested > 300_000);
    assert!(of_polygon * 10_000 < tested, "{of_polygon} of {tested}");
    assert!(of_box * 10_000 < tested, "{of_box} of {tested}");
}

#[test]
fn the_antimeridian_and_the_poles_are_edges_of_boxes() {
    let edges = [-180.0, -179.9, 179.9, 180.0]
        .map(|lon| [-90.0, -0.1, 0.0, 90.0].map(|lat| Point { lon, lat }));
    let (entries, bytes) = leaf_of(edges.into_iter().flatten(), 3);
    let boxes = [
        rect([179.9, -90.0], [180.0, 0.0]),
        rect([-180.0, -90.0], [-179.9, 0.0]),
    ];
    for (boxes, expected) in [
        (&boxes[..], 12),
        (&boxes[..1], 6),
        (&[Rect::EVERYWHERE], 16),
        (&[], 0),
    ] {
        let area = Area::boxes(boxes);
        check_leaf(&area, &entries, &bytes).unwrap();
        assert_eq!(
            sieve::count(&area, &Points::parse(&bytes).unwrap(), 0..16),
            Some(expected)
        );
    }
}

#[test]
fn places_that_a_leaf_does_not_have_are_outside() {
    let (_, bytes) = leaf_of([Point { lon: 1.0, lat: 2.0 }], 1);
    let points = Points::parse(&bytes).unwrap();
    let ring = vec![[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]];
    for area in [
        Area::everywhere(),
        Area::polygons(vec![vec![ring]]).unwrap(),
    ] {
        let mut codes = vec![];
        sieve::sort(&area, &points, 0..3, &mut codes);
        assert_eq!(codes, [INSIDE, OUTSIDE, OUTSIDE]);
        assert_eq!(sieve::count(&area, &points, 0..3), Some(1));
        assert_eq!(sieve::count(&area, &points, 7..9), Some(0));
    }
}

#[test]
fn a_million_edges_are_one_polygon_like_others() {
    let random = &mut Random(2);
    let ring = city(1_000_000, random);
    let polygons = vec![vec![ring.clone()]];
    let (area, expected) = (
        Area::polygons(polygons.clone()).unwrap(),
        multipolygon(&polygons),
    );
    for number in 0..40 {
        let point = match number % 2 {
            0 => random.point([14.5, 50.1], 0.2),
            _ => {
                let [lon, lat] = ring[number * 20_000];
                Point { lon, lat }
            }
        };
        assert_eq!(
            area.contains(point),
            expected.intersects(&coord(point)),
            "{point:?}"
        );
    }
}
