//! Places where a test can make an ingest fail, and the setting `trips_ext.fault` that says where.
//!
//! All of it is nothing without the feature `fault_points`, which no build that is installed for use has.

pub use trips_core::fault::Point;

#[cfg(feature = "fault_points")]
pub use on::{arm, reach, register};

#[cfg(not(feature = "fault_points"))]
pub use off::{arm, reach, register};

#[cfg(not(feature = "fault_points"))]
mod off {
    use super::Point;

    #[inline(always)]
    pub fn register() {}

    #[inline(always)]
    pub fn arm() {}

    #[inline(always)]
    pub fn reach(_point: Point) {}
}

#[cfg(feature = "fault_points")]
mod on {
    use std::ffi::CString;

    use pgrx::prelude::*;
    use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

    use super::Point;
    use crate::postgres::{fault, transaction};

    /// Nothing fails.
    static FAULT: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

    /// Makes the setting known to the server.
    pub fn register() {
        GucRegistry::define_string_guc(
            c"trips_ext.fault",
            c"Where the next ingest or merge fails, and how: for tests.",
            c"point:error, point:panic or point:kill, and perhaps :passes.",
            &FAULT,
            GucContext::Suset,
            GucFlags::default(),
        );
    }

    /// Has the setting hold for what comes now.
    pub fn arm() {
        let fault = FAULT.get().unwrap_or_default();
        let fault = fault.to_string_lossy();
        if !trips_core::fault::arm(&fault) {
            error!("no such fault: \"{fault}\"");
        }
        if fault.starts_with("commit:") {
            transaction::before_commit(|| reach(Point::Commit));
        }
    }

    /// Goes on, unless the setting says otherwise. An error is raised by the server, as from a call of it.
    pub fn reach(point: Point) {
        if trips_core::fault::reach(point).is_err() {
            fault::division_by_zero();
        }
    }
}
