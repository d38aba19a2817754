//! Forgetting an ingest leaves every table as it was before, and nothing else undone.

use trips_tests::ingest::{forget, load};
use trips_tests::rows::{numbered, numbered_rows};
use trips_tests::snapshot::{assert_books_balance, assert_nothing_stored, snapshot};
use trips_tests::{Database, Ingest, refused};

#[test]
fn forgetting_leaves_every_table_as_before() {
    let database = Database::new();
    let files = database.files();
    let mut session = database.connect();
    session.run("INSERT INTO trips.region (id, name) VALUES (7, 'by hand')");
    load(
        &mut session,
        &files.write_rows("1.csv", numbered_rows(0..100)),
    );
    let before = snapshot(&mut session);
    // A region and a source that are shared, others that are new, one that is known by hand, a rejected row.
    let rows = (0..300).map(|number| {
        let mut row = numbered(number);
        row.region = ["Turin", "Oslo", "by hand"][number as usize % 3].to_owned();
        row.datasource = ["funny_car", "new_car"][number as usize % 2].to_owned();
        row.to_string()
    });
    let path = files.write_rows("2.csv", rows.chain(["bad row".to_owned()]));
    let summary = Ingest::of(&path).on_error("ignore").run(&mut session);
    assert_eq!(summary.counts(), (301, 300, 1));
    assert_ne!(snapshot(&mut session), before);
    assert_eq!(forget(&mut session, summary.id()).unwrap(), 300);
    assert_eq!(snapshot(&mut session), before);
    assert_books_balance(&mut session);
}

#[test]
fn forgetting_the_only_ingest_leaves_nothing() {
    let database = Database::new();
    let mut session = database.connect();
    let path = database.files().write_rows("t.csv", numbered_rows(0..100));
    let ingest = load(&mut session, &path).id();
    assert_eq!(forget(&mut session, ingest).unwrap(), 100);
    assert_nothing_stored(&mut session);
}

#[test]
fn a_name_stays_while_any_other_ingest_uses_it_and_goes_with_the_last() {
    let database = Database::new();
    let files = database.files();
    let mut session = database.connect();
    let first = load(
        &mut session,
        &files.write_rows("1.csv", numbered_rows(0..10)),
    )
    .id();
    let second = load(
        &mut session,
        &files.write_rows("2.csv", numbered_rows(10..20)),
    )
    .id();
    forget(&mut session, first).unwrap();
    assert_eq!(session.count("trips.region WHERE name = 'Turin'"), 1);
    assert_eq!(session.count("trips.trips WHERE region = 'Turin'"), 10);
    forget(&mut session, second).unwrap();
    assert_nothing_stored(&mut session);
}

#[test]
fn an_unknown_ingest_cannot_be_forgotten() {
    let database = Database::new();
    let mut session = database.connect();
    for unknown in [1, 0, -1, i64::MAX] {
        refused(forget(&mut session, unknown), "42704");
    }
}

#[test]
fn forgetting_can_be_rolled_back() {
    let database = Database::new();
    let mut session = database.connect();
    let path = database.files().write_rows("t.csv", numbered_rows(0..100));
    let ingest = load(&mut session, &path).id();
    let before = snapshot(&mut session);
    session.run("BEGIN");
    forget(&mut session, ingest).unwrap();
    session.run("ROLLBACK");
    assert_eq!(snapshot(&mut session), before);
    assert_eq!(Ingest::of(&path).run(&mut session).status, "skipped");
}

#[test]
fn a_load_can_be_forgotten_in_its_own_transaction() {
    let database = Database::new();
    let mut session = database.connect();
    let path = database.files().write_rows("t.csv", numbered_rows(0..100));
    session.run("BEGIN");
    let ingest = load(&mut session, &path).id();
    assert_eq!(forget(&mut session, ingest).unwrap(), 100);
    session.run("COMMIT");
    assert_nothing_stored(&mut session);
}

#[test]
fn the_room_of_what_was_forgotten_is_used_again() {
    let database = Database::new();
    let mut session = database.connect();
    let write = |name: &str, from| {
        database
            .files()
            .write_rows(name, numbered_rows(from..from + 60_000))
    };
    let first = load(&mut session, &write("a.csv", 0)).id();
    // What comes behind it keeps VACUUM from cutting the file off.
    load(&mut session, &write("b.csv", 1));
    let size = "SELECT pg_relation_size('trips.trip') + pg_relation_size('trips.area_part')";
    let before: i64 = session.value(size);
    forget(&mut session, first).unwrap();
    session.run("VACUUM trips.trip, trips.area_part");
    load(&mut session, &write("c.csv", 2));
    let after: i64 = session.value(size);
    assert!(after < before + before / 20, "{before} and {after} bytes");
    assert_books_balance(&mut session);
}
