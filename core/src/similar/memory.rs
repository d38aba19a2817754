//! What a grouping may take: one limit for all that it holds.

use std::cell::Cell;
use std::rc::Rc;

use crate::Error;

/// A limit, and how much of it is held.
#[derive(Debug, Clone)]
pub struct Memory(Rc<Limit>);

#[derive(Debug)]
struct Limit {
    bytes: usize,
    held: Cell<usize>,
}

/// What one holder has of it; given back when dropped.
#[derive(Debug)]
pub struct Share {
    memory: Memory,
    bytes: usize,
}

impl Memory {
    /// So many bytes, none of them held.
    pub fn new(bytes: usize) -> Memory {
        let held = Cell::new(0);
        Memory(Rc::new(Limit { bytes, held }))
    }

    /// The limit in bytes.
    pub fn limit(&self) -> usize {
        self.0.bytes
    }

    /// A share that holds nothing yet.
    pub fn share(&self) -> Share {
        Share {
            memory: self.clone(),
            bytes: 0,
        }
    }

    /// The error of who needs more.
    pub fn short(&self) -> Error {
        Error::GroupMemory {
            limit: self.limit(),
        }
    }
}

impl Share {
    /// Holds so many bytes, instead of what it has held so far.
    ///
    /// # Errors
    /// 53200 if all shares together would hold more than the limit; then this one holds what it did.
    pub fn hold(&mut self, bytes: usize) -> Result<(), Error> {
        let Limit {
            bytes: limit, held, ..
        } = &*self.memory.0;
        let all = (held.get() - self.bytes).saturating_add(bytes);
        if all > *limit {
            return Err(self.memory.short());
        }
        held.set(all);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let held = &self.memory.0.held;
        held.set(held.get() - self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shares_together_hold_no_more_than_the_limit() {
        let memory = Memory::new(100);
        let (mut one, mut other) = (memory.share(), memory.share());
        one.hold(60).unwrap();
        assert_eq!(other.hold(41).unwrap_err().sqlstate(), "53200");
        other.hold(40).unwrap();
        one.hold(50).unwrap();
        other.hold(50).unwrap();
        drop(one);
        other.hold(100).unwrap();
        assert!(other.hold(usize::MAX).is_err());
    }
}
