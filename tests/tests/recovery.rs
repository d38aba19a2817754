//! What a load has written survives a crash, reaches a standby, and is seen by logical decoding: pages that go past the
//! shared buffers are no exception.

use std::thread;
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trips_tests::ask_random::cases;
use trips_tests::database::eventually;
use trips_tests::ingest::{forget, load};
use trips_tests::rows::{numbered_rows, write_generated};
use trips_tests::snapshot::{assert_books_balance, snapshot};
use trips_tests::{Ingest, PrivateCluster, Session};

/// More rows than the pages that are appended at a time hold.
const ROWS: u64 = 100_000;

/// Sound are the pages of all tables that a load writes in bulk, and the indexes on them.
#[track_caller]
fn assert_sound(session: &mut Session) {
    session.run("CREATE EXTENSION IF NOT EXISTS amcheck");
    for table in ["trip", "area_leaf", "area_part", "area_node"] {
        let findings = session.count(&format!("verify_heapam('trips.{table}')"));
        assert_eq!(findings, 0, "trips.{table}");
    }
    for index in ["area_leaf_pkey", "area_part_pkey", "area_node_pkey"] {
        session.run(&format!("SELECT bt_index_check('trips.{index}', true)"));
    }
}

#[test]
fn after_a_crash_a_load_is_whole_or_gone() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    // Checkpoints come while loads run.
    let mut cluster = PrivateCluster::new("fsync = off\nmax_wal_size = 32MB\nmin_wal_size = 32MB");
    let path = write_generated(cluster.files(), "t.csv", 3 * ROWS, 3, 1);
    let begin = Instant::now();
    let ingest = load(&mut cluster.connect(), &path).id();
    let whole = begin.elapsed();
    let (mut kept, mut gone) = (0, 0);
    forget(&mut cluster.connect(), ingest).unwrap();
    for point in 0..cases(8) {
        let mut session = cluster.connect();
        let moment = whole.mul_f64(random.random_range(0.0..0.9));
        let call = Ingest::of(&path);
        thread::scope(|scope| {
            // Whether it is told of its end is of no interest.
            scope.spawn(move || drop(call.call(&mut session)));
            thread::sleep(moment);
            cluster.crash();
        });
        cluster.start();
        let mut session = cluster.connect();
        let loaded = session.count("trips.ingest");
        assert_eq!(
            session.count("trips.trip"),
            loaded * 3 * ROWS as i64,
            "crash {point} after {moment:?}"
        );
        assert_books_balance(&mut session);
        assert_sound(&mut session);
        if loaded == 1 {
            kept += 1;
            let ingest = session.value("SELECT id FROM trips.ingest");
            forget(&mut session, ingest).unwrap();
        } else {
            gone += 1;
        }
    }
    println!("{kept} loads were whole, {gone} were gone");
    assert_eq!(load(&mut cluster.connect(), &path).loaded, 3 * ROWS as i64);
}

#[test]
fn a_standby_has_what_its_primary_has() {
    let primary = PrivateCluster::new("fsync = off\nwal_consistency_checking = 'all'");
    let standby = primary.standby();
    let mut session = primary.connect();
    let path = primary.files().write_rows("t.csv", numbered_rows(0..ROWS));
    load(&mut session, &path);
    let end: String = session.value("SELECT pg_current_wal_insert_lsn()::text");
    let expected = snapshot(&mut session);
    let mut replica = standby.connect();
    eventually("the standby has all", || {
        replica.value(&format!("SELECT pg_last_wal_replay_lsn() >= '{end}'"))
    });
    assert_eq!(snapshot(&mut replica), expected);
    drop(replica);
    standby.promote();
    let mut promoted = standby.connect();
    eventually("the standby is promoted", || {
        !promoted.value::<bool>("SELECT pg_is_in_recovery()")
    });
    assert_books_balance(&mut promoted);
    assert_sound(&mut promoted);
    let more = standby
        .files()
        .write_rows("u.csv", numbered_rows(0..ROWS + 1));
    assert_eq!(load(&mut promoted, &more).loaded, ROWS as i64 + 1);
}

#[test]
fn logical_decoding_sees_every_trip() {
    let cluster = PrivateCluster::new("fsync = off\nwal_level = logical");
    let mut session = cluster.connect();
    session.run("SELECT pg_create_logical_replication_slot('trips', 'test_decoding')");
    let path = cluster.files().write_rows("t.csv", numbered_rows(0..ROWS));
    load(&mut session, &path);
    let inserts = "pg_logical_slot_get_changes('trips', NULL, NULL) WHERE data LIKE 'table trips.trip: INSERT%'";
    assert_eq!(session.count(inserts), ROWS as i64);
    assert_books_balance(&mut session);
}

#[test]
fn where_wal_is_minimal_a_load_outlives_a_crash() {
    let mut cluster = PrivateCluster::new("fsync = off\nwal_level = minimal\nmax_wal_senders = 0");
    let path = cluster.files().write_rows("t.csv", numbered_rows(0..ROWS));
    load(&mut cluster.connect(), &path);
    cluster.crash();
    cluster.start();
    let mut session = cluster.connect();
    assert_eq!(session.count("trips.trip"), ROWS as i64);
    assert_books_balance(&mut session);
    assert_sound(&mut session);
}
