//! The area trees from the server's side: runs are written, read, merged and checked. What a tree is, and how it is
//! built and searched, is `trips_core::area`.
//!
//! The tables that hold the trees are to trips.trip what an index is to a table: whoever may read or write the trips gets
//! them read and written, whatever the rights on the trees' own tables.

pub mod ask;
mod background;
pub mod change;
pub mod check;
pub mod collect;
pub mod compact;
mod removal;
mod runs;
mod store;
pub mod writer;
