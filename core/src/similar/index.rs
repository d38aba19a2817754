//! Numbers found by hashes.

use hashbrown::HashTable;

/// Numbers by hashes of 32 bits, of which several may be the same.
#[derive(Debug, Default)]
pub(super) struct Index(HashTable<(u32, u32)>);

/// A hash as wide as the table takes them: both its lowest and its highest bits tell it from others.
fn wide(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Index {
    /// The first number of this hash that is what is looked for.
    #[inline]
    pub(super) fn find(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let is = |(other, number): &(u32, u32)| *other == hash && is(*number);
        self.0.find(wide(hash), is).map(|(_, number)| *number)
    }

    /// Calls `visit` with all numbers of this hash.
    #[inline]
    pub(super) fn each(&self, hash: u32, mut visit: impl FnMut(u32)) {
        // None is the one that is looked for, so all are met.
        self.find(hash, |number| {
            visit(number);
            false
        });
    }

    /// Adds a number.
    pub(super) fn add(&mut self, hash: u32, number: u32) {
        let rehash = |(hash, _): &(u32, u32)| wide(*hash);
        self.0.insert_unique(wide(hash), (hash, number), rehash);
    }

    /// Bytes that are taken with so many numbers more: while the table grows the smaller one is there as well.
    pub(super) fn bytes(&self, more: usize) -> usize {
        let numbers = match self.0.len() + more > self.0.capacity() {
            true => 3 * self.0.capacity().max(more),
            false => self.0.capacity(),
        };
        // Seven eighths of a table are filled.
        numbers * 8 / 7 * (size_of::<(u32, u32)>() + 1)
    }
}
