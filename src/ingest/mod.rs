//! An ingest from the server's side: what the pipeline of `trips_core` gives is checked against the ledger,
//! named by the dimensions, and inserted.

mod dimension;
pub mod guard;
pub mod input;
pub mod ledger;
pub mod load;
pub mod options;
pub mod received;
mod rejects;
pub mod run;
mod sink;
mod tally;
pub mod target;

use crate::status::reporter;
use crate::threads;

/// To be called before the session's process ends, whatever it is doing: no thread may outlive what it uses, and
/// listeners are told.
pub fn session_ends() {
    threads::stop();
    reporter::session_ends();
}
