//! Numbers found by hashes.

use hashbrown::HashTable;

/// Numbers by hashes of 32 bits, of which several may be the same, each with something more.
#[derive(Debug)]
pub(super) struct Index<T>(HashTable<(u32, u32, T)>);

impl<T> Default for Index<T> {
    fn default() -> Index<T> {
        Index(HashTable::new())
    }
}

/// A hash as wide as the table takes them: both its lowest and its highest bits tell it from others.
fn wide(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<T> Index<T> {
    /// The first number of this hash that is what is looked for.
    #[inline]
    pub(super) fn find(&self, hash: u32, mut is: impl FnMut(u32, &T) -> bool) -> Option<u32> {
        let is = |(other, number, more): &(u32, u32, T)| *other == hash && is(*number, more);
        self.0.find(wide(hash), is).map(|(_, number, _)| *number)
    }

    /// Calls `visit` with all numbers of this hash.
    #[inline]
    pub(super) fn each(&self, hash: u32, mut visit: impl FnMut(u32, &T)) {
        // None is the one that is looked for, so all are met.
        self.find(hash, |number, more| {
            visit(number, more);
            false
        });
    }

    /// Adds a number.
    pub(super) fn add(&mut self, hash: u32, number: u32, more: T) {
        let rehash = |(hash, _, _): &(u32, u32, T)| wide(*hash);
        self.0
            .insert_unique(wide(hash), (hash, number, more), rehash);
    }

    /// Bytes that are taken with so many numbers more: while the table grows the smaller one is there as well.
    pub(super) fn bytes(&self, more: usize) -> usize {
        let numbers = match self.0.len() + more > self.0.capacity() {
            true => 3 * self.0.capacity().max(more),
            false => self.0.capacity(),
        };
        // Seven eighths of a table are filled.
        numbers * 8 / 7 * (size_of::<(u32, u32, T)>() + 1)
    }
}
