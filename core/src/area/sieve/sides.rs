//! How the points of a leaf lie to polygons of which few edges touch the leaf: by the side of each edge's line that a
//! point is on.
//!
//! Two points that are on the same side of every such line have no edge between them, so the polygons have both or
//! neither. One of them is asked about for all.
//!
//! Sides are computed in floats, of several points at a time. A point that is so near to a line that these do not tell is
//! asked about by itself.

use super::{Cells, INSIDE, OUTSIDE, code_of, rect_of};
use crate::area::axis::Axis;
use crate::area::polygon::{Edge, Polygons};

/// The most edges whose sides are looked at: there are tables of all combinations.
pub(super) const MAX_EDGES: usize = 12;

/// The bit of a point that some line is too near to.
const UNSURE: u32 = 1 << MAX_EDGES;

/// What is in the table until a point has been asked about: a bit that no code has.
const UNKNOWN: u8 = 4;

/// Units of an axis: as many as there are cells at most.
const UNITS: f64 = 65_536.0;

/// The map from the coordinates and the cells of an axis to units.
#[derive(Debug, Clone, Copy)]
struct Ruler {
    begin: f64,
    units_per_degree: f64,
    units_per_cell: f64,
    /// Where the middle of cell 0 is.
    first: f64,
}

impl Ruler {
    /// The most that a point may be off: what a cell leaves open is not in it.
    const ERROR: f64 = 0.25;

    /// That of an axis whose values are evenly spaced, nearly.
    fn of(axis: &Axis) -> Option<Ruler> {
        let spacing = axis.spacing()?;
        let keys_per_cell = (1u64 << axis.shift()) as f64;
        let units_per_cell = f64::from(1u32 << u16::BITS.saturating_sub(axis.bits()));
        let units_per_key = units_per_cell / keys_per_cell;
        let is_even = spacing.error_keys * units_per_key <= Self::ERROR;
        is_even.then_some(Ruler {
            begin: axis.value(0),
            units_per_degree: spacing.keys_per_degree * units_per_key,
            units_per_cell,
            // A cell that leaves no bits out is a place.
            first: if keys_per_cell > 1.0 { 0.5 } else { 0.0 },
        })
    }

    fn units(self, value: f64) -> f64 {
        (value - self.begin) * self.units_per_degree
    }
}

/// The line of an edge: points on one side of it give numbers below zero.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    /// By how much a cell on each axis adds to the number of cells (0, 0).
    x: f32,
    y: f32,
    constant: f32,
    /// The bit of the points on its other side.
    bit: u32,
}

impl Line {
    /// Ends of an edge that are farther away are not looked at: their doubles are too coarse.
    const FARTHEST: f64 = UNITS * UNITS;

    /// Numbers below this may be on either side. A number is the distance from the line, in units and by the sum of both
    /// axes. A point is off the middle of its cell by one half on each axis, by [`Ruler::ERROR`] off its place, and so is
    /// the line; the factors add up to 1. Factors, products and sums are rounded to 24 bits of at most 2^17, six times.
    const UNSURE: f32 = 1.5;

    /// The line of an edge that has a point in the leaf.
    fn of(edge: Edge, number: usize, rulers: [Ruler; 2]) -> Option<Line> {
        let [x, y] = rulers;
        let units = |[lon, lat]: [f64; 2]| [x.units(lon), y.units(lat)];
        let ([from_x, from_y], [to_x, to_y]) = (units(edge.from), units(edge.to));
        let is_near = |value: &f64| value.abs() <= Self::FARTHEST;
        if ![from_x, from_y, to_x, to_y].iter().all(is_near) {
            return None;
        }
        let (along_x, along_y) = (to_x - from_x, to_y - from_y);
        let length = along_x.abs() + along_y.abs();
        // What is shorter has no direction.
        if length < 1.0 / UNITS {
            return None;
        }
        let (by_x, by_y) = (-along_y / length, along_x / length);
        Some(Line {
            x: (by_x * x.units_per_cell) as f32,
            y: (by_y * y.units_per_cell) as f32,
            constant: (by_x * (x.first - from_x) + by_y * (y.first - from_y)) as f32,
            bit: 1 << number,
        })
    }

    /// The number of the middle of a point's cells.
    #[inline]
    const fn number(self, x: f32, y: f32) -> f32 {
        x * self.x + y * self.y + self.constant
    }
}

/// Points that are looked at together.
const CHUNK: usize = 128;

/// The lines of the edges that touch a leaf.
pub(super) struct Sides<'a> {
    polygons: &'a Polygons,
    axes: [Axis; 2],
    lines: [Line; MAX_EDGES],
    count: usize,
    /// The codes of points by their sides, [`UNKNOWN`] as long as none has been asked about.
    known: [u8; 2 * UNSURE as usize],
}

impl<'a> Sides<'a> {
    /// Those of these edges, which are all that touch the leaf; `None` if they are too many, or not to be told apart.
    pub(super) fn of(polygons: &'a Polygons, axes: [Axis; 2], edges: &[Edge]) -> Option<Sides<'a>> {
        if edges.len() > MAX_EDGES {
            return None;
        }
        let [x, y] = &axes;
        let rulers = [Ruler::of(x)?, Ruler::of(y)?];
        let mut lines = [Line::default(); MAX_EDGES];
        for (number, (line, edge)) in lines.iter_mut().zip(edges).enumerate() {
            *line = Line::of(*edge, number, rulers)?;
        }
        Some(Sides {
            polygons,
            axes,
            lines,
            count: edges.len(),
            known: [UNKNOWN; 2 * UNSURE as usize],
        })
    }

    /// Makes `codes` the codes of the points.
    pub(super) fn sort(mut self, cells: Cells<'_>, codes: &mut [u8]) {
        let chunks = cells.x.chunks(CHUNK).zip(cells.y.chunks(CHUNK));
        for ((x, y), codes) in chunks.zip(codes.chunks_mut(CHUNK)) {
            let cells = Cells { x, y };
            let sides = self.sides(cells);
            let mut unknown = 0;
            for (sides, code) in sides.iter().zip(&mut *codes) {
                *code = self.known[*sides as usize % self.known.len()];
                unknown |= *code & UNKNOWN;
            }
            if unknown != 0 {
                self.ask(cells, &sides, codes);
            }
        }
    }

    /// The sides that the points are on, a bit for each line.
    #[inline]
    fn sides(&self, cells: Cells<'_>) -> [u32; CHUNK] {
        let (mut x, mut y) = ([0.0; CHUNK], [0.0; CHUNK]);
        for ((x, y), cells) in x.iter_mut().zip(&mut y).zip(cells.iter()) {
            (*x, *y) = (f32::from(cells.0), f32::from(cells.1));
        }
        let (mut all, mut nearest) = ([0; CHUNK], [f32::INFINITY; CHUNK]);
        for line in self.lines.into_iter().take(self.count) {
            // Plain loops over arrays, which become vector instructions.
            for i in 0..CHUNK {
                let number = line.number(x[i], y[i]);
                // Its sign, moved to all bits.
                all[i] |= (number.to_bits() as i32 >> 31) as u32 & line.bit;
                let distance = number.abs();
                nearest[i] = if distance < nearest[i] {
                    distance
                } else {
                    nearest[i]
                };
            }
        }
        for i in 0..CHUNK {
            all[i] |= if nearest[i] < Line::UNSURE { UNSURE } else { 0 };
        }
        all
    }

    /// Asks about the points whose codes are not known, each for all that have its sides.
    #[cold]
    fn ask(&mut self, cells: Cells<'_>, sides: &[u32; CHUNK], codes: &mut [u8]) {
        for ((cells, sides), code) in cells.iter().zip(sides).zip(codes) {
            let known = &mut self.known[*sides as usize % self.known.len()];
            if *known != UNKNOWN {
                *code = *known;
                continue;
            }
            let rect = rect_of(&self.axes, cells);
            if sides & UNSURE != 0 {
                *code = code_of(self.polygons.relation(&rect));
                continue;
            }
            // No edge touches these cells: any of their places tells.
            *known = match self.polygons.contains(rect.least()) {
                true => INSIDE,
                false => OUTSIDE,
            };
            *code = *known;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use robust::{Coord, orient2d};

    /// Coordinates of a leaf: of few or many digits, or doubles, in a range of some width.
    fn coordinates() -> impl Strategy<Value = Vec<f64>> {
        let digits = prop_oneof![Just(None), (0..=13).prop_map(Some)];
        let least = prop_oneof![-180.0..179.0f64, Just(0.25), Just(-0.5)];
        (least, -12..=0, digits).prop_flat_map(|(least, width, digits)| {
            let value = (0.0..1.0f64).prop_map(move |share| {
                let value = least + share * 10f64.powi(width);
                digits.map_or(value, |digits| {
                    let power = 10f64.powi(digits);
                    (value * power).round() / power
                })
            });
            prop::collection::vec(value, 60)
        })
    }

    /// Where an edge ends: in a leaf, beside it, or far away.
    fn end() -> impl Strategy<Value = [f64; 2]> {
        let place = || prop_oneof![0.0..1.0f64, -3.0..4.0f64, -1e6..1e6f64];
        [place(), place()]
    }

    proptest! {
        #[test]
        fn a_number_beyond_the_bound_tells_the_side(
            lons in coordinates(),
            lats in coordinates(),
            from in end(),
            beside in [-2.0..=2.0f64, -2.0..=2.0f64],
            further in 1.0..1e3f64,
        ) {
            let axes = [&lons, &lats].map(|values| Axis::fit(values.iter().copied()));
            let [Some(x), Some(y)] = axes.each_ref().map(Ruler::of) else {
                return Ok(());
            };
            // The edge passes the first point by a unit or two.
            let place = |axis: &Axis, ruler: Ruler, value: f64, [from, beside]: [f64; 2]| {
                let (min, max) = (axis.value(0), axis.value(axis.max_key()));
                let from = min + from * (max - min);
                let through = value + beside / ruler.units_per_degree;
                [from, from + (through - from) * further]
            };
            let [from_x, to_x] = place(&axes[0], x, lons[0], [from[0], beside[0]]);
            let [from_y, to_y] = place(&axes[1], y, lats[0], [from[1], beside[1]]);
            let edge = Edge { from: [from_x, from_y], to: [to_x, to_y] };
            if !edge.touches(&Axis::bounds(&axes[0], &axes[1])) {
                return Ok(());
            }
            let Some(line) = Line::of(edge, 0, [x, y]) else {
                return Ok(());
            };
            for (lon, lat) in lons.iter().zip(&lats) {
                let [x, y] = [axes[0].cell(*lon), axes[1].cell(*lat)].map(f32::from);
                let number = line.number(x, y);
                let coord = |[x, y]: [f64; 2]| Coord { x, y };
                let side = orient2d(coord(edge.from), coord(edge.to), coord([*lon, *lat]));
                if number.abs() >= Line::UNSURE {
                    prop_assert!(side != 0.0, "{} on the line", number);
                    prop_assert_eq!(number > 0.0, side > 0.0, "{} {}", number, side);
                }
            }
        }
    }

    #[test]
    fn trips_of_a_city_have_rulers() {
        let decimals = [7.561_765, 7.625_297, 7.6];
        let doubles = [50.001_368_757_823_16, 50.040_529_309_432_46];
        let across_a_power_of_two = [3.999_999_999_999_999_6, 4.000_000_000_000_001];
        assert!(Ruler::of(&Axis::fit(decimals.into_iter())).is_some());
        assert!(Ruler::of(&Axis::fit(doubles.into_iter())).is_some());
        assert!(Ruler::of(&Axis::fit(across_a_power_of_two.into_iter())).is_none());
    }
}
