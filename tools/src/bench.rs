//! Benchmarks of `trips_ext`, each on a server of its own, with a page of Markdown as its result.
//!
//! | benchmark | what it times |
//! |---|---|
//! | [`load`] | `trips_ingest` against other ways to load the same file |
//! | [`area`] | questions about areas, what their trees cost, and the ways without them |
//! | [`groups`] | groups of similar trips, and what PostGIS has for origins |

pub mod area;
mod conditions;
mod figures;
pub mod groups;
pub mod load;
mod session;
mod turns;

pub use session::Run;
