//! How the points of a leaf lie to polygons: by a raster over the leaf, and by the edges where these touch its tiles.

use super::{Cells, EDGE, code_of, code_of_bits, rect_of};
use crate::area::axis::Axis;
use crate::area::polygon::{Edge, Lines, MAX_LINES, Polygons, Raster, RingNumber};
use crate::area::shape::{Rect, Relation};

/// Up to how many edges looking at all of them is quicker than searching.
const FEW_EDGES: usize = 8;

/// A raster over a leaf, and the edges there.
pub(super) struct Grid<'a> {
    polygons: &'a Polygons,
    axes: [Axis; 2],
    /// How many low bits of a cell its column, and its row, leaves out.
    shifts: [u32; 2],
    raster: Raster,
    /// Those that touch the raster.
    edges: &'a [(RingNumber, Edge)],
}

impl<'a> Grid<'a> {
    /// The raster over a leaf with these axes, which these edges touch and no others.
    pub(super) fn of(
        polygons: &'a Polygons,
        axes: [Axis; 2],
        edges: &'a [(RingNumber, Edge)],
    ) -> Grid<'a> {
        let [(x, x_shift), (y, y_shift)] = axes.map(|axis| lines(&axis));
        let mut raster = Raster::new(x, y);
        edges.iter().for_each(|(_, edge)| raster.touch(*edge));
        raster.fill(|point| polygons.contains(point));
        Grid {
            polygons,
            axes,
            shifts: [x_shift, y_shift],
            raster,
            edges,
        }
    }

    /// The column and the row of a point.
    #[inline]
    const fn place(&self, (x_cell, y_cell): (u16, u16)) -> (usize, usize) {
        let [x_shift, y_shift] = self.shifts;
        let [column, row] = [x_cell >> x_shift, y_cell >> y_shift];
        (column as usize % MAX_LINES, row as usize % MAX_LINES)
    }

    /// Makes `codes` the codes of the points.
    pub(super) fn sort(&self, cells: Cells<'_>, codes: &mut [u8]) {
        for (cells, code) in cells.iter().zip(&mut *codes) {
            let (column, row) = self.place(cells);
            let row = self.raster.row(row);
            *code = code_of_bits(row.inside, row.touched, column);
        }
        let mut from = 0;
        while let Some(found) = memchr::memchr(EDGE, codes.get(from..).unwrap_or_default()) {
            let place = from + found;
            if let (Some(code), Some(cells)) = (codes.get_mut(place), cells.get(place)) {
                *code = code_of(self.relation(cells));
            }
            from = place + 1;
        }
    }

    /// How a point lies in a tile that an edge may touch: as the next clear tile on its left or right does, if no edge
    /// comes between.
    fn relation(&self, cells: (u16, u16)) -> Relation {
        let rect = rect_of(&self.axes, cells);
        if self.edges.len() > FEW_EDGES {
            return self.polygons.relation(&rect);
        }
        let (column, row) = self.place(cells);
        let row = self.raster.row(row);
        let [left, right] = self.raster.clear_beside(column, row);
        let to_left = |(left, min_x)| (left, Rect { min_x, ..rect });
        let to_right = |(right, max_x)| (right, Rect { max_x, ..rect });
        let is_clear = |rect: &Rect| !self.edges.iter().any(|(_, edge)| edge.touches(rect));
        [left.map(to_left), right.map(to_right)]
            .into_iter()
            .flatten()
            .find(|(_, between)| is_clear(between))
            .map_or_else(
                || self.polygons.relation(&rect),
                |(clear, _)| row.relation(clear),
            )
    }
}

/// The columns or rows over an axis, and how many low bits of a cell its column or row leaves out.
fn lines(axis: &Axis) -> (Lines, u32) {
    let last_cell = (axis.max_key() >> axis.shift()) as u16;
    let shift = (u16::BITS - last_cell.leading_zeros()).saturating_sub(MAX_LINES.ilog2());
    let count = usize::from(last_cell >> shift) + 1;
    let begin = |number: usize| axis.value((number as u64) << (shift + axis.shift()));
    (Lines::new(count, begin, axis.value(axis.max_key())), shift)
}
