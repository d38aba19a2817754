//! Who may load: what COPY asks for is asked for here, and every refusal leaves nothing behind.

use trips_tests::ingest::load;
use trips_tests::rows::numbered_rows;
use trips_tests::snapshot::{assert_books_balance, assert_nothing_stored};
use trips_tests::{Database, Ingest, Listener, Role, Session, refused};

/// All that a role needs to load, but the right to read the server's files.
const RIGHTS: &str = "
    GRANT USAGE ON SCHEMA trips TO <role>;
    GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA trips TO <role>;
    GRANT USAGE ON SEQUENCE trips.ingest_id TO <role>;
    GRANT EXECUTE ON FUNCTION trips_ingest TO <role>;
    GRANT EXECUTE ON FUNCTION trips_forget TO <role>";

/// A database, a file, and sessions of the superuser and of a role with these rights.
struct Scene {
    path: String,
    session: Session,
    superuser: Session,
    // Dropped in this order: a role goes only after the database that it has rights in.
    database: Database,
    role: Role,
}

fn scene(attributes: &str, rights: &str) -> Scene {
    let role = Role::new(attributes);
    let database = Database::new();
    let mut superuser = database.connect();
    superuser.run(&rights.replace("<role>", &role.name));
    Scene {
        path: database.files().write_rows("t.csv", numbered_rows(0..100)),
        session: database.connect_as(&role),
        superuser,
        database,
        role,
    }
}

#[test]
fn a_plain_role_may_not_call_what_writes() {
    let mut scene = scene("", "");
    refused(Ingest::of(&scene.path).call(&mut scene.session), "42501");
    refused(scene.session.query("SELECT trips_forget(1)", &[]), "42501");
    assert_nothing_stored(&mut scene.superuser);
}

#[test]
fn the_right_to_read_files_is_asked_for() {
    let mut scene = scene("", RIGHTS);
    refused(Ingest::of(&scene.path).call(&mut scene.session), "42501");
    refused(
        Ingest::of(&scene.path).dry_run().call(&mut scene.session),
        "42501",
    );
    // What does not exist is not told to whom it does not concern.
    refused(Ingest::of("/missing").call(&mut scene.session), "42501");
    assert_nothing_stored(&mut scene.superuser);
}

#[test]
fn a_role_with_all_rights_loads() {
    let mut scene = scene("IN ROLE pg_read_server_files", RIGHTS);
    assert_eq!(load(&mut scene.session, &scene.path).loaded, 100);
    let loaded_by: String = scene
        .superuser
        .value("SELECT loaded_by::text FROM trips.ingest");
    assert_eq!(loaded_by, scene.role.name);
    assert_books_balance(&mut scene.superuser);
}

#[test]
fn a_role_that_may_have_one_connection_loads_and_is_told_of_it() {
    let mut scene = scene("CONNECTION LIMIT 1 IN ROLE pg_read_server_files", RIGHTS);
    let mut listener = Listener::new(&scene.database);
    assert_eq!(load(&mut scene.session, &scene.path).loaded, 100);
    let events = listener.until_end();
    assert_eq!(
        (events[0].kind(), events[events.len() - 1].kind()),
        ("started", "completed")
    );
}

#[test]
fn the_current_role_counts_not_the_one_that_logged_in() {
    let mut scene = scene("", RIGHTS);
    scene
        .superuser
        .run(&format!("SET ROLE {}", scene.role.name));
    refused(Ingest::of(&scene.path).call(&mut scene.superuser), "42501");
    scene.superuser.run("RESET ROLE");
    assert_nothing_stored(&mut scene.superuser);
}

#[test]
fn membership_that_is_not_inherited_does_not_count() {
    let mut scene = scene("NOINHERIT IN ROLE pg_read_server_files", RIGHTS);
    refused(Ingest::of(&scene.path).call(&mut scene.session), "42501");
    assert_nothing_stored(&mut scene.superuser);
}

#[test]
fn the_right_to_insert_trips_is_asked_for() {
    for revoked in [
        "REVOKE INSERT ON trips.trip FROM <role>",
        "REVOKE INSERT ON trips.trip FROM <role>; GRANT INSERT (id, departed_at) ON trips.trip TO <role>",
    ] {
        let rights = format!("{RIGHTS}; {revoked}");
        let mut scene = scene("IN ROLE pg_read_server_files", &rights);
        refused(Ingest::of(&scene.path).call(&mut scene.session), "42501");
        assert!(scene.session.is_single_threaded());
        assert_nothing_stored(&mut scene.superuser);
    }
}

#[test]
fn a_load_cannot_write_to_a_ledger_that_its_role_may_not_write_to() {
    for table in ["ingest", "region", "datasource", "rejected_row"] {
        let rights = format!("{RIGHTS}; REVOKE INSERT ON trips.{table} FROM <role>");
        let mut scene = scene("IN ROLE pg_read_server_files", &rights);
        let rows = numbered_rows(0..10).chain(["bad".to_owned()]);
        let path = scene.database.files().write_rows("bad.csv", rows);
        refused(
            Ingest::of(&path)
                .on_error("ignore")
                .call(&mut scene.session),
            "42501",
        );
        assert_nothing_stored(&mut scene.superuser);
    }
}

#[test]
fn forgetting_asks_for_the_right_to_delete() {
    let mut scene = scene("IN ROLE pg_read_server_files", RIGHTS);
    let ingest = load(&mut scene.session, &scene.path).id();
    refused(
        scene.session.query("SELECT trips_forget($1)", &[&ingest]),
        "42501",
    );
    assert_eq!(scene.superuser.count("trips.trip"), 100);
    let grant = format!(
        "GRANT DELETE ON ALL TABLES IN SCHEMA trips TO {}",
        scene.role.name
    );
    scene.superuser.run(&grant);
    scene
        .session
        .query("SELECT trips_forget($1)", &[&ingest])
        .unwrap();
    assert_nothing_stored(&mut scene.superuser);
}

#[test]
fn row_security_that_applies_to_the_role_is_refused() {
    let rls = "ALTER TABLE trips.trip ENABLE ROW LEVEL SECURITY;
        CREATE POLICY everything ON trips.trip USING (true)";
    let mut scene = scene("IN ROLE pg_read_server_files", &format!("{RIGHTS}; {rls}"));
    refused(Ingest::of(&scene.path).call(&mut scene.session), "0A000");
    assert_nothing_stored(&mut scene.superuser);
    assert_eq!(
        load(&mut scene.superuser, &scene.path).loaded,
        100,
        "a superuser passes it by"
    );
}

#[test]
fn a_read_only_transaction_is_refused_before_the_file_is_opened() {
    let mut scene = scene("", "");
    let session = &mut scene.superuser;
    session.run("SET default_transaction_read_only = on");
    refused(Ingest::of(&scene.path).call(session), "25006");
    refused(Ingest::of("/missing").call(session), "25006");
    refused(session.query("SELECT trips_forget(1)", &[]), "25006");
    session.run("RESET default_transaction_read_only");
    assert_nothing_stored(session);
}

#[test]
fn only_a_superuser_sets_the_allowed_directories() {
    let mut scene = scene("IN ROLE pg_read_server_files", RIGHTS);
    // A module that is not loaded yet knows no setting: the load brings it.
    load(&mut scene.session, &scene.path);
    let result = scene
        .session
        .batch_execute("SET trips_ext.allowed_directories = '/'");
    refused(result, "42501");
}

#[test]
fn a_limit_that_a_superuser_set_for_a_role_holds_from_its_first_load() {
    let mut scene = scene("IN ROLE pg_read_server_files", RIGHTS);
    let other = scene.database.files().make_dir("other");
    // Any function loads the module, and with it the settings.
    scene.superuser.run("LOAD 'trips_ext'");
    scene.superuser.run(&format!(
        "ALTER ROLE {} SET trips_ext.allowed_directories = '{other}'",
        scene.role.name
    ));
    let mut session = scene.database.connect_as(&scene.role);
    refused(Ingest::of(&scene.path).call(&mut session), "42501");
    // The role cannot lift it by setting the name before the module is loaded.
    let mut session = scene.database.connect_as(&scene.role);
    let _ = session.batch_execute("SET trips_ext.allowed_directories = '/'");
    refused(Ingest::of(&scene.path).call(&mut session), "42501");
    assert_nothing_stored(&mut scene.superuser);
}

#[test]
fn what_reads_asks_for_the_rights_of_whoever_reads() {
    let mut scene = scene("", "");
    load(&mut scene.superuser, &scene.path);
    let reads = [
        "SELECT trips_weekly_average('Turin')",
        "SELECT trips_weekly_average(7, 45, 8, 46)",
        "SELECT * FROM trips_weekly_trips('Turin')",
        "SELECT * FROM trips_groups()",
        "SELECT * FROM trips.trips",
    ];
    for query in reads {
        refused(scene.session.query(query, &[]), "42501");
    }
    let grant = "GRANT USAGE ON SCHEMA trips TO <role>; GRANT SELECT ON ALL TABLES IN SCHEMA trips TO <role>";
    scene
        .superuser
        .run(&grant.replace("<role>", &scene.role.name));
    for query in reads {
        scene.session.query(query, &[]).unwrap();
    }
}
