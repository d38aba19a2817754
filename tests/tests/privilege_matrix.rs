//! Who may do what, as tables of statements: each kind of role, read-only transactions, standbys and row-level security, with the exact
//! SQLSTATE of every refusal, and nothing changed by any.

use std::io::Write;
use std::thread;

use trips_tests::database::{eventually, wait_until_blocked};
use trips_tests::ingest::{forget, load};
use trips_tests::rows::numbered_rows;
use trips_tests::snapshot::{Snapshot, assert_books_balance, assert_nothing_stored, snapshot};
use trips_tests::{
    Database, HEADER, Ingest, Listener, PrivateCluster, Role, Session, refused, refused_case,
};

/// Reads all that there is to read.
const READER: &str =
    "GRANT USAGE ON SCHEMA trips TO <role>; GRANT SELECT ON ALL TABLES IN SCHEMA trips TO <role>";

/// All that any call needs, but the right to read the server's files.
const SENDER: &str = "
    GRANT USAGE ON SCHEMA trips TO <role>;
    GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA trips TO <role>;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA trips TO <role>;
    GRANT EXECUTE ON FUNCTION trips_ingest, trips_ingest_async, trips_upload, trips_ingest_upload, trips_cancel, trips_forget TO <role>";

/// Statements that write, for whom they were granted to alone; `<file>` is one that is not loaded yet.
const WRITES: [&str; 14] = [
    "SELECT trips_ingest('<file>')",
    "SELECT trips_ingest('<file>', dry_run => true)",
    "SELECT trips_ingest_async('<file>')",
    "SELECT trips_upload('x')",
    "SELECT trips_ingest_upload('x')",
    "SELECT trips_cancel(1)",
    "SELECT trips_forget(1)",
    "SELECT trips_forget(99)",
    "SELECT trips_compact()",
    "SELECT trips_rebuild()",
    "SELECT trips_group_table('own')",
    "SELECT trips_group_refresh('kept')",
    "SELECT trips.enable_triggers()",
    "INSERT INTO trips.inbox VALUES ('Turin', 'POINT (7 45)', 'POINT (7 45)', '2018-05-01 00:00:00', 'car')",
];

/// Statements that read trips.
const READS: [&str; 24] = [
    "SELECT trips_weekly_average('Turin')",
    "SELECT trips_weekly_average(7, 45, 8, 46)",
    "SELECT trips_weekly_average(st_makeenvelope(7, 45, 8, 46, 4326))",
    "SELECT trips_weekly_average(7, 45, 8, 46, matching => 'crosses')",
    "SELECT * FROM trips_weekly_trips('Turin')",
    "SELECT * FROM trips_weekly_trips(7, 45, 8, 46)",
    "SELECT * FROM trips_weekly_trips(st_makeenvelope(7, 45, 8, 46, 4326))",
    "SELECT * FROM trips_area_plan(7, 45, 8, 46)",
    "SELECT * FROM trips_area_plan(st_makeenvelope(7, 45, 8, 46, 4326))",
    "SELECT * FROM trips_groups()",
    "SELECT * FROM trips_group_members()",
    "SELECT * FROM trips_check()",
    "SELECT * FROM trips.trips",
    "SELECT * FROM trips.trip",
    "SELECT * FROM trips.region",
    "SELECT * FROM trips.datasource",
    "SELECT * FROM trips.ingest",
    "SELECT * FROM trips.rejected_row",
    "SELECT * FROM trips.ingest_progress",
    "SELECT * FROM trips.inbox_file",
    "SELECT * FROM trips.inbox",
    "SELECT * FROM trips.group_table",
    "SELECT * FROM trips.area_run",
    "SELECT * FROM trips.area_contents('origin')",
];

/// Statements on the tables themselves, and on what stands behind them.
const DIRECT: [&str; 24] = [
    "INSERT INTO trips.trip SELECT * FROM trips.trip",
    "UPDATE trips.trip SET region_id = 2",
    "DELETE FROM trips.trip",
    "TRUNCATE trips.trip",
    "BEGIN; LOCK TABLE trips.trip IN ACCESS EXCLUSIVE MODE",
    "ALTER TABLE trips.trip DISABLE TRIGGER ALL",
    "CREATE INDEX ON trips.trip (region_id)",
    "CREATE TRIGGER t AFTER INSERT ON trips.trip EXECUTE FUNCTION trips.trip_inserted()",
    "CREATE TABLE trips.own (id int)",
    "INSERT INTO trips.ingest SELECT * FROM trips.ingest",
    "UPDATE trips.ingest SET file = '/other'",
    "DELETE FROM trips.ingest",
    "DELETE FROM trips.rejected_row",
    "UPDATE trips.region SET name = 'Rome'",
    "INSERT INTO trips.ingest_attempt SELECT * FROM trips.ingest_attempt",
    "UPDATE trips.ingest_attempt SET status = 'queued'",
    "DELETE FROM trips.inbox_file",
    "UPDATE trips.group_table SET relation = 'pg_class'",
    "DELETE FROM trips.area_run",
    "UPDATE trips.area_leaf SET points = ''",
    "SELECT nextval('trips.ingest_id')",
    "SELECT setval('trips.ingest_id', 1)",
    "DROP EXTENSION trips_ext CASCADE",
    "ALTER EXTENSION trips_ext DROP TABLE trips.trip",
];

/// A database with an ingest of 100 trips and one rejected row, a table of groups, and a file that is not loaded.
struct World {
    file: String,
    before: Snapshot,
    superuser: Session,
    database: Database,
}

impl World {
    fn new() -> World {
        let database = Database::new();
        let mut superuser = database.connect();
        let files = database.files();
        let rows = numbered_rows(0..100).chain(["bad".to_owned()]);
        let loaded = files.write_rows("loaded.csv", rows);
        Ingest::of(&loaded).on_error("ignore").run(&mut superuser);
        superuser.run("SELECT trips_group_table('kept')");
        World {
            file: files.write_rows("t.csv", numbered_rows(100..200)),
            before: snapshot(&mut superuser),
            superuser,
            database,
        }
    }

    /// A session of a role with these rights.
    fn session(&mut self, role: &Role, rights: &str) -> Session {
        self.superuser.run(&rights.replace("<role>", &role.name));
        self.database.connect_as(role)
    }

    fn named(&self, statement: &str) -> String {
        statement.replace("<file>", &self.file)
    }

    /// Each statement is refused with this SQLSTATE and changes nothing; how many they are.
    #[track_caller]
    fn refuses(&mut self, session: &mut Session, statements: &[&str], sqlstate: &str) -> usize {
        for statement in statements {
            let statement = self.named(statement);
            let result = session.batch_execute(&statement);
            let _ = session.batch_execute("ROLLBACK");
            refused_case(&statement, result, sqlstate);
        }
        assert_eq!(snapshot(&mut self.superuser), self.before);
        statements.len()
    }

    /// Each statement succeeds and changes nothing; how many they are.
    #[track_caller]
    fn answers(&mut self, session: &mut Session, statements: &[&str]) -> usize {
        for statement in statements {
            session.run(statement);
        }
        assert_eq!(snapshot(&mut self.superuser), self.before);
        statements.len()
    }
}

/// Copies rows into the inbox, as psql's \copy does.
fn copy(session: &mut Session, rows: impl Iterator<Item = String>) -> Result<u64, postgres::Error> {
    let content = rows.fold(HEADER.to_owned(), |content, row| content + &row + "\n");
    let mut writer = session.copy_in("COPY trips.inbox FROM STDIN (FORMAT csv, HEADER)")?;
    // What the server thinks of it is told at the end.
    let _ = writer.write_all(content.as_bytes());
    writer.finish()
}

#[test]
fn a_plain_role_can_neither_read_nor_write() {
    let role = Role::new("");
    let mut world = World::new();
    let mut session = world.session(&role, "");
    let mut cases = 0;
    for statements in [&WRITES[..], &READS, &DIRECT] {
        cases += world.refuses(&mut session, statements, "42501");
    }
    refused(copy(&mut session, numbered_rows(500..501)), "42501");
    println!("{} statements of a plain role, each refused", cases + 1);
}

#[test]
fn a_reader_reads_and_changes_nothing() {
    let role = Role::new("");
    let mut world = World::new();
    let mut session = world.session(&role, READER);
    let answered = world.answers(&mut session, &READS);
    let mut cases = 0;
    for statements in [&WRITES[..], &DIRECT] {
        cases += world.refuses(&mut session, statements, "42501");
    }
    let mut sender = world.database.connect_as(&role);
    refused(copy(&mut sender, numbered_rows(500..501)), "42501");
    // What triggers call is open to all who may use the schema; it refuses whom no trigger has called, or changes no answer.
    let cursor = "BEGIN; DECLARE c CURSOR FOR SELECT 7::float8, 45::float8, 7::float8, 45::float8, '2018-05-09'::timestamp, 1::smallint;";
    let forged = [
        format!("{cursor} SELECT trips.index_trips('c', 1::smallint)"),
        format!("{cursor} SELECT trips.index_trips('c', -1::smallint)"),
        "SELECT trips.drop_all_runs()".to_owned(),
        "SELECT trips.forget_trips(1)".to_owned(),
    ];
    cases += world.refuses(
        &mut session,
        &forged.each_ref().map(String::as_str),
        "42501",
    );
    cases += world.refuses(
        &mut session,
        &["SELECT trips.index_trips('none', 1::smallint)"],
        "34000",
    );
    let harmless = [
        "SELECT trips.drop_runs(1, 100)",
        "SELECT trips.drop_runs(1, 0)",
        "SELECT trips.drop_runs(NULL, NULL)",
        "SELECT trips.release_runs('{2,99,-1}')",
        "SELECT trips.rows_in_hand(NULL::trips.trip), trips.own_statement()",
    ];
    let answered = answered + world.answers(&mut session, &harmless);
    // This one writes: a later trips_forget has to look for the trips then. No answer differs.
    session.run("SELECT trips.release_runs('{1}')");
    assert_books_balance(&mut world.superuser);
    assert_eq!(forget(&mut world.superuser, 1).unwrap(), 100);
    assert_books_balance(&mut world.superuser);
    println!(
        "{answered} statements of a reader answered, {} refused",
        cases + 1
    );
}

/// A role that may do all but one thing.
#[test]
fn a_load_needs_every_one_of_its_rights() {
    let revoked = [
        "REVOKE USAGE ON SCHEMA trips FROM <role>",
        "REVOKE EXECUTE ON FUNCTION trips_ingest, trips_ingest_async, trips_ingest_upload FROM <role>",
        "REVOKE INSERT ON trips.trip FROM <role>",
        "REVOKE INSERT ON trips.trip FROM <role>; GRANT INSERT (id, departed_at, region_id, datasource_id, origin) ON trips.trip TO <role>",
        "REVOKE INSERT ON trips.ingest FROM <role>",
        "REVOKE SELECT ON trips.ingest FROM <role>",
        "REVOKE SELECT ON trips.ingest FROM <role>; GRANT SELECT (id, file) ON trips.ingest TO <role>",
        "REVOKE INSERT ON trips.region FROM <role>",
        "REVOKE SELECT ON trips.region FROM <role>",
        "REVOKE INSERT ON trips.datasource FROM <role>",
        "REVOKE SELECT ON trips.datasource FROM <role>",
        "REVOKE INSERT ON trips.rejected_row FROM <role>",
        "REVOKE ALL ON SEQUENCE trips.ingest_id FROM <role>",
    ];
    let mut cases = 0;
    let database = Database::new();
    let mut superuser = database.connect();
    let rows: Vec<String> = numbered_rows(0..10)
        .chain(["Nowhere,POINT (x 1),POINT (1 1),2018-05-01 00:00:00,no_car".to_owned()])
        .collect();
    let file = database.files().write_rows("t.csv", &rows);
    let content = format!("{HEADER}{}\n", rows.join("\n"));
    for revoked in revoked {
        let role = Role::new("IN ROLE pg_read_server_files");
        for statements in [SENDER, revoked] {
            superuser.run(&statements.replace("<role>", &role.name));
        }
        let mut session = database.connect_as(&role);
        let result = Ingest::of(&file).on_error("ignore").call(&mut session);
        refused_case(revoked, result, "42501");
        if !revoked.contains("EXECUTE") {
            let mut session = database.connect_as(&role);
            session.run("SET trips_ext.inbox_on_error = ignore");
            let result = copy(&mut session, rows.iter().cloned());
            refused_case(revoked, result, "42501");
            cases += 1;
        }
        session.run("BEGIN");
        let sent = session.query("SELECT trips_upload($1)", &[&content.as_bytes()]);
        sent.expect("it may send");
        let result = session.query("SELECT trips_ingest_upload('t.csv', 'ignore')", &[]);
        refused_case(revoked, result, "42501");
        session.run("ROLLBACK");
        assert!(session.is_single_threaded());
        assert_nothing_stored(&mut superuser);
        cases += 2;
        drop(session);
        superuser.run(&format!("DROP OWNED BY {}", role.name));
    }
    println!("{cases} loads that lack one right, each refused");
}

#[test]
fn the_right_to_read_files_counts_only_where_it_is_inherited_or_taken_on() {
    let group = Role::new("IN ROLE pg_read_server_files");
    let heir = Role::new(&format!("IN ROLE {}", group.name));
    let other = Role::new(&format!("NOINHERIT IN ROLE {}", group.name));
    let mut world = World::new();
    world.superuser.run(&SENDER.replace("<role>", "PUBLIC"));
    let files = [
        "SELECT trips_ingest('<file>')",
        "SELECT trips_ingest('<file>', dry_run => true)",
        "SELECT trips_ingest('/missing')",
        "SELECT trips_ingest('relative')",
        "SELECT trips_ingest('/dev/null')",
        "SELECT trips_ingest_async('<file>')",
        "SELECT trips_ingest_async('/missing')",
    ];
    let mut session = world.session(&other, "");
    let mut cases = world.refuses(&mut session, &files, "42501");
    // Setting a role of which one is no member is refused by the server.
    cases += world.refuses(&mut session, &["SET ROLE pg_write_server_files"], "42501");
    let file = world.file.clone();
    session.run(&format!("SET ROLE {}", group.name));
    assert_eq!(load(&mut session, &file).loaded, 100);
    session.run("RESET ROLE");
    refused(Ingest::of(&file).call(&mut session), "42501");
    let mut session = world.session(&heir, "");
    assert_eq!(Ingest::of(&file).run(&mut session).status, "skipped");
    let by: String = world
        .superuser
        .value("SELECT string_agg(loaded_by::text, ' ' ORDER BY id) FROM trips.ingest");
    assert!(by.ends_with(&group.name), "{by}");
    println!("{} refusals without the right to read files", cases + 1);
}

/// Whoever may call it acts as its owner: as with everything that is SECURITY DEFINER.
#[test]
fn a_function_of_the_users_own_may_lend_the_right() {
    let owner = Role::new("IN ROLE pg_read_server_files");
    let caller = Role::new("");
    let mut world = World::new();
    world.superuser.run(&SENDER.replace("<role>", &owner.name));
    world.superuser.run(&format!(
        "CREATE FUNCTION public.load_daily(file text) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public
             AS 'SELECT status FROM trips_ingest(file)';
         ALTER FUNCTION public.load_daily OWNER TO {}",
        owner.name
    ));
    let mut session = world.session(&caller, "");
    let call = format!("SELECT public.load_daily('{}')", world.file);
    assert_eq!(session.value::<String>(&call), "loaded");
    refused(Ingest::of(&world.file).call(&mut session), "42501");
    let by: String = world
        .superuser
        .value("SELECT loaded_by::text FROM trips.ingest ORDER BY id DESC LIMIT 1");
    assert_eq!(by, owner.name);
}

#[test]
fn a_read_only_transaction_reads_and_refuses_what_writes() {
    let mut world = World::new();
    let mut session = world.database.connect();
    // The server refuses by itself what it does not take from a reader.
    let writes: Vec<&str> = WRITES
        .into_iter()
        .filter(|write| !write.contains("upload") && !write.contains("cancel"))
        .chain([
            "SELECT trips_ingest('/missing')",
            "SELECT trips_ingest('relative')",
            "SELECT trips_ingest_async('/missing')",
            "SELECT trips_upload('x'); SELECT trips_ingest_upload('x')",
            "SELECT trips.release_runs('{1}')",
            "SELECT trips.drop_all_runs()",
        ])
        .collect();
    session.run("SET default_transaction_read_only = on");
    let cases = world.refuses(&mut session, &writes, "25006");
    let answered = world.answers(&mut session, &READS);
    println!("{cases} statements refused in a read-only transaction, {answered} answered");
}

#[test]
fn a_standby_answers_and_refuses_what_writes() {
    let primary = PrivateCluster::new("fsync = off");
    let mut session = primary.connect();
    load(
        &mut session,
        &primary.files().write_rows("t.csv", numbered_rows(0..100)),
    );
    session.run("SELECT trips_group_table('kept')");
    let standby = primary.standby();
    let mut replica = standby.connect();
    eventually("the standby has all", || {
        replica.count("trips.group_table") == 1 && replica.count("trips.ingest_attempt") == 1
    });
    let file = standby.files().write_rows("u.csv", numbered_rows(100..200));
    let more = [
        "SELECT trips_upload('x'); SELECT trips_ingest_upload('x')",
        "SELECT trips_ingest('/missing')",
        "LISTEN trips_ingest",
    ];
    let writes: Vec<String> = WRITES
        .into_iter()
        .filter(|write| !write.contains("upload") && !write.contains("cancel"))
        .chain(more)
        .map(|write| write.replace("<file>", &file))
        .collect();
    for write in &writes {
        let result = replica.batch_execute(write);
        let _ = replica.batch_execute("ROLLBACK");
        refused_case(write, result, "25006");
    }
    for read in READS {
        replica.run(read);
    }
    assert_eq!(replica.count("trips_check()"), 0);
    assert_eq!(replica.count("trips.trip"), 100);
    let answers = "SELECT trips_weekly_average('Turin') || ' ' || (SELECT count(*) FROM trips_groups(min_trips => 1))";
    assert_eq!(
        replica.value::<String>(answers),
        session.value::<String>(answers)
    );
    println!(
        "{} statements refused on a standby, {} answered",
        writes.len(),
        READS.len()
    );
}

mod row_security {
    use super::*;

    /// Shows every other trip.
    const POLICY: &str = "
        ALTER TABLE trips.trip ENABLE ROW LEVEL SECURITY;
        CREATE POLICY even ON trips.trip USING (id % 2 = 0)";

    #[test]
    fn no_way_to_load_passes_it_by() {
        let role = Role::new("IN ROLE pg_read_server_files");
        let exempt = Role::new("BYPASSRLS IN ROLE pg_read_server_files");
        let mut world = World::new();
        world.superuser.run(POLICY);
        world.superuser.run(&SENDER.replace("<role>", &exempt.name));
        let mut session = world.session(&role, SENDER);
        let ways = [
            "SELECT trips_ingest('<file>')",
            "SELECT trips_ingest('<file>', dry_run => true)",
            "SELECT trips_ingest('<file>', on_error => 'ignore')",
            "SELECT trips_ingest_async('<file>')",
            "BEGIN; SELECT trips_upload('x'); SELECT trips_ingest_upload('x')",
            WRITES[13],
        ];
        let cases = world.refuses(&mut session, &ways, "0A000");
        let mut sender = world.database.connect_as(&role);
        refused(copy(&mut sender, numbered_rows(500..501)), "0A000");
        // Enabled while the ingest is in the queue: it waits for the caller's lock, and the worker behind it.
        world
            .superuser
            .run("ALTER TABLE trips.trip DISABLE ROW LEVEL SECURITY");
        let mut listener = Listener::new(&world.database);
        let mut other = world.database.connect();
        session.run("BEGIN");
        session.run(&world.named("SELECT trips_ingest_async('<file>')"));
        thread::scope(|scope| {
            let pid = other.pid();
            scope.spawn(move || other.run("ALTER TABLE trips.trip ENABLE ROW LEVEL SECURITY"));
            wait_until_blocked(&mut world.superuser, pid);
            session.run("COMMIT");
        });
        assert_eq!(listener.until_end().last().unwrap().sqlstate(), "0A000");
        assert_eq!(snapshot(&mut world.superuser), world.before);
        let mut session = world.database.connect_as(&exempt);
        assert_eq!(load(&mut session, &world.file).loaded, 100);
        println!("{} ways to load, each refused", cases + 2);
    }

    #[test]
    fn who_sees_some_trips_is_answered_from_those_and_cannot_forget_half_an_ingest() {
        let role = Role::new("");
        let mut world = World::new();
        world.superuser.run(POLICY);
        let mut session = world.session(&role, SENDER);
        assert_eq!(session.count("trips.trip"), 50);
        assert_eq!(session.count("trips.trips"), 50);
        for (answer, expected) in [
            (
                "(SELECT sum(trips) FROM trips_weekly_trips('Turin'))::bigint",
                50,
            ),
            (
                "(SELECT sum(trips) FROM trips_weekly_trips(-180, -90, 180, 90))::bigint",
                50,
            ),
            (
                "(SELECT sum(trips) FROM trips_groups(min_trips => 1))::bigint",
                50,
            ),
            (
                "(SELECT count(*) FROM trips_group_members(min_trips => 1))",
                50,
            ),
        ] {
            assert_eq!(
                session.value::<i64>(&format!("SELECT {answer}")),
                expected,
                "{answer}"
            );
        }
        let whole = [
            "SELECT trips_forget(1)",
            "SELECT * FROM trips_check()",
            "SELECT * FROM trips.area_contents('run')",
        ];
        let cases = world.refuses(&mut session, &whole, "42501");
        session.run("SET row_security = off");
        world.refuses(
            &mut session,
            &[
                "SELECT * FROM trips_groups()",
                "SELECT trips_weekly_average('Turin')",
            ],
            "42501",
        );
        assert_books_balance(&mut world.superuser);
        println!("{} statements that want all trips, each refused", cases + 2);
    }

    #[test]
    fn trees_are_not_dropped_for_trips_that_are_hidden_from_the_tables_owner() {
        let owner = Role::new("");
        let stranger = Role::new("");
        let mut world = World::new();
        world.superuser.run(&format!(
            "ALTER TABLE trips.trip OWNER TO {0}; GRANT USAGE ON SCHEMA trips TO {0};
             ALTER TABLE trips.trip ENABLE ROW LEVEL SECURITY; ALTER TABLE trips.trip FORCE ROW LEVEL SECURITY",
            owner.name
        ));
        let mut session = world.session(&stranger, "GRANT USAGE ON SCHEMA trips TO <role>");
        assert!(!session.value::<bool>("SELECT trips.drop_runs(1, 100)"));
        world.refuses(&mut session, &["SELECT trips.drop_all_runs()"], "42501");
        assert_books_balance(&mut world.superuser);
        assert_eq!(forget(&mut world.superuser, 1).unwrap(), 100);
        assert_books_balance(&mut world.superuser);
        world
            .superuser
            .run("ALTER TABLE trips.trip OWNER TO CURRENT_USER");
    }

    #[test]
    fn an_owner_on_whom_it_is_forced_cannot_make_trees_of_what_it_sees() {
        let owner = Role::new("");
        let mut world = World::new();
        world.superuser.run(POLICY);
        world.superuser.run(&format!(
            "GRANT USAGE, CREATE ON SCHEMA trips TO {0}; ALTER TABLE trips.trip OWNER TO {0}; GRANT EXECUTE ON FUNCTION trips_rebuild, trips.enable_triggers TO {0};
             ALTER TABLE trips.trip FORCE ROW LEVEL SECURITY",
            owner.name
        ));
        let mut session = world.session(&owner, "");
        world.refuses(&mut session, &["SELECT trips_rebuild()"], "42501");
        world
            .superuser
            .run("ALTER TABLE trips.trip OWNER TO CURRENT_USER");
    }
}

mod columns {
    use super::*;

    #[test]
    fn rights_on_some_columns_answer_what_needs_no_other() {
        let role = Role::new("");
        let mut world = World::new();
        let rights = "GRANT USAGE ON SCHEMA trips TO <role>; GRANT SELECT ON trips.region TO <role>; GRANT SELECT (id, departed_at, region_id) ON trips.trip TO <role>";
        let mut session = world.session(&role, rights);
        let answered = [
            "SELECT trips_weekly_average('Turin')",
            "SELECT * FROM trips_weekly_trips('Turin')",
            "SELECT id, departed_at FROM trips.trip",
        ];
        let answers = world.answers(&mut session, &answered);
        let more = [
            "SELECT trips_weekly_average(7, 45, 8, 46)",
            "SELECT * FROM trips_groups()",
            "SELECT * FROM trips_check()",
            "SELECT * FROM trips_area_plan(7, 45, 8, 46)",
            "SELECT origin FROM trips.trip",
            "SELECT * FROM trips.trips",
            "SELECT * FROM trips.area_contents('region')",
        ];
        let cases = world.refuses(&mut session, &more, "42501");
        println!("{answers} questions answered with rights on columns, {cases} refused");
    }
}

mod settings {
    use super::*;

    #[test]
    fn a_plain_role_sets_what_is_its_own_and_nothing_else() {
        let role = Role::new("");
        let mut world = World::new();
        let mut session = world.session(&role, READER);
        // Any function in C loads the library, and with it the settings.
        session.run("SELECT trips.trip_digest(7, 45)");
        let own = [
            "channel = 'other'",
            "parser_threads = 1",
            "ingest_memory = '2MB'",
            "area_memory = '2MB'",
            "merge_delay = -1",
            "group_memory = '1MB'",
            "group_threads = 1",
            "inbox_on_error = ignore",
            "inbox_reject_limit = 7",
        ];
        for setting in own {
            session.run(&format!(
                "SET trips_ext.{setting}; SET LOCAL trips_ext.{setting}"
            ));
        }
        let superusers = [
            "SET trips_ext.allowed_directories = '/'",
            "SET LOCAL trips_ext.allowed_directories = ''",
            "SELECT set_config('trips_ext.allowed_directories', '/', false)",
            "SET trips_ext.area_trees = off",
            "ALTER SYSTEM SET trips_ext.channel = 'other'",
            "ALTER SYSTEM SET trips_ext.inbox_role = 'postgres'",
        ];
        let mut cases = world.refuses(&mut session, &superusers, "42501");
        let own_role = format!(
            "ALTER ROLE {} SET trips_ext.allowed_directories = '/'",
            role.name
        );
        cases += world.refuses(&mut session, &[&own_role], "42501");
        let of_the_server = [
            "max_jobs = 9",
            "inbox_directory = '/'",
            "inbox_database = 'postgres'",
            "inbox_role = 'postgres'",
        ];
        for setting in of_the_server {
            cases += world.refuses(
                &mut session,
                &[&format!("SET trips_ext.{setting}")],
                "55P02",
            );
        }
        println!(
            "{} settings are a role's own, {cases} attempts at others refused",
            own.len()
        );
    }
}

mod group_tables {
    use super::*;

    #[test]
    fn a_keeper_needs_the_tables_rights_besides_those_of_the_functions() {
        let role = Role::new("");
        let mut world = World::new();
        let mut session = world.session(
            &role,
            &format!("{READER}; GRANT EXECUTE ON FUNCTION trips_group_table, trips_group_refresh, trips.refresh_groups TO <role>; CREATE SCHEMA own AUTHORIZATION <role>"),
        );
        let cases = world.refuses(
            &mut session,
            &[
                "SELECT trips_group_table('mine', schema => 'own')",
                "SELECT trips_group_table('mine', schema => 'trips')",
                "SELECT trips_group_table('mine', schema => 'pg_catalog')",
                "SELECT trips_group_refresh('kept')",
                "SELECT trips_group_refresh('kept', rebuild => true)",
            ],
            "42501",
        );
        world.superuser.run(&format!(
            "GRANT INSERT, UPDATE, DELETE ON trips.group_table TO {}",
            role.name
        ));
        // Of others' tables it still keeps none.
        let more = world.refuses(
            &mut session,
            &[
                "SELECT trips_group_refresh('kept')",
                "SELECT trips_group_refresh('kept', rebuild => true)",
            ],
            "42501",
        );
        // Nor does a row that names any other table make that one of groups.
        session.run("INSERT INTO trips.group_table VALUES ('trips.region', 1, 1, '1 s', NULL, NULL, '-infinity', 'infinity')");
        let result =
            session.batch_execute("SELECT trips_group_refresh('trips.region', rebuild => true)");
        refused(result, "42501");
        session.run("DELETE FROM trips.group_table WHERE relation = 'trips.region'::regclass");
        session.run("SELECT trips_group_table('mine', schema => 'own')");
        println!("{} refusals of a keeper", cases + more + 1);
    }
}

mod jobs {
    use super::*;

    /// Queues an ingest as `session`, changes something before it can run, and gives the SQLSTATE that it fails with, if it does.
    fn end_of(world: &mut World, session: &mut Session, change: &str) -> Option<String> {
        let mut listener = Listener::new(&world.database);
        session.run("BEGIN");
        session.run(&world.named("SELECT trips_ingest_async('<file>')"));
        world.superuser.run(change);
        session.run("COMMIT");
        let last = listener.until_end().pop().unwrap();
        (last.kind() == "failed").then(|| last.sqlstate().to_owned())
    }

    #[test]
    fn what_a_role_has_lost_before_its_ingest_runs_is_lost() {
        let role = Role::new("IN ROLE pg_read_server_files");
        let mut world = World::new();
        let mut session = world.session(&role, SENDER);
        let changes = [
            (
                "REVOKE pg_read_server_files FROM <role>",
                "GRANT pg_read_server_files TO <role>",
                "42501",
            ),
            (
                "REVOKE INSERT ON trips.trip FROM <role>",
                "GRANT INSERT ON trips.trip TO <role>",
                "42501",
            ),
            (
                "REVOKE INSERT ON trips.ingest FROM <role>",
                "GRANT INSERT ON trips.ingest TO <role>",
                "42501",
            ),
            (
                "REVOKE USAGE ON SCHEMA trips FROM <role>",
                "GRANT USAGE ON SCHEMA trips TO <role>",
                "42501",
            ),
            (
                "ALTER ROLE <role> NOLOGIN",
                "ALTER ROLE <role> LOGIN",
                "28000",
            ),
        ];
        for (change, back, sqlstate) in changes {
            let [change, back] =
                [change, back].map(|statement| statement.replace("<role>", &role.name));
            let end = end_of(&mut world, &mut session, &change);
            assert_eq!(end.as_deref(), Some(sqlstate), "{change}");
            world.superuser.run(&back);
        }
        assert_eq!(snapshot(&mut world.superuser), world.before);
        // EXECUTE is asked for when it is called.
        let change = format!(
            "REVOKE EXECUTE ON FUNCTION trips_ingest_async FROM {}",
            role.name
        );
        assert_eq!(end_of(&mut world, &mut session, &change), None);
        assert_books_balance(&mut world.superuser);
        println!("{} rights lost in the queue", changes.len());
    }

    #[test]
    fn a_role_that_is_dropped_before_its_ingest_runs_loads_nothing() {
        let mut world = World::new();
        for (name, sqlstate) in [("login", "28000"), ("current", "42501")] {
            let group = Role::new("IN ROLE pg_read_server_files");
            let member = Role::new(&format!("IN ROLE {}", group.name));
            world.superuser.run(&SENDER.replace("<role>", &group.name));
            let mut session = world.session(&member, "");
            session.run(&format!("SET ROLE {}", group.name));
            let gone = if name == "login" { &member } else { &group };
            let change = format!("DROP OWNED BY {0}; DROP ROLE {0}", gone.name);
            let end = end_of(&mut world, &mut session, &change);
            assert_eq!(end.as_deref(), Some(sqlstate), "{name}");
            drop(session);
            if name == "login" {
                world
                    .superuser
                    .run(&format!("DROP OWNED BY {}", group.name));
            }
        }
        assert_eq!(snapshot(&mut world.superuser), world.before);
    }

    /// The role that has logged in has no right of its own, and inherits none.
    #[test]
    fn a_role_that_is_taken_on_loads_and_is_told_of_as_any_other() {
        let group = Role::new("IN ROLE pg_read_server_files");
        let member = Role::new(&format!("NOINHERIT IN ROLE {}", group.name));
        let mut world = World::new();
        world.superuser.run(&SENDER.replace("<role>", &group.name));
        let mut session = world.session(&member, "");
        session.run(&format!("SET ROLE {}", group.name));
        let mut listener = Listener::new(&world.database);
        assert_eq!(load(&mut session, &world.file).loaded, 100);
        let events = listener.until_end();
        let kinds = [events[0].kind(), events[events.len() - 1].kind()];
        assert_eq!(kinds, ["started", "completed"]);
        let warnings = session.notices();
        assert!(
            warnings.iter().all(|notice| notice.severity() == "NOTICE"),
            "{warnings:?}"
        );
        assert_eq!(
            forget(&mut session, events[0].number("ingest") as i64).unwrap(),
            100
        );
        assert_eq!(end_of(&mut world, &mut session, "SELECT 1"), None);
        let shown = "trips.ingest_progress WHERE status = 'completed'";
        eventually("both are noted", || session.count(shown) == 2);
        assert_books_balance(&mut world.superuser);
    }

    /// As a session would that has set the role: it keeps the role until it sets another.
    #[test]
    fn a_membership_that_is_lost_after_the_call_does_not_undo_the_call() {
        let group = Role::new("IN ROLE pg_read_server_files");
        let member = Role::new(&format!("IN ROLE {}", group.name));
        let mut world = World::new();
        world.superuser.run(&SENDER.replace("<role>", &group.name));
        let mut session = world.session(&member, "");
        session.run(&format!("SET ROLE {}", group.name));
        let change = format!("REVOKE {} FROM {}", group.name, member.name);
        assert_eq!(end_of(&mut world, &mut session, &change), None);
        let by: String = world
            .superuser
            .value("SELECT loaded_by::text FROM trips.ingest ORDER BY id DESC LIMIT 1");
        assert_eq!(by, group.name);
    }

    #[test]
    fn only_roles_with_the_privileges_of_an_ingests_role_see_and_cancel_it() {
        let loader = Role::new("IN ROLE pg_read_server_files");
        let heir = Role::new(&format!("IN ROLE {}", loader.name));
        let no_heir = Role::new(&format!("NOINHERIT IN ROLE {}", loader.name));
        let stranger = Role::new("IN ROLE pg_signal_backend");
        let monitor = Role::new("IN ROLE pg_read_all_stats");
        let mut world = World::new();
        world.superuser.run(&SENDER.replace("<role>", "PUBLIC"));
        let mut session = world.session(&loader, "");
        let mut listener = Listener::new(&world.database);
        session.run(&world.named("SELECT trips_ingest_async('<file>')"));
        let ingest = listener.until_end().pop().unwrap().number("ingest");
        eventually("its end is noted", || {
            session.count(&format!(
                "trips.ingest_progress WHERE ingest = {ingest} AND status = 'completed'"
            )) == 1
        });
        let cancel = format!("SELECT trips_cancel({ingest})");
        let mut cases = 0;
        for (role, sees) in [
            (&loader, true),
            (&heir, true),
            (&no_heir, false),
            (&stranger, false),
            (&monitor, true),
        ] {
            let mut session = world.database.connect_as(role);
            for shown in [
                "ingest_progress p WHERE p.ingest",
                "ingest_attempt a WHERE a.id",
            ] {
                assert_eq!(
                    session.count(&format!("trips.{shown} = {ingest}")),
                    i64::from(sees),
                    "{}",
                    role.name
                );
            }
            // The superuser's are for nobody else, but for who may read all statistics.
            assert_eq!(
                session.count("trips.ingest_progress") > 1,
                role.name == monitor.name
            );
            if sees && role.name != monitor.name {
                assert!(!session.value::<bool>(&cancel), "it has ended");
            } else {
                refused(session.query(&cancel, &[]), "42501");
            }
            for number in ["1", "99"] {
                let result = session.query(&format!("SELECT trips_cancel({number})"), &[]);
                refused(result, if number == "1" { "42501" } else { "42704" });
            }
            cases += 5;
        }
        println!("{cases} looks and cancels by 5 roles");
    }
}

/// Anybody may notify on the channel, and take any advisory lock: neither changes what is stored, or what the view says.
#[test]
fn forged_notifications_and_locks_change_nothing() {
    let role = Role::new("");
    let mut world = World::new();
    let mut stranger = world.session(&role, "");
    let mut session = world.database.connect();
    session.run("LISTEN trips_ingest");
    let forged = [
        r#"{"version":1,"event":"completed","sequence":9,"ingest":1,"file":"/x","phase":"done"}"#,
        r#"{"version":1,"event":"failed","sequence":9,"ingest":99}"#,
        "'); DROP TABLE trips.trip; --",
        "",
    ];
    for payload in forged {
        stranger
            .execute("SELECT pg_notify('trips_ingest', $1)", &[&payload])
            .unwrap();
    }
    // The number of the next ingest, taken by somebody else: the load waits for it, and can be told not to.
    let next: i64 = session.value("SELECT last_value + 1 FROM trips.ingest_id");
    let key = (i64::from(i32::from_be_bytes(*b"trip")) << 32) | next;
    stranger.run(&format!("SELECT pg_advisory_lock({key})"));
    session.run("SET lock_timeout = '200ms'");
    refused(Ingest::of(&world.file).call(&mut session), "55P03");
    assert_eq!(snapshot(&mut world.superuser), world.before);
    assert_eq!(
        world.superuser.count(&format!(
            "trips.ingest_progress WHERE ingest = {next} AND status = 'completed'"
        )),
        0
    );
    stranger.run("SELECT pg_advisory_unlock_all()");
    assert_eq!(load(&mut session, &world.file).loaded, 100);
    assert_books_balance(&mut world.superuser);
    println!("{} forged notifications and a lock", forged.len());
}
