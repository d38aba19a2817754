//! Trips and trees in partitions, on other servers too: a load there gives what a local one gives, one that fails leaves
//! nothing on any server, and nothing is ever written past what stands for rows elsewhere. The servers are set up as
//! docs/partitions.md says.

use std::fs;

use trips_tests::ask_random::{cases, seeded};
use trips_tests::content::{contents, trips_three_ways};
use trips_tests::files::{Files, repository};
use trips_tests::ingest::{forget, load};
use trips_tests::page::blocks;
use trips_tests::rows::{numbered_rows, write_generated};
use trips_tests::scene::{Scene, differences};
use trips_tests::snapshot::assert_nothing_stored;
use trips_tests::{Database, Ingest, PrivateCluster, Session, refused, refused_case};

/// Questions of a test, unless the environment asks for more.
const CASES: usize = 120;

/// Tables that the other servers hold parts of.
const PARTITIONED: [&str; 4] = ["trip", "area_node", "area_leaf", "area_part"];

/// A server that has trips_ext, and two others that hold partitions.
struct Servers {
    coordinator: PrivateCluster,
    /// With the words by which the page speaks of them.
    others: [(&'static str, PrivateCluster); 2],
}

impl Servers {
    /// Set up as the page says.
    fn new() -> Servers {
        let page = fs::read_to_string(repository().join("docs/partitions.md")).unwrap();
        let blocks = blocks(&page);
        let statements = |first_line: &str| {
            let block = blocks
                .iter()
                .find(|block| block.text.starts_with(first_line));
            block
                .unwrap_or_else(|| panic!("no block {first_line}"))
                .text
                .clone()
        };
        let coordinator = PrivateCluster::new("");
        let others = ["east", "west"].map(|name| (name, PrivateCluster::new("")));
        let mut setup = statements("-- on the server that has trips_ext\n");
        for (name, server) in &others {
            server.connect().run("CREATE DATABASE trips");
            Servers::data(server).run(&statements("-- on the servers that hold partitions\n"));
            let (directory, port) = server.socket();
            setup = setup.replace(
                &format!("host '{name}.example.org', port '5432'"),
                &format!("host '{}', port '{port}'", directory.display()),
            );
        }
        let mut session = coordinator.connect();
        session.run(&setup);
        session.run(&statements(
            "-- on the server that has trips_ext, for area trees",
        ));
        Servers {
            coordinator,
            others,
        }
    }

    /// A session with the database of a server that holds partitions.
    fn data(server: &PrivateCluster) -> Session {
        Session::to(&format!("{} dbname=trips", server.conninfo()))
    }

    /// How many rows each other server has of each table.
    fn rows(&self) -> [[i64; 4]; 2] {
        self.others.each_ref().map(|(_, server)| {
            let mut session = Servers::data(server);
            PARTITIONED.map(|table| session.count(&format!("trips.{table}")))
        })
    }

    /// Nothing is stored anywhere.
    #[track_caller]
    fn assert_nothing_stored(&self) {
        assert_nothing_stored(&mut self.coordinator.connect());
        assert_eq!(self.rows(), [[0; 4]; 2]);
    }
}

/// What grouping all trips gives.
fn groups(session: &mut Session) -> Vec<String> {
    let rows = session.query(
        "SELECT g::text FROM trips_groups(500, 500, '30 minutes') g ORDER BY 1",
        &[],
    );
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Loads into a session's empty database, from files that its server can read, and into a local one: both must say the same, and
/// the trees what counting says, whatever is done then. `look` looks at the servers once all is loaded.
fn check_all(session: Session, files: &Files, mut look: impl FnMut(&mut Session)) {
    let mut far = Scene::in_database(session, files, seeded());
    let database = Database::new();
    let mut local = database.connect();
    local.run("INSERT INTO trips.region (id, name) VALUES (100, 'Nowhere')");
    for file in ["many.csv", "more.csv", "odd.csv", "odder.csv"] {
        let content = fs::read(files.path(file)).unwrap();
        load(&mut local, &database.files().write(file, content));
    }
    let by_hash = |session: &mut Session| {
        let contents = contents(session).into_values();
        let mut contents: Vec<_> = contents.map(|c| (c.trips, c.hash)).collect();
        contents.sort();
        contents
    };
    assert_eq!(by_hash(&mut far.session), by_hash(&mut local));
    assert_eq!(trips_three_ways(&mut far.session), (80_000, 80_000, 80_000));
    assert_eq!(groups(&mut far.session), groups(&mut local));
    look(&mut far.session);
    let count = cases(CASES) / 4;
    far.ask(count);
    // Its runs are dropped.
    assert_eq!(forget(&mut far.session, far.odd[1]).unwrap(), 3_000);
    far.ask(count);
    far.compact();
    far.ask(count);
    // Its trips are taken away.
    assert_eq!(forget(&mut far.session, far.odd[0]).unwrap(), 5_000);
    assert_eq!(far.session.count("trips.area_run WHERE sign = -1"), 1);
    far.ask(count);
    let rebuilt: i64 = far.session.value("SELECT trips_rebuild()");
    assert_eq!(rebuilt, 72_000);
    assert_eq!(differences(&mut far.session), Vec::<String>::new());
    for ingest in far.cities {
        forget(&mut far.session, ingest).unwrap();
    }
    far.session
        .run("SELECT trips_compact(); DELETE FROM trips.region WHERE name = 'Nowhere'");
    assert_nothing_stored(&mut far.session);
}

#[test]
fn a_load_over_two_servers_gives_what_a_local_one_gives() {
    let servers = Servers::new();
    let coordinator = &servers.coordinator;
    check_all(coordinator.connect(), coordinator.files(), |session| {
        let [east, west] = servers.rows();
        assert_eq!(east[0] + west[0], 80_000);
        let all = east.into_iter().chain(west);
        assert!(all.min() > Some(0), "{east:?} {west:?}");
        assert_eq!(session.count("ONLY trips.trip"), 0);
    });
    servers.assert_nothing_stored();
}

/// Says where a cluster of Citus is, whose coordinator reads files where the tests write them: a libpq connection string of a
/// superuser, for an empty database with trips_ext in which trips_distribute() has been called.
const CITUS_ENV: &str = "TRIPS_TEST_CITUS";

#[test]
fn a_load_over_the_workers_of_citus_gives_what_a_local_one_gives() {
    let Ok(conninfo) = std::env::var(CITUS_ENV) else {
        eprintln!("SKIPPED: {CITUS_ENV} is not set; docs/citus.md says how this is run");
        return;
    };
    let database = Database::new();
    check_all(Session::to(&conninfo), database.files(), |session| {
        let far: i64 = session.value(
            "SELECT count(*) FROM pg_dist_shard WHERE logicalrelid = 'trips.trip'::regclass",
        );
        assert!(far > 1, "{far} shards");
    });
}

#[test]
fn a_load_that_fails_leaves_nothing_on_any_server() {
    let servers = Servers::new();
    let files = servers.coordinator.files();
    let mut session = servers.coordinator.connect();
    // More than goes over with one statement, twice.
    let rows = || numbered_rows(0..200_000);
    let bad = files.write_rows("bad.csv", rows().chain(["no trip at all".to_owned()]));
    refused(Ingest::of(&bad).call(&mut session), "22P04");
    servers.assert_nothing_stored();

    let good = files.write_rows("good.csv", rows());
    let mut west = Servers::data(&servers.others[1].1);
    west.run("ALTER TABLE trips.trip ADD CONSTRAINT early CHECK (departed_at < '2018-05-02')");
    let error = refused(Ingest::of(&good).call(&mut session), "23514");
    assert!(error.message().contains("early"), "{error:?}");
    servers.assert_nothing_stored();
    west.run("ALTER TABLE trips.trip DROP CONSTRAINT early");

    // One of the servers is lost while rows go there.
    west.run(
        "CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END';
         CREATE TRIGGER gone BEFORE INSERT ON trips.trip FOR EACH ROW WHEN (NEW.id & 4294967295 > 150000) EXECUTE FUNCTION gone()",
    );
    let error = Ingest::of(&good).call(&mut session).unwrap_err();
    assert!(
        error.code().is_some(),
        "the session itself lives: {error:?}"
    );
    servers.assert_nothing_stored();
    west.run("DROP TRIGGER gone ON trips.trip");

    // And what the caller takes back.
    session.run("BEGIN");
    assert_eq!(load(&mut session, &good).loaded, 200_000);
    session.run("ROLLBACK");
    servers.assert_nothing_stored();
    assert_eq!(load(&mut session, &good).loaded, 200_000);
    assert_eq!(trips_three_ways(&mut session), (200_000, 200_000, 200_000));
}

#[test]
fn a_row_that_a_partition_passes_over_fails_the_load() {
    let database = Database::new();
    let mut session = database.connect();
    session.run(
        "SELECT trips_partition('trips.trip', 'HASH (id)');
         CREATE TABLE trips.trip_0 PARTITION OF trips.trip FOR VALUES WITH (MODULUS 1, REMAINDER 0);
         CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER odd BEFORE INSERT ON trips.trip_0 FOR EACH ROW WHEN (NEW.id & 1 = 1) EXECUTE FUNCTION nothing()",
    );
    let path = database.files().write_rows("t.csv", numbered_rows(0..3000));
    let error = refused(Ingest::of(&path).call(&mut session), "09000");
    assert_eq!(error.message(), "table \"trip\" took 1500 of 3000 rows");
    assert_nothing_stored(&mut session);
}

/// How often the session was told that trips go where they do by statements.
fn times_told(session: &Session, kind: &str) -> usize {
    let told = format!("trips.trip is {kind}: trips go there by INSERT ... SELECT, not in bulk");
    let notices = session.notices().into_iter();
    notices.filter(|notice| notice.message() == told).count()
}

/// A database whose trips are in partitions by month, with 3,000 of one month and 3,000 of another.
fn by_month() -> (Database, Session) {
    let database = Database::new();
    let mut session = database.connect();
    session.run(
        "GRANT SELECT ON trips.trip TO pg_monitor WITH GRANT OPTION;
         SELECT trips_partition('trips.trip', 'RANGE (departed_at)');
         CREATE TABLE trips.trip_may PARTITION OF trips.trip FOR VALUES FROM ('2018-05-01') TO ('2018-06-01');
         CREATE TABLE trips.trip_rest PARTITION OF trips.trip DEFAULT",
    );
    let files = database.files();
    for (name, month) in [("may.csv", "2018-05"), ("june.csv", "2018-06")] {
        let rows = numbered_rows(0..3000).map(|row| row.replace("2018-05", month));
        load(&mut session, &files.write_rows(name, rows));
    }
    (database, session)
}

#[test]
fn partitions_of_this_server_hold_what_a_load_brings_and_say_so() {
    let (_database, mut session) = by_month();
    assert_eq!(session.count("trips.trip_may"), 3000);
    assert_eq!(session.count("trips.trip_rest"), 3000);
    assert_eq!(session.count("trips.trips"), 6000);
    assert_eq!(trips_three_ways(&mut session), (6000, 6000, 6000));
    assert_eq!(differences(&mut session), Vec::<String>::new());
    assert_eq!(times_told(&session, "partitioned"), 2);
    // What the table was is what it is.
    let kept: bool = session.value(
        "SELECT has_table_privilege('pg_monitor', 'trips.trip', 'SELECT WITH GRANT OPTION')
            AND obj_description('trips.trip'::regclass) LIKE 'Facts:%'
            AND col_description('trips.trip'::regclass, 5) LIKE 'Where the trip began%'
            AND (SELECT count(*) = 2 FROM pg_index WHERE indrelid = 'trips.trip'::regclass)
            AND to_regclass('trips.trip_before') IS NULL",
    );
    assert!(kept);
    // And no DROP EXTENSION takes trips along that nobody said should go.
    refused(session.batch_execute("DROP EXTENSION trips_ext"), "2BP01");
}

#[test]
fn a_partitioned_table_keeps_an_owner_of_any_name() {
    let database = Database::new();
    let mut session = database.connect();
    // Roles are the whole cluster's: this one is never committed.
    session.run(
        r#"BEGIN; CREATE ROLE "Owner of ""trips"""; ALTER TABLE trips.area_node OWNER TO "Owner of ""trips""";
           SELECT trips_partition('trips.area_node', 'HASH (id)')"#,
    );
    let owner: String = session.value(
        "SELECT pg_get_userbyid(relowner)::text FROM pg_class WHERE oid = 'trips.area_node'::regclass AND relkind = 'p'",
    );
    assert_eq!(owner, r#"Owner of "trips""#);
    session.run("ROLLBACK");
}

#[test]
fn changes_by_hand_that_trees_would_not_learn_of_are_refused() {
    let (_database, mut session) = by_month();
    session.run("SET session_replication_role = replica");
    for statement in [
        "INSERT INTO trips.trip SELECT * FROM trips.trip LIMIT 1",
        "COPY trips.trip FROM PROGRAM 'true'",
        "UPDATE trips.trip SET region_id = region_id",
        "DELETE FROM trips.trip",
        "TRUNCATE trips.trip",
    ] {
        refused_case(statement, session.batch_execute(statement), "0A000");
    }
    assert_eq!(trips_three_ways(&mut session), (6000, 6000, 6000));
}

#[test]
fn only_empty_tables_of_trips_are_partitioned() {
    let database = Database::new();
    let mut session = database.connect();
    load(
        &mut session,
        &database.files().write_rows("t.csv", numbered_rows(0..10)),
    );
    for (call, sqlstate) in [
        ("trips_partition('trips.trip', 'HASH (id)')", "55000"),
        ("trips_partition('trips.area_leaf', 'HASH (id)')", "55000"),
        ("trips_partition('trips.region', 'HASH (id)')", "22023"),
        ("trips_partition('pg_class', 'HASH (oid)')", "22023"),
        ("trips_partition(NULL, 'HASH (id)')", "22004"),
        ("trips_distribute()", "0A000"),
    ] {
        refused_case(
            call,
            session.batch_execute(&format!("SELECT {call}")),
            sqlstate,
        );
    }
    forget(&mut session, 1).unwrap();
    session.run("SELECT trips_partition('trips.trip', 'HASH (id)')");
    let again = session.batch_execute("SELECT trips_partition('trips.trip', 'HASH (id)')");
    refused(again, "42809");
    refused(
        session.batch_execute("SELECT trips_partition('trips.area_node', 'BY NOTHING')"),
        "42601",
    );
}

mod citus {
    use super::*;

    /// What stands for Citus: its catalogue, and functions that note their calls. Each table that is distributed gets a shard,
    /// into which a rule puts what is inserted: what is written to the table itself is lost to it.
    const STAND_IN: &str = "
        SET allow_system_table_mods = on;
        CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass PRIMARY KEY);
        CREATE TABLE public.call (number serial, what text);
        CREATE FUNCTION pg_catalog.create_reference_table(t regclass) RETURNS void LANGUAGE sql AS
            'INSERT INTO public.call (what) VALUES (''reference '' || t)';
        CREATE FUNCTION pg_catalog.create_distributed_table(t regclass, col text) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = t) THEN
                RAISE 'triggers are not supported on distributed tables';
            END IF;
            INSERT INTO public.call (what) VALUES ('distributed ' || t || ' by ' || col);
            EXECUTE pg_catalog.format('CREATE TABLE %s_shard (LIKE %1$s)', t);
            EXECUTE pg_catalog.format('CREATE RULE shard AS ON INSERT TO %s DO INSTEAD INSERT INTO %1$s_shard SELECT NEW.*', t);
            INSERT INTO pg_catalog.pg_dist_partition VALUES (t);
        END $$;
        RESET allow_system_table_mods";

    fn with_citus() -> (Database, Session) {
        let database = Database::new();
        let mut session = database.connect();
        session.run(STAND_IN);
        (database, session)
    }

    #[test]
    fn nothing_is_written_to_a_distributed_table_itself() {
        let (database, mut session) = with_citus();
        session.run("SELECT trips_distribute(trees => true)");
        let calls: String =
            session.value("SELECT string_agg(what, ', ' ORDER BY number) FROM public.call");
        assert_eq!(
            calls,
            "reference trips.region, reference trips.datasource, distributed trips.trip by id, \
             distributed trips.area_node by id, distributed trips.area_leaf by id, distributed trips.area_part by leaf_id"
        );
        let path = write_generated(database.files(), "t.csv", 200_000, 3, 7);
        assert_eq!(load(&mut session, &path).loaded, 200_000);
        for table in PARTITIONED {
            let bytes: i64 = session.value(&format!("SELECT pg_relation_size('trips.{table}')"));
            assert_eq!(bytes, 0, "{table}");
            assert!(
                session.count(&format!("trips.{table}_shard")) > 0,
                "{table}"
            );
        }
        assert_eq!(session.count("trips.trip_shard"), 200_000);
        assert_eq!(times_told(&session, "distributed"), 1);
    }

    #[test]
    fn trips_that_are_inserted_by_statements_are_in_the_trees_once_though_the_table_has_triggers() {
        let (database, mut session) = with_citus();
        // Citus knows tables that stay where they are, too.
        session.run("INSERT INTO pg_catalog.pg_dist_partition VALUES ('trips.trip')");
        let files = database.files();
        load(
            &mut session,
            &files.write_rows("t.csv", numbered_rows(0..3000)),
        );
        session.run("INSERT INTO trips.trip SELECT id + 1000000, departed_at, region_id, datasource_id, origin, destination FROM trips.trip");
        assert_eq!(differences(&mut session), Vec::<String>::new());
        assert_eq!(session.count("trips.trip"), 6000);
        assert_eq!(forget(&mut session, 1).unwrap(), 6000);
        assert_eq!(differences(&mut session), Vec::<String>::new());
    }

    #[test]
    fn trees_of_the_coordinator_are_written_in_bulk_and_answer() {
        let (database, mut session) = with_citus();
        session.run("SELECT trips_distribute()");
        let path = database.files().write_rows("t.csv", numbered_rows(0..3000));
        load(&mut session, &path);
        let trips: i64 =
            session.value("SELECT sum(trips)::bigint FROM trips_area_plan(-180, -90, 180, 90)");
        assert_eq!((trips, session.count("trips.trip_shard")), (3000, 3000));
    }
}
