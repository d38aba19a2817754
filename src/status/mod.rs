//! Status, pushed while a load runs.
//!
//! NOTIFY is delivered at commit, so the loading transaction cannot report its own progress with it. A dynamic
//! background worker does: the loading session writes counters into shared memory ([`shared`]), the worker reads
//! them and notifies in transactions of its own ([`worker`]). [`reporter`] is the loading session's side.
//!
//! One worker serves all the loads of a transaction, and ends with it: a load that is rolled back after it
//! has finished is reported as failed, too.

pub mod reporter;
mod shared;
mod worker;
