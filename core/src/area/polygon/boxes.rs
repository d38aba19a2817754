//! Boxes around boxes, to find those of many things that lie somewhere without looking at all.

use std::iter;
use std::ops::Range;

use crate::area::shape::Rect;

/// Boxes that one box of the level above is around: 2 to the power of this.
const FANOUT_BITS: u32 = 3;
const FANOUT: usize = 1 << FANOUT_BITS;

/// The boxes of things that are numbered from 0, and boxes around eight of them each, up to a level of at most eight.
/// Things with neighbouring numbers should lie near each other.
#[derive(Debug, Clone)]
pub(super) struct BoxTree {
    /// The things' own boxes come first.
    levels: Vec<Vec<Rect>>,
}

impl BoxTree {
    /// The tree of things with these boxes.
    pub(super) fn new(boxes: Vec<Rect>) -> BoxTree {
        let mut levels = vec![boxes];
        while let Some(level) = levels.last()
            && level.len() > FANOUT
        {
            let around = |boxes: &[Rect]| boxes.iter().copied().reduce(Rect::join);
            levels.push(level.chunks(FANOUT).filter_map(around).collect());
        }
        BoxTree { levels }
    }

    /// The box around all; `None` if there is nothing.
    pub(super) fn bounds(&self) -> Option<Rect> {
        self.levels.last()?.iter().copied().reduce(Rect::join)
    }

    /// How many boxes there are on all levels.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }

    /// The numbers of the things whose box, and each box around it, `opens`; in order.
    ///
    /// `opens` is asked about a box and the things in it, in order, and not again about what is in a box that it
    /// does not open.
    #[inline]
    pub(super) fn select(
        &self,
        mut opens: impl FnMut(&Rect, Range<usize>) -> bool,
    ) -> impl Iterator<Item = usize> {
        let top = self.levels.len() - 1;
        let count = self.levels.first().map_or(0, Vec::len);
        let (mut level, mut at) = (top, 0);
        iter::from_fn(move || {
            loop {
                let bounds = self.levels.get(level)?.get(at)?;
                let width = level as u32 * FANOUT_BITS;
                let opened = opens(bounds, at << width..count.min((at + 1) << width));
                if opened && level > 0 {
                    (level, at) = (level - 1, at * FANOUT);
                    continue;
                }
                let here = at << width;
                at += 1;
                while level < top
                    && (at % FANOUT == 0 || at << (level as u32 * FANOUT_BITS) >= count)
                {
                    (level, at) = (level + 1, at.div_ceil(FANOUT));
                }
                if opened {
                    return Some(here);
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::parse::point::Point;

    /// The box of a thing on a line of many.
    fn place(number: usize) -> Rect {
        let at = number as f64;
        Rect {
            min_x: at,
            min_y: 0.0,
            max_x: at + 1.5,
            max_y: 1.0,
        }
    }

    #[test]
    fn what_a_point_is_in_is_found() {
        for count in [0, 1, 7, 8, 9, 63, 64, 65, 511, 512, 513, 700] {
            let tree = BoxTree::new((0..count).map(place).collect());
            assert_eq!(tree.bounds().is_some(), count > 0);
            assert!(tree.len() <= count + count / 7 + 3);
            for lon in [-0.5, 0.0, 0.7, 1.2, 8.2, 64.0, 511.9, 699.9, 702.0] {
                let point = Point { lon, lat: 0.5 };
                let found: Vec<_> = tree.select(|bounds, _| bounds.contains(point)).collect();
                let is_there = |number: &usize| place(*number).contains(point);
                let expected: Vec<_> = (0..count).filter(is_there).collect();
                assert_eq!(found, expected, "{count} {lon}");
            }
        }
    }

    #[test]
    fn what_is_not_opened_and_what_is_found_make_up_all_in_order() {
        for count in [1, 8, 9, 64, 65, 100, 513] {
            let tree = BoxTree::new((0..count).map(place).collect());
            for opened in [0, 3, 8, 60, 64, 512] {
                let mut passed = Vec::new();
                let found: Vec<_> = tree
                    .select(|_, things| {
                        let opens = things.contains(&opened);
                        if !opens {
                            passed.push(things);
                        }
                        opens
                    })
                    .collect();
                let mut all: Vec<_> = passed.into_iter().flatten().chain(found.clone()).collect();
                all.sort_unstable();
                assert_eq!(all, (0..count).collect::<Vec<_>>());
                assert_eq!(found, Vec::from_iter((opened < count).then_some(opened)));
            }
        }
    }
}
