//! The parts of `trips_ext` that need no server: reading and checking files of trips, parsing
//! them into ready heap tuples, the trees that count the trips of an area, the groups of similar trips, which files in a directory are complete, and the words for
//! all that can go wrong on the way.

#![forbid(unsafe_code)]

pub mod area;
pub mod error;
pub mod event;
pub mod fault;
pub mod inbox;
pub mod ingest;
pub mod page;
pub mod similar;
pub mod threads;

pub use error::Error;
