//! The functions of SQL that are written in Rust; the others are in `sql/`.

pub mod area;
pub mod groups;
pub mod ingest;
pub mod jobs;

use trips_core::Error;

/// An argument that must not be null.
fn given<T>(name: &'static str, argument: Option<T>) -> Result<T, Error> {
    argument.ok_or(Error::NullArgument { name })
}
