//! Tables of groups: they go on with what was loaded since, and hold what groups of all trips would be.

use postgres::error::SqlState;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use trips_tests::ask_random::seeded;
use trips_tests::ingest::{forget, load};
use trips_tests::{Database, Role, Row, Session, refused};

const COLUMNS: &str = "trips, origin, destination, flow, time_of_day, time_spread, first_departure, last_departure, origin_geohash,
    destination_geohash, origin_lon, origin_lat, destination_lon, destination_lat, origin_radius, destination_radius";

/// Loads trips of one day, 300 between few places, and two across the antimeridian.
fn load_day(database: &Database, session: &mut Session, day: u32, random: &mut ChaCha8Rng) -> i64 {
    let mut place = || {
        let lon = [7.6, 7.605, 11.3][random.random_range(0..3)];
        let mut noise = || random.random_range(-0.004..0.004);
        (lon + noise(), 45.0 + noise())
    };
    let mut ends: Vec<_> = (0..300).map(|_| (place(), place())).collect();
    ends.extend([((179.999, -17.0), (-179.999, -17.0)); 2]);
    let rows = ends
        .into_iter()
        .enumerate()
        .map(|(number, (origin, destination))| {
            let second = (number * 7919) % 86_400;
            let row = Row {
                region: ["Turin", "Ferrara"][number % 2].to_owned(),
                origin,
                destination,
                departed_at: format!(
                    "2018-05-{day:02} {:02}:{:02}:{:02}",
                    second / 3600,
                    second / 60 % 60,
                    second % 60
                ),
                datasource: "car".to_owned(),
            };
            row.to_string()
        });
    let file = database.files().write_rows(&format!("{day}.csv"), rows);
    load(session, &file).id()
}

/// New and late trips, changed groups, and whether all were made anew.
fn refresh(session: &mut Session, arguments: &str) -> (i64, i64, i64, bool) {
    let query = format!("SELECT * FROM trips_group_refresh({arguments})");
    let row = session.query_one(&query, &[]).unwrap();
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

/// Asserts that two queries give the same rows.
fn assert_same(session: &mut Session, one: &str, other: &str) {
    for (one, other) in [(one, other), (other, one)] {
        let differing = format!("(SELECT count(*) FROM (({one}) EXCEPT ALL ({other})) AS d)");
        assert_eq!(
            session.value::<i64>(&format!("SELECT {differing}")),
            0,
            "{one} EXCEPT ALL {other}"
        );
    }
}

/// Asserts that the table kept is, to the last bit, what is made of all trips now.
fn assert_as_made_anew(session: &mut Session) {
    session.run("SELECT trips_group_table('fresh')");
    assert_same(session, "SELECT * FROM kept", "SELECT * FROM fresh");
}

fn scene() -> (Database, Session, ChaCha8Rng) {
    let database = Database::new();
    let session = database.connect();
    (database, session, seeded())
}

#[test]
fn groups_that_go_on_day_by_day_are_those_of_all_trips_at_once() {
    let (database, mut session, mut random) = scene();
    load_day(&database, &mut session, 1, &mut random);
    let groups: i64 = session.value("SELECT trips_group_table('kept')");
    assert_eq!(groups, session.count("kept"));
    for day in 2..5 {
        load_day(&database, &mut session, day, &mut random);
        if day == 3 {
            // Two files at once.
            continue;
        }
        let before = session.count("kept");
        let new = if day == 2 { 302 } else { 604 };
        let (trips, late, changed, rebuilt) = refresh(&mut session, "'kept'");
        assert_eq!((trips, late, rebuilt), (new, 0, false));
        assert!(changed >= session.count("kept") - before);
        assert!(changed < session.count("kept"), "{changed}");
    }
    assert_eq!(refresh(&mut session, "'kept'"), (0, 0, 0, false));
    assert_as_made_anew(&mut session);
    assert!(session.count("kept WHERE trips > 5") > 10);
    assert_eq!(
        session.count("kept WHERE geometrytype(flow) = 'MULTILINESTRING'"),
        2
    );
    assert_same(
        &mut session,
        &format!("SELECT {COLUMNS} FROM kept"),
        &format!("SELECT {COLUMNS} FROM trips_groups(min_trips => 1)"),
    );
}

#[test]
fn late_trips_are_counted_and_groups_made_anew_know_them_in_their_place() {
    let (database, mut session, mut random) = scene();
    load_day(&database, &mut session, 2, &mut random);
    session.run("SELECT trips_group_table('kept')");
    load_day(&database, &mut session, 1, &mut random);
    let (trips, late, ..) = refresh(&mut session, "'kept'");
    assert_eq!((trips, late), (302, 302));
    assert_eq!(
        session.value::<i64>("SELECT late_trips FROM trips.group_table"),
        302
    );
    assert_eq!(
        session.value::<i64>("SELECT sum(trips)::bigint FROM kept"),
        604
    );
    let (trips, late, _, rebuilt) = refresh(&mut session, "'kept', rebuild => true");
    assert_eq!((trips, late, rebuilt), (604, 0, true));
    assert_eq!(
        session.value::<i64>("SELECT late_trips FROM trips.group_table"),
        0
    );
    assert_as_made_anew(&mut session);
}

#[test]
fn a_forgotten_ingest_has_the_groups_made_anew() {
    let (database, mut session, mut random) = scene();
    let first = load_day(&database, &mut session, 1, &mut random);
    load_day(&database, &mut session, 2, &mut random);
    session.run("SELECT trips_group_table('kept')");
    forget(&mut session, first).unwrap();
    let (trips, _, _, rebuilt) = refresh(&mut session, "'kept'");
    assert_eq!((trips, rebuilt), (302, true));
    assert_as_made_anew(&mut session);
}

#[test]
fn limits_region_area_and_period_stay_those_that_were_asked_for() {
    let (database, mut session, mut random) = scene();
    load_day(&database, &mut session, 1, &mut random);
    let asked = "300, 900, '20 minutes', region => 'Turin', area => st_makeenvelope(7, 44, 8, 46, 4326), from_date => '2018-05-01', to_date => '2018-05-03'";
    session.run(&format!("SELECT trips_group_table('kept', {asked})"));
    for day in [2, 3] {
        load_day(&database, &mut session, day, &mut random);
        refresh(&mut session, "'kept'");
    }
    assert!(session.value::<i64>("SELECT sum(trips)::bigint FROM kept") > 100);
    let asked = asked.replace("region =>", "min_trips => 1, region =>");
    assert_same(
        &mut session,
        &format!("SELECT {COLUMNS} FROM kept"),
        &format!("SELECT {COLUMNS} FROM trips_groups({asked})"),
    );
}

#[test]
fn a_table_is_made_in_the_schema_of_the_path_or_of_the_argument_and_forgotten_with_it() {
    let (database, mut session, mut random) = scene();
    load_day(&database, &mut session, 1, &mut random);
    session.run("CREATE SCHEMA reports; CREATE SCHEMA other; SET search_path = reports, public; SELECT trips_group_table('kept', schema => 'other'); SELECT trips_group_table('kept')");
    assert_eq!(session.count("other.kept"), session.count("reports.kept"));
    let error = refused(
        session.batch_execute("SELECT trips_group_table('kept')"),
        "42P07",
    );
    assert_eq!(error.message(), "relation \"kept\" already exists");
    session.run("DROP TABLE kept; SELECT trips_group_table('kept')");
    assert_eq!(session.count("trips.group_table"), 2);
}

#[test]
fn what_is_no_table_of_groups_is_refused() {
    let (database, mut session, mut random) = scene();
    load_day(&database, &mut session, 1, &mut random);
    let error = refused(
        session.batch_execute("SELECT trips_group_refresh('trips.trip')"),
        "42704",
    );
    assert_eq!(error.message(), "table trips.trip is no table of groups");
    assert_eq!(
        error.hint(),
        Some("Make one with trips_group_table; trips.group_table lists them.")
    );
    session.run(
        "SELECT trips_group_table('kept'); UPDATE kept SET state = '\\x01' WHERE group_id = 3",
    );
    let error = refused(
        session.batch_execute("SELECT trips_group_refresh('kept')"),
        "XX001",
    );
    assert_eq!(
        error.message(),
        "a row of the table holds no group that could be restored"
    );
    refresh(&mut session, "'kept', rebuild => true");
    refused(
        session.batch_execute("SELECT trips_group_table(NULL)"),
        "22004",
    );
    let error = refused(
        session.batch_execute("SET search_path = ''; SELECT public.trips_group_table('kept')"),
        "3F000",
    );
    assert_eq!(error.message(), "no schema has been selected to create in");
    session.run("RESET search_path");
    let error = refused(
        session.batch_execute("SELECT trips_group_table('wrong', -1)"),
        "22023",
    );
    assert_eq!(error.code(), &SqlState::INVALID_PARAMETER_VALUE);
    assert_eq!(
        session.value::<Option<String>>("SELECT to_regclass('wrong')::text"),
        None
    );
}

#[test]
fn a_role_that_was_given_the_rights_keeps_a_table_of_its_own() {
    let role = Role::new("");
    let (database, mut session, mut random) = scene();
    load_day(&database, &mut session, 1, &mut random);
    let name = &role.name;
    session.run(&format!(
        "GRANT USAGE ON SCHEMA trips TO {name}; GRANT SELECT ON ALL TABLES IN SCHEMA trips TO {name}; CREATE SCHEMA own AUTHORIZATION {name}"
    ));
    let mut user = database.connect_as(&role);
    user.run("SET search_path = own, public");
    refused(
        user.batch_execute("SELECT trips_group_table('kept')"),
        "42501",
    );
    session.run(&format!(
        "GRANT EXECUTE ON FUNCTION trips_group_table, trips_group_refresh, trips.refresh_groups TO {name};
         GRANT INSERT, UPDATE, DELETE ON trips.group_table TO {name}"
    ));
    assert!(user.value::<i64>("SELECT trips_group_table('kept')") > 100);
    load_day(&database, &mut session, 2, &mut random);
    assert_eq!(refresh(&mut user, "'kept'").0, 302);
}
