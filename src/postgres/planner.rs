//! Having the planner look rows up by their keys.

use std::ffi::CStr;

use pgrx::prelude::*;

/// While it lives, statements that name rows by key are planned as index scans: what the planner believes of a table that
/// has just been filled leads it to scan the whole of it.
pub struct KeyLookups {
    level: std::ffi::c_int,
}

/// A scan that is switched off counts as so dear that compiling it would seem to pay.
const BY_INDEX: [(&CStr, &CStr); 2] = [(c"enable_seqscan", c"off"), (c"jit", c"off")];

const BY_KEY: [(&CStr, &CStr); 1] = [(c"enable_bitmapscan", c"off")];

impl KeyLookups {
    /// For statements that name rows by the keys of a btree.
    pub fn begin() -> KeyLookups {
        KeyLookups::with(BY_INDEX.into_iter().chain(BY_KEY))
    }

    /// For statements that name rows by a range of a BRIN index.
    pub fn by_range() -> KeyLookups {
        KeyLookups::with(BY_INDEX.into_iter())
    }

    fn with(settings: impl Iterator<Item = (&'static CStr, &'static CStr)>) -> KeyLookups {
        // SAFETY: no arguments; settings of this level are undone by `drop`, or by the end of the transaction.
        let level = unsafe { pg_sys::NewGUCNestLevel() };
        for (name, value) in settings {
            // SAFETY: both are C strings that live as long as the program. Saved settings may be changed in a
            // parallel worker, too.
            unsafe {
                pg_sys::set_config_option(
                    name.as_ptr(),
                    value.as_ptr(),
                    pg_sys::GucContext::PGC_USERSET,
                    pg_sys::GucSource::PGC_S_SESSION,
                    pg_sys::GucAction::GUC_ACTION_SAVE,
                    true,
                    0,
                    false,
                );
            }
        }
        KeyLookups { level }
    }
}

impl Drop for KeyLookups {
    fn drop(&mut self) {
        // An error that unwinds ends the (sub)transaction, and with it all levels above its own.
        if !std::thread::panicking() {
            // SAFETY: the level is the one that `begin` made, and whoever made levels above it has ended them.
            unsafe { pg_sys::AtEOXact_GUC(true, self.level) };
        }
    }
}
