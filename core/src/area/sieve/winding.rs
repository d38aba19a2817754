//! How the points of a leaf lie to polygons: by how often the rings wind around them, as far as the edges in the leaf tell.
//!
//! From each point a path leads to the leaf's least corner: to the left as far as the leaf's left side, and down along
//! it. It crosses no edge but those that touch the leaf. How often it crosses each ring, and in which direction, is by
//! how much the winding number differs between the point and the corner (Sunday, 2001). So points with the same numbers
//! for all rings, the same *label*, are in the same polygons, and one of them is asked about for all.
//!
//! Labels are computed in floats, of several points at a time. A point that is so near to a line that these may be wrong
//! is asked about by itself. That covers ends of edges, too: where one edge ends, the next begins at the same number. A
//! point between that number and the end's own height is compared with the wrong one of the two lines; that matters
//! only if this line passes between the point and the end, and then the point is near to it.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, f32x16, i32x16, mask32x16, u16x16};

use super::{Cells, code_of_bits, rect_of};
use crate::area::axis::Axis;
use crate::area::polygon::{Edge, Polygons, RingNumber};
use crate::area::shape::Relation;

/// The most edges that a leaf is compared with: each takes a look at all points.
pub(super) const MAX_EDGES: usize = 64;

/// Labels are nearer to zero than this.
const LABELS: i32 = 1 << 30;

/// Units of an axis: as many as there are cells at most.
const UNITS: f64 = 65_536.0;

/// The map from the coordinates and the cells of an axis to units.
#[derive(Debug, Clone, Copy)]
struct Ruler {
    /// The least value.
    begin: f64,
    /// The greatest value.
    end: f64,
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
            end: axis.value(axis.max_key()),
            units_per_degree: spacing.keys_per_degree * units_per_key,
            units_per_cell,
            // A cell that leaves no bits out is a place.
            first: if keys_per_cell > 1.0 { 0.5 } else { 0.0 },
        })
    }

    fn units(self, value: f64) -> f64 {
        (value - self.begin) * self.units_per_degree
    }

    /// Which cell has its middle there.
    fn cell(self, units: f64) -> f32 {
        ((units - self.first) / self.units_per_cell) as f32
    }

    /// The cell from which on points are as high as `value`; none if it is above the leaf.
    fn height(self, value: f64) -> f32 {
        match value > self.end {
            true => f32::INFINITY,
            false => self.cell(self.units(value)),
        }
    }
}

/// The part of an edge that is not left of the leaf, and the line that it lies on.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// By how much a cell on each axis adds to the number of cells (0, 0). Where the line leads up, the points on its right
    /// have numbers below zero.
    x: f32,
    y: f32,
    constant: f32,
    /// The cells from which on points are as high as its lower end, and as its upper end.
    lower: f32,
    upper: f32,
    /// What it adds to the labels of the points on its right that are not below or above: what its ring counts by if it
    /// leads up, as much below zero if it leads down.
    label: i32,
}

/// Where an edge crosses the leaf's left side.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// The cell from which on points are above.
    height: f32,
    /// What it adds to their labels: what its ring counts by if it leads out of the leaf, as much below zero if it leads in.
    label: i32,
}

impl Line {
    /// Ends of an edge that are farther away are not looked at: their doubles are too coarse.
    const FARTHEST: f64 = UNITS * UNITS;

    /// Numbers below this may be on either side. A number is the distance from the line, in units and by the sum of both
    /// axes. A point is off the middle of its cell by one half on each axis, by [`Ruler::ERROR`] off its place, and so is
    /// the line; the factors add up to 1: that makes one. Heights are off by one, too, and a line that passes between a
    /// point and an end that is one higher or lower is at most one away. Factors, products and sums are rounded to 24 bits of
    /// at most 2^17, six times.
    const UNSURE: f32 = 2.25;

    /// That of an edge that has a point in the leaf, and its step; its ring counts by `unit`.
    fn of(edge: Edge, unit: i32, rulers: [Ruler; 2]) -> Option<(Line, Option<Step>)> {
        let [x, y] = rulers;
        let units = |[lon, lat]: [f64; 2]| [x.units(lon), y.units(lat)];
        let (from, to) = (units(edge.from), units(edge.to));
        let is_near = |value: &f64| value.abs() <= Self::FARTHEST;
        if ![from, to].as_flattened().iter().all(is_near) {
            return None;
        }
        let [along_x, along_y] = [to[0] - from[0], to[1] - from[1]];
        let length = along_x.abs() + along_y.abs();
        // What is shorter has no direction.
        if length < 1.0 / UNITS {
            return None;
        }
        let leads_up = along_y >= 0.0;
        let upwards = if leads_up { length } else { -length };
        let (by_x, by_y) = (-along_y / upwards, along_x / upwards);
        let [from_height, to_height] = [edge.from, edge.to].map(|[_, lat]| y.height(lat));
        // Where edges meet on the left side, this is the height of their end, exactly.
        let crossing = |[in_x, in_y]: [f64; 2], [out_x, out_y]: [f64; 2]| {
            y.cell(in_y + (out_y - in_y) * (in_x / (in_x - out_x)))
        };
        let (from_height, to_height, step) = match (from[0] < 0.0, to[0] < 0.0) {
            (false, false) => (from_height, to_height, None),
            (true, false) => {
                let height = crossing(to, from);
                (height, to_height, Some((height, -unit)))
            }
            (false, true) => {
                let height = crossing(from, to);
                (from_height, height, Some((height, unit)))
            }
            (true, true) => return None,
        };
        let line = Line {
            x: (by_x * x.units_per_cell) as f32,
            y: (by_y * y.units_per_cell) as f32,
            constant: (by_x * (x.first - from[0]) + by_y * (y.first - from[1])) as f32,
            lower: from_height.min(to_height),
            upper: from_height.max(to_height),
            label: if leads_up { unit } else { -unit },
        };
        Some((line, step.map(|(height, label)| Step { height, label })))
    }

    /// The numbers of the middles of points' cells.
    #[inline(always)]
    fn numbers<S: Simd>(&self, x: f32x16<S>, y: f32x16<S>) -> f32x16<S> {
        x.mul_add(self.x, y.mul_add(self.y, self.constant))
    }
}

/// Points that are looked at together.
const LANES: usize = 16;

/// How points that are looked at together lie: a bit for each, the lowest for the first. What is neither is outside.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    inside: u64,
    /// May be on an edge.
    edge: u64,
}

/// The rings around a leaf's points.
pub(super) struct Winding<'a> {
    polygons: &'a Polygons,
    axes: [Axis; 2],
    lines: Vec<Line>,
    steps: Vec<Step>,
    /// The labels that have been asked about, and whether their points are inside.
    known: Vec<(i32, bool)>,
    /// The label of what is outside, once one label has been asked about, where there is but one ring: what it does not
    /// wind around.
    outside: Option<i32>,
}

impl<'a> Winding<'a> {
    /// That of these edges, which are all that touch the leaf, each ring's one after the other; `None` if they are too many,
    /// or not to be told apart.
    pub(super) fn of(
        polygons: &'a Polygons,
        axes: [Axis; 2],
        edges: &[(RingNumber, Edge)],
    ) -> Option<Winding<'a>> {
        if edges.len() > MAX_EDGES {
            return None;
        }
        let [x, y] = &axes;
        let rulers = [Ruler::of(x)?, Ruler::of(y)?];
        let mut winding = Winding {
            polygons,
            axes,
            lines: Vec::with_capacity(edges.len()),
            steps: Vec::new(),
            known: Vec::new(),
            outside: None,
        };
        let mut unit = 1i32;
        for ring in edges.chunk_by(|(one, _), (other, _)| one == other) {
            for (_, edge) in ring {
                let (line, step) = Line::of(*edge, unit, rulers)?;
                winding.lines.push(line);
                winding.steps.extend(step);
            }
            // An edge and its step add one unit or none, or they take one away or none.
            unit = unit.checked_mul(ring.len() as i32 + 1)?;
            if unit > LABELS {
                return None;
            }
        }
        Some(winding)
    }

    /// Makes `codes` the codes of the points.
    pub(super) fn sort(&mut self, cells: Cells<'_>, codes: &mut [u8]) {
        dispatch!(Level::new(), simd => self.sort_with(simd, cells, codes));
    }

    /// How many of the points are inside; `None` if one of them may be on an edge.
    pub(super) fn count(&mut self, cells: Cells<'_>) -> Option<u64> {
        dispatch!(Level::new(), simd => self.count_with(simd, cells))
    }

    /// As [`Winding::sort`], in the vectors of the processor at hand.
    #[inline(always)]
    fn sort_with(&mut self, simd: impl Simd, cells: Cells<'_>, codes: &mut [u8]) {
        for (cells, codes) in cells.chunks(LANES).zip(codes.chunks_mut(LANES)) {
            let found = self.look(simd, cells);
            for (lane, code) in codes.iter_mut().enumerate() {
                *code = code_of_bits(found.inside, found.edge, lane);
            }
        }
    }

    /// As [`Winding::count`], in the vectors of the processor at hand.
    #[inline(always)]
    fn count_with(&mut self, simd: impl Simd, cells: Cells<'_>) -> Option<u64> {
        let mut inside = 0;
        for cells in cells.chunks(LANES) {
            let found = self.look(simd, cells);
            if found.edge != 0 {
                return None;
            }
            inside += u64::from(found.inside.count_ones());
        }
        Some(inside)
    }

    /// How the points lie, at most [`LANES`].
    #[inline(always)]
    fn look<S: Simd>(&mut self, simd: S, cells: Cells<'_>) -> Found {
        let (labels, is_unsure) = self.labels(simd, cells);
        let there = !(!0 << cells.len());
        let unsure = there & is_unsure.to_bitmask();
        let mut rest = there ^ unsure;
        let mut found = Found::default();
        if let Some(outside) = self.outside {
            found.inside = rest & !labels.simd_eq(outside).to_bitmask();
            rest = 0;
        }
        for (label, is_inside) in &self.known {
            let same = rest & labels.simd_eq(*label).to_bitmask();
            found.inside |= if *is_inside { same } else { 0 };
            rest ^= same;
        }
        if rest | unsure != 0 {
            self.ask(cells, labels.as_slice(), rest, unsure, &mut found);
        }
        found
    }

    /// Asks about the labels of `rest`, which are not known yet, and about each of the points that are `unsure`.
    #[cold]
    fn ask(&mut self, cells: Cells<'_>, labels: &[i32], rest: u64, unsure: u64, found: &mut Found) {
        let mut lanes = rest | unsure;
        while lanes != 0 {
            let lane = lanes.trailing_zeros() as usize;
            lanes &= lanes - 1;
            let (Some(cells), Some(label)) = (cells.get(lane), labels.get(lane)) else {
                continue;
            };
            let relation = match (unsure >> lane) & 1 {
                0 if self.is_inside(*label, cells) => Relation::Inside,
                0 => Relation::Outside,
                _ => self.polygons.relation(&rect_of(&self.axes, cells)),
            };
            match relation {
                Relation::Outside => {}
                Relation::Border => found.edge |= 1 << lane,
                Relation::Inside => found.inside |= 1 << lane,
            }
        }
    }

    /// Whether points with this label are inside, of which one has these cells. No edge touches these, so any of their
    /// places tells.
    fn is_inside(&mut self, label: i32, cells: (u16, u16)) -> bool {
        if let Some(outside) = self.outside {
            return label != outside;
        }
        if let Some((_, is_inside)) = self.known.iter().find(|(known, _)| *known == label) {
            return *is_inside;
        }
        let point = rect_of(&self.axes, cells).least();
        if let Some(number) = self.polygons.winding_number(point) {
            // From here to what is outside, the ring is crossed as often as it winds around the point.
            let outside = i64::from(label) + number;
            self.outside = i32::try_from(outside).ok();
            return number != 0;
        }
        let is_inside = self.polygons.contains(point);
        self.known.push((label, is_inside));
        is_inside
    }

    /// The labels of the points, and of which ones a line is too near to tell.
    #[inline(always)]
    fn labels<S: Simd>(&self, simd: S, cells: Cells<'_>) -> (i32x16<S>, mask32x16<S>) {
        let [x, y] = [cells.x, cells.y].map(|cells| floats(simd, cells));
        let mut labels = i32x16::splat(simd, 0);
        let mut nearest = f32x16::splat(simd, f32::INFINITY);
        let none = i32x16::splat(simd, 0);
        for line in &self.lines {
            let numbers = line.numbers(x, y);
            let counts = numbers.simd_lt(0.0) & y.simd_ge(line.lower) & y.simd_lt(line.upper);
            labels += counts.select(i32x16::splat(simd, line.label), none);
            nearest = nearest.min(numbers.abs());
        }
        for step in &self.steps {
            let counts = y.simd_ge(step.height);
            labels += counts.select(i32x16::splat(simd, step.label), none);
        }
        (labels, nearest.simd_lt(Line::UNSURE))
    }
}

/// The cells of at most [`LANES`] points on an axis as floats, then zeros.
#[inline(always)]
fn floats<S: Simd>(simd: S, cells: &[[u8; 2]]) -> f32x16<S> {
    let mut padded = [[0; 2]; LANES];
    let cells = match cells.as_array() {
        Some(cells) => cells,
        None => {
            padded
                .iter_mut()
                .zip(cells)
                .for_each(|(to, from)| *to = *from);
            &padded
        }
    };
    let (low, high) = u16x16::load_array(simd, cells.map(u16::from_le_bytes)).widen();
    low.combine(high).to_float()
}

#[cfg(test)]
mod tests {
    use super::super::{EDGE, INSIDE, axes_of, edges_of};
    use super::*;
    use crate::area::leaf::{self, Points};
    use crate::area::{End, Entry};
    use crate::ingest::parse::point::Point;
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
            let Some((line, _)) = Line::of(edge, 1, [x, y]) else {
                return Ok(());
            };
            for (lon, lat) in lons.iter().zip(&lats) {
                let [x, y] = [axes[0].cell(*lon), axes[1].cell(*lat)].map(f32::from);
                let number = dispatch!(Level::new(), simd => {
                    line.numbers(f32x16::splat(simd, x), f32x16::splat(simd, y)).as_slice()[0]
                });
                let coord = |[x, y]: [f64; 2]| Coord { x, y };
                let [lower, upper] = match edge.to[1] >= edge.from[1] {
                    true => [edge.from, edge.to],
                    false => [edge.to, edge.from],
                };
                let side = orient2d(coord(lower), coord(upper), coord([*lon, *lat]));
                if number.abs() >= Line::UNSURE {
                    prop_assert!(side != 0.0, "{} on the line", number);
                    prop_assert_eq!(number > 0.0, side > 0.0, "{} {}", number, side);
                }
            }
        }
    }

    #[test]
    fn codes_are_the_same_in_the_vectors_of_any_processor() {
        let corner = |number: i32| {
            let turn = f64::from(number) / 50.0 * std::f64::consts::TAU;
            let radius = 0.004 + 0.004 * f64::from(number * 7 % 11) / 11.0;
            [14.4 + radius * turn.cos(), 50.1 + radius * turn.sin()]
        };
        let star: Vec<_> = (0..50).map(corner).collect();
        let triangle = vec![[14.4, 50.1], [14.409, 50.101], [14.402, 50.108]];
        let share = |number: i32, of: i32| f64::from(number * of % 9_973) / 9_973.0;
        let entry = |number: i32| {
            let point = Point {
                lon: 14.39 + 0.02 * share(number, 331),
                lat: 50.09 + 0.02 * share(number, 577),
            };
            Entry::new(point, point, 0, 1)
        };
        let mut entries: Vec<Entry> = (0..935).map(entry).collect();
        let leaf = leaf::encode(&mut entries, End::Destination);
        let points = Points::parse(&leaf.points).unwrap();
        let (axes, cells) = (axes_of(&points), Cells::of(&points, 0..points.len()));
        let here = Level::new();
        let levels = [
            Some(here),
            Some(Level::baseline()),
            here.as_avx2().map(Simd::level),
        ];
        for rings in [vec![star.clone()], vec![star, triangle]] {
            let polygons = rings.into_iter().map(|ring| vec![ring]).collect();
            let polygons = Polygons::new(polygons).unwrap();
            let edges = edges_of(&polygons, &points);
            for level in levels.into_iter().flatten() {
                let mut codes = vec![0; points.len()];
                let mut winding = Winding::of(&polygons, axes, &edges).unwrap();
                dispatch!(level, simd => winding.sort_with(simd, cells, &mut codes));
                let mut on_edge = 0;
                for (Entry { point, .. }, code) in entries.iter().zip(&codes) {
                    match *code {
                        EDGE => on_edge += 1,
                        code => assert_eq!(code == INSIDE, polygons.contains(*point), "{level:?}"),
                    }
                }
                assert!(on_edge < 5, "{on_edge}");
                let inside = codes.iter().filter(|code| **code == INSIDE).count();
                let mut winding = Winding::of(&polygons, axes, &edges).unwrap();
                let count = dispatch!(level, simd => winding.count_with(simd, cells));
                assert_eq!(count, (on_edge == 0).then_some(inside as u64));
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
