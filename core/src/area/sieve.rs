//! Which points of a leaf lie in an area, from their cells alone.
//!
//! A cell is an interval of values on each axis, so a point's cells are a rectangle that the point lies in. Where
//! that is on the edge of the area, only the exact coordinates tell.

mod grid;
mod winding;
mod window;

use std::ops::{ControlFlow, Range};

use super::axis::Axis;
use super::leaf::Points;
use super::polygon::{Edge, Polygons, RingNumber};
use super::shape::{Area, Kind, Rect, Relation};
use grid::Grid;
use winding::Winding;
use window::Windows;

/// The code of a point that is not in the area.
pub const OUTSIDE: u8 = 0;
/// The code of a point that is in the area.
pub const INSIDE: u8 = 1;
/// The code of a point that may be in the area: ask its exact coordinates.
pub const EDGE: u8 = 2;

/// From how many points on tables for all of them pay.
const TABLES_FROM: usize = 32;

/// How many points of the slice lie in the area; `None` if one of them may lie on its edge. Places that the leaf does
/// not have count as outside.
pub fn count(area: &Area, points: &Points<'_>, slice: Range<usize>) -> Option<u64> {
    match area.kind() {
        Kind::Boxes(boxes) => {
            let mut windows = boxes.iter().filter_map(|b| Windows::of(b, points));
            match (windows.next(), windows.next()) {
                (None, _) => return Some(0),
                (Some(windows), None) => return windows.count(Cells::of(points, slice)),
                _ => {}
            }
        }
        Kind::Polygons(polygons) if slice.len() >= TABLES_FROM => {
            let edges = edges_of(polygons, points);
            if let Some(mut winding) = Winding::of(polygons, axes_of(points), &edges) {
                return winding.count(Cells::of(points, slice));
            }
        }
        Kind::Polygons(_) => {}
    }
    let mut codes = Vec::new();
    sort(area, points, slice, &mut codes);
    let is_known = memchr::memchr(EDGE, &codes).is_none();
    // Less than 2^16 points, each 1 or 0.
    let add = |sum: u16, code: &u8| sum.wrapping_add(u16::from(*code));
    is_known.then(|| u64::from(codes.iter().fold(0, add)))
}

/// Makes `out` the codes of the slice's points, one for each: [`OUTSIDE`], [`INSIDE`] or [`EDGE`]. Places that the leaf
/// does not have are outside.
pub fn sort(area: &Area, points: &Points<'_>, slice: Range<usize>, out: &mut Vec<u8>) {
    out.clear();
    out.resize(slice.len(), OUTSIDE);
    let cells = Cells::of(points, slice);
    match area.kind() {
        Kind::Boxes(boxes) => {
            for windows in boxes.iter().filter_map(|b| Windows::of(b, points)) {
                windows.sort(cells, out);
            }
        }
        Kind::Polygons(polygons) => sort_by_polygons(polygons, points, cells, out),
    }
}

/// How the rings wind tells of most points where some edges touch the leaf, and the raster of a grid where many do.
fn sort_by_polygons(polygons: &Polygons, points: &Points<'_>, cells: Cells<'_>, codes: &mut [u8]) {
    let axes = axes_of(points);
    if cells.len() < TABLES_FROM {
        for (cells, code) in cells.iter().zip(codes) {
            *code = code_of(polygons.relation(&rect_of(&axes, cells)));
        }
        return;
    }
    let edges = edges_of(polygons, points);
    match Winding::of(polygons, axes, &edges) {
        Some(mut winding) => winding.sort(cells, codes),
        None => Grid::of(polygons, axes, &edges).sort(cells, codes),
    }
}

fn axes_of(points: &Points<'_>) -> [Axis; 2] {
    [points.x(), points.y()]
}

/// The edges that touch the leaf, those of a ring one after the other.
fn edges_of(polygons: &Polygons, points: &Points<'_>) -> Vec<(RingNumber, Edge)> {
    let mut edges = Vec::with_capacity(winding::MAX_EDGES);
    let bounds = Axis::bounds(&points.x(), &points.y());
    let _ = polygons.each_edge_touching(&bounds, &mut |ring, edge| {
        edges.push((ring, edge));
        ControlFlow::Continue(())
    });
    edges
}

/// Where a point with these cells can be.
fn rect_of([x, y]: &[Axis; 2], (x_cell, y_cell): (u16, u16)) -> Rect {
    let ((min_x, max_x), (min_y, max_y)) = (x.cell_bounds(x_cell), y.cell_bounds(y_cell));
    Rect {
        min_x,
        min_y,
        max_x,
        max_y,
    }
}

const fn code_of(relation: Relation) -> u8 {
    match relation {
        Relation::Outside => OUTSIDE,
        Relation::Border => EDGE,
        Relation::Inside => INSIDE,
    }
}

/// The code that bits of two words say: whether a point is inside, and else whether it may be on an edge.
#[inline]
const fn code_of_bits(inside: u64, edge: u64, bit: usize) -> u8 {
    // EDGE and INSIDE are bits.
    ((inside >> bit) & 1 | ((edge >> bit) & 1) << 1) as u8
}

/// The cells of some points.
#[derive(Debug, Clone, Copy)]
struct Cells<'a> {
    x: &'a [[u8; 2]],
    y: &'a [[u8; 2]],
}

impl<'a> Cells<'a> {
    /// Those of the slice, as far as the leaf has them.
    fn of(points: &Points<'a>, slice: Range<usize>) -> Cells<'a> {
        let slice = slice.start.min(points.len())..slice.end.min(points.len());
        let part = |cells: &'a [u8]| cells.as_chunks().0.get(slice.clone()).unwrap_or_default();
        Cells {
            x: part(points.x_cells()),
            y: part(points.y_cells()),
        }
    }

    /// The points, some at a time.
    #[inline(always)]
    fn chunks(self, size: usize) -> impl Iterator<Item = Cells<'a>> {
        let (x, y) = (self.x.chunks(size), self.y.chunks(size));
        x.zip(y).map(|(x, y)| Cells { x, y })
    }

    const fn len(&self) -> usize {
        self.x.len()
    }

    fn get(&self, place: usize) -> Option<(u16, u16)> {
        Some((
            u16::from_le_bytes(*self.x.get(place)?),
            u16::from_le_bytes(*self.y.get(place)?),
        ))
    }

    /// The cells of each point.
    #[inline]
    fn iter(self) -> impl Iterator<Item = (u16, u16)> {
        let cell = |bytes: &[u8; 2]| u16::from_le_bytes(*bytes);
        self.x.iter().map(cell).zip(self.y.iter().map(cell))
    }
}
