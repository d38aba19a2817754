//! What a report says is what the database says.

use trips_tests::ingest::load;
use trips_tests::rows::{numbered_rows, write_generated};
use trips_tests::{Database, Ingest, Role, Row};

use crate::Reports;
use crate::page::count;

/// Generated trips of three regions over two years.
fn generated() -> Database {
    let database = Database::new();
    let mut session = database.connect();
    let path = write_generated(database.files(), "t.csv", 20_000, 3, 1);
    load(&mut session, &path);
    database
}

#[test]
fn a_report_tells_of_regions_what_sql_does() {
    let database = generated();
    let page = Reports::of(&database).make(&[]);
    let mut session = database.connect();
    let expected = session
        .query(
            "SELECT r.name, count(*), round(trips_weekly_average(r.name), 1)::text, min(t.departed_at)::date::text, max(t.departed_at)::date::text
               FROM trips.trip t JOIN trips.region r ON r.id = t.region_id
              GROUP BY r.name ORDER BY 2 DESC, 1",
            &[],
        )
        .unwrap();
    let rows = page.table("Regions by their number of trips");
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(expected) {
        assert_eq!(row[0], expected.get::<_, &str>(0));
        assert_eq!(count(&row[1]), expected.get::<_, i64>(1));
        assert_eq!(
            &row[3..],
            [2, 3, 4].map(|column| expected.get::<_, String>(column))
        );
    }
    assert_eq!(page.figure("Trips"), "20,000");
    assert_eq!(page.figure("Regions"), "3");
    assert_eq!(page.figure("Files loaded"), "1");
}

#[test]
fn a_report_has_every_week_and_they_add_up() {
    let database = Database::new();
    let mut session = database.connect();
    let row = |day: &str, region: &str| Row {
        departed_at: format!("{day} 08:30:00"),
        region: region.to_owned(),
        ..trips_tests::rows::numbered(1)
    };
    let rows = [
        row("2018-05-01", "Turin"),
        row("2018-05-02", "Prague"),
        row("2018-05-22", "Turin"),
    ];
    let path = database
        .files()
        .write_rows("t.csv", rows.map(|row| row.to_string()));
    load(&mut session, &path);
    let page = Reports::of(&database).make(&[]);
    let weeks: Vec<(String, i64)> = page
        .table("Trips per week")
        .into_iter()
        .map(|row| (row[0].clone(), count(&row[2])))
        .collect();
    let expected = [
        ("2018-04-30", 2),
        ("2018-05-07", 0),
        ("2018-05-14", 0),
        ("2018-05-21", 1),
    ];
    assert_eq!(
        weeks,
        expected.map(|(week, trips)| (week.to_owned(), trips))
    );
}

#[test]
fn weeks_hours_regions_and_datasources_have_the_same_trips() {
    let database = generated();
    for arguments in [
        &[][..],
        &["--region", "Prague"],
        &["--from", "2018-05-02", "--to", "2018-09-09"],
    ] {
        let page = Reports::of(&database).make(arguments);
        let trips = count(&page.figure("Trips"));
        assert!(trips > 0);
        let sum = |table: &str, column: usize| {
            page.table(table)
                .iter()
                .map(|row| count(&row[column]))
                .sum::<i64>()
        };
        assert_eq!(sum("Trips per week", 2), trips, "{arguments:?}");
        assert_eq!(sum("Regions by", 1), trips, "{arguments:?}");
        assert_eq!(sum("Datasources by", 1), trips, "{arguments:?}");
        let hours = page.table("Trips by hour and weekday");
        let (all, hours) = hours.split_last().unwrap();
        assert_eq!(count(&all[8]), trips, "{arguments:?}");
        assert_eq!(hours.iter().map(|hour| count(&hour[8])).sum::<i64>(), trips);
    }
}

#[test]
fn hours_and_weekdays_are_those_of_the_departures() {
    let database = generated();
    let page = Reports::of(&database).make(&["--from", "2018-05-02", "--to", "2019-05-09"]);
    let hours = page.table("Trips by hour and weekday");
    let expected = database
        .connect()
        .query(
            "SELECT extract(isodow FROM departed_at)::int4, extract(hour FROM departed_at)::int4, count(*)
               FROM trips.trip WHERE departed_at >= '2018-05-02' AND departed_at < '2019-05-09' GROUP BY 1, 2",
            &[],
        )
        .unwrap();
    for row in expected {
        let (day, hour): (i32, i32) = (row.get(0), row.get(1));
        assert_eq!(
            count(&hours[hour as usize][day as usize]),
            row.get::<_, i64>(2)
        );
    }
}

#[test]
fn hours_before_1970_are_right_too() {
    let database = Database::new();
    let row = Row {
        departed_at: "1969-12-29 23:59:59".to_owned(),
        ..trips_tests::rows::numbered(1)
    };
    let path = database.files().write_rows("t.csv", [row.to_string()]);
    load(&mut database.connect(), &path);
    // A Monday.
    let page = Reports::of(&database).make(&[]);
    assert_eq!(page.table("Trips by hour and weekday")[23][1], "1");
}

#[test]
fn groups_are_those_of_trips_groups() {
    let database = generated();
    let page = Reports::of(&database).make(&["--region", "Prague"]);
    let expected: Vec<i64> = database
        .connect()
        .query(
            "SELECT trips FROM trips_groups(region => 'Prague') ORDER BY trips DESC LIMIT 8",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let groups = page.table("Largest groups in \u{2068}Prague\u{2069}");
    assert_eq!(
        groups.iter().map(|row| count(&row[1])).collect::<Vec<_>>(),
        expected
    );
    assert!(page.says("method representative"));
    let page = Reports::of(&database).make(&["--groups", "cell"]);
    assert!(page.says("method cell"));
    let page = Reports::of(&database).make(&["--groups", "none"]);
    assert!(page.says("No groups were asked for"));
}

#[test]
fn flows_lead_from_where_trips_begin_to_where_they_end() {
    let database = Database::new();
    let row = |number: u64, from: (f64, f64), to: (f64, f64)| Row {
        origin: from,
        destination: to,
        ..trips_tests::rows::numbered(number)
    };
    // Across the antimeridian, five trips one way and two back.
    let (west, east) = ((179.95, -17.8), (-179.95, -17.7));
    let rows = (0..7).map(|number| {
        if number < 5 {
            row(number, west, east)
        } else {
            row(number, east, west)
        }
    });
    let path = database
        .files()
        .write_rows("t.csv", rows.map(|row| row.to_string()));
    load(&mut database.connect(), &path);
    let page = Reports::of(&database).make(&[]);
    let flows = page.table("Largest flows in");
    assert_eq!(
        flows.iter().map(|row| row[1].as_str()).collect::<Vec<_>>(),
        ["5", "2"]
    );
    let near = |cell: &str, place: (f64, f64)| {
        let numbers: Vec<f64> = cell
            .split(", ")
            .map(|number| number.parse().unwrap())
            .collect();
        (numbers[0] - place.1).abs() < 0.002 && (numbers[1] - place.0).abs() < 0.002
    };
    assert!(
        near(&flows[0][3], west) && near(&flows[0][4], east),
        "{flows:?}"
    );
    // 0.1 degrees of longitude and latitude.
    let km: f64 = flows[0][5].parse().unwrap();
    assert!((km - 15.36).abs() < 0.3, "{km}");
}

#[test]
fn the_ledger_and_rejected_rows_are_those_of_the_database() {
    let database = Database::new();
    let mut session = database.connect();
    let bad = [
        "Turin,POINT (7 45),POINT (7 95),2018-05-01 08:00:00,x".to_owned(),
        "Turin,POINT (7 45),POINT (7 45),tomorrow,<b>x".to_owned(),
    ];
    let path = database
        .files()
        .write_rows("a & <b>.csv", numbered_rows(0..5).chain(bad));
    Ingest::of(&path).on_error("ignore").run(&mut session);
    let page = Reports::of(&database).make(&[]);
    let loads = page.table("Loads");
    assert_eq!((loads.len(), loads[0][1].as_str()), (1, path.as_str()));
    assert_eq!(loads[0][3..6], ["7", "5", "2"]);
    assert_eq!(page.figure("Rows rejected"), "2");
    let expected = session
        .query(
            "SELECT line, column_name, sqlstate, reason, raw FROM trips.rejected_row ORDER BY line",
            &[],
        )
        .unwrap();
    for (row, expected) in page.table("Rejected rows<").iter().zip(&expected) {
        assert_eq!(count(&row[1]), expected.get::<_, i64>(0));
        let texts = [1, 2, 3, 4].map(|column| expected.get::<_, String>(column));
        assert_eq!(row[2..], texts);
    }
    let reasons = page.table("Rejected rows by reason");
    assert_eq!(reasons.iter().map(|row| count(&row[3])).sum::<i64>(), 2);
}

#[test]
fn rows_with_the_same_fault_are_one_reason_whatever_their_values() {
    let database = Database::new();
    let row = |latitude: u32| format!("x,POINT(1 2),POINT(1 {latitude}),2018-05-01 10:00,d");
    let rows = numbered_rows(0..5).chain([row(200), row(300), row(201)]);
    let path = database.files().write_rows("t.csv", rows);
    Ingest::of(&path)
        .on_error("ignore")
        .run(&mut database.connect());
    let reasons = Reports::of(&database)
        .make(&[])
        .table("Rejected rows by reason");
    let fault = [
        "latitude … is out of range … to …",
        "destination_coord",
        "22003",
        "3",
    ];
    assert_eq!(reasons, [fault.map(str::to_owned).to_vec()]);
}

#[test]
fn a_role_without_rights_on_the_ledger_gets_the_rest() {
    let role = Role::new("");
    let database = generated();
    database.connect().run(&format!(
        "GRANT USAGE ON SCHEMA trips TO {0}; GRANT SELECT ON trips.trip, trips.region, trips.datasource TO {0}",
        role.name
    ));
    let page = Reports::by(&database, &role).make(&[]);
    assert_eq!(page.figure("Trips"), "20,000");
    for table in ["trips.ingest", "trips.rejected_row"] {
        assert!(page.says(&format!("may not read {table}")));
    }
    assert!(!page.says("Files loaded"));
}

#[test]
fn weeks_that_the_period_cuts_are_marked() {
    let database = generated();
    // From a Wednesday up to a Tuesday.
    let page = Reports::of(&database).make(&["--from", "2018-05-02", "--to", "2018-05-22"]);
    assert!(page.says(
        "only a part of the week of 2018-04-30 (5 days) and the week of 2018-05-21 (1 day)."
    ));
    let weeks = page.table("Trips per week");
    assert_eq!(
        weeks.iter().map(|row| row[1].as_str()).collect::<Vec<_>>(),
        ["5", "7", "7", "1"]
    );
}

#[test]
fn of_many_trips_maps_are_a_sample_groups_of_the_last_weeks_and_the_page_says_so() {
    let database = Database::new();
    let mut session = database.connect();
    session.run(
        "INSERT INTO trips.region VALUES (1, 'Turin', NULL);
         INSERT INTO trips.datasource VALUES (1, 'a', NULL);
         -- Three of four go east from one place, one goes back.
         INSERT INTO trips.trip
         SELECT n, timestamp '2018-01-01' + n * interval '20 seconds', 1, 1,
                st_setsrid(st_makepoint(CASE WHEN n % 4 = 0 THEN 7.6 ELSE 7.5 END, 45), 4326),
                st_setsrid(st_makepoint(CASE WHEN n % 4 = 0 THEN 7.5 ELSE 7.6 END, 45), 4326)
           FROM generate_series(1, 1100000) n",
    );
    let page = Reports::of(&database).make(&[]);
    assert!(page.says("Maps are drawn from a sample: about "));
    // 11,359 trips in the last week, 30,240 in each other: with 16 of these there are less than half a million.
    assert!(page.says("Only trips from 2018-05-21 up to, but without, 2018-09-17 are grouped: "));
    assert_eq!(page.figure("Trips"), "1,100,000");
    let flows = page.table("Largest flows in");
    let trips: Vec<i64> = flows.iter().map(|row| count(&row[1])).collect();
    assert_eq!(trips.len(), 2);
    assert!(
        (trips[0] - 825_000).abs() < 8_250 && (trips[1] - 275_000).abs() < 2_750,
        "{trips:?}"
    );
}
