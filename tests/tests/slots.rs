//! When the server has no slot for another background worker. Alone in its process, one after the other: each takes all
//! slots of the cluster.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use trips_tests::ingest::load;
use trips_tests::rows::{numbered_rows, write_generated};
use trips_tests::snapshot::assert_books_balance;
use trips_tests::{Database, Listener, Session};

static SLOTS: Mutex<()> = Mutex::new(());

#[test]
fn a_load_without_a_free_worker_slot_warns_and_succeeds() {
    let _slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
    let database = Database::new();
    let mut observer = database.connect();
    let slots: i32 = observer.value("SELECT current_setting('max_worker_processes')::int");
    // Loads that bring the same new names would wait for each other.
    load(
        &mut observer,
        &database
            .files()
            .write_rows("names.csv", numbered_rows(0..100)),
    );
    let mut listener = Listener::new(&database);
    // A load that is done but not committed keeps its worker: one session more than there are slots.
    let mut sessions: Vec<Session> = Vec::new();
    let mut warned = None;
    for number in 0..=slots as u64 {
        let mut session = database.connect();
        let name = format!("{number}.csv");
        let path = database
            .files()
            .write_rows(&name, numbered_rows(number..number + 20));
        session.run("BEGIN");
        assert_eq!(load(&mut session, &path).loaded, 20);
        let warning = session
            .notices()
            .into_iter()
            .find(|notice| notice.severity() == "WARNING");
        sessions.push(session);
        if let Some(warning) = warning {
            warned = Some((number, path, warning));
            break;
        }
    }
    let (number, path, warning) = warned.expect("some load finds no slot");
    assert!(number > 0, "the first load finds a slot: {warning:?}");
    let mut last = sessions.pop().unwrap();
    last.run("COMMIT");
    // Its end is the loading transaction's own.
    loop {
        let event = listener
            .next(Duration::from_secs(10))
            .expect("the end is pushed all the same");
        if event.text("file") == path {
            assert_eq!(event.kind(), "completed");
            break;
        }
    }
    assert_eq!(observer.count("trips.trip"), 120);
    for mut session in sessions {
        session.run("ROLLBACK");
    }
    assert_books_balance(&mut observer);
}

#[test]
fn a_merge_without_a_free_worker_slot_removes_what_it_replaces_itself() {
    let _slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
    let database = Database::new();
    let mut session = database.connect();
    // A million trips together: a worker would remove their runs.
    for seed in 0..2 {
        let name = format!("{seed}.csv");
        load(
            &mut session,
            &write_generated(database.files(), &name, 510_000, 3, seed),
        );
    }
    let slots: i32 = session.value("SELECT current_setting('max_worker_processes')::int");
    let mut holders: Vec<Session> = Vec::new();
    for number in 0..=slots as u64 {
        let mut holder = database.connect();
        let path = database
            .files()
            .write_rows(&format!("{number}.csv"), numbered_rows(number..number + 1));
        holder.run("BEGIN");
        load(&mut holder, &path);
        let warned = holder
            .notices()
            .iter()
            .any(|notice| notice.severity() == "WARNING");
        holders.push(holder);
        if warned {
            break;
        }
    }
    assert!(holders.len() > 1);
    session.run("BEGIN");
    let left: i64 = session.value("SELECT runs_after FROM trips_compact()");
    assert_eq!(left, 1);
    assert_eq!(session.count("trips.area_obsolete"), 0);
    let leaves = "trips.area_leaf WHERE id >> 32 NOT IN (SELECT id FROM trips.area_run)";
    assert_eq!(session.count(leaves), 0);
    session.run("COMMIT");
    assert_eq!(session.count("trips_check()"), 0);
}
