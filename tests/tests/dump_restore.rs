//! Dumps: whatever way one goes, all that was loaded comes back, equal to the last bit; answers, groups and the ledger go on from there.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use rand::RngExt;
use trips_tests::ask_random::{cases, question, seeded};
use trips_tests::facts::Facts;
use trips_tests::ingest::{forget, load};
use trips_tests::program::{program, run};
use trips_tests::rows::numbered_rows;
use trips_tests::snapshot::{Snapshot, snapshot_of_the_dumped};
use trips_tests::{Database, Ingest, Role, Session, refused};

/// A database with all that the extension keeps: loads, rejected rows, a forgotten ingest, merged runs, changes by hand, names by
/// hand, a table of groups.
fn scene() -> (Database, Session) {
    let database = Database::new();
    let files = database.files();
    let mut session = database.connect();
    session.run("INSERT INTO trips.datasource (id, name) VALUES (9, 'by hand')");
    let rows = numbered_rows(0..500).chain(["bad row".to_owned(), ",,,,".to_owned()]);
    let first = files.write_rows("1.csv", rows);
    Ingest::of(&first).on_error("ignore").run(&mut session);
    let forgotten = load(
        &mut session,
        &files.write_rows("2.csv", numbered_rows(200..900)),
    )
    .id();
    load(
        &mut session,
        &files.write_rows("3.csv", numbered_rows(900..1500)),
    );
    session.run("SELECT trips_group_table('kept'); SELECT trips_compact()");
    forget(&mut session, forgotten).unwrap();
    session.run(
        "INSERT INTO trips.trip VALUES (7, '2017-05-09 12:00', 1, 9, st_point(-0.0, 45.5, 4326), st_point(179.99999999999997, -90, 4326));
         UPDATE trips.trip SET origin = st_point(8.5, 45.5, 4326) WHERE id % 7 = 0;
         DELETE FROM trips.trip WHERE id % 11 = 0;
         SELECT trips_group_refresh('kept')",
    );
    (database, session)
}

/// All that has to come back: the extension's tables and the user's table of groups, as text, the next numbers, the view that keeps DROP EXTENSION off.
fn contents(session: &mut Session) -> Snapshot {
    let mut contents = snapshot_of_the_dumped(session);
    for (name, query) in [
        ("kept", "SELECT k::text FROM kept k ORDER BY group_id"),
        (
            "sequence",
            "SELECT last_value || ' ' || is_called FROM trips.ingest_id",
        ),
        (
            "points",
            "SELECT encode(st_asewkb(origin) || st_asewkb(destination), 'hex') FROM trips.trip ORDER BY id",
        ),
        (
            "views",
            "SELECT pg_get_viewdef(oid) FROM pg_class WHERE relnamespace = 'trips'::regnamespace AND relkind = 'v' ORDER BY relname",
        ),
    ] {
        let rows = session.query(query, &[]).unwrap();
        contents.insert(name.to_owned(), rows.iter().map(|row| row.get(0)).collect());
    }
    // What no dump knows: where tables of files that come and go are.
    contents.remove("inbox_file");
    contents
}

/// The copy holds what the original holds, and is alive.
#[track_caller]
fn assert_is_a_copy(way: &str, copy: &Database, original: &Database, session: &mut Session) {
    let mut restored = copy.connect();
    let (expected, found) = (contents(session), contents(&mut restored));
    let rows: usize = expected.values().map(Vec::len).sum();
    assert!(rows > 2000);
    for (table, rows) in &expected {
        assert!(
            found[table] == *rows,
            "{way}: {table} differs: {} rows, {} restored",
            rows.len(),
            found[table].len()
        );
    }
    assert_eq!(
        restored.count("trips_check()"),
        0,
        "{way}: trees and trips agree"
    );
    let (facts, mut random) = (Facts::of(&mut restored), seeded());
    for _ in 0..20 {
        let question = question(&mut random, &facts);
        assert_eq!(
            question.ask(&mut restored),
            question.ask(session),
            "{way}: {question:?}"
        );
    }
    // Nothing is loaded twice, numbers go on, groups go on, and DROP EXTENSION takes nothing.
    let files = original.files();
    assert_eq!(
        Ingest::of(&files.path("1.csv")).run(&mut restored).status,
        "skipped",
        "{way}"
    );
    refused(restored.batch_execute("DROP EXTENSION trips_ext"), "2BP01");
    let next = load(
        &mut restored,
        &files.write_rows("4.csv", numbered_rows(2000..2050)),
    )
    .id();
    assert!(next > 3, "{way}: {next}");
    assert_eq!(
        restored.value::<i64>("SELECT new_trips FROM trips_group_refresh('kept')"),
        50,
        "{way}"
    );
    assert_eq!(forget(&mut restored, next).unwrap(), 50, "{way}");
    assert_eq!(restored.count("trips_check()"), 0, "{way}");
    println!("{way}: {rows} rows and 20 answers equal");
}

fn dump(database: &Database, to: &Path, options: &[&str]) {
    run(program("pg_dump")
        .args(options)
        .arg("-f")
        .arg(to)
        .arg("-d")
        .arg(database.conninfo()));
}

fn restore(database: &Database, from: &Path, options: &[&str]) {
    let options = options.iter().map(OsString::from);
    run(program("pg_restore")
        .arg("--exit-on-error")
        .args(options)
        .arg("-d")
        .arg(database.conninfo())
        .arg(from));
}

fn psql(database: &Database, file: &Path) {
    run(program("psql")
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
        .arg(file)
        .arg("-d")
        .arg(database.conninfo()));
}

#[test]
fn every_kind_of_dump_brings_everything_back_and_all_goes_on() {
    let (database, mut session) = scene();
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    dump(&database, &at("plain"), &[]);
    dump(&database, &at("inserts"), &["--rows-per-insert=100"]);
    dump(&database, &at("custom"), &["-Fc"]);
    dump(&database, &at("directory"), &["-Fd", "-j2"]);
    let list = run(program("pg_restore").arg("-l").arg(at("custom")));
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(
        list.contains("TABLE DATA trips trip ") && !list.contains("area_leaf"),
        "the trees are made anew: {list}"
    );
    for name in ["plain", "inserts"] {
        let copy = Database::empty();
        psql(&copy, &at(name));
        assert_is_a_copy(
            &format!("pg_dump, psql ({name})"),
            &copy,
            &database,
            &mut session,
        );
    }
    for (name, options) in [
        ("custom", vec![]),
        ("custom", vec!["--single-transaction"]),
        ("directory", vec!["-j2"]),
    ] {
        let copy = Database::empty();
        restore(&copy, &at(name), &options);
        assert_is_a_copy(
            &format!("pg_dump, pg_restore {options:?} ({name})"),
            &copy,
            &database,
            &mut session,
        );
    }
    // Sections, each by itself.
    let copy = Database::empty();
    for section in ["pre-data", "data", "post-data"] {
        restore(&copy, &at("custom"), &["--section", section]);
    }
    assert_is_a_copy("pg_restore --section", &copy, &database, &mut session);
}

#[test]
fn the_data_alone_come_into_an_extension_that_was_made_by_hand() {
    let (database, mut session) = scene();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("data");
    dump(&database, &file, &["-Fc", "--data-only"]);
    let copy = Database::new();
    // The table of groups is the user's, and is made first.
    let schema = directory.path().join("schema");
    dump(&database, &schema, &["-Fc", "--schema-only", "-t", "kept"]);
    restore(&copy, &schema, &[]);
    restore(&copy, &file, &[]);
    assert_is_a_copy("pg_dump --data-only", &copy, &database, &mut session);
}

#[test]
fn after_disabled_triggers_a_rebuild_makes_the_copy_whole() {
    let (database, mut session) = scene();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dump");
    dump(&database, &file, &["-Fc"]);
    let copy = Database::empty();
    restore(&copy, &file, &["--schema-only"]);
    let mut restored = copy.connect();
    assert_eq!(restored.count("trips.trip"), 0);
    restore(&copy, &file, &["--data-only", "--disable-triggers"]);
    assert!(
        restored.count("trips_check()") > 0,
        "what the trees have missed is found"
    );
    let trips = restored.count("trips.trip");
    assert_eq!(restored.value::<i64>("SELECT trips_rebuild()"), trips);
    let enabled = "SELECT string_agg(tgname || tgenabled::text, ' ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 'trips.trip'::regclass";
    assert_eq!(
        restored.value::<String>(enabled),
        session.value::<String>(enabled)
    );
    assert_is_a_copy(
        "pg_restore --disable-triggers, trips_rebuild()",
        &copy,
        &database,
        &mut session,
    );
}

#[test]
fn a_dump_of_a_dump_is_the_same_and_rights_come_back() {
    let role = Role::new("");
    let (database, mut session) = scene();
    session.run(&format!(
        "GRANT USAGE ON SCHEMA trips TO {0}; GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA trips TO {0};
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA trips TO {0}; GRANT EXECUTE ON FUNCTION trips_ingest, trips_forget TO {0}",
        role.name
    ));
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let mut original = database.connect();
    let mut databases = vec![database];
    for (round, rows) in [(1, 3000..3010), (2, 4000..4010)] {
        let file = at(&round.to_string());
        dump(&databases[round - 1], &file, &["-Fc"]);
        let copy = Database::empty();
        restore(&copy, &file, &[]);
        let mut restored = copy.connect();
        assert!(
            contents(&mut restored) == contents(&mut original),
            "round {round}"
        );
        let mut loader = copy.connect_as(&role);
        let path = copy.files().write_rows("t.csv", numbered_rows(rows));
        restored.run(&format!("GRANT pg_read_server_files TO {}", role.name));
        let ingest = load(&mut loader, &path).id();
        assert_eq!(forget(&mut loader, ingest).unwrap(), 10);
        restored.run(&format!("SELECT setval('trips.ingest_id', {})", ingest));
        original.run(&format!("SELECT setval('trips.ingest_id', {})", ingest));
        databases.push(copy);
    }
}

#[test]
fn a_dump_during_a_load_has_all_of_it_or_nothing() {
    let database = Database::new();
    let mut session = database.connect();
    let files = database.files();
    load(
        &mut session,
        &files.write_rows("1.csv", numbered_rows(0..1000)),
    );
    let rounds = cases(3).min(20);
    let directory = tempfile::tempdir().unwrap();
    let (mut with, mut random) = (0, seeded());
    for round in 0..rounds as u64 {
        let path = files.write_rows("2.csv", numbered_rows(1000 + round..60_000));
        let file = directory.path().join(round.to_string());
        let ingest = std::thread::scope(|scope| {
            let loading = scope.spawn(|| load(&mut database.connect(), &path).id());
            // Its snapshot is taken at some moment before, in or after the load.
            std::thread::sleep(Duration::from_millis(random.random_range(0..200)));
            dump(&database, &file, &["-Fc"]);
            loading.join().unwrap()
        });
        let copy = Database::empty();
        restore(&copy, &file, &[]);
        let mut restored = copy.connect();
        let trips = restored.count("trips.trip");
        let whole = 1000 + 59_000 - round as i64;
        assert!(trips == 1000 || trips == whole, "{trips} trips");
        with += usize::from(trips == whole);
        assert_eq!(
            restored.count("trips.ingest"),
            if trips == whole { 2 } else { 1 }
        );
        assert_eq!(restored.count("trips_check()"), 0);
        forget(&mut session, ingest).unwrap();
    }
    println!(
        "{rounds} dumps during a load: {with} with all of it, {} with nothing of it",
        rounds - with
    );
}
