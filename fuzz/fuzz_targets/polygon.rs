//! Any bytes are refused as a polygon, or are those of the rings that are read from them. Points lie in an area as
//! arithmetic with integers says, and rectangles as their points do.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trips_core::area::wkb::{self, Polygon};
use trips_core::area::{Area, Rect, Relation};
use trips_core::ingest::parse::point::Point;

type Position = [i8; 2];

/// Polygons as well-known binary, little-endian.
fn written(polygons: &[Polygon], is_multi: bool) -> Vec<u8> {
    let number = |number: usize| (number as u32).to_le_bytes();
    let head = |kind: usize| [&[1][..], &number(kind)].concat();
    let mut bytes = Vec::new();
    if is_multi {
        bytes.extend([head(6), number(polygons.len()).to_vec()].concat());
    }
    for rings in polygons {
        bytes.extend([head(3), number(rings.len()).to_vec()].concat());
        for ring in rings {
            bytes.extend(number(ring.len()));
            bytes.extend(ring.iter().flatten().flat_map(|value| value.to_le_bytes()));
        }
    }
    bytes
}

/// Reads any bytes, and asks what they give.
fn read(bytes: &[u8]) {
    let Ok(polygons) = wkb::polygons(bytes) else {
        return;
    };
    assert_eq!(written(&polygons, bytes.get(1) == Some(&6)), bytes);
    let corner = polygons.iter().flatten().flatten().next().copied();
    let Ok(area) = Area::polygons(polygons) else {
        return;
    };
    let Some(bounds) = area.bounds() else { return };
    assert_ne!(area.relation(&bounds), Relation::Outside);
    if let Some([lon, lat]) = corner {
        area.contains(Point { lon, lat });
    }
}

/// How often the ring winds around the point; `None` on its edge.
fn winding(ring: &[Position], [x, y]: Position) -> Option<i32> {
    let mut winding = 0;
    for (place, from) in ring.iter().enumerate() {
        let to = ring[(place + 1) % ring.len()];
        let [[ax, ay], [bx, by], [x, y]] = [*from, to, [x, y]].map(|at| at.map(i32::from));
        let side = (bx - ax) * (y - ay) - (by - ay) * (x - ax);
        let is_beside = x < ax.min(bx) || x > ax.max(bx) || y < ay.min(by) || y > ay.max(by);
        if side == 0 && !is_beside {
            return None;
        }
        winding += match (ay <= y, by <= y) {
            (true, false) if side > 0 => 1,
            (false, true) if side < 0 => -1,
            _ => 0,
        };
    }
    Some(winding)
}

/// Whether the polygon has the point: the first hole that has it decides.
fn has(rings: &[Vec<Position>], point: Position) -> bool {
    let Some((exterior, holes)) = rings.split_first() else {
        return false;
    };
    match (exterior.is_empty(), winding(exterior, point)) {
        (true, _) | (_, Some(0)) => false,
        (_, None) => true,
        _ => {
            let mut holes = holes.iter().map(|hole| winding(hole, point));
            holes
                .find(|winding| *winding != Some(0))
                .is_none_or(|winding| winding.is_none())
        }
    }
}

fn point([x, y]: Position) -> Point {
    Point {
        lon: f64::from(x),
        lat: f64::from(y),
    }
}

fuzz_target!(|input: (Vec<Vec<Vec<Position>>>, Vec<Position>, &[u8])| {
    let (polygons, points, bytes) = input;
    read(bytes);
    let position = |[x, y]: &Position| [f64::from(*x), f64::from(*y)];
    let ring = |ring: &Vec<Position>| ring.iter().map(position).collect();
    let rings = |rings: &Vec<Vec<Position>>| rings.iter().map(ring).collect();
    let plain: Vec<Polygon> = polygons.iter().map(rings).collect();
    let again = wkb::polygons(&written(&plain, true)).expect("polygons");
    assert_eq!(again, plain);
    let area = Area::polygons(plain).expect("an area");
    // The corners, too: that is where edges meet.
    let corners = polygons.iter().flatten().flatten().take(32);
    for at in points.iter().take(32).chain(corners) {
        let expected = polygons.iter().any(|rings| has(rings, *at));
        assert_eq!(area.contains(point(*at)), expected, "{at:?}");
    }
    for corners in points.windows(2).take(8) {
        let ([a, b], [c, d]) = (corners[0], corners[1]);
        let (min, max) = ([a.min(c), b.min(d)], [a.max(c), b.max(d)]);
        let rect = Rect {
            max_x: f64::from(max[0]),
            max_y: f64::from(max[1]),
            ..Rect::of_point(point(min))
        };
        let expected = match area.relation(&rect) {
            Relation::Outside => false,
            Relation::Inside => true,
            Relation::Border => continue,
        };
        let middle = [0, 1].map(|axis| i8::midpoint(min[axis], max[axis]));
        for at in [min, max, [min[0], max[1]], [max[0], min[1]], middle] {
            assert_eq!(
                polygons.iter().any(|rings| has(rings, at)),
                expected,
                "{rect:?} {at:?}"
            );
        }
    }
});
