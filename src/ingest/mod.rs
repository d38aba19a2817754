//! An ingest from the server's side: what the pipeline of `trips_core` gives is checked against the ledger,
//! named by the dimensions, and inserted.

mod dimension;
mod guard;
pub mod ledger;
pub mod load;
pub mod options;
mod rejects;
mod sink;
mod tally;
mod target;
mod threads;
