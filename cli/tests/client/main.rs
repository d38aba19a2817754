//! The client, run as its users run it, against the tests' server and servers of its own. `trips report` has a suite of its own.

// A test that cannot go on panics: that is how it fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;
mod connect;
mod load;
mod manual;
mod watch;
