//! A raster over polygons: which of its tiles no edge touches, and which of these are inside.

use super::ring::{Edge, ascending};
use crate::area::shape::{Rect, Relation};
use crate::ingest::parse::point::Point;

/// The most columns, and the most rows, of a raster: bits of a word.
pub(in crate::area) const MAX_LINES: usize = u64::BITS as usize;

/// The edges of a raster's columns, or of its rows.
#[derive(Debug, Clone)]
pub(in crate::area) struct Lines {
    /// Where each begins, and in the end where the last one ends: never less than the one before.
    at: [f64; MAX_LINES + 1],
    /// 1 to [`MAX_LINES`].
    count: usize,
    /// Of lines made by [`Lines::even`], how many there are to a degree.
    per_degree: f64,
    /// Of these, how many lines a computed place may be off.
    slack: f64,
}

impl Lines {
    /// So many columns or rows, at least one, that begin where `begin` says; the last one ends at `end`.
    pub(in crate::area) fn new(count: usize, begin: impl Fn(usize) -> f64, end: f64) -> Lines {
        let mut at = [end; MAX_LINES + 1];
        let count = count.clamp(1, MAX_LINES);
        for (number, at) in at.iter_mut().take(count).enumerate() {
            *at = begin(number);
        }
        let per_degree = count as f64 / (end - at[0]);
        let slack = per_degree * at[0].abs().max(end.abs()) * SLACK;
        Lines {
            at,
            count,
            per_degree,
            slack,
        }
    }

    /// Columns or rows of one width, as nearly as numbers are.
    fn even(from: f64, to: f64) -> Lines {
        let width = (to - from) / MAX_LINES as f64;
        Lines::new(MAX_LINES, |number| to.min(from + number as f64 * width), to)
    }

    #[inline]
    pub(in crate::area) const fn begin(&self, number: usize) -> f64 {
        self.at[number % MAX_LINES]
    }

    #[inline]
    pub(in crate::area) const fn end(&self, number: usize) -> f64 {
        self.at[number % MAX_LINES + 1]
    }

    const fn first(&self) -> f64 {
        self.at[0]
    }

    const fn last(&self) -> f64 {
        self.at[self.count]
    }

    /// The first one that does not end before `value`, or the last one; searched from `near` on.
    #[inline]
    fn seek(&self, near: usize, value: f64) -> usize {
        let mut number = near;
        while number > 0 && self.begin(number) >= value {
            number -= 1;
        }
        while number + 1 < self.count && self.end(number) < value {
            number += 1;
        }
        number
    }

    /// The first and the last of lines, made by [`Lines::even`], that have all values from `min` to `max` that any line
    /// has. There may be one more at either end.
    #[inline]
    fn span(&self, min: f64, max: f64) -> (usize, usize) {
        let place = |value: f64| (value - self.first()) * self.per_degree;
        // The casts take what is no number, or below zero, to 0.
        let number = |place: f64| (place as usize).min(self.count - 1);
        (
            number(place(min) - self.slack),
            number(place(max) + self.slack),
        )
    }
}

/// The tiles of a row, a bit each, from the first column.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::area) struct Row {
    /// Those that an edge may touch.
    pub(in crate::area) touched: u64,
    /// Of the others, those that are inside.
    pub(in crate::area) inside: u64,
}

impl Row {
    /// How a tile lies that no edge touches.
    pub(in crate::area) const fn relation(self, column: usize) -> Relation {
        match (self.inside >> (column % MAX_LINES)) & 1 {
            0 => Relation::Outside,
            _ => Relation::Inside,
        }
    }
}

/// The raster.
#[derive(Debug, Clone)]
pub(in crate::area) struct Raster {
    x: Lines,
    y: Lines,
    rows: [Row; MAX_LINES],
    /// The column and the row where the last edge began.
    near: (usize, usize),
}

impl Raster {
    /// A raster without edges.
    pub(in crate::area) fn new(x: Lines, y: Lines) -> Raster {
        Raster {
            x,
            y,
            rows: [Row::default(); MAX_LINES],
            near: (0, 0),
        }
    }

    /// A raster of even tiles.
    pub(super) fn over(bounds: &Rect) -> Raster {
        Raster::new(
            Lines::even(bounds.min_x, bounds.max_x),
            Lines::even(bounds.min_y, bounds.max_y),
        )
    }

    /// Takes in an edge: row by row, the tiles that it may touch.
    pub(in crate::area) fn touch(&mut self, edge: Edge) {
        let slope = Slope::of(edge);
        let mut row = self.y.seek(self.near.1, slope.low[1]);
        let mut column = self.near.0;
        self.near.1 = row;
        while row < self.y.count && self.y.begin(row) <= slope.high[1] {
            let (min, max) = slope.between(self.y.begin(row), self.y.end(row));
            if min <= self.x.last() && self.x.first() <= max {
                column = self.x.seek(column, min);
                let mut last = column;
                while last + 1 < self.x.count && self.x.begin(last + 1) <= max {
                    last += 1;
                }
                self.rows[row].touched |= columns(column, last);
            }
            row += 1;
        }
        self.near.0 = column;
    }

    /// Finds what is inside, once all edges are taken in. Of clear tiles side by side, all are inside or none is:
    /// `contains` is asked about one of them.
    pub(in crate::area) fn fill(&mut self, contains: impl Fn(Point) -> bool) {
        let all = columns(0, self.x.count - 1);
        let (mut clear_below, mut inside_below) = (0, 0);
        for (number, row) in self.rows.iter_mut().take(self.y.count).enumerate() {
            let clear = all & !row.touched;
            let mut rest = clear;
            while rest != 0 {
                // Adding its lowest bit carries through the lowest run of ones.
                let first = rest & rest.wrapping_neg();
                let run = rest & !rest.wrapping_add(first);
                rest &= !run;
                let is_inside = match run & clear_below {
                    0 => contains(Point {
                        lon: self.x.begin(first.ilog2() as usize),
                        lat: self.y.begin(number),
                    }),
                    below => below & inside_below != 0,
                };
                if is_inside {
                    row.inside |= run;
                }
            }
            (clear_below, inside_below) = (clear, row.inside);
        }
    }

    /// The next column on the left in which no edge touches the row, and the longitude where it ends; and the next on
    /// the right, and the longitude where it begins.
    pub(in crate::area) fn clear_beside(
        &self,
        column: usize,
        row: Row,
    ) -> [Option<(usize, f64)>; 2] {
        let clear = !row.touched & columns(0, self.x.count - 1);
        let left = clear & !(!0 << (column % MAX_LINES));
        let right = clear & !left;
        let left = left.checked_ilog2().map(|left| left as usize);
        let right = (right != 0).then(|| right.trailing_zeros() as usize);
        [
            left.map(|left| (left, self.x.end(left))),
            right.map(|right| (right, self.x.begin(right))),
        ]
    }

    /// The tiles of a row.
    #[inline]
    pub(in crate::area) const fn row(&self, number: usize) -> Row {
        self.rows[number % MAX_LINES]
    }

    /// How the tiles lie that `rect` touches, of a raster made by [`Raster::over`] the bounds of what is inside; `Border`
    /// may be said of what is not.
    #[inline]
    pub(super) fn relation(&self, rect: &Rect) -> Relation {
        let bounds = Rect {
            min_x: self.x.first(),
            min_y: self.y.first(),
            max_x: self.x.last(),
            max_y: self.y.last(),
        };
        if !bounds.touches(rect) {
            return Relation::Outside;
        }
        let (first_column, last_column) = self.x.span(rect.min_x, rect.max_x);
        let (first, last) = self.y.span(rect.min_y, rect.max_y);
        let columns = columns(first_column, last_column);
        let (mut touched, mut inside) = (0, 0);
        for row in self.rows.get(first..=last).unwrap_or_default() {
            touched |= row.touched & columns;
            inside |= row.inside & columns;
        }
        match (touched, inside) {
            (0, 0) => Relation::Outside,
            (0, _) if bounds.covers(rect) => Relation::Inside,
            _ => Relation::Border,
        }
    }
}

/// The bits from the first column to the last.
#[inline]
const fn columns(first: usize, last: usize) -> u64 {
    (!0 << first) & (!0 >> (MAX_LINES - 1 - last))
}

/// An edge from its lower end to its higher one.
struct Slope {
    low: [f64; 2],
    high: [f64; 2],
    /// Longitude for latitude; not finite where the edge is flat.
    slope: f64,
    /// How far a computed longitude may be off.
    margin: f64,
}

impl Slope {
    fn of(Edge { from, to }: Edge) -> Slope {
        let (low, high) = if from[1] <= to[1] {
            (from, to)
        } else {
            (to, from)
        };
        Slope {
            low,
            high,
            slope: (high[0] - low[0]) / (high[1] - low[1]),
            margin: low[0].abs().max(high[0].abs()) * MARGIN + TINY,
        }
    }

    /// At least the longitudes that it has between two latitudes, of which it has some.
    #[inline]
    fn between(&self, from: f64, to: f64) -> (f64, f64) {
        let (min, max) = ascending(self.low[0], self.high[0]);
        if !self.slope.is_finite() {
            return (min, max);
        }
        let at = |y: f64| self.low[0] + (y - self.low[1]) * self.slope;
        let (first, last) = ascending(at(from.max(self.low[1])), at(to.min(self.high[1])));
        (first.max(min) - self.margin, last.min(max) + self.margin)
    }
}

/// A bound on the error of [`Slope::between`], in shares of the greater absolute longitude `X` of an edge's ends.
///
/// Each operation is off by at most the share `u` = 2^-53 (Higham, 2002, section 2.2): the difference of latitudes by
/// `u`, the slope by `3 u`, and so their product, which is at most `2 X`, by `5 u`, that is `10 u X`. The sum and the
/// margin's own add `u X` each. The rest is for terms of higher order.
const MARGIN: f64 = 16.0 / (1u64 << 53) as f64;

/// A bound on the error of a place that [`Lines::span`] computes, in shares of the greater absolute value `X` of the
/// ends of the lines: where a line begins is off by `5 u X`, the place by `10 u X`. The rest is for terms of higher order.
const SLACK: f64 = 32.0 / (1u64 << 53) as f64;

/// More than what underflow can add to the error.
const TINY: f64 = 1e-140;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A tile, made larger by so much.
    fn tile(raster: &Raster, column: usize, row: usize, more: f64) -> Rect {
        Rect {
            min_x: raster.x.begin(column) - more,
            min_y: raster.y.begin(row) - more,
            max_x: raster.x.end(column) + more,
            max_y: raster.y.end(row) + more,
        }
    }

    /// A coordinate on or off the lines of a raster over 0 to 64.
    fn coordinate() -> impl Strategy<Value = f64> {
        prop_oneof![
            (-10..74).prop_map(f64::from),
            -10.0..74.0f64,
            (0..64).prop_map(|x| f64::from(x) + f64::EPSILON * 64.0)
        ]
    }

    proptest! {
        #[test]
        fn an_edge_marks_what_it_touches_and_hardly_more(
            ends in prop::array::uniform4(coordinate()),
            before in prop::array::uniform4(coordinate()),
        ) {
            let bounds = Rect { min_x: 0.0, min_y: 0.0, max_x: 64.0, max_y: 64.0 };
            let edge = |[a, b, c, d]: [f64; 4]| Edge { from: [a, b], to: [c, d] };
            let mut raster = Raster::over(&bounds);
            // Where the search begins must not matter.
            raster.touch(edge(before));
            raster.rows = [Row::default(); MAX_LINES];
            raster.touch(edge(ends));
            prop_assume!(edge(ends).touches(&bounds));
            for row in 0..MAX_LINES {
                for column in 0..MAX_LINES {
                    let marked = (raster.row(row).touched >> column) & 1 == 1;
                    let touches = |more| edge(ends).touches(&tile(&raster, column, row, more));
                    prop_assert!(marked || !touches(0.0), "{column} {row} is not marked");
                    prop_assert!(!marked || touches(1e-9), "{column} {row} is marked");
                }
            }
        }

        #[test]
        fn a_span_has_the_values_and_hardly_more(
            from in -180.0..180.0f64,
            size in prop_oneof![0.0..1.0f64, 0.0..1e-12f64, 0.0..1e9f64],
            shares in [-0.1..1.1f64, -0.1..1.1f64],
        ) {
            let lines = Lines::even(from, from + size);
            let [min, max] = [shares[0].min(shares[1]), shares[0].max(shares[1])].map(|share| from + share * size);
            let (first, last) = lines.span(min, max);
            let within = |value: f64| value.clamp(lines.first(), lines.last());
            prop_assert!(lines.begin(first) <= within(min) && within(max) <= lines.end(last));
            let is_fine = size > 1e-9;
            prop_assert!(!is_fine || first == lines.count - 1 || within(min) <= lines.begin(first + 1) + 1e-9 * size);
            prop_assert!(!is_fine || last == 0 || lines.end(last - 1) - 1e-9 * size <= within(max));
        }
    }

    #[test]
    fn lines_may_all_be_one() {
        let lines = Lines::even(7.0, 7.0);
        for (min, max) in [(7.0, 7.0), (6.0, 8.0), (f64::NEG_INFINITY, f64::INFINITY)] {
            let (first, last) = lines.span(min, max);
            assert!(first <= last && last < MAX_LINES, "{min} {max}");
        }
    }
}
