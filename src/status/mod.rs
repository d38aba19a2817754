//! Status, pushed while a load runs.
//!
//! NOTIFY is delivered at commit, so the loading transaction cannot report its own progress with it. A dynamic
//! background worker does: the loading session writes counters into shared memory ([`shared`]), the worker reads
//! them and notifies in transactions of its own ([`worker`]). [`reporter`] is the loading session's side.
//!
//! The worker also notes in a table what it has pushed last ([`attempt`]). What ends without a word is told of later ([`ended`]).
//!
//! One worker serves all the loads of a transaction, and ends with it: a load that is rolled back after it
//! has finished is reported as failed, too.

use std::sync::atomic::Ordering;

use crate::postgres::shared_memory::Segment;

pub mod attempt;
pub mod ended;
pub mod reporter;
mod shared;
mod worker;

/// Lets the segment go with its last mapping, unless that was said before.
fn unpin(segment: &Segment<shared::Shared>) {
    if segment.pinned.swap(0, Ordering::AcqRel) == 1 {
        segment.unpin();
    }
}
