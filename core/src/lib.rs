//! The parts of `trips_ext` that need no server: reading and checking files of trips, parsing
//! them into ready heap tuples, and the words for all that can go wrong on the way.

#![forbid(unsafe_code)]

pub mod error;
pub mod event;
pub mod ingest;

pub use error::Error;
