//! Tools around `trips_ext`, for its demonstration, its tests and its benchmark.
//!
//! | program | what it does |
//! |---|---|
//! | `trips-generate` | writes a file of trips, the same bytes for the same seed: [`generate`] |
//! | `trips-bench` | times loads, and questions about areas: [`mod@bench`] and [`memory`] |
#![forbid(unsafe_code)]

use std::error::Error;

pub mod bench;
mod draw;
pub mod generate;
pub mod memory;

/// An error and what caused it, in one line: the client says only "db error" by itself.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
