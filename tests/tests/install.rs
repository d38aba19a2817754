//! The extension as a thing of its database: dumped, restored, dropped, and made in any schema.

use trips_tests::ingest::{forget, load};
use trips_tests::program::{program, run};
use trips_tests::rows::numbered_rows;
use trips_tests::snapshot::{assert_books_balance, assert_nothing_stored, snapshot_of_the_dumped};
use trips_tests::{Database, Ingest, refused};

#[test]
fn a_dump_brings_everything_back_and_numbers_go_on() {
    let database = Database::new();
    let files = database.files();
    let mut session = database.connect();
    session.run("INSERT INTO trips.datasource (id, name) VALUES (9, 'by hand')");
    let rows = numbered_rows(0..500).chain(["bad row".to_owned()]);
    let path = files.write_rows("1.csv", rows);
    Ingest::of(&path).on_error("ignore").run(&mut session);
    let last = load(
        &mut session,
        &files.write_rows("2.csv", numbered_rows(500..900)),
    )
    .id();

    session.run("SELECT trips_group_table('kept')");

    let dump = tempfile::tempdir().unwrap();
    let dump = dump.path().join("trips.dump");
    run(program("pg_dump")
        .args(["-Fc", "-f"])
        .arg(&dump)
        .arg("-d")
        .arg(database.conninfo()));
    let restored = Database::empty();
    run(program("pg_restore")
        .args(["--exit-on-error", "-d"])
        .arg(restored.conninfo())
        .arg(&dump));

    let mut copy = restored.connect();
    assert_eq!(
        snapshot_of_the_dumped(&mut copy),
        snapshot_of_the_dumped(&mut session)
    );
    assert_eq!(Ingest::of(&path).run(&mut copy).status, "skipped");
    let next = load(
        &mut copy,
        &files.write_rows("3.csv", numbered_rows(900..950)),
    )
    .id();
    assert!(next > last, "{next} after {last}");
    assert_books_balance(&mut copy);
    assert_eq!(
        copy.value::<i64>("SELECT new_trips FROM trips_group_refresh('kept')"),
        50
    );
}

#[test]
fn dropping_the_extension_without_cascade_does_not_take_trips_with_it() {
    let database = Database::new();
    let mut session = database.connect();
    load(
        &mut session,
        &database.files().write_rows("1.csv", numbered_rows(0..5)),
    );
    refused(session.batch_execute("DROP EXTENSION trips_ext"), "2BP01");
    assert_eq!(session.count("trips.trip"), 5);
    session.run("DROP EXTENSION trips_ext CASCADE; CREATE EXTENSION trips_ext");
    load(&mut session, &database.files().path("1.csv"));
}

#[test]
fn an_extension_without_trips_can_be_dropped() {
    let database = Database::new();
    database
        .connect()
        .run("DROP EXTENSION trips_ext; CREATE EXTENSION trips_ext");
}

#[test]
fn the_extension_works_wherever_it_and_postgis_are_and_with_no_search_path() {
    let database = Database::empty();
    let mut session = database.connect();
    session.run(
        "CREATE SCHEMA \"Maps and GIS\"; CREATE EXTENSION postgis SCHEMA \"Maps and GIS\";
         CREATE SCHEMA app; CREATE EXTENSION trips_ext SCHEMA app",
    );
    let path = database.files().write_rows("t.csv", numbered_rows(0..50));
    let mut session = database.connect();
    session.run("SET search_path = ''");
    let ingest = format!("SELECT rows_loaded FROM app.trips_ingest('{path}')");
    assert_eq!(session.value::<i64>(&ingest), 50);
    for (query, expected) in [
        ("app.trips_weekly_average('Turin') = 50", true),
        (
            "app.trips_weekly_average(7, 44, 8, 46, matching => 'crosses') = 50",
            true,
        ),
        (
            "app.trips_weekly_average(\"Maps and GIS\".st_makeenvelope(7, 44, 8, 46, 4326)) = 50",
            true,
        ),
        (
            "(SELECT sum(trips) FROM app.trips_weekly_trips('Turin')) = 50",
            true,
        ),
        (
            "(SELECT sum(trips) FROM app.trips_groups(min_trips => 1)) = 50",
            true,
        ),
        ("(SELECT count(*) FROM trips.trips) = 50", true),
        ("app.trips_forget(1) = 50", true),
    ] {
        assert_eq!(
            session.value::<bool>(&format!("SELECT {query}")),
            expected,
            "{query}"
        );
    }
    assert_nothing_stored(&mut database.connect());
}

#[test]
fn what_stands_before_the_catalogue_in_the_search_path_is_not_called() {
    let database = Database::new();
    let mut session = database.connect();
    session.run(
        "CREATE SCHEMA evil;
         CREATE FUNCTION evil.trap() RETURNS void LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
         CREATE FUNCTION evil.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
         CREATE FUNCTION evil.equal(bytea, bytea) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
         CREATE FUNCTION evil.equal(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
         CREATE FUNCTION evil.format(text, VARIADIC \"any\") RETURNS text LANGUAGE internal AS 'text_format';
         CREATE FUNCTION evil.normalize(text, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
         CREATE FUNCTION evil.date_trunc(text, timestamp) RETURNS timestamp LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
         CREATE FUNCTION evil.st_x(public.geometry) RETURNS float8 LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
         CREATE OPERATOR evil.= (FUNCTION = evil.equal, LEFTARG = text, RIGHTARG = text);
         CREATE OPERATOR evil.= (FUNCTION = evil.equal, LEFTARG = bytea, RIGHTARG = bytea);
         CREATE OPERATOR evil.= (FUNCTION = evil.equal, LEFTARG = bigint, RIGHTARG = bigint);
         SET search_path = evil, pg_catalog, public",
    );
    let files = database.files();
    let path = files.write_rows("t.csv", numbered_rows(0..50).chain(["bad".to_owned()]));
    let loaded = Ingest::of(&path).on_error("ignore").run(&mut session);
    Ingest::of(&path).run(&mut session);
    for query in [
        "SELECT public.trips_weekly_average('Turin') IS NULL",
        "SELECT public.trips_weekly_average(7, 44, 8, 46, matching => 'crosses') IS NULL",
        "SELECT count(*) IS NULL FROM public.trips_groups()",
    ] {
        assert!(!session.value::<bool>(query));
    }
    assert_eq!(forget(&mut session, loaded.id()).unwrap(), 50);
}
