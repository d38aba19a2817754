//! Areas made of polygons.

mod boxes;
mod raster;
mod ring;

use std::iter;
use std::ops::ControlFlow::{self, Break, Continue};

use boxes::BoxTree;
use ring::{Place, Ring};

use super::morton;
use super::shape::{MAX_COORDINATE, Rect, Relation, ShapeError};
use crate::ingest::parse::point::Point;

pub(super) use raster::{Lines, MAX_LINES, Raster};
pub(super) use ring::Edge;

/// Which ring: its polygon, and 0 for the exterior or else the hole, from 1.
pub(super) type RingNumber = [usize; 2];

/// Polygons, found by their boxes.
#[derive(Debug, Clone)]
pub(super) struct Polygons {
    polygons: Vec<Polygon>,
    boxes: BoxTree,
    /// Tells of most points and small rectangles how they lie.
    raster: Option<Box<Raster>>,
}

/// An exterior ring and its holes, found by their boxes.
#[derive(Debug, Clone)]
struct Polygon {
    exterior: Ring,
    holes: Vec<Ring>,
    boxes: BoxTree,
}

impl Polygons {
    /// See [`super::shape::Area::polygons`].
    pub(super) fn new(polygons: Vec<Vec<Vec<[f64; 2]>>>) -> Result<Polygons, ShapeError> {
        polygons
            .iter()
            .flatten()
            .flatten()
            .flatten()
            .try_for_each(check)?;
        let mut polygons: Vec<_> = polygons.into_iter().filter_map(Polygon::new).collect();
        // Boxes of neighbours are small.
        polygons.sort_by_cached_key(|polygon| morton::code(polygon.exterior.bounds().least()));
        let boxes = BoxTree::new(polygons.iter().map(|p| p.exterior.bounds()).collect());
        let mut polygons = Polygons {
            polygons,
            boxes,
            raster: None,
        };
        polygons.raster = polygons.rasterized();
        Ok(polygons)
    }

    /// The least rectangle around them.
    pub(super) fn bounds(&self) -> Option<Rect> {
        self.boxes.bounds()
    }

    /// The raster over them; `None` if there are none.
    fn rasterized(&self) -> Option<Box<Raster>> {
        let mut raster = Box::new(Raster::over(&self.bounds()?));
        for ring in self.polygons.iter().flat_map(Polygon::rings) {
            ring.edges().for_each(|edge| raster.touch(edge));
        }
        raster.fill(|point| self.contains_by_edges(point));
        Some(raster)
    }

    /// How the raster says that they lie to `rect`.
    #[inline]
    fn relation_by_raster(&self, rect: &Rect) -> Relation {
        match &self.raster {
            Some(raster) => raster.relation(rect),
            None => Relation::Outside,
        }
    }

    /// How they lie to `rect`: where no edge touches it, all of it lies as its corner does.
    pub(super) fn relation(&self, rect: &Rect) -> Relation {
        match self.relation_by_raster(rect) {
            Relation::Border => self.relation_by_edges(rect),
            known => known,
        }
    }

    /// As [`Polygons::relation`].
    fn relation_by_edges(&self, rect: &Rect) -> Relation {
        let is_point = rect.min_x == rect.max_x && rect.min_y == rect.max_y;
        if !is_point
            && self
                .each_edge_touching(rect, &mut |_, _| Break(()))
                .is_break()
        {
            Relation::Border
        } else if self.contains_by_edges(rect.least()) {
            Relation::Inside
        } else {
            Relation::Outside
        }
    }

    /// Whether one of them has the point.
    #[inline]
    pub(super) fn contains(&self, point: Point) -> bool {
        match self.relation_by_raster(&Rect::of_point(point)) {
            Relation::Outside => false,
            Relation::Border => self.contains_by_edges(point),
            Relation::Inside => true,
        }
    }

    /// As [`Polygons::contains`].
    fn contains_by_edges(&self, point: Point) -> bool {
        self.boxes
            .select(|bounds, _| bounds.contains(point))
            .filter_map(|place| self.polygons.get(place))
            .any(|polygon| polygon.contains(point))
    }

    /// How often the ring winds around the point, see [`Ring::winding_number`], if they are only one ring and the point
    /// is not on it.
    pub(super) fn winding_number(&self, point: Point) -> Option<i64> {
        match self.polygons.as_slice() {
            [polygon] if polygon.holes.is_empty() => polygon.exterior.winding_number(point),
            _ => None,
        }
    }

    /// Hands the edges that have a point in common with `rect` to `visit`, those of a ring one after the other, until it
    /// breaks.
    pub(super) fn each_edge_touching(
        &self,
        rect: &Rect,
        visit: &mut impl FnMut(RingNumber, Edge) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for place in self.boxes.select(|bounds, _| bounds.touches(rect)) {
            if let Some(polygon) = self.polygons.get(place) {
                polygon.each_edge_touching(rect, &mut |ring, edge| visit([place, ring], edge))?;
            }
        }
        Continue(())
    }

    /// The boxes that the edges are found by: what there is to hold besides the positions.
    #[cfg(test)]
    fn index_entries(&self) -> usize {
        let of_polygon = |polygon: &Polygon| {
            polygon.boxes.len() + polygon.rings().map(Ring::index_entries).sum::<usize>()
        };
        self.boxes.len() + self.polygons.iter().map(of_polygon).sum::<usize>()
    }
}

/// Refuses what is no coordinate.
fn check(coordinate: &f64) -> Result<(), ShapeError> {
    match coordinate.abs() {
        size if size <= MAX_COORDINATE => Ok(()),
        size if size.is_finite() => Err(ShapeError::OutOfRange(*coordinate)),
        _ => Err(ShapeError::NotFinite),
    }
}

impl Polygon {
    /// The polygon of the rings; `None` if its exterior is empty.
    fn new(rings: Vec<Vec<[f64; 2]>>) -> Option<Polygon> {
        let mut rings = rings.into_iter();
        let exterior = Ring::new(rings.next()?)?;
        let holes: Vec<_> = rings.filter_map(Ring::new).collect();
        let boxes = BoxTree::new(holes.iter().map(Ring::bounds).collect());
        Some(Polygon {
            exterior,
            holes,
            boxes,
        })
    }

    fn rings(&self) -> impl Iterator<Item = &Ring> {
        iter::once(&self.exterior).chain(&self.holes)
    }

    /// See [`super::shape::Area::contains`].
    fn contains(&self, point: Point) -> bool {
        match self.exterior.place(point) {
            Place::Outside => false,
            Place::Edge => true,
            Place::Inside => {
                self.boxes
                    .select(|bounds, _| bounds.contains(point))
                    .filter_map(|place| self.holes.get(place))
                    .map(|hole| hole.place(point))
                    .find(|place| *place != Place::Outside)
                    != Some(Place::Inside)
            }
        }
    }

    /// As [`Polygons::each_edge_touching`].
    fn each_edge_touching(
        &self,
        rect: &Rect,
        visit: &mut impl FnMut(usize, Edge) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.exterior
            .each_edge_touching(rect, &mut |edge| visit(0, edge))?;
        for place in self.boxes.select(|bounds, _| bounds.touches(rect)) {
            if let Some(hole) = self.holes.get(place) {
                hole.each_edge_touching(rect, &mut |edge| visit(place + 1, edge))?;
            }
        }
        Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring of so many edges around (10, 50), 1 away from it or a little less.
    fn ring(edges: usize) -> Vec<[f64; 2]> {
        let position = |number: usize| {
            let turn = number as f64 / edges as f64 * std::f64::consts::TAU;
            let radius = 1.0 - 1e-7 * (number % 3) as f64;
            [10.0 + radius * turn.cos(), 50.0 + radius * turn.sin()]
        };
        (0..edges).map(position).collect()
    }

    #[test]
    fn the_index_is_small_however_many_edges_there_are() {
        for edges in [3, 8, 9, 1_000, 1_000_000] {
            let polygons = Polygons::new(vec![vec![ring(edges)]]).unwrap();
            // A box for eight edges, and a seventh of that above.
            assert!(polygons.index_entries() <= edges / 7 + 8, "{edges}");
            for (lon, has) in [(10.0, true), (10.999, true), (11.001, false)] {
                assert_eq!(polygons.contains(Point { lon, lat: 50.0 }), has);
            }
        }
        let triangles = (0..10_000)
            .map(|number| {
                let (x, y) = ((number % 100) as f64, (number / 100) as f64);
                vec![vec![[x, y], [x + 0.5, y], [x, y + 0.5]]]
            })
            .collect();
        let triangles = Polygons::new(triangles).unwrap();
        assert!(triangles.index_entries() < 30_000);
        let point = |lon, lat| Point { lon, lat };
        assert!(triangles.contains(point(77.25, 33.25)));
        assert!(!triangles.contains(point(77.26, 33.25)));
    }

    #[test]
    fn the_raster_tells_of_most_points() {
        let polygons = Polygons::new(vec![vec![ring(50)]]).unwrap();
        let mut unknown = 0;
        for number in 0..10_000 {
            let (x, y) = ((number % 100) as f64, (number / 100) as f64);
            let point = Point {
                lon: 9.0 + x / 50.0,
                lat: 49.0 + y / 50.0,
            };
            let known = polygons.relation_by_raster(&Rect::of_point(point));
            unknown += usize::from(known == Relation::Border);
            assert_eq!(polygons.contains(point), polygons.contains_by_edges(point));
        }
        assert!(unknown < 1_000, "{unknown}");
    }

    #[test]
    fn the_first_hole_that_has_a_point_decides() {
        let square = |min: f64, max: f64| vec![[min, min], [max, min], [max, max], [min, max]];
        let has = |holes: [(f64, f64); 2], at: f64| {
            let holes = holes.map(|(min, max)| square(min, max));
            let rings = [vec![square(0.0, 9.0)], holes.to_vec()].concat();
            Polygons::new(vec![rings])
                .unwrap()
                .contains(Point { lon: at, lat: at })
        };
        assert!(has([(1.0, 3.0), (3.0, 5.0)], 3.0));
        assert!(!has([(1.0, 3.0), (3.0, 5.0)], 4.0));
        assert!(has([(1.0, 3.0), (2.0, 5.0)], 3.0));
        assert!(!has([(2.0, 5.0), (1.0, 3.0)], 3.0));
        // On the exterior's edge no hole counts.
        assert!(has([(-1.0, 3.0), (3.0, 5.0)], 0.0));
    }
}
