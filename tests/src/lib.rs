//! The harness of the integration suites: a database for each test, files that the server can read, ingests as
//! calls, and a listener that waits on its socket.
//!
//! The suites need a running cluster, which `make test` starts; it says where by two variables:
//! `TRIPS_TEST_CONNINFO`, a libpq connection string of a superuser, and `TRIPS_TEST_DATA_DIR`, a directory that
//! the suites write into and the server reads.

pub mod aftermath;
pub mod ask_random;
pub mod cluster;
pub mod content;
pub mod database;
pub mod facts;
pub mod files;
pub mod ingest;
pub mod listener;
pub mod page;
pub mod plane;
pub mod private_cluster;
pub mod process;
pub mod program;
pub mod question;
pub mod refusal;
pub mod rows;
pub mod runs;
pub mod scene;
pub mod snapshot;
pub mod sound;
pub mod space;

pub use database::{Database, Role, Session};
pub use files::{DATA_DIR_ENV, Files, HEADER};
pub use ingest::{Ingest, Summary};
pub use listener::{Event, Listener};
pub use private_cluster::PrivateCluster;
pub use process::Process;
pub use refusal::{Place, refused, refused_case};
pub use rows::Row;
