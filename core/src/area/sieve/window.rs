//! The cells that a box has on the axes of a leaf.

use super::{Cells, EDGE, INSIDE};
use crate::area::axis::Axis;
use crate::area::leaf::Points;
use crate::area::shape::Rect;

/// Cells from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    first: u16,
    /// The last less the first.
    rest: u16,
}

impl Span {
    const fn between(first: u16, last: u16) -> Span {
        Span {
            first,
            rest: last.wrapping_sub(first),
        }
    }

    #[inline]
    const fn contains(self, cell: u16) -> bool {
        cell.wrapping_sub(self.first) <= self.rest
    }
}

/// The cells of one axis that a box reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Window {
    /// Those that hold values of the box.
    possible: Span,
    /// Those that hold no other values.
    certain: Option<Span>,
}

impl Window {
    /// The cells of the values from `min` to `max`; `None` if there are no such values.
    fn of(axis: &Axis, min: f64, max: f64) -> Option<Window> {
        let (first, last) = (axis.at_least(min)?, axis.at_most(max)?);
        if first > last {
            return None;
        }
        let shift = axis.shift();
        let low_bits = (1 << shift) - 1;
        let (first_cell, last_cell) = (first >> shift, last >> shift);
        let first_certain = first_cell + u64::from(first & low_bits != 0);
        let is_last_whole = last & low_bits == low_bits || last == axis.max_key();
        let end_certain = last_cell + u64::from(is_last_whole);
        Some(Window {
            possible: Span::between(first_cell as u16, last_cell as u16),
            certain: (first_certain < end_certain)
                .then(|| Span::between(first_certain as u16, (end_certain - 1) as u16)),
        })
    }
}

/// The cells of a leaf that a box reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Windows {
    /// Of a point in the box.
    possible: [Span; 2],
    /// Of no point that is not in the box.
    certain: Option<[Span; 2]>,
}

impl Windows {
    /// Those of the box; `None` if it has no place for a point of the leaf.
    pub(super) fn of(rect: &Rect, points: &Points<'_>) -> Option<Windows> {
        let x = Window::of(&points.x(), rect.min_x, rect.max_x)?;
        let y = Window::of(&points.y(), rect.min_y, rect.max_y)?;
        Some(Windows {
            possible: [x.possible, y.possible],
            certain: x.certain.zip(y.certain).map(|(x, y)| [x, y]),
        })
    }

    /// How many of the points lie in the box; `None` if one of them may lie on its edge.
    pub(super) fn count(&self, cells: Cells<'_>) -> Option<u64> {
        let possible = count_in(self.possible, cells);
        let certain = match self.certain {
            Some(certain) if certain == self.possible => possible,
            Some(certain) => count_in(certain, cells),
            None => 0,
        };
        (certain == possible).then_some(possible)
    }

    /// Raises the codes of the points that lie in the box or may lie there. What is inside another box stays so.
    pub(super) fn sort(&self, cells: Cells<'_>, codes: &mut [u8]) {
        raise(self.possible, EDGE, cells, codes);
        if let Some(certain) = self.certain {
            raise(certain, INSIDE, cells, codes);
        }
    }
}

#[inline]
fn contain([x, y]: [Span; 2], (x_cell, y_cell): (u16, u16)) -> bool {
    x.contains(x_cell) & y.contains(y_cell)
}

/// How many points have their cells in the spans. A leaf has less than 2^16 points, so that their number fits the
/// words that eight cells at a time are compared in.
fn count_in(spans: [Span; 2], cells: Cells<'_>) -> u64 {
    u64::from(
        cells
            .iter()
            .map(|cells| u16::from(contain(spans, cells)))
            .fold(0u16, u16::wrapping_add),
    )
}

/// Makes the codes of points that have their cells in the spans `code`, but for those that are inside already.
fn raise(spans: [Span; 2], code: u8, cells: Cells<'_>, codes: &mut [u8]) {
    for (cells, old) in cells.iter().zip(codes) {
        let raised = contain(spans, cells) & (*old != INSIDE);
        *old = if raised { code } else { *old };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The window by looking at every key.
    fn by_keys(axis: &Axis, min: f64, max: f64) -> Option<Window> {
        let cell = |key: u64| (key >> axis.shift()) as u16;
        let keys = 0..=axis.max_key();
        let is_in = |key: &u64| (min..=max).contains(&axis.value(*key));
        let mut cells: Vec<_> = keys.clone().filter(is_in).map(cell).collect();
        cells.dedup();
        let outside: Vec<_> = keys.filter(|key| !is_in(key)).map(cell).collect();
        let possible = Span::between(*cells.first()?, *cells.last()?);
        cells.retain(|cell| outside.binary_search(cell).is_err());
        let certain = cells.first().zip(cells.last());
        Some(Window {
            possible,
            certain: certain.map(|(first, last)| Span::between(*first, *last)),
        })
    }

    #[test]
    fn windows_are_those_that_the_keys_give() {
        // Keys of 0, 3, 17 and 18 bits.
        for greatest in [0u32, 5, 70_000, 140_001] {
            let values = [-40.0, -40.0 + f64::from(greatest)];
            let axis = Axis::fit(values.into_iter());
            let bounds = [
                f64::NEG_INFINITY,
                -40.5,
                -40.0,
                -39.0,
                -38.5,
                -36.0,
                -33.0,
                -32.0,
                f64::from(greatest) - 41.0,
                f64::from(greatest) - 40.0,
                f64::INFINITY,
            ];
            for min in bounds {
                for max in bounds {
                    let window = Window::of(&axis, min, max);
                    assert_eq!(window, by_keys(&axis, min, max), "{greatest} {min} {max}");
                }
            }
        }
    }
}
