//! The area trees are what `trips.trip` is, however its rows came, changed or went: by files, SQL, COPY, a restore, or
//! trips_forget. Every answer is compared with counts over the table.

use std::io::Write;

use trips_tests::database::wait_until_blocked;
use trips_tests::ingest::{forget, load};
use trips_tests::snapshot::{Snapshot, snapshot};
use trips_tests::{Database, Role, Row, Session, refused, refused_case};

/// A row in `trips.trip`, for tests that insert one.
const ROW: &str = "(1, '2018-05-09 12:00', 1, 1, st_point(7.5, 45.5, 4326), st_point(8, 46, 4326))";

/// Every answer that differs from a count over `trips.trip`: boxes, one of them across the antimeridian and one a point,
/// and a polygon, with every matching, region and period, by week and as an average.
const DIFFERENCES: &str = "
WITH place (west, south, east, north) AS (
    VALUES (7.2::float8, 45.1::float8, 8.1::float8, 45.6::float8), (-180, -90, 180, 90), (179, -20, -179, 20), (7.5, 45.5, 7.5, 45.5)
), area AS (
    SELECT west, south, east, north, NULL::geometry AS polygon FROM place
     UNION ALL
    SELECT NULL, NULL, NULL, NULL, 'SRID=4326;POLYGON ((7 45, 9 45.5, 8 46, 7 45), (7.9 45.4, 8.1 45.5, 8 45.6, 7.9 45.4))'
), question AS (
    SELECT *, row_number() OVER () AS id
      FROM area
     CROSS JOIN unnest('{origin,destination,either,both,crosses}'::text[]) m (matching)
     CROSS JOIN (SELECT name FROM trips.region UNION ALL SELECT NULL) r (region)
     CROSS JOIN (VALUES (NULL::date, NULL::date), ('2018-05-03', '2018-05-23')) p (from_date, to_date)
), period AS (
    SELECT q.id, coalesce(q.from_date, date_trunc('week', min(t.departed_at))::date) AS first_day,
           coalesce(q.to_date, date_trunc('week', max(t.departed_at))::date + 7) AS next_day
      FROM question q
      LEFT JOIN (trips.trip t JOIN trips.region r ON r.id = t.region_id) ON q.region IS NULL OR r.name = q.region
     GROUP BY q.id, q.from_date, q.to_date
), counted AS (
    SELECT q.id, date_trunc('week', t.departed_at)::date AS week, count(*) AS trips
      FROM question q
      JOIN period p USING (id)
      JOIN (trips.trip t JOIN trips.region r ON r.id = t.region_id)
        ON t.departed_at >= p.first_day AND t.departed_at < p.next_day AND (q.region IS NULL OR r.name = q.region)
     CROSS JOIN LATERAL (SELECT st_x(t.origin) AS lon, st_y(t.origin) AS lat, st_x(t.destination) AS to_lon, st_y(t.destination) AS to_lat) c
     CROSS JOIN LATERAL (
        SELECT CASE WHEN polygon IS NOT NULL THEN st_intersects(polygon, t.origin)
                    ELSE lat BETWEEN south AND north AND CASE WHEN west <= east THEN lon BETWEEN west AND east ELSE lon >= west OR lon <= east END END AS o,
               CASE WHEN polygon IS NOT NULL THEN st_intersects(polygon, t.destination)
                    ELSE to_lat BETWEEN south AND north AND CASE WHEN west <= east THEN to_lon BETWEEN west AND east ELSE to_lon >= west OR to_lon <= east END END AS d
     ) i
     WHERE CASE matching WHEN 'origin' THEN o WHEN 'destination' THEN d WHEN 'either' THEN o OR d WHEN 'both' THEN o AND d
                ELSE o OR d OR st_intersects(st_makeline(t.origin, t.destination), coalesce(polygon, CASE
                     WHEN west = east THEN st_point(west, south, 4326)
                     WHEN west < east THEN st_makeenvelope(west, south, east, north, 4326)
                     ELSE st_collect(st_makeenvelope(west, south, 180, north, 4326), st_makeenvelope(-180, south, east, north, 4326)) END)) END
     GROUP BY 1, 2
), expected AS (
    SELECT p.id, greatest(p.next_day - p.first_day, 0) AS days, c.trips, c.weeks
      FROM period p
     CROSS JOIN LATERAL (SELECT coalesce(sum(trips), 0) AS trips, array_agg(week || ':' || trips ORDER BY week) AS weeks FROM counted WHERE id = p.id) c
), found AS (
    SELECT q.id, coalesce(sum(w.days), 0) AS days, coalesce(sum(w.trips), 0) AS trips,
           array_agg(w.week || ':' || w.trips ORDER BY w.week) FILTER (WHERE w.trips <> 0) AS weeks
      FROM question q
      LEFT JOIN LATERAL (
        SELECT * FROM trips_weekly_trips(west, south, east, north, q.from_date, q.to_date, matching, region)
         UNION ALL
        SELECT * FROM trips_weekly_trips(polygon, q.from_date, q.to_date, matching, region)) w ON true
     GROUP BY q.id
)
SELECT format('%s: found %s in %s days, expected %s in %s', q, f.weeks, f.days, e.weeks, e.days)
  FROM question q JOIN expected e USING (id) JOIN found f USING (id)
 WHERE (f.days, f.trips, f.weeks) IS DISTINCT FROM (e.days, e.trips, e.weeks)
 UNION ALL
SELECT format('%s: average %s of %s in %s days', q, a, e.trips, e.days)
  FROM question q JOIN expected e USING (id)
 CROSS JOIN LATERAL (SELECT coalesce(
        trips_weekly_average(west, south, east, north, q.from_date, q.to_date, matching, region),
        trips_weekly_average(polygon, q.from_date, q.to_date, matching, region)) AS a) a
 WHERE round(a, 9) <> coalesce(round(e.trips * 7 / nullif(e.days, 0), 9), 0)
 UNION ALL
SELECT format('region %s: found %s, expected %s', r.name, f.weeks, e.weeks)
  FROM trips.region r
 CROSS JOIN LATERAL (SELECT array_agg(week || ':' || trips ORDER BY week) AS weeks FROM trips_weekly_trips(r.name) WHERE trips <> 0) f
 CROSS JOIN LATERAL (
    SELECT array_agg(week || ':' || trips ORDER BY week) AS weeks
      FROM (SELECT date_trunc('week', departed_at)::date AS week, count(*) AS trips FROM trips.trip WHERE region_id = r.id GROUP BY 1) c) e
 WHERE f.weeks IS DISTINCT FROM e.weeks";

/// What the session is answered is what it can count.
#[track_caller]
fn assert_answers_are_exact(session: &mut Session) {
    // To compile so many small expressions takes longer than to run them.
    session.run("SET jit = off");
    let rows = session.query(DIFFERENCES, &[]).unwrap();
    let differences: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(
        differences.is_empty(),
        "{} wrong answers: {:#?}",
        differences.len(),
        &differences[..differences.len().min(5)]
    );
}

/// What trips_check() finds.
fn check(session: &mut Session) -> Vec<String> {
    let rows = session
        .query("SELECT c::text FROM trips_check() c", &[])
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Answers and trees agree with the table.
#[track_caller]
fn assert_exact(session: &mut Session) {
    assert_eq!(check(session), Vec::<String>::new());
    assert_answers_are_exact(session);
}

/// The rows of the trees' tables alone.
fn trees(session: &mut Session) -> Snapshot {
    ["area_run", "area_node", "area_leaf", "region_day"]
        .iter()
        .map(|table| {
            let query = format!("SELECT t::text FROM trips.{table} t ORDER BY 1");
            let rows = session.query(&query, &[]).unwrap();
            (
                (*table).to_owned(),
                rows.iter().map(|row| row.get(0)).collect(),
            )
        })
        .collect()
}

#[track_caller]
fn assert_no_trees(session: &mut Session) {
    for (table, rows) in trees(session) {
        assert!(rows.is_empty(), "trips.{table} holds {} rows", rows.len());
    }
}

/// Trips of two regions in five weeks, many of them with the same ends; some lie at the antimeridian.
fn rows(numbers: std::ops::Range<u64>) -> impl Iterator<Item = String> {
    numbers.map(|number| {
        let step = |factor: u64, count: u64| (number * factor % count) as f64 / count as f64;
        let origin = match number % 10 {
            0 => (-179.5, step(7, 30) * 40.0 - 20.0),
            1 => (7.5, 45.5),
            _ => (7.0 + 2.0 * step(37, 100), 45.0 + step(53, 90)),
        };
        let destination = match number % 13 {
            0 => (179.75, 0.0),
            1 => origin,
            _ => (7.0 + 2.0 * step(61, 80), 45.0 + step(29, 70)),
        };
        let row = Row {
            region: ["Turin", "Oslo"][number as usize % 2].to_owned(),
            origin,
            destination,
            departed_at: format!("2018-05-{:02} {:02}:30:00", 1 + number % 31, number % 24),
            datasource: ["car", "bus"][number as usize % 3 % 2].to_owned(),
        };
        row.to_string()
    })
}

/// A database with two files of 400 trips, regions 1 and 2, sources 1 and 2; its ingests.
fn scene() -> (Database, Session, [i64; 2]) {
    let database = Database::new();
    let mut session = database.connect();
    session.run(
        "INSERT INTO trips.region (id, name) VALUES (1, 'Turin'), (2, 'Oslo');
         INSERT INTO trips.datasource (id, name) VALUES (1, 'car'), (2, 'bus')",
    );
    let ingests = [0, 400].map(|first| {
        let name = format!("{first}.csv");
        let path = database.files().write_rows(&name, rows(first..first + 400));
        load(&mut session, &path).id()
    });
    (database, session, ingests)
}

/// The condition that selects the trips of an ingest.
fn of(ingest: i64) -> String {
    format!("id >= {ingest}::bigint << 32 AND id < ({ingest}::bigint + 1) << 32")
}

#[test]
fn trips_of_files_are_in_the_trees() {
    let (_database, mut session, ingests) = scene();
    assert_exact(&mut session);
    let known = "trips.area_run WHERE sign = 1 AND ingest_id IS NOT NULL";
    assert!(session.count(known) >= 2);
    let trips = format!(
        "SELECT sum(trips)::bigint FROM trips.area_run WHERE ingest_id = {}",
        ingests[0]
    );
    assert_eq!(session.value::<i64>(&trips), 400);
}

mod statements {
    use super::*;

    #[test]
    fn inserted_trips_count_at_once_and_until_they_are_rolled_back() {
        let (database, mut session, _) = scene();
        let before = trees(&mut session);
        let mut other = database.connect();
        session.run("BEGIN");
        for insert in [
            format!("INSERT INTO trips.trip VALUES {ROW}"),
            format!("INSERT INTO trips.trip VALUES {ROW}, {ROW}, {ROW}"),
            "INSERT INTO trips.trip SELECT id + 1, departed_at - interval '60 days', 2, 1, destination, origin FROM trips.trip".to_owned(),
            "INSERT INTO trips.trip SELECT t.* FROM trips.trip t WHERE false".to_owned(),
        ] {
            session.run(&insert);
            assert_exact(&mut session);
        }
        assert_exact(&mut other);
        session.run("ROLLBACK");
        assert_eq!(trees(&mut session), before);
        assert_exact(&mut session);
    }

    #[test]
    fn copied_trips_count() {
        let (_database, mut session, _) = scene();
        let mut copy = session.copy_in("COPY trips.trip FROM STDIN").unwrap();
        for number in 0..500 {
            writeln!(
                copy,
                "{number}\t2018-04-{:02} 10:00\t{}\t1\tSRID=4326;POINT ({} 45.5)\tSRID=4326;POINT (7.5 45.5)",
                1 + number % 30,
                1 + number % 2,
                7.0 + f64::from(number) / 300.0
            )
            .unwrap();
        }
        assert_eq!(copy.finish().unwrap(), 500);
        assert_exact(&mut session);
    }

    #[test]
    fn changed_trips_count_where_they_are_now() {
        let (_database, mut session, ingests) = scene();
        for change in [
            "origin = st_point(7.5, 45.5, 4326) WHERE region_id = 1",
            "destination = origin WHERE id % 3 = 0",
            "origin = destination, destination = origin",
            "region_id = 3 - region_id WHERE id % 5 < 3",
            "departed_at = departed_at + interval '12 hours'",
            "departed_at = departed_at - interval '300 days' WHERE id % 100 = 7",
            "id = id + 1000000 WHERE region_id = 2",
        ] {
            session.run(&format!("UPDATE trips.trip SET {change}"));
            assert_exact(&mut session);
        }
        // Two trips that change places, and one that goes to another ingest.
        session.run(&format!(
            "UPDATE trips.trip t SET origin = s.origin FROM trips.trip s
              WHERE t.region_id = s.region_id AND (t.id & 255, s.id & 255) IN ((20, 22), (22, 20));
             UPDATE trips.trip SET id = id + (1::bigint << 32) WHERE {} AND id % 50 = 0",
            of(ingests[0])
        ));
        assert_exact(&mut session);
    }

    #[test]
    fn a_change_of_what_the_trees_do_not_hold_writes_nothing() {
        let (_database, mut session, _) = scene();
        let before = trees(&mut session);
        for change in [
            "datasource_id = 2",
            "datasource_id = 3 - datasource_id WHERE region_id = 1",
            "departed_at = date_trunc('day', departed_at) + interval '23:59:59.999999'",
            "origin = st_point(st_x(origin), st_y(origin), 4326)",
            "origin = st_point(8, 46, 4326) WHERE false",
        ] {
            session.run(&format!("UPDATE trips.trip SET {change}"));
            assert_eq!(trees(&mut session), before, "{change}");
        }
        session.run("DELETE FROM trips.trip WHERE false");
        assert_eq!(trees(&mut session), before);
        assert_exact(&mut session);
    }

    #[test]
    fn deleted_trips_do_not_count() {
        let (_database, mut session, ingests) = scene();
        for condition in [
            "region_id = 1 AND id % 7 = 0",
            "departed_at < '2018-05-10'",
            &format!("{} OR id % 11 = 0", of(ingests[0])),
            "region_id = 2",
            "true",
        ] {
            session.run(&format!("DELETE FROM trips.trip WHERE {condition}"));
            assert_exact(&mut session);
        }
    }

    #[test]
    fn all_of_some_ingests_and_some_of_another_can_go_at_once() {
        let (database, mut session, [first, second]) = scene();
        let path = database.files().write_rows("3.csv", rows(800..900));
        let third = load(&mut session, &path).id();
        session.run(&format!(
            "DELETE FROM trips.trip WHERE {} OR {} OR id % 4 = 0",
            of(first),
            of(third)
        ));
        assert_exact(&mut session);
        let gone = format!("trips.area_run WHERE ingest_id IN ({first}, {third})");
        assert_eq!(session.count(&gone), 0);
        forget(&mut session, second).unwrap();
        assert_exact(&mut session);
    }

    #[test]
    fn truncated_trips_do_not_count_and_come_back_with_a_rollback() {
        let (_database, mut session, _) = scene();
        session.run(&format!("INSERT INTO trips.trip VALUES {ROW}"));
        let before = trees(&mut session);
        session.run("BEGIN; TRUNCATE trips.trip");
        assert_no_trees(&mut session);
        assert_exact(&mut session);
        session.run("ROLLBACK");
        assert_eq!(trees(&mut session), before);
        assert_exact(&mut session);
        session.run(&format!(
            "TRUNCATE trips.trip; INSERT INTO trips.trip VALUES {ROW}"
        ));
        assert_exact(&mut session);
    }

    #[test]
    fn statements_that_do_several_things_are_exact() {
        let (_database, mut session, _) = scene();
        session.run("CREATE UNIQUE INDEX ON trips.trip (id)");
        for statement in [
            format!(
                "INSERT INTO trips.trip VALUES {ROW}
                 ON CONFLICT (id) DO UPDATE SET origin = st_point(9, 45.1, 4326)"
            ),
            format!(
                "INSERT INTO trips.trip VALUES {ROW}
                 ON CONFLICT (id) DO UPDATE SET origin = st_point(9, 45.1, 4326)"
            ),
            format!("INSERT INTO trips.trip VALUES {ROW} ON CONFLICT DO NOTHING"),
            "WITH moved AS (DELETE FROM trips.trip WHERE region_id = 1 RETURNING *)
             INSERT INTO trips.trip SELECT id + 5000, departed_at, 2, 1, destination, origin FROM moved"
                .to_owned(),
            "MERGE INTO trips.trip t USING generate_series(1, 3) n ON t.id = n
             WHEN MATCHED THEN UPDATE SET departed_at = '2018-06-01'
             WHEN NOT MATCHED THEN INSERT VALUES (n, '2018-06-02', 1, 1, st_point(7.5, 45.5, 4326), st_point(7, 45, 4326))"
                .to_owned(),
            "MERGE INTO trips.trip t USING generate_series(1, 3) n ON t.id = n WHEN MATCHED THEN DELETE".to_owned(),
        ] {
            session.run(&statement);
            assert_exact(&mut session);
        }
    }

    #[test]
    fn many_small_changes_are_exact_and_leave_few_runs() {
        let (_database, mut session, ingests) = scene();
        for number in 0..120 {
            let place = f64::from(number) / 100.0;
            session.run(&format!(
                "INSERT INTO trips.trip VALUES ({number}, '2018-05-09', 1, 1, st_point({}, 45.5, 4326), st_point(7, 45, 4326));
                 UPDATE trips.trip SET origin = st_point(8, {}, 4326) WHERE {} AND id & 4294967295 = {number};
                 DELETE FROM trips.trip WHERE id = {number} - 3",
                7.0 + place,
                45.0 + place / 2.0,
                of(ingests[1])
            ));
        }
        assert_exact(&mut session);
        assert!(session.count("trips.area_run") < 60);
        session.run("SELECT trips_compact()");
        assert_exact(&mut session);
    }

    #[test]
    fn a_statement_that_is_rolled_back_to_a_savepoint_leaves_nothing() {
        let (_database, mut session, _) = scene();
        session.run("BEGIN");
        session.run(&format!("INSERT INTO trips.trip VALUES {ROW}"));
        let before = trees(&mut session);
        session.run(&format!(
            "SAVEPOINT s;
             INSERT INTO trips.trip VALUES {ROW};
             DELETE FROM trips.trip WHERE region_id = 1;
             UPDATE trips.trip SET origin = destination;
             TRUNCATE trips.trip;
             ROLLBACK TO s"
        ));
        assert_eq!(trees(&mut session), before);
        session.run("COMMIT");
        assert_exact(&mut session);
    }

    #[test]
    fn rows_that_are_no_trips_are_refused_and_leave_nothing() {
        let (_database, mut session, _) = scene();
        let before = snapshot(&mut session);
        let point = |lon: &str, lat: &str| format!("st_point({lon}, {lat}, 4326)");
        let here = point("7", "45");
        let cases = [
            (point("500", "45"), here.clone(), "2018-05-09", "22003"),
            (here.clone(), point("7", "90.1"), "2018-05-09", "22003"),
            (here.clone(), point("'NaN'", "45"), "2018-05-09", "22003"),
            (
                point("7", "'Infinity'"),
                here.clone(),
                "2018-05-09",
                "22003",
            ),
            (
                "'SRID=4326;POINT EMPTY'".to_owned(),
                here.clone(),
                "2018-05-09",
                "22003",
            ),
            (
                here.clone(),
                "'SRID=4326;POINT EMPTY'".to_owned(),
                "2018-05-09",
                "22003",
            ),
            (here.clone(), here.clone(), "infinity", "22008"),
            (here.clone(), here.clone(), "-infinity", "22008"),
        ];
        for (origin, destination, time, sqlstate) in cases {
            let what = format!("{origin} {destination} {time}");
            let insert = format!(
                "INSERT INTO trips.trip VALUES {ROW}, (2, '{time}', 1, 1, {origin}, {destination})"
            );
            refused_case(&what, session.batch_execute(&insert), sqlstate);
            let update = format!(
                "UPDATE trips.trip SET origin = {origin}, destination = {destination}, departed_at = '{time}'
                  WHERE region_id = 2 AND id % 4 = 1"
            );
            refused_case(&what, session.batch_execute(&update), sqlstate);
            assert_eq!(snapshot(&mut session), before, "{what}");
        }
        // The trees tell regions by numbers above 0.
        for region in [0, -1] {
            let insert = format!(
                "INSERT INTO trips.trip VALUES (2, '2018-05-09', {region}, 1, {here}, {here})"
            );
            refused_case("region", session.batch_execute(&insert), "22003");
        }
        assert_eq!(snapshot(&mut session), before);
        assert_exact(&mut session);
    }

    #[test]
    fn the_ends_of_the_world_are_trips() {
        let (_database, mut session, _) = scene();
        session.run(
            "INSERT INTO trips.trip VALUES
                (1, '2018-05-09', 1, 1, st_point(-180, -90, 4326), st_point(180, 90, 4326)),
                (2, '2018-05-09', 1, 1, st_point(-0.0, 0, 4326), st_point(5e-324, -5e-324, 4326))",
        );
        assert_exact(&mut session);
        session.run("UPDATE trips.trip SET origin = st_point(0, -0.0, 4326) WHERE id = 2");
        assert_exact(&mut session);
        session.run("DELETE FROM trips.trip WHERE id < 5");
        assert_exact(&mut session);
    }

    #[test]
    fn days_before_and_after_all_others_move_the_default_period() {
        let (_database, mut session, _) = scene();
        let known = "SELECT min(week) || ' ' || max(week) FROM trips_weekly_trips(7, 45, 8, 46)";
        let before: String = session.value(known);
        session.run(
            "INSERT INTO trips.trip VALUES
                (1, '1995-01-02 00:00', 2, 1, st_point(7, 45, 4326), st_point(7, 45, 4326)),
                (2, '2031-12-31 23:59', 2, 1, st_point(7, 45, 4326), st_point(7, 45, 4326))",
        );
        assert_eq!(session.value::<String>(known), "1995-01-02 2031-12-29");
        assert_exact(&mut session);
        session.run("DELETE FROM trips.trip WHERE id = 2");
        assert_eq!(session.value::<String>(known), "1995-01-02 2018-05-28");
        assert_exact(&mut session);
        session.run("UPDATE trips.trip SET departed_at = '2018-05-09' WHERE id = 1");
        assert_eq!(session.value::<String>(known), before);
        assert_exact(&mut session);
    }
}

mod forgetting {
    use super::*;

    #[test]
    fn an_ingest_takes_its_runs_with_it() {
        let (database, mut session, ingests) = scene();
        let before = trees(&mut session);
        let path = database.files().write_rows("3.csv", rows(800..2000));
        let third = load(&mut session, &path).id();
        let runs: Vec<i64> = session
            .query(
                "SELECT id FROM trips.area_run WHERE ingest_id = $1",
                &[&third],
            )
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert!(!runs.is_empty());
        assert_eq!(forget(&mut session, third).unwrap(), 1200);
        assert_eq!(trees(&mut session), before);
        for table in ["area_node", "area_leaf"] {
            let left = session
                .query_one(
                    &format!("SELECT count(*) FROM trips.{table} WHERE id >> 32 = ANY ($1)"),
                    &[&runs],
                )
                .unwrap();
            assert_eq!(left.get::<_, i64>(0), 0, "{table}");
        }
        assert_exact(&mut session);
        for ingest in ingests {
            forget(&mut session, ingest).unwrap();
            assert_exact(&mut session);
        }
        assert_no_trees(&mut session);
    }

    #[test]
    fn an_ingest_whose_runs_were_merged_is_taken_away() {
        let (_database, mut session, ingests) = scene();
        let compact = "SELECT runs_after FROM trips_compact()";
        assert_eq!(session.value::<i64>(compact), 1);
        assert_exact(&mut session);
        forget(&mut session, ingests[0]).unwrap();
        assert_exact(&mut session);
        assert_eq!(session.value::<i64>(compact), 1);
        assert_exact(&mut session);
        forget(&mut session, ingests[1]).unwrap();
        assert_exact(&mut session);
        assert_eq!(session.value::<i64>(compact), 0);
        assert_no_trees(&mut session);
    }

    /// What is done to the first ingest by hand before it is forgotten.
    fn after(changes: &[&str]) {
        for changes in [changes, &[changes, &["SELECT trips_compact()"]].concat()] {
            let (_database, mut session, [first, second]) = scene();
            for change in changes {
                session.run(&change.replace("<first>", &format!("({})", of(first))));
            }
            assert_exact(&mut session);
            forget(&mut session, first).unwrap();
            assert_eq!(session.count(&format!("trips.trip WHERE {}", of(first))), 0);
            assert_exact(&mut session);
            forget(&mut session, second).unwrap();
            assert_exact(&mut session);
            session.run("SELECT trips_compact()");
            assert_exact(&mut session);
        }
    }

    #[test]
    fn after_some_of_its_trips_were_deleted() {
        after(&["DELETE FROM trips.trip WHERE <first> AND id % 3 = 0"]);
    }

    #[test]
    fn after_all_of_its_trips_were_deleted() {
        after(&[
            "DELETE FROM trips.trip WHERE <first> AND id % 3 = 0",
            "DELETE FROM trips.trip WHERE <first>",
        ]);
    }

    #[test]
    fn after_some_of_its_trips_were_changed() {
        after(&[
            "UPDATE trips.trip SET origin = st_point(7.5, 45.5, 4326), region_id = 1 WHERE <first> AND id % 3 = 0",
        ]);
    }

    #[test]
    fn after_trips_were_added_to_it() {
        after(&[
            "INSERT INTO trips.trip SELECT id + 1000, departed_at, region_id, 1, destination, origin FROM trips.trip WHERE <first> AND id % 3 = 0",
        ]);
    }

    #[test]
    fn after_as_many_trips_were_added_as_deleted() {
        after(&[
            "INSERT INTO trips.trip SELECT id + 1000, departed_at, region_id, 1, destination, origin FROM trips.trip WHERE <first> AND id & 4294967295 <= 101",
            "DELETE FROM trips.trip WHERE <first> AND id & 4294967295 > 301",
        ]);
    }

    #[test]
    fn after_trips_were_moved_to_it_and_away() {
        after(&[
            "UPDATE trips.trip SET id = id + (1::bigint << 32) WHERE <first> AND id % 10 = 0",
            "UPDATE trips.trip SET id = id - (1::bigint << 32) WHERE NOT <first> AND id % 10 = 1",
        ]);
    }

    #[test]
    fn after_only_its_sources_were_changed_its_runs_go_whole() {
        let (_database, mut session, [first, second]) = scene();
        session.run("UPDATE trips.trip SET datasource_id = 2");
        forget(&mut session, first).unwrap();
        let runs = format!("trips.area_run WHERE ingest_id IS DISTINCT FROM {second}");
        assert_eq!(session.count(&runs), 0);
        assert_exact(&mut session);
    }

    #[test]
    fn trips_by_hand_with_the_ids_of_an_ingest_to_come_are_not_taken_for_its_own() {
        let database = Database::new();
        let mut session = database.connect();
        session.run(
            "INSERT INTO trips.region (id, name) VALUES (1, 'Turin'), (2, 'Oslo');
             INSERT INTO trips.datasource (id, name) VALUES (1, 'car'), (2, 'bus')",
        );
        let next: i64 = session.value("SELECT nextval('trips.ingest_id') + 1");
        session.run(&format!(
            "INSERT INTO trips.trip SELECT ({next}::bigint << 32) + 100000 + n, '2018-05-09', 1, 1, st_point(8, 45.25, 4326), st_point(7, 45, 4326)
               FROM generate_series(1, 50) n"
        ));
        let path = database.files().write_rows("t.csv", rows(0..100));
        assert_eq!(load(&mut session, &path).id(), next);
        // As many as the ingest has brought, but not those.
        session.run(&format!(
            "DELETE FROM trips.trip WHERE {} AND id & 4294967295 > 51",
            of(next)
        ));
        assert_eq!(session.count("trips.trip"), 50);
        assert_exact(&mut session);
        forget(&mut session, next).unwrap();
        assert_exact(&mut session);
    }

    #[test]
    fn a_load_that_is_forgotten_in_its_own_transaction_leaves_nothing() {
        let (database, mut session, _) = scene();
        let before = trees(&mut session);
        let path = database.files().write_rows("3.csv", rows(800..1000));
        session.run("BEGIN");
        let ingest = load(&mut session, &path).id();
        assert_exact(&mut session);
        forget(&mut session, ingest).unwrap();
        session.run("COMMIT");
        assert_eq!(trees(&mut session), before);
    }

    #[test]
    fn it_waits_for_changes_by_hand_and_takes_what_they_left() {
        let (database, mut session, [first, _]) = scene();
        let mut other = database.connect();
        let mut observer = database.connect();
        session.run("BEGIN");
        session.run(&format!(
            "UPDATE trips.trip SET origin = st_point(7.5, 45.5, 4326) WHERE {} AND id % 2 = 0;
             INSERT INTO trips.trip SELECT id + 1000, departed_at, region_id, 1, origin, destination FROM trips.trip WHERE {} AND id % 9 = 0",
            of(first),
            of(first)
        ));
        std::thread::scope(|scope| {
            let pid = other.pid();
            let forgetting = scope.spawn(|| forget(&mut other, first).unwrap());
            wait_until_blocked(&mut observer, pid);
            session.run("COMMIT");
            assert!(forgetting.join().unwrap() >= 400);
        });
        assert_exact(&mut session);
    }
}

mod sessions {
    use super::*;

    #[test]
    fn two_sessions_that_insert_do_not_wait_for_each_other() {
        let (database, mut session, _) = scene();
        let mut other = database.connect();
        other.run("SET lock_timeout = '10s'");
        session.run("BEGIN");
        session.run(&format!("INSERT INTO trips.trip VALUES {ROW}"));
        other.run(&format!("INSERT INTO trips.trip VALUES {ROW}"));
        assert_exact(&mut other);
        session.run("COMMIT");
        assert_exact(&mut other);
    }

    #[test]
    fn an_old_snapshot_is_answered_as_of_its_time() {
        let (database, mut session, [first, _]) = scene();
        let mut other = database.connect();
        other.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
        assert_exact(&mut other);
        session.run(
            "DELETE FROM trips.trip WHERE region_id = 1 AND id % 3 = 0;
             UPDATE trips.trip SET origin = st_point(7.5, 45.5, 4326) WHERE region_id = 2",
        );
        forget(&mut session, first).unwrap();
        session.run("SELECT trips_compact()");
        assert_exact(&mut other);
        session.run("SELECT trips_rebuild()");
        assert_exact(&mut other);
        other.run("COMMIT");
        assert_exact(&mut other);
    }

    #[test]
    fn the_replica_role_by_hand_is_no_way_past_the_trees() {
        let (_database, mut session, _) = scene();
        session.run("SET session_replication_role = replica");
        session.run(&format!(
            "INSERT INTO trips.trip VALUES {ROW};
             UPDATE trips.trip SET origin = destination WHERE id % 2 = 0;
             DELETE FROM trips.trip WHERE id % 5 = 0"
        ));
        assert_exact(&mut session);
        session.run("TRUNCATE trips.trip");
        assert_exact(&mut session);
    }
}

mod upkeep {
    use super::*;

    /// Changes of every kind that the trees do not learn of.
    const UNSEEN: &str = "
        ALTER TABLE trips.trip DISABLE TRIGGER ALL;
        INSERT INTO trips.trip VALUES (1, '2017-05-09 12:00', 1, 1, st_point(7.5, 45.5, 4326), st_point(8, 46, 4326));
        UPDATE trips.trip SET origin = st_point(8.5, 45.5, 4326) WHERE region_id = 1 AND id % 4 = 0;
        DELETE FROM trips.trip WHERE region_id = 2 AND id % 4 = 1;
        ALTER TABLE trips.trip ENABLE TRIGGER ALL";

    #[test]
    fn what_disabled_triggers_have_missed_is_found_and_made_good() {
        let (_database, mut session, _) = scene();
        session.run(UNSEEN);
        let found = check(&mut session);
        for part in [
            "(trips,origin,Turin,2017-05-09,1,0)",
            "(trips,destination,Turin,2017-05-09,1,0)",
            "(trips,region,Turin,2017-05-09,1,0)",
            "(trips,run,,2017-05-09,1,0)",
            "(positions,origin,Turin,",
            "(trips,destination,Oslo,",
        ] {
            assert!(
                found.iter().any(|row| row.starts_with(part)),
                "no {part} in {found:?}"
            );
        }
        assert!(
            !found
                .iter()
                .any(|row| row.starts_with("(positions,destination,Turin")),
            "{found:?}"
        );
        let trips = session.count("trips.trip");
        assert_eq!(session.value::<i64>("SELECT trips_rebuild()"), trips);
        assert_exact(&mut session);
        // The triggers are again what they were.
        session.run(&format!(
            "SET session_replication_role = replica; INSERT INTO trips.trip VALUES {ROW}"
        ));
        assert_exact(&mut session);
    }

    #[test]
    fn a_row_that_is_no_trip_can_be_mended_or_removed() {
        let (_database, mut session, _) = scene();
        session.run(
            "ALTER TABLE trips.trip DISABLE TRIGGER ALL;
             INSERT INTO trips.trip VALUES
                (1, '2018-05-09', 1, 1, st_point(500, 45, 4326), st_point(7, 45, 4326)),
                (2, 'infinity', 1, 1, st_point(7, 45, 4326), 'SRID=4326;POINT EMPTY');
             ALTER TABLE trips.trip ENABLE TRIGGER ALL",
        );
        let before = trees(&mut session);
        refused(session.query("SELECT trips_rebuild()", &[]), "22003");
        assert_eq!(trees(&mut session), before);
        session.run(
            "UPDATE trips.trip SET origin = st_point(5, 45, 4326) WHERE id = 1;
             DELETE FROM trips.trip WHERE id = 2",
        );
        assert_exact(&mut session);
    }

    #[test]
    fn other_ends_that_were_exchanged_are_found() {
        let (_database, mut session, _) = scene();
        session.run(
            "ALTER TABLE trips.trip DISABLE TRIGGER ALL;
             WITH pair AS (SELECT min(id) AS a, max(id) AS b FROM trips.trip
                            WHERE region_id = 1 AND departed_at::date = '2018-05-09' AND st_x(destination) <> 179.75)
             UPDATE trips.trip t SET destination = s.destination FROM pair, trips.trip s
              WHERE (t.id, s.id) IN ((a, b), (b, a));
             ALTER TABLE trips.trip ENABLE TRIGGER ALL",
        );
        let found = check(&mut session);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("(positions,origin,Turin,2018-05-09,"));
    }

    /// A load that leaves the trees alone; its ingest.
    fn load_past_the_trees(database: &Database, session: &mut Session) -> i64 {
        let path = database.files().write_rows("past.csv", rows(800..900));
        session.run("SET trips_ext.area_trees = off");
        let ingest = load(session, &path).id();
        session.run("RESET trips_ext.area_trees");
        ingest
    }

    #[test]
    fn a_load_past_the_trees_is_not_answered_about_until_they_are_rebuilt() {
        let (database, mut session, [first, _]) = scene();
        let pending = load_past_the_trees(&database, &mut session);
        for query in [
            "SELECT trips_weekly_average('Turin')",
            "SELECT trips_weekly_average(7, 45, 8, 46, '2018-05-01', '2018-05-08')",
            "SELECT * FROM trips_weekly_trips(7, 45, 8, 46)",
            "SELECT * FROM trips_area_plan(7, 45, 8, 46, '2018-05-01', '2018-05-08')",
            "SELECT * FROM trips_check()",
            "SELECT * FROM trips_compact()",
        ] {
            refused_case(query, session.query(query, &[]), "55000");
        }
        // Trips can be changed meanwhile, of the pending ingest too.
        session.run(&format!(
            "INSERT INTO trips.trip VALUES {ROW};
             UPDATE trips.trip SET origin = st_point(8, 45.25, 4326) WHERE id % 10 = 3;
             DELETE FROM trips.trip WHERE {} AND id % 4 = 0",
            of(pending)
        ));
        let path = database.files().write_rows("4.csv", rows(900..950));
        load(&mut session, &path);
        forget(&mut session, first).unwrap();
        let trips = session.count("trips.trip");
        assert_eq!(session.value::<i64>("SELECT trips_rebuild()"), trips);
        assert_exact(&mut session);
        forget(&mut session, pending).unwrap();
        assert_exact(&mut session);
    }

    #[test]
    fn a_load_past_the_trees_that_is_forgotten_leaves_them_as_they_were() {
        let (database, mut session, _) = scene();
        let before = trees(&mut session);
        let pending = load_past_the_trees(&database, &mut session);
        forget(&mut session, pending).unwrap();
        assert_eq!(trees(&mut session), before);
        assert_exact(&mut session);
    }

    #[test]
    fn rebuilding_can_be_rolled_back_and_makes_nothing_of_nothing() {
        let (_database, mut session, _) = scene();
        let before = trees(&mut session);
        session.run("BEGIN; SELECT trips_rebuild(); ROLLBACK");
        assert_eq!(trees(&mut session), before);
        session.run("TRUNCATE trips.trip");
        assert_eq!(session.value::<i64>("SELECT trips_rebuild()"), 0);
        assert_no_trees(&mut session);
    }
}

mod rights {
    use super::*;

    /// A session of a role, and one of the superuser.
    struct Scene {
        session: Session,
        superuser: Session,
        // Dropped in this order: a role goes only after the database that it has rights in.
        _database: Database,
        role: Role,
    }

    /// A scene with a role of these rights; `<role>` stands for its name.
    fn scene_with(rights: &str) -> Scene {
        let role = Role::new("");
        let (database, mut superuser, _) = scene();
        superuser.run("GRANT USAGE ON SCHEMA trips TO PUBLIC");
        superuser.run(&rights.replace("<role>", &role.name));
        Scene {
            session: database.connect_as(&role),
            superuser,
            _database: database,
            role,
        }
    }

    #[test]
    fn a_role_that_may_only_insert_inserts() {
        let mut scene = scene_with("GRANT INSERT ON trips.trip TO <role>");
        scene
            .session
            .run(&format!("INSERT INTO trips.trip VALUES {ROW}, {ROW}"));
        assert_exact(&mut scene.superuser);
        refused(
            scene.session.batch_execute("DELETE FROM trips.trip"),
            "42501",
        );
    }

    #[test]
    fn roles_that_may_only_update_delete_or_truncate_do() {
        let mut scene = scene_with("GRANT SELECT, UPDATE ON trips.trip TO <role>");
        scene
            .session
            .run("UPDATE trips.trip SET origin = destination WHERE id % 2 = 0");
        assert_exact(&mut scene.superuser);
        let name = scene.role.name.clone();
        scene.superuser.run(&format!(
            "REVOKE ALL ON trips.trip FROM {name}; GRANT SELECT, DELETE ON trips.trip TO {name}"
        ));
        scene.session.run("DELETE FROM trips.trip WHERE id % 2 = 0");
        assert_exact(&mut scene.superuser);
        scene.superuser.run(&format!(
            "REVOKE ALL ON trips.trip FROM {name}; GRANT TRUNCATE ON trips.trip TO {name}"
        ));
        scene.session.run("TRUNCATE trips.trip");
        assert_exact(&mut scene.superuser);
    }

    #[test]
    fn a_role_that_may_write_through_a_view_alone_writes() {
        let mut scene = scene_with(
            "CREATE VIEW public.writable AS SELECT * FROM trips.trip;
             GRANT SELECT, INSERT, UPDATE, DELETE ON public.writable TO <role>",
        );
        scene.session.run(&format!(
            "INSERT INTO writable VALUES {ROW};
             UPDATE writable SET origin = destination WHERE id % 2 = 0;
             DELETE FROM writable WHERE id % 3 = 0"
        ));
        assert_exact(&mut scene.superuser);
    }

    #[test]
    fn a_role_that_may_only_read_trips_gets_answers() {
        let mut scene = scene_with("GRANT SELECT ON trips.trip, trips.region TO <role>");
        assert_exact(&mut scene.session);
        assert_eq!(scene.session.count("trips_area_plan(7, 45, 8, 46)"), 1);
        for table in ["area_run", "area_node", "area_leaf", "region_day"] {
            refused(
                scene
                    .session
                    .query(&format!("SELECT * FROM trips.{table}"), &[]),
                "42501",
            );
        }
    }

    #[test]
    fn rights_on_the_columns_that_a_scan_reads_are_enough_for_an_answer() {
        let mut scene = scene_with(
            "GRANT SELECT (departed_at, region_id, origin, destination) ON trips.trip TO <role>;
             GRANT SELECT ON trips.region TO <role>",
        );
        assert_answers_are_exact(&mut scene.session);
    }

    #[test]
    fn who_may_not_read_trips_learns_nothing_from_the_trees() {
        let mut scene = scene_with("GRANT SELECT ON trips.region TO <role>");
        for query in READS {
            refused_case(query, scene.session.query(query, &[]), "42501");
        }
    }

    /// All that reads the trees.
    const READS: [&str; 11] = [
        "SELECT trips_weekly_average('Turin')",
        "SELECT trips_weekly_average('Turin', '2018-05-01', '2018-05-08')",
        "SELECT trips_weekly_average(7, 45, 8, 46, '2018-05-01', '2018-05-08')",
        "SELECT * FROM trips_weekly_trips(7, 45, 8, 46)",
        "SELECT * FROM trips_area_plan(7, 45, 8, 46, '2018-05-01', '2018-05-08')",
        "SELECT * FROM trips_check()",
        "SELECT * FROM trips.known_days(NULL)",
        "SELECT * FROM trips.region_trips(NULL, '2018-05-01', '2018-05-08', true)",
        "SELECT * FROM trips.area_trips('origin', '{7,45,8,46}', NULL, '2018-05-01', '2018-05-08', NULL, true)",
        "SELECT * FROM trips.area_plan('origin', '{7,45,8,46}', NULL, '2018-05-01', '2018-05-08', NULL)",
        "SELECT * FROM trips.area_contents('origin')",
    ];

    #[test]
    fn who_sees_some_rows_is_answered_from_those() {
        let mut scene = scene_with(
            "GRANT SELECT ON trips.trip, trips.region TO <role>;
             ALTER TABLE trips.trip ENABLE ROW LEVEL SECURITY;
             CREATE POLICY late_in_turin ON trips.trip FOR SELECT USING (region_id = 1 AND departed_at >= '2018-05-10')",
        );
        let seen = scene.session.count("trips.trip");
        assert!(0 < seen && seen < scene.superuser.count("trips.trip"));
        assert_answers_are_exact(&mut scene.session);
        let all = "SELECT sum(trips)::bigint FROM trips_weekly_trips(-180, -90, 180, 90)";
        assert_eq!(scene.session.value::<i64>(all), seen);
        // What knows of rows that are hidden is silent.
        for query in &READS[4..] {
            assert!(scene.session.query(*query, &[]).is_err(), "{query}");
        }
        assert_exact(&mut scene.superuser);
    }

    #[test]
    fn what_changes_the_trees_is_for_those_who_change_trips() {
        let mut scene = scene_with(
            "GRANT SELECT, INSERT ON trips.trip TO <role>; GRANT SELECT ON trips.region TO <role>",
        );
        let before = trees(&mut scene.superuser);
        for statement in [
            "SELECT trips_compact()",
            "SELECT trips_rebuild()",
            "SELECT trips.enable_triggers()",
            "SELECT trips.drop_all_runs()",
            "CREATE TEMP TABLE mine (LIKE trips.trip);
             CREATE TRIGGER t AFTER INSERT ON mine REFERENCING NEW TABLE AS inserted
                 FOR EACH STATEMENT EXECUTE FUNCTION trips.trip_inserted()",
            "BEGIN;
             DECLARE more CURSOR FOR SELECT 7::float8, 45::float8, 7::float8, 45::float8, '2018-05-09'::timestamp, 1::smallint;
             SELECT trips.index_trips('more', -1::smallint);
             COMMIT",
            "BEGIN;
             DECLARE more CURSOR FOR SELECT 7::float8, 45::float8, 7::float8, 45::float8, '2018-05-09'::timestamp, 1::smallint;
             SELECT trips.index_trips('more', 1::smallint);
             COMMIT",
        ] {
            refused_case(statement, scene.session.batch_execute(statement), "42501");
            scene.session.run("ROLLBACK");
        }
        // Whoever may execute these: they do nothing to runs whose trips are there.
        let _ = scene
            .session
            .batch_execute("SELECT trips.drop_runs(i.id, i.rows_loaded) FROM trips.ingest i");
        let ingests = "SELECT trips.drop_runs(n, 400) FROM generate_series(1, 10) n";
        let _ = scene.session.batch_execute(ingests);
        assert_eq!(trees(&mut scene.superuser), before);
        assert_exact(&mut scene.superuser);
    }
}
