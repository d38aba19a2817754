//! Ingests that background workers run.
//!
//! `trips_ingest_async` queues an ingest ([`queue`]): a row of `trips.ingest_attempt`, in the caller's transaction. At its commit a trigger sees to it
//! that the database has a dispatcher ([`dispatcher`]), which starts a worker for each ingest in turn ([`runner`]), as many at a
//! time as are allowed and find a slot. It ends when nothing is queued any more; what it leaves when it is ended before, the next one finds.

pub mod cancel;
pub mod dispatcher;
pub mod queue;
mod runner;
