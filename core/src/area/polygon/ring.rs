//! A ring: where a point lies to it, and which of its edges touch a rectangle.
//!
//! Edges are looked at in blocks of eight, found by their boxes. Of blocks that lie beside a point only the ends
//! matter: a line that passes the point on its right climbs past it as often as a straight line between its ends
//! would.

use std::ops::ControlFlow;

use robust::{Coord, orient2d};

use super::boxes::BoxTree;
use crate::area::shape::Rect;
use crate::ingest::parse::point::Point;

/// Edges of a block.
const BLOCK: usize = 8;

/// A closed line.
#[derive(Debug, Clone)]
pub(super) struct Ring {
    /// At least two, the last one equal to the first.
    positions: Vec<[f64; 2]>,
    bounds: Rect,
    /// The boxes of the blocks.
    blocks: BoxTree,
}

/// Where a point lies to a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The ring does not wind around it.
    Outside,
    /// It is on an edge.
    Edge,
    /// The ring winds around it.
    Inside,
}

impl Ring {
    /// The ring through the positions; `None` if there are none.
    pub(super) fn new(mut positions: Vec<[f64; 2]>) -> Option<Ring> {
        let first = *positions.first()?;
        if positions.len() == 1 || positions.last() != Some(&first) {
            positions.push(first);
        }
        let edges = positions.len() - 1;
        let around = |block: usize| {
            edges_of(&positions, block)
                .map(|edge| edge.bounds())
                .reduce(Rect::join)
        };
        let blocks = BoxTree::new((0..edges.div_ceil(BLOCK)).filter_map(around).collect());
        let bounds = blocks.bounds()?;
        Some(Ring {
            positions,
            bounds,
            blocks,
        })
    }

    /// The least rectangle around it.
    pub(super) const fn bounds(&self) -> Rect {
        self.bounds
    }

    /// All its edges.
    pub(super) fn edges(&self) -> impl Iterator<Item = Edge> {
        edges_between(&self.positions)
    }

    /// How many boxes its edges are found by.
    #[cfg(test)]
    pub(super) fn index_entries(&self) -> usize {
        self.blocks.len()
    }

    /// Where the point lies, by the winding number.
    pub(super) fn place(&self, point: Point) -> Place {
        match self.winding_number(point) {
            None => Place::Edge,
            Some(0) => Place::Outside,
            Some(_) => Place::Inside,
        }
    }

    /// How often the ring climbs past the point on its right less how often it comes down there (Sunday, 2001); `None`
    /// if the point is on an edge.
    pub(super) fn winding_number(&self, point: Point) -> Option<i64> {
        let (mut beside, mut near) = (0, 0);
        let blocks = self.blocks.select(|bounds, blocks| {
            if point.lon < bounds.min_x {
                let edges = blocks.start * BLOCK..blocks.end * BLOCK;
                let last = edges.end.min(self.positions.len() - 1);
                if let (Some(from), Some(to)) =
                    (self.positions.get(edges.start), self.positions.get(last))
                {
                    beside += climbs(*from, *to, point);
                }
            }
            bounds.contains(point)
        });
        for block in blocks {
            for edge in edges_of(&self.positions, block) {
                near += edge.climbs_past(point)?;
            }
        }
        Some(beside + near)
    }

    /// Hands the edges that have a point in common with `rect` to `visit`, until it breaks.
    pub(super) fn each_edge_touching(
        &self,
        rect: &Rect,
        visit: &mut impl FnMut(Edge) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for block in self.blocks.select(|bounds, _| bounds.touches(rect)) {
            for edge in edges_of(&self.positions, block) {
                if edge.touches(rect) {
                    visit(edge)?;
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// The edges of a block of the ring through `positions`.
#[inline]
fn edges_of(positions: &[[f64; 2]], block: usize) -> impl Iterator<Item = Edge> {
    let first = block * BLOCK;
    let end = positions.len().min(first + BLOCK + 1);
    edges_between(positions.get(first..end).unwrap_or_default())
}

/// The edges from each position to the next.
#[inline]
fn edges_between(positions: &[[f64; 2]]) -> impl Iterator<Item = Edge> {
    positions.windows(2).filter_map(|ends| match *ends {
        [from, to] => Some(Edge { from, to }),
        _ => None,
    })
}

/// 1 if a line from `from` to `to` climbs past the height of the point, -1 if it comes down past it, else 0. What is as
/// high as the point counts as below.
#[inline]
fn climbs(from: [f64; 2], to: [f64; 2], point: Point) -> i64 {
    let [[_, from], [_, to]] = [from, to];
    i64::from(from <= point.lat) - i64::from(to <= point.lat)
}

/// A straight line between two positions, which may be the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::area) struct Edge {
    /// Longitude and latitude where it begins.
    pub(in crate::area) from: [f64; 2],
    /// Where it ends.
    pub(in crate::area) to: [f64; 2],
}

impl Edge {
    /// The least rectangle around it.
    #[inline]
    fn bounds(&self) -> Rect {
        let [[from_x, from_y], [to_x, to_y]] = [self.from, self.to];
        let (min_x, max_x) = ascending(from_x, to_x);
        let (min_y, max_y) = ascending(from_y, to_y);
        Rect {
            min_x,
            min_y,
            max_x,
            max_y,
        }
    }

    /// As [`climbs`] if it passes the point on its right, 0 on its left; `None` if the point is on it.
    #[inline]
    fn climbs_past(&self, point: Point) -> Option<i64> {
        let bounds = self.bounds();
        if !bounds.contains(point) {
            let right = point.lon < bounds.min_x;
            return Some(i64::from(right) * climbs(self.from, self.to, point));
        }
        let climbs = climbs(self.from, self.to, point);
        match self.side(point.lon, point.lat) {
            0.0 => None,
            // The point lies on the left of a line up, or on the right of a line down.
            side if (side > 0.0) == (climbs > 0) => Some(climbs),
            _ => Some(0),
        }
    }

    /// Above 0 if the position lies on the left of the line, below 0 on its right, 0 on the line: exactly (Shewchuk,
    /// 1997).
    #[inline]
    fn side(&self, x: f64, y: f64) -> f64 {
        let [from, to] = [self.from, self.to].map(|[x, y]| Coord { x, y });
        orient2d(from, to, Coord { x, y })
    }

    /// Whether it has a point in common with `rect`: no axis, nor the normal of the line, separates them.
    #[inline]
    pub(in crate::area) fn touches(&self, rect: &Rect) -> bool {
        if !self.bounds().touches(rect) {
            return false;
        }
        let [[from_x, from_y], [to_x, to_y]] = [self.from, self.to];
        // The corners that are farthest from each other across the line.
        let (first, second) = if (from_x <= to_x) == (from_y <= to_y) {
            ((rect.min_x, rect.max_y), (rect.max_x, rect.min_y))
        } else {
            ((rect.min_x, rect.min_y), (rect.max_x, rect.max_y))
        };
        let (first, second) = (self.side(first.0, first.1), self.side(second.0, second.1));
        !((first > 0.0 && second > 0.0) || (first < 0.0 && second < 0.0))
    }
}

/// The two, the lesser one first. Unlike `min` and `max`, which look for NaN, this is two instructions.
#[inline]
pub(super) const fn ascending(a: f64, b: f64) -> (f64, f64) {
    if a <= b { (a, b) } else { (b, a) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(positions: &[[f64; 2]], [lon, lat]: [f64; 2]) -> Place {
        Ring::new(positions.to_vec())
            .unwrap()
            .place(Point { lon, lat })
    }

    #[test]
    fn a_ring_closes_by_itself() {
        let open = [[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]];
        let closed = [open[0], open[1], open[2], open[0]];
        for (point, expected) in [
            ([1.0, 1.0], Place::Inside),
            ([0.0, 1.0], Place::Edge),
            ([4.0, 0.0], Place::Edge),
            ([2.0, 2.0], Place::Edge),
            ([2.0, 2.1], Place::Outside),
            ([-1.0, 0.0], Place::Outside),
            ([-1.0, 4.0], Place::Outside),
        ] {
            assert_eq!(place(&open, point), expected, "{point:?}");
            assert_eq!(place(&closed, point), expected, "{point:?}");
        }
    }

    #[test]
    fn rings_without_an_inside_have_an_edge() {
        assert!(Ring::new(vec![]).is_none());
        let point = [[1.0, 1.0]];
        let line = [[0.0, 0.0], [2.0, 2.0]];
        let spike = [[0.0, 0.0], [0.0, 0.0], [2.0, 2.0], [1.0, 1.0], [3.0, 3.0]];
        for ring in [&point[..], &line, &spike] {
            assert_eq!(place(ring, [1.0, 1.0]), Place::Edge);
            assert_eq!(place(ring, [1.0, 1.5]), Place::Outside);
            assert_eq!(place(ring, [-1.0, 1.0]), Place::Outside);
        }
    }

    #[test]
    fn winding_twice_is_inside_and_winding_back_is_not() {
        let square = [[0.0, 0.0], [3.0, 0.0], [3.0, 3.0], [0.0, 3.0]];
        let back = [[0.0, 0.0], [0.0, 3.0], [3.0, 3.0], [3.0, 0.0]];
        let twice = [square, square].concat();
        let neither = [square, back].concat();
        assert_eq!(place(&twice, [1.0, 1.0]), Place::Inside);
        assert_eq!(place(&neither, [1.0, 1.0]), Place::Outside);
        assert_eq!(place(&neither, [3.0, 1.0]), Place::Edge);
    }

    #[test]
    fn sides_are_exact() {
        // Products of these in doubles do not tell on which side of the line the point lies.
        let edge = Edge {
            from: [0.5, 0.5],
            to: [12.0, 12.0],
        };
        let next = 24.0 + 32.0 * f64::EPSILON;
        let line = Edge {
            from: [12.0, 12.0],
            to: [24.0, 24.0],
        };
        assert_eq!(edge.side(24.0, 24.0), 0.0);
        assert!(line.side(0.5, 0.5 + f64::EPSILON / 2.0) > 0.0);
        assert!(edge.side(24.0, next) > 0.0);
        assert!(edge.side(next, 24.0) < 0.0);
    }

    #[test]
    fn an_edge_touches_the_rectangles_that_it_has_a_point_of() {
        let rect = Rect {
            min_x: 0.0,
            min_y: 0.0,
            max_x: 2.0,
            max_y: 1.0,
        };
        for (from, to, touches) in [
            ([1.0, 0.5], [1.5, 0.5], true),
            ([-1.0, -1.0], [3.0, 3.0], true),
            ([-1.0, 0.0], [1.0, 2.0], true),
            ([-1.0, 0.1], [1.0, 2.1], false),
            ([3.0, 0.0], [1.0, 2.0], true),
            ([3.0, 0.1], [1.0, 2.1], false),
            ([2.0, 1.0], [2.0, 1.0], true),
            ([2.0, 1.1], [2.0, 3.0], false),
            ([2.0, -1.0], [2.0, 3.0], true),
            ([-3.0, 1.0], [3.0, 1.0], true),
        ] {
            let (edge, turned) = (Edge { from, to }, Edge { from: to, to: from });
            assert_eq!(edge.touches(&rect), touches, "{edge:?}");
            assert_eq!(turned.touches(&rect), touches, "{turned:?}");
        }
    }
}
