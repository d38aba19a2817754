//! The functions of SQL that are written in Rust; the others are in `sql/`.

pub mod ingest;
