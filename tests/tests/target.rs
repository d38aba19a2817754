//! What a user adds to `trips.trip` is honoured as COPY honours it, or the load is refused.

use trips_tests::ingest::load;
use trips_tests::rows::numbered_rows;
use trips_tests::snapshot::{assert_books_balance, assert_nothing_stored};
use trips_tests::{Database, Ingest, Session, refused};

fn database_with(ddl: &str) -> (Database, Session, String) {
    let database = Database::new();
    let mut session = database.connect();
    session.run(ddl);
    let path = database.files().write_rows("t.csv", numbered_rows(0..3000));
    (database, session, path)
}

#[test]
fn a_check_constraint_is_honoured() {
    let (_database, mut session, path) = database_with(
        "ALTER TABLE trips.trip ADD CONSTRAINT early CHECK (departed_at < '2018-05-01 00:40')",
    );
    let error = refused(Ingest::of(&path).call(&mut session), "23514");
    assert!(error.message().contains("\"early\""), "{error:?}");
    assert!(session.is_single_threaded());
    assert_nothing_stored(&mut session);
    session.run(
        "ALTER TABLE trips.trip DROP CONSTRAINT early, ADD CHECK (departed_at < '2019-01-01')",
    );
    assert_eq!(load(&mut session, &path).loaded, 3000);
}

#[test]
fn a_unique_index_is_honoured() {
    let (database, mut session, path) =
        database_with("CREATE UNIQUE INDEX one_at_a_time ON trips.trip (departed_at)");
    assert_eq!(load(&mut session, &path).loaded, 3000);
    let other = database
        .files()
        .write_rows("u.csv", numbered_rows(2999..60_000));
    let error = refused(Ingest::of(&other).call(&mut session), "23505");
    assert!(error.message().contains("\"one_at_a_time\""), "{error:?}");
    assert_eq!(session.count("trips.trip"), 3000);
    assert_books_balance(&mut session);
}

/// Counts by each index equal the count of the whole table.
#[track_caller]
fn assert_index_finds(session: &mut Session, index: &str, condition: &str) {
    let query = format!("SELECT count(*) FROM trips.trip WHERE {condition}");
    session.run(
        "SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off",
    );
    let expected: i64 = session.value(&query);
    session.run("RESET ALL; SET enable_seqscan = off");
    let plan: Vec<String> = session
        .query(&format!("EXPLAIN {query}"), &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(plan.concat().contains(index), "{plan:?}");
    assert_eq!(session.value::<i64>(&query), expected, "{index}");
    assert!(expected > 0);
    session.run("RESET ALL");
}

#[test]
fn every_index_holds_every_trip() {
    let (database, mut session, path) = database_with(
        "CREATE INDEX by_time ON trips.trip (departed_at, id);
         CREATE INDEX by_hour ON trips.trip (date_trunc('hour', departed_at));
         CREATE INDEX late ON trips.trip (region_id) WHERE departed_at >= '2018-05-01 00:30';
         CREATE INDEX by_place ON trips.trip USING gist (origin)",
    );
    load(&mut session, &path);
    load(
        &mut session,
        &database
            .files()
            .write_rows("u.csv", numbered_rows(500..60_000)),
    );
    let window = "departed_at >= '2018-05-01 00:10' AND departed_at < '2018-05-01 00:20'";
    assert_index_finds(&mut session, "by_time", window);
    assert_index_finds(
        &mut session,
        "by_hour",
        "date_trunc('hour', departed_at) = '2018-05-01 01:00'",
    );
    assert_index_finds(
        &mut session,
        "late",
        "region_id > 0 AND departed_at >= '2018-05-01 00:30'",
    );
    assert_index_finds(
        &mut session,
        "by_place",
        "origin && st_makeenvelope(7.5, 45, 7.55, 45.03, 4326)",
    );
}

/// A database whose table, after this DDL, was loaded with more trips than go through the heap alone.
fn many_trips_in(ddl: &str) -> (Database, Session) {
    let (database, mut session, _) = database_with(ddl);
    let path = database
        .files()
        .write_rows("u.csv", numbered_rows(0..60_000));
    assert_eq!(load(&mut session, &path).loaded, 60_000);
    (database, session)
}

#[test]
fn a_fill_factor_leaves_room_on_every_page() {
    let (_database, mut session) = many_trips_in("ALTER TABLE trips.trip SET (fillfactor = 40)");
    let most: i64 = session.value(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM trips.trip GROUP BY (ctid::text::point)[0]) pages",
    );
    // 40 % of 8,192 bytes, of which 24 are the page's header; a trip takes 104 and its line pointer 4.
    assert_eq!(most, (8192 - 8192 * 60 / 100 - 24) / 108);
}

#[test]
fn an_unlogged_table_takes_a_load() {
    let (_database, mut session) = many_trips_in("ALTER TABLE trips.trip SET UNLOGGED");
    assert_books_balance(&mut session);
}

#[test]
fn a_load_is_counted_for_autovacuum() {
    let (_database, mut session) = many_trips_in("");
    session.run("SELECT pg_stat_force_next_flush()");
    let inserted: i64 = session
        .value("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relid = 'trips.trip'::regclass");
    assert_eq!(inserted, 60_000);
}

#[test]
fn the_tables_own_brin_indexes_find_every_trip() {
    let (database, mut session, path) = database_with("");
    let first = load(&mut session, &path).id();
    load(
        &mut session,
        &database
            .files()
            .write_rows("u.csv", numbered_rows(500..60_000)),
    );
    let window = "departed_at >= '2018-05-01 00:10' AND departed_at < '2018-05-01 00:20'";
    assert_index_finds(&mut session, "trip_departed_at_idx", window);
    let id = first << 32;
    assert_index_finds(
        &mut session,
        "trip_id_idx",
        &format!("id BETWEEN {id} AND {id} + 5000"),
    );
    session.run("VACUUM ANALYZE trips.trip");
    assert_index_finds(&mut session, "trip_departed_at_idx", window);
}

#[test]
fn triggers_are_refused_rather_than_passed_over() {
    for trigger in [
        "BEFORE INSERT ON trips.trip FOR EACH ROW",
        "AFTER INSERT ON trips.trip FOR EACH ROW",
        "BEFORE INSERT ON trips.trip FOR EACH STATEMENT",
        "AFTER INSERT ON trips.trip REFERENCING NEW TABLE AS n FOR EACH STATEMENT",
    ] {
        let (_database, mut session, path) = database_with(&format!(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER mine {trigger} EXECUTE FUNCTION f()"
        ));
        refused(Ingest::of(&path).call(&mut session), "0A000");
        assert_nothing_stored(&mut session);
        session.run("DROP TRIGGER mine ON trips.trip");
        assert_eq!(load(&mut session, &path).loaded, 3000, "{trigger}");
    }
}

#[test]
fn triggers_that_an_ingest_cannot_fire_do_not_stand_in_its_way() {
    let (_database, mut session, path) = database_with(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER mine BEFORE UPDATE ON trips.trip FOR EACH ROW EXECUTE FUNCTION f()",
    );
    assert_eq!(load(&mut session, &path).loaded, 3000);
}

#[test]
fn a_column_that_the_user_added_gets_its_default_or_the_load_is_refused() {
    for column in [
        "note text",
        "note text DEFAULT 'car'",
        "note float8 DEFAULT random()",
    ] {
        let (_database, mut session, path) =
            database_with(&format!("ALTER TABLE trips.trip ADD COLUMN {column}"));
        match Ingest::of(&path).call(&mut session) {
            Ok(summary) => {
                assert_eq!(summary.loaded, 3000);
                let filled = session.count("trips.trip WHERE note IS NOT NULL");
                assert_eq!(
                    filled,
                    if column.contains("DEFAULT") { 3000 } else { 0 },
                    "{column}"
                );
            }
            Err(error) => {
                refused::<()>(Err(error), "0A000");
                assert_nothing_stored(&mut session);
            }
        }
    }
}

#[test]
fn a_not_null_column_that_no_file_fills_is_an_error() {
    let (_database, mut session, path) =
        database_with("ALTER TABLE trips.trip ADD COLUMN note text NOT NULL");
    let error = Ingest::of(&path).call(&mut session).unwrap_err();
    let code = error.code().map(|code| code.code().to_owned());
    assert!(
        matches!(code.as_deref(), Some("23502" | "0A000")),
        "{error:?}"
    );
    assert_nothing_stored(&mut session);
}
