//! What must be left of a load once it is over: nothing but its rows.

use crate::database::{Session, eventually};

/// What an observer must find after a load, however it ended: no worker, no lock, no thread.
#[track_caller]
pub fn assert_nothing_left(observer: &mut Session, loader: Option<&Session>) {
    let workers = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type LIKE 'trips%')";
    eventually("the status worker ends", || observer.value(workers));
    let locks = "SELECT NOT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE d.datname = current_database() AND l.pid <> pg_backend_pid())";
    eventually("locks are released", || observer.value(locks));
    if let Some(loader) = loader {
        assert!(loader.is_single_threaded());
    }
}
