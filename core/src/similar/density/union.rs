//! Which trips are of one group.

use std::sync::atomic::{AtomicU32, Ordering};

/// Which trips are of one group, found by many threads at once: the least number of each group is its root.
pub(super) struct Union(Vec<AtomicU32>);

impl Union {
    pub(super) fn new(count: usize) -> Union {
        Union((0..count as u32).map(AtomicU32::new).collect())
    }

    /// Whether it is known at a glance that they are of one group.
    #[inline]
    pub(super) fn are_one(&self, one: u32, other: u32) -> bool {
        let above = |number: u32| {
            self.0
                .get(number as usize)
                .map(|above| above.load(Ordering::Relaxed))
        };
        above(one) == above(other)
    }

    /// The root of a trip as far as groups have been joined.
    pub(super) fn root(&self, mut number: u32) -> u32 {
        while let Some(parent) = self.0.get(number as usize) {
            let above = parent.load(Ordering::Relaxed);
            if above == number {
                break;
            }
            // Halves the path; who fails has been overtaken by one who did it.
            let higher = self
                .0
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
            let Some(parent) = self.0.get(greatest as usize) else {
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
