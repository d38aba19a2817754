//! The extension as a thing of its database: made, moved, altered and dropped; made in any schema. Nothing takes trips with it that does not say so.

use std::collections::BTreeSet;
use std::thread;

use trips_tests::aftermath::assert_nothing_left;
use trips_tests::database::wait_until_blocked;
use trips_tests::ingest::{forget, load};
use trips_tests::rows::numbered_rows;
use trips_tests::snapshot::{assert_books_balance, assert_nothing_stored, snapshot};
use trips_tests::{Database, Ingest, Role, Session, refused};

/// A database with some trips.
fn scene() -> (Database, Session) {
    let database = Database::new();
    let mut session = database.connect();
    let path = database.files().write_rows("1.csv", numbered_rows(0..50));
    load(&mut session, &path);
    (database, session)
}

/// One trip by hand, of names by hand.
const BY_HAND: &str = "
    INSERT INTO trips.region (id, name) VALUES (1, 'Turin'); INSERT INTO trips.datasource (id, name) VALUES (1, 'by hand');
    INSERT INTO trips.trip VALUES (1, '2018-05-09 12:00', 1, 1, st_point(7.5, 45.5, 4326), st_point(8, 46, 4326))";

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
fn a_drop_that_comes_between_a_load_and_what_its_notifier_notes_harms_nobody() {
    let database = Database::new();
    let (mut session, mut other) = (database.connect(), database.connect());
    let path = database.files().write_rows("1.csv", numbered_rows(0..5));
    let (mut dropped, mut deadlocks) = (0, 0);
    while dropped < 15 {
        session.run("BEGIN");
        load(&mut session, &path);
        let pid = other.pid();
        let mut observer = database.connect();
        thread::scope(|scope| {
            let drop = "DROP EXTENSION trips_ext CASCADE; CREATE EXTENSION trips_ext";
            let waiting = scope.spawn(|| other.batch_execute(drop));
            wait_until_blocked(&mut observer, pid);
            // Now the notifier has an end to note, and the drop goes on.
            session.run("ROLLBACK");
            match waiting.join().expect("no thread panics") {
                Ok(()) => dropped += 1,
                Err(error) => {
                    refused::<()>(Err(error), "40P01");
                    deadlocks += 1;
                }
            }
        });
    }
    println!("{dropped} drops, {deadlocks} deadlocks that PostgreSQL has ended");
    assert_nothing_left(&mut session, None);
    load(&mut session, &path);
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

#[test]
fn trips_that_no_load_has_brought_are_kept_too() {
    for write in [
        BY_HAND.to_owned(),
        // As a restore that disables triggers.
        format!("ALTER TABLE trips.trip DISABLE TRIGGER ALL; {BY_HAND}; SELECT trips_rebuild()"),
    ] {
        let database = Database::new();
        let mut session = database.connect();
        session.run(&write);
        refused(session.batch_execute("DROP EXTENSION trips_ext"), "2BP01");
        assert_eq!(session.count("trips.trip"), 1);
    }
    // By a role that may do nothing else.
    let role = Role::new("");
    let database = Database::new();
    let mut session = database.connect();
    session.run(&format!("GRANT USAGE ON SCHEMA trips TO {0}; GRANT INSERT ON trips.trip, trips.region, trips.datasource TO {0}", role.name));
    database.connect_as(&role).run(BY_HAND);
    refused(session.batch_execute("DROP EXTENSION trips_ext"), "2BP01");
}

#[test]
fn what_it_consists_of_and_what_it_needs_cannot_be_dropped_from_under_it() {
    let (_database, mut session) = scene();
    let before = snapshot(&mut session);
    for drop in [
        "DROP EXTENSION postgis",
        "DROP SCHEMA trips",
        "DROP SCHEMA trips CASCADE",
        "DROP TABLE trips.trip",
        "DROP TABLE trips.trip CASCADE",
        "DROP TABLE trips.ingest, trips.region",
        "DROP TABLE trips.area_leaf",
        "DROP VIEW trips.trips",
        "DROP SEQUENCE trips.ingest_id",
        "DROP FUNCTION trips_ingest",
    ] {
        refused(session.batch_execute(drop), "2BP01");
    }
    assert_eq!(snapshot(&mut session), before);
    assert_books_balance(&mut session);
}

#[test]
fn a_role_that_goes_takes_no_trips_and_hands_over_what_it_owns() {
    let (owner, heir, other) = (
        Role::new("SUPERUSER"),
        Role::new("SUPERUSER"),
        Role::new(""),
    );
    let database = Database::empty();
    let mut session = database.connect_as(&owner);
    session.run(&format!(
        "CREATE EXTENSION trips_ext CASCADE; GRANT USAGE ON SCHEMA trips TO {0}; GRANT ALL ON ALL TABLES IN SCHEMA trips TO {0}",
        other.name
    ));
    let files = database.files();
    load(
        &mut session,
        &files.write_rows("1.csv", numbered_rows(0..50)),
    );
    drop(session);
    let mut session = database.connect_as(&heir);
    session.run(&format!("DROP OWNED BY {}", other.name));
    refused(
        session.batch_execute(&format!("DROP ROLE {}", owner.name)),
        "2BP01",
    );
    session.run(&format!(
        "REASSIGN OWNED BY {} TO {}; DROP OWNED BY {}",
        owner.name, heir.name, owner.name
    ));
    assert_eq!(session.count("trips.trip"), 50);
    load(
        &mut session,
        &files.write_rows("2.csv", numbered_rows(50..90)),
    );
    session.run("DELETE FROM trips.trip WHERE id % 5 = 0; SELECT trips_compact()");
    assert_eq!(session.count("trips_check()"), 0);
    refused(session.batch_execute("DROP EXTENSION trips_ext"), "2BP01");
    // Whoever owned it is gone, and it is alive.
    session.run(&format!("DROP ROLE {}", owner.name));
    assert_eq!(forget(&mut session, 2).unwrap(), 32);
    drop(session);
    drop(database);
}

#[test]
fn it_cannot_be_moved_to_another_schema() {
    let (database, mut session) = scene();
    session.run("CREATE SCHEMA elsewhere");
    refused(
        session.batch_execute("ALTER EXTENSION trips_ext SET SCHEMA elsewhere"),
        "0A000",
    );
    load(
        &mut session,
        &database.files().write_rows("2.csv", numbered_rows(50..60)),
    );
    assert_books_balance(&mut session);
}

#[test]
fn an_update_to_its_own_version_changes_nothing_and_one_to_another_is_refused() {
    let (_database, mut session) = scene();
    let before = (snapshot(&mut session), catalogue(&mut session));
    let version: String =
        session.value("SELECT extversion FROM pg_extension WHERE extname = 'trips_ext'");
    session.notices();
    for update in [
        "ALTER EXTENSION trips_ext UPDATE".to_owned(),
        format!("ALTER EXTENSION trips_ext UPDATE TO '{version}'"),
    ] {
        session.run(&update);
        let notices: Vec<String> = session
            .notices()
            .iter()
            .map(|notice| notice.message().to_owned())
            .collect();
        assert_eq!(
            notices,
            [format!(
                "version \"{version}\" of extension \"trips_ext\" is already installed"
            )]
        );
    }
    refused(
        session.batch_execute("ALTER EXTENSION trips_ext UPDATE TO '99.0'"),
        "22023",
    );
    assert!((snapshot(&mut session), catalogue(&mut session)) == before);
}

#[test]
fn making_it_again_or_where_it_cannot_be_leaves_everything_as_it_was() {
    let (_database, mut session) = scene();
    let before = (snapshot(&mut session), catalogue(&mut session));
    refused(session.batch_execute("CREATE EXTENSION trips_ext"), "42710");
    session.run("CREATE EXTENSION IF NOT EXISTS trips_ext; CREATE SCHEMA x; CREATE EXTENSION IF NOT EXISTS trips_ext SCHEMA x");
    assert!((snapshot(&mut session), catalogue(&mut session)) == before);

    let empty = Database::empty();
    let mut session = empty.connect();
    let nothing = catalogue(&mut session);
    // PostGIS is missing; the schema; the version.
    refused(session.batch_execute("CREATE EXTENSION trips_ext"), "42704");
    refused(
        session.batch_execute("CREATE EXTENSION trips_ext SCHEMA nowhere CASCADE"),
        "3F000",
    );
    refused(
        session.batch_execute("CREATE EXTENSION trips_ext VERSION '99.0' CASCADE"),
        "22023",
    );
    // A schema of that name, with something in it that is the user's.
    session.run("CREATE SCHEMA trips; CREATE TABLE trips.mine AS SELECT 1 AS n");
    refused(
        session.batch_execute("CREATE EXTENSION trips_ext CASCADE"),
        "42P06",
    );
    assert_eq!(session.count("trips.mine"), 1);
    session.run("DROP SCHEMA trips CASCADE");
    assert_eq!(catalogue(&mut session), nothing);
    session.run("BEGIN; CREATE EXTENSION trips_ext CASCADE; ROLLBACK");
    assert_eq!(catalogue(&mut session), nothing);
    session.run("CREATE EXTENSION trips_ext CASCADE");
}

#[test]
fn a_member_that_was_taken_out_and_put_back_is_as_before() {
    let (database, mut session) = scene();
    let before = catalogue(&mut session);
    session.run("ALTER EXTENSION trips_ext DROP VIEW trips.trips; ALTER EXTENSION trips_ext ADD VIEW trips.trips");
    assert_eq!(catalogue(&mut session), before);
    session.run("ALTER EXTENSION trips_ext DROP TABLE trips.trip");
    refused(session.batch_execute("DROP EXTENSION trips_ext"), "2BP01");
    // The server forgets that pg_dump is to bring back its contents: none but a script of the extension can say so again.
    session.run("ALTER EXTENSION trips_ext ADD TABLE trips.trip");
    let apart = catalogue(&mut session)
        .symmetric_difference(&before)
        .filter(|object| !object.starts_with("dumped"))
        .count();
    assert_eq!(apart, 0);
    load(
        &mut session,
        &database.files().write_rows("2.csv", numbered_rows(50..60)),
    );
    assert_eq!(session.count("trips.trip"), 60);
    assert_books_balance(&mut session);
    refused(session.batch_execute("DROP EXTENSION trips_ext"), "2BP01");
}

/// All that the extension consists of: what each object is, its definition where there is one, its owner's and others' rights, its comment.
fn catalogue(session: &mut Session) -> BTreeSet<String> {
    let query = "
        SELECT concat_ws(' | ', pg_describe_object(d.classid, d.objid, 0),
               CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) END,
               p.proacl::text, obj_description(d.objid, d.classid::regclass::name),
               c.relacl::text, c.relkind, c.reloptions::text, pg_get_viewdef(CASE WHEN c.relkind = 'v' THEN c.oid END),
               (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage, pg_get_expr(f.adbin, f.adrelid), col_description(c.oid, a.attnum)), ', ' ORDER BY a.attnum)
                  FROM pg_attribute a LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
               (SELECT string_agg(pg_get_constraintdef(o.oid), ', ' ORDER BY o.conname) FROM pg_constraint o WHERE o.conrelid = c.oid),
               (SELECT string_agg(pg_get_indexdef(i.indexrelid), ', ' ORDER BY i.indexrelid::regclass::text) FROM pg_index i WHERE i.indrelid = c.oid),
               (SELECT string_agg(pg_get_triggerdef(g.oid) || g.tgenabled::text, ', ' ORDER BY g.tgname) FROM pg_trigger g WHERE g.tgrelid = c.oid),
               (SELECT string_agg(concat_ws(' ', l.polname, l.polcmd, pg_get_expr(l.polqual, l.polrelid)), ', ') FROM pg_policy l WHERE l.polrelid = c.oid))
          FROM pg_depend d
          JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'trips_ext'
          LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
          LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
         WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
         UNION ALL
        SELECT concat_ws(' | ', 'dumped', (SELECT array_agg(t::regclass::text ORDER BY t::regclass::text) FROM unnest(e.extconfig) t), e.extcondition)
          FROM pg_extension e WHERE e.extname = 'trips_ext'";
    let rows = session.query(query, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn every_upgrade_gives_the_catalogue_of_a_fresh_installation() {
    let fresh = Database::new();
    let mut session = fresh.connect();
    let expected = catalogue(&mut session);
    assert!(expected.len() > 60, "{}", expected.len());
    let version: String =
        session.value("SELECT extversion FROM pg_extension WHERE extname = 'trips_ext'");
    let query = "SELECT v.version FROM pg_available_extension_versions v
                  WHERE v.name = 'trips_ext' AND v.version <> $1
                    AND EXISTS (SELECT FROM pg_extension_update_paths('trips_ext') p WHERE p.source = v.version AND p.target = $1 AND p.path IS NOT NULL)";
    let rows = session.query(query, &[&version]).unwrap();
    let older: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    for from in &older {
        let database = Database::empty();
        let mut session = database.connect();
        session.run(&format!("CREATE EXTENSION trips_ext VERSION '{from}' CASCADE; ALTER EXTENSION trips_ext UPDATE TO '{version}'"));
        let found = catalogue(&mut session);
        let apart: Vec<&String> = found.symmetric_difference(&expected).collect();
        assert!(apart.is_empty(), "{from} to {version}: {apart:#?}");
    }
    println!(
        "{} upgrades to {version}, each with the {} objects of a fresh installation",
        older.len(),
        expected.len()
    );
}
