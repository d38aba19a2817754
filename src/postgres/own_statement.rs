//! Statements by which the extension itself changes `trips.trip`: triggers tell them from anybody else's.

use std::cell::Cell;

thread_local! {
    /// Only the session's own thread runs statements.
    static RUNS: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, the statement that runs is the extension's own.
#[must_use = "the statement is anybody's when this is dropped"]
pub struct OwnStatement {
    before: bool,
}

impl OwnStatement {
    /// From here on.
    pub fn begin() -> OwnStatement {
        OwnStatement {
            before: RUNS.replace(true),
        }
    }
}

impl Drop for OwnStatement {
    fn drop(&mut self) {
        RUNS.set(self.before);
    }
}

/// Whether the statement that runs is the extension's own.
pub fn runs() -> bool {
    RUNS.get()
}
