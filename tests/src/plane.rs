//! Areas and what they hold, by the `geo` crate's robust predicates: an oracle beside PostGIS.

use geo::{Coord, Intersects, Line, LineString, MultiPolygon, Polygon};

/// What selects trips by place.
#[derive(Debug, Clone, PartialEq)]
pub enum Area {
    /// A closed box in degrees; it crosses the antimeridian where `west > east`.
    Box {
        /// Least longitude.
        west: f64,
        /// Least latitude.
        south: f64,
        /// Greatest longitude.
        east: f64,
        /// Greatest latitude.
        north: f64,
    },
    /// A polygon or several, edges inside.
    Polygons(MultiPolygon<f64>),
}

/// How a trip's ends have to lie, as `matching` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// The origin is in the area.
    Origin,
    /// The destination is.
    Destination,
    /// One of them is.
    Either,
    /// Both are.
    Both,
    /// The straight line between them meets the area.
    Crosses,
}

impl Matching {
    /// All of them.
    pub const ALL: [Matching; 5] = [
        Matching::Origin,
        Matching::Destination,
        Matching::Either,
        Matching::Both,
        Matching::Crosses,
    ];

    /// The word for it in SQL.
    pub fn word(self) -> &'static str {
        match self {
            Matching::Origin => "origin",
            Matching::Destination => "destination",
            Matching::Either => "either",
            Matching::Both => "both",
            Matching::Crosses => "crosses",
        }
    }
}

impl Area {
    /// Whether a trip from `origin` to `destination` counts.
    pub fn matches(&self, matching: Matching, origin: Coord, destination: Coord) -> bool {
        match matching {
            Matching::Origin => self.holds(origin),
            Matching::Destination => self.holds(destination),
            Matching::Either => self.holds(origin) || self.holds(destination),
            Matching::Both => self.holds(origin) && self.holds(destination),
            Matching::Crosses => self.meets(Line::new(origin, destination)),
        }
    }

    fn holds(&self, point: Coord) -> bool {
        match self {
            &Area::Box {
                west,
                south,
                east,
                north,
            } => {
                let in_width = if west <= east {
                    west <= point.x && point.x <= east
                } else {
                    west <= point.x || point.x <= east
                };
                in_width && south <= point.y && point.y <= north
            }
            Area::Polygons(polygons) => polygons.intersects(&point),
        }
    }

    fn meets(&self, line: Line) -> bool {
        self.holds(line.start)
            || self.holds(line.end)
            || match self {
                Area::Polygons(polygons) => polygons.intersects(&line),
                Area::Box { .. } => self
                    .boxes()
                    .iter()
                    .any(|corners| rectangle(*corners).intersects(&line)),
            }
    }

    /// The box as one or two boxes that do not cross the antimeridian; none for polygons.
    fn boxes(&self) -> Vec<[f64; 4]> {
        match self {
            Area::Polygons(_) => Vec::new(),
            &Area::Box {
                west,
                south,
                east,
                north,
            } if west > east => vec![[west, south, 180.0, north], [-180.0, south, east, north]],
            &Area::Box {
                west,
                south,
                east,
                north,
            } => vec![[west, south, east, north]],
        }
    }

    /// EWKB, SRID 4326, of the area. A box without width or height is a point or a line there, since it would
    /// be no valid polygon.
    pub fn ewkb(&self) -> Vec<u8> {
        let parts: Vec<Vec<u8>> = match self {
            Area::Polygons(polygons) => polygons.iter().map(polygon_wkb).collect(),
            Area::Box { .. } => self.boxes().into_iter().map(box_wkb).collect(),
        };
        let mut out = Vec::new();
        match (self, parts.as_slice()) {
            (_, [part]) => return with_srid(part),
            (Area::Polygons(_), _) => head(&mut out, MULTI_POLYGON),
            (Area::Box { .. }, _) => head(&mut out, GEOMETRY_COLLECTION),
        }
        count(&mut out, parts.len());
        out.extend(parts.concat());
        with_srid(&out)
    }
}

/// A ring round the box; it folds back on itself where the box has no width or height.
fn rectangle([west, south, east, north]: [f64; 4]) -> Polygon {
    let corners = [
        (west, south),
        (east, south),
        (east, north),
        (west, north),
        (west, south),
    ];
    Polygon::new(LineString::from(corners.to_vec()), Vec::new())
}

const POINT: u32 = 1;
const LINE_STRING: u32 = 2;
const POLYGON: u32 = 3;
const MULTI_POLYGON: u32 = 6;
const GEOMETRY_COLLECTION: u32 = 7;

/// Bytes in front of a geometry's content: the byte order and the type.
const HEAD: usize = 5;

fn head(out: &mut Vec<u8>, kind: u32) {
    out.push(1);
    out.extend(kind.to_le_bytes());
}

/// WKB made to EWKB with SRID 4326.
fn with_srid(wkb: &[u8]) -> Vec<u8> {
    const HAS_SRID: u8 = 0x20;
    let (head, content) = wkb.split_at(HEAD);
    let mut out = head.to_vec();
    out[HEAD - 1] |= HAS_SRID;
    out.extend(4326_u32.to_le_bytes());
    out.extend(content);
    out
}

fn count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("tests make small geometries");
    out.extend(count.to_le_bytes());
}

fn coords(out: &mut Vec<u8>, coords: &[Coord]) {
    for coord in coords {
        out.extend(coord.x.to_le_bytes());
        out.extend(coord.y.to_le_bytes());
    }
}

fn box_wkb([west, south, east, north]: [f64; 4]) -> Vec<u8> {
    let ends = [Coord { x: west, y: south }, Coord { x: east, y: north }];
    let mut out = Vec::new();
    match (west == east, south == north) {
        (false, false) => return polygon_wkb(&rectangle([west, south, east, north])),
        (true, true) => {
            head(&mut out, POINT);
            coords(&mut out, &ends[..1]);
        }
        _ => {
            head(&mut out, LINE_STRING);
            count(&mut out, ends.len());
            coords(&mut out, &ends);
        }
    }
    out
}

fn polygon_wkb(polygon: &Polygon) -> Vec<u8> {
    let mut out = Vec::new();
    head(&mut out, POLYGON);
    count(&mut out, 1 + polygon.interiors().len());
    for ring in std::iter::once(polygon.exterior()).chain(polygon.interiors()) {
        count(&mut out, ring.0.len());
        coords(&mut out, &ring.0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACROSS: Area = Area::Box {
        west: 170.0,
        south: -10.0,
        east: -170.0,
        north: 10.0,
    };

    fn at(x: f64, y: f64) -> Coord {
        Coord { x, y }
    }

    #[test]
    fn a_box_across_the_antimeridian_holds_both_its_sides_and_their_edges() {
        for x in [170.0, 180.0, -180.0, -170.0] {
            assert!(ACROSS.matches(Matching::Origin, at(x, 10.0), at(0.0, 0.0)));
        }
        assert!(!ACROSS.matches(Matching::Origin, at(169.9, 0.0), at(180.0, 0.0)));
        assert!(ACROSS.matches(Matching::Crosses, at(160.0, 0.0), at(175.0, 12.0)));
        // A straight line in longitude and latitude: from 160 to -160 it goes by way of 0.
        assert!(!ACROSS.matches(Matching::Crosses, at(160.0, 0.0), at(-160.0, 5.0)));
    }

    #[test]
    fn a_box_without_width_still_meets_the_lines_through_it() {
        let wall = Area::Box {
            west: 1.0,
            south: 0.0,
            east: 1.0,
            north: 2.0,
        };
        assert!(wall.matches(Matching::Crosses, at(0.0, 0.0), at(2.0, 2.0)));
        assert!(!wall.matches(Matching::Crosses, at(0.0, 0.0), at(2.0, 6.0)));
    }
}
