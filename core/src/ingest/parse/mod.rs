//! Values: names, points and times. Each has a fast path for the canonical form and an exact one
//! for everything else; what neither takes is an error that knows its SQLSTATE.

mod decimal;
pub mod name;
pub mod point;
pub mod time;
