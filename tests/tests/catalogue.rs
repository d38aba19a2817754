//! The catalogue after CREATE EXTENSION: who may call and read what, and that nothing there gives anybody rights that are not theirs. All of
//! it is one query, [`LINT`], which gives a row for each fault.

use trips_tests::ingest::load;
use trips_tests::rows::numbered_rows;
use trips_tests::{Database, Session};

const LINT: &str = include_str!("catalogue.sql");

/// What the query finds: fault and object.
fn faults(session: &mut Session) -> Vec<(String, String)> {
    // The settings are known once the library is loaded.
    session.run("LOAD 'trips_ext'");
    let rows = session.query(LINT, &[]).expect("the catalogue answers");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn the_catalogue_has_no_fault() {
    let database = Database::new();
    let mut session = database.connect();
    assert_eq!(faults(&mut session), []);
    let path = database.files().write_rows("t.csv", numbered_rows(0..10));
    load(&mut session, &path);
    session.run("SELECT trips_group_table('kept'); SELECT trips_compact()");
    assert_eq!(faults(&mut session), [], "after a load");
    let elsewhere = Database::empty();
    let mut session = elsewhere.connect();
    session.run(
        "CREATE SCHEMA \"Maps and GIS\"; CREATE EXTENSION postgis SCHEMA \"Maps and GIS\";
         CREATE SCHEMA app; CREATE EXTENSION trips_ext SCHEMA app",
    );
    assert_eq!(faults(&mut session), [], "in other schemas");
    println!(
        "{} questions to the catalogue, no fault",
        LINT.matches("\nSELECT '").count()
    );
}

/// Faults, each with a word of what the query says of it.
const FAULTS: [(&str, &str); 32] = [
    (
        "ALTER FUNCTION trips_forget SECURITY DEFINER",
        "rights of its owner",
    ),
    (
        "ALTER FUNCTION trips.index_trips SECURITY DEFINER",
        "rights of its owner",
    ),
    ("ALTER FUNCTION trips.area_trips LEAKPROOF", "leak"),
    (
        "GRANT EXECUTE ON FUNCTION trips_ingest TO PUBLIC",
        "executed by PUBLIC",
    ),
    (
        "GRANT EXECUTE ON FUNCTION trips_forget TO PUBLIC",
        "executed by PUBLIC",
    ),
    (
        "GRANT EXECUTE ON FUNCTION trips.inbox_insert TO PUBLIC",
        "executed by PUBLIC",
    ),
    (
        "REVOKE EXECUTE ON FUNCTION trips_groups FROM PUBLIC",
        "not be executed by PUBLIC",
    ),
    (
        "GRANT EXECUTE ON FUNCTION trips_ingest TO pg_monitor",
        "granted to a role",
    ),
    ("ALTER FUNCTION trips_check IMMUTABLE", "volatility"),
    ("ALTER FUNCTION trips_ingest PARALLEL SAFE", "parallel"),
    (
        "ALTER FUNCTION trips_forget RESET search_path",
        "look names up",
    ),
    (
        "ALTER FUNCTION trips.flow SET search_path = public",
        "look names up",
    ),
    (
        "ALTER FUNCTION trips.ask SET search_path = pg_temp, pg_catalog, public",
        "look names up",
    ),
    (
        "ALTER FUNCTION trips_forget OWNER TO pg_monitor",
        "another role",
    ),
    ("ALTER TABLE trips.trip OWNER TO pg_monitor", "another role"),
    (
        "GRANT INSERT ON trips.trip TO PUBLIC",
        "INSERT is granted to PUBLIC",
    ),
    (
        "GRANT SELECT ON trips.ingest TO PUBLIC",
        "SELECT is granted to PUBLIC",
    ),
    (
        "GRANT UPDATE (name) ON trips.region TO PUBLIC",
        "UPDATE is granted to PUBLIC",
    ),
    (
        "GRANT USAGE ON SEQUENCE trips.ingest_id TO pg_monitor",
        "USAGE is granted to pg_monitor",
    ),
    (
        "GRANT CREATE ON SCHEMA trips TO PUBLIC",
        "CREATE is granted to PUBLIC",
    ),
    (
        "ALTER VIEW trips.trips RESET (security_invoker)",
        "its owner may read",
    ),
    ("ALTER TABLE trips.ingest SET UNLOGGED", "unlogged"),
    (
        "ALTER TABLE trips.ingest_attempt DISABLE ROW LEVEL SECURITY",
        "what was pushed",
    ),
    (
        "CREATE POLICY p ON trips.ingest_attempt FOR UPDATE USING (true)",
        "write by a policy",
    ),
    ("CREATE TABLE trips.own (id int)", "not belong"),
    (
        "CREATE FUNCTION trips_own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "not belong",
    ),
    (
        "CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER EXTENSION trips_ext ADD FUNCTION own()",
        "no list of labels",
    ),
    (
        "CREATE CAST (trips.question AS text) WITH INOUT; ALTER EXTENSION trips_ext ADD CAST (trips.question AS text)",
        "no need of",
    ),
    (
        "CREATE RULE r AS ON INSERT TO trips.region DO ALSO NOTHING",
        "rule",
    ),
    ("COMMENT ON COLUMN trips.trip.id IS NULL", "no comment"),
    ("COMMENT ON FUNCTION trips_check() IS NULL", "no comment"),
    (
        "ALTER TABLE trips.trip ENABLE TRIGGER trip_inserted",
        "of an origin",
    ),
];

#[test]
fn the_query_finds_each_fault() {
    let database = Database::new();
    let mut session = database.connect();
    for (statement, said) in FAULTS {
        session.run("BEGIN");
        session.run(statement);
        let found = faults(&mut session);
        session.run("ROLLBACK");
        assert!(
            found.iter().any(|(fault, _)| fault.contains(said)),
            "{statement}: {found:?}"
        );
    }
    assert_eq!(faults(&mut session), []);
    println!("{} faults, each found", FAULTS.len());
}
