//! Which trips are of one group.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Which trips are of one group, found by many threads at once: the least number of each group is its root.
pub(super) struct Union {
    above: Vec<AtomicU32>,
    /// Blocks of trips of which it is known that they are of one group.
    whole: Vec<AtomicBool>,
}

/// Trips of a block.
pub(super) const BLOCK: usize = 64;

impl Union {
    pub(super) fn new(count: usize) -> Union {
        let whole = || AtomicBool::new(false);
        Union {
            above: (0..count as u32).map(AtomicU32::new).collect(),
            whole: (0..count / BLOCK).map(|_| whole()).collect(),
        }
    }

    /// Whether it is known at a glance that they are of one group.
    #[inline]
    pub(super) fn are_one(&self, one: u32, other: u32) -> bool {
        let above = |number: u32| {
            self.above
                .get(number as usize)
                .map(|above| above.load(Ordering::Relaxed))
        };
        above(one) == above(other)
    }

    /// Whether it is known at a glance that a trip and all of a block are of one group. Who looks at many trips of one group gets over
    /// them by blocks.
    #[inline]
    pub(super) fn are_one_with_block(&self, one: u32, block: usize) -> bool {
        let Some(whole) = self.whole.get(block) else {
            return false;
        };
        let first = block * BLOCK;
        if !self.are_one(one, first as u32) {
            return false;
        }
        if !whole.load(Ordering::Relaxed) {
            let all = self.above.get(first..first + BLOCK).unwrap_or_default();
            let root = self
                .above
                .get(one as usize)
                .map(|above| above.load(Ordering::Relaxed));
            if !all
                .iter()
                .all(|above| Some(above.load(Ordering::Relaxed)) == root)
            {
                return false;
            }
            whole.store(true, Ordering::Relaxed);
        }
        true
    }

    /// The root of a trip as far as groups have been joined.
    pub(super) fn root(&self, mut number: u32) -> u32 {
        while let Some(parent) = self.above.get(number as usize) {
            let above = parent.load(Ordering::Relaxed);
            if above == number {
                break;
            }
            // Halves the path; who fails has been overtaken by one who did it.
            let higher = self
                .above
                .get(above as usize)
                .map_or(above, |above| above.load(Ordering::Relaxed));
            let _ =
                parent.compare_exchange_weak(above, higher, Ordering::Relaxed, Ordering::Relaxed);
            number = higher;
        }
        number
    }

    pub(super) fn join(&self, one: u32, other: u32) {
        loop {
            let (one, other) = (self.root(one), self.root(other));
            if one == other {
                return;
            }
            let (least, greatest) = (one.min(other), one.max(other));
            let Some(parent) = self.above.get(greatest as usize) else {
                return;
            };
            if parent
                .compare_exchange(greatest, least, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            {
                return;
            }
        }
    }
}
