//! Ingests that work: every value arrives as it stands in the file, once, with its books in balance, and can be
//! taken back.

use std::sync::Barrier;
use std::thread;

use postgres::Client;
use trips_tests::database::eventually;
use trips_tests::files::shared;
use trips_tests::ingest::{forget, load};
use trips_tests::rows::{numbered, numbered_rows};
use trips_tests::snapshot::{assert_books_balance, assert_nothing_stored, snapshot};
use trips_tests::{Database, HEADER, Ingest, Session, refused};

/// What `trips.trips` gives of a trip, as text that keeps every bit.
const EXACT: &str = "SELECT line, region, datasource, departed_at::text,
       encode(float8send(origin_lon) || float8send(origin_lat), 'hex'),
       encode(float8send(destination_lon) || float8send(destination_lat), 'hex')
  FROM trips.trips ORDER BY line";

fn exact(client: &mut Client) -> Vec<(i64, [String; 5])> {
    let rows = client.query(EXACT, &[]).unwrap();
    rows.iter()
        .map(|row| (row.get(0), [1, 2, 3, 4, 5].map(|column| row.get(column))))
        .collect()
}

/// Waits until a session waits for a lock.
fn wait_until_blocked(observer: &mut Session, pid: i32) {
    let query = format!(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock')"
    );
    eventually("the session waits for a lock", || observer.value(&query));
}

mod what_a_file_says {
    use super::*;

    #[test]
    fn every_value_of_a_row_arrives() {
        let database = Database::new();
        let mut session = database.connect();
        let row = numbered(5);
        let path = database.files().write_rows("t.csv", [row.to_string()]);
        let summary = load(&mut session, &path);
        let stored = session
            .query_one(
                "SELECT t.id, r.name, d.name, t.departed_at::text, st_x(origin), st_y(origin),
                        st_x(destination), st_y(destination), st_srid(origin), st_srid(destination)
                   FROM trips.trip t JOIN trips.region r ON r.id = region_id
                   JOIN trips.datasource d ON d.id = datasource_id",
                &[],
            )
            .unwrap();
        assert_eq!(stored.get::<_, i64>(0), (summary.id() << 32) + 2);
        assert_eq!(stored.get::<_, &str>(1), row.region);
        assert_eq!(stored.get::<_, &str>(2), row.datasource);
        assert_eq!(stored.get::<_, &str>(3), row.departed_at);
        let coordinates = [4, 5, 6, 7].map(|column| stored.get::<_, f64>(column));
        assert_eq!(coordinates[..2], [row.origin.0, row.origin.1]);
        assert_eq!(coordinates[2..], [row.destination.0, row.destination.1]);
        assert_eq!([8, 9].map(|column| stored.get::<_, i32>(column)), [4326; 2]);
    }

    #[test]
    fn the_summary_and_the_ledger_say_what_was_loaded() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..1000));
        let bytes = std::fs::metadata(&path).unwrap().len() as i64;
        let summary = load(&mut session, &path);
        assert_eq!(
            (summary.file.as_str(), summary.bytes),
            (path.as_str(), bytes)
        );
        assert_eq!(summary.counts(), (1000, 1000, 0));
        assert!(summary.elapsed > 0.0 && summary.rows_per_second > Some(0));
        let ledger = session
            .query_one(
                "SELECT file, bytes, rows_read, rows_loaded, rows_rejected, loaded_by = current_user,
                        octet_length(content_hash), started_at <= finished_at
                   FROM trips.ingest WHERE id = $1",
                &[&summary.id()],
            )
            .unwrap();
        assert_eq!(
            (ledger.get::<_, String>(0), ledger.get::<_, i64>(1)),
            (path, bytes)
        );
        assert_eq!([2, 3, 4].map(|c| ledger.get::<_, i64>(c)), [1000, 1000, 0]);
        assert!(ledger.get::<_, bool>(5) && ledger.get::<_, bool>(7));
        assert_eq!(ledger.get::<_, i32>(6), 32);
        assert_books_balance(&mut session);
    }

    #[test]
    fn a_header_alone_is_a_file_of_no_rows() {
        let database = Database::new();
        let mut session = database.connect();
        for (name, content) in [("with.csv", HEADER), ("without.csv", HEADER.trim_end())] {
            let path = database.files().write(name, content);
            assert_eq!(load(&mut session, &path).counts(), (0, 0, 0));
        }
        assert_eq!(session.count("trips.trip"), 0);
        assert_books_balance(&mut session);
    }

    /// The same three rows, the second with a line end in its quotes.
    const LINES: [&str; 4] = [
        "region,origin_coord,destination_coord,datetime,datasource",
        "Turin,POINT (7.1 45.1),POINT (7.2 45.2),2018-05-01 01:02:03,a",
        "\"Tu<end>rin\",POINT (7.3 45.3),POINT (7.4 45.4),2018-05-02 01:02:03,b",
        "Turin,POINT (7.5 45.5),POINT (7.6 45.6),2018-05-03 01:02:03,c",
    ];

    fn lines_with(end: &str) -> String {
        LINES.map(|line| line.replace("<end>", end)).join(end)
    }

    #[test]
    fn line_ends_a_byte_order_mark_and_a_missing_last_line_end_change_no_value() {
        let database = Database::new();
        let mut session = database.connect();
        let plain = lines_with("\n");
        let variants = [
            ("lf", plain.clone() + "\n"),
            ("no final line end", plain.clone()),
            ("crlf", lines_with("\r\n") + "\r\n"),
            ("crlf, none at the end", lines_with("\r\n")),
            ("cr", lines_with("\r") + "\r"),
            ("cr, none at the end", lines_with("\r")),
            ("mark", format!("\u{feff}{plain}\n")),
            (
                "mark and crlf",
                format!("\u{feff}{}\r\n", lines_with("\r\n")),
            ),
            ("lf, then crlf", plain.replacen(",a\n", ",a\r\n", 1)),
        ];
        let mut expected = None;
        for (name, content) in variants {
            let path = database.files().write(name, content);
            let summary = load(&mut session, &path);
            assert_eq!(summary.read, 3, "{name}");
            let mut stored = exact(&mut session);
            let lines: Vec<i64> = stored.iter().map(|(line, _)| *line).collect();
            assert_eq!(lines, [2, 3, 5], "{name}");
            let quoted = &mut stored[1].1[0];
            *quoted = quoted.replace("\r\n", "\n").replace('\r', "\n");
            assert_eq!(quoted, "Tu\nrin", "{name}");
            assert_eq!(*expected.get_or_insert(stored.clone()), stored, "{name}");
            assert_eq!(forget(&mut session, summary.id()).unwrap(), 3);
        }
    }

    #[test]
    fn blank_lines_are_no_rows_but_count_as_lines() {
        let database = Database::new();
        let mut session = database.connect();
        let content = format!("{HEADER}\n{}\n\n\n{}\n\n", numbered(1), numbered(2));
        let path = database.files().write("t.csv", content);
        assert_eq!(load(&mut session, &path).counts(), (2, 2, 0));
        let lines: Vec<i64> = exact(&mut session)
            .into_iter()
            .map(|(line, _)| line)
            .collect();
        assert_eq!(lines, [3, 6]);
    }

    #[test]
    fn columns_are_found_by_name_whatever_their_order_and_case_and_others_are_ignored() {
        let database = Database::new();
        let mut session = database.connect();
        let expected = {
            let path = database
                .files()
                .write_rows("plain.csv", [numbered(1).to_string()]);
            let summary = load(&mut session, &path);
            let stored = exact(&mut session);
            forget(&mut session, summary.id()).unwrap();
            stored
        };
        let row = numbered(1);
        let (o, d) = (row.origin, row.destination);
        let values = |order: &str| {
            order
                .replace("<r>", &row.region)
                .replace("<o>", &format!("POINT ({} {})", o.0, o.1))
                .replace("<d>", &format!("POINT ({} {})", d.0, d.1))
                .replace("<t>", &row.departed_at)
                .replace("<s>", &row.datasource)
        };
        let files = [
            (
                "DateTime,DATASOURCE,Region,Destination_Coord,ORIGIN_coord",
                "<t>,<s>,<r>,<d>,<o>",
                0,
            ),
            (
                "\"region\",\"origin_coord\",\"destination_coord\",\"datetime\",\"datasource\"",
                "<r>,<o>,<d>,<t>,<s>",
                0,
            ),
            (
                "fare,region,origin_coord,note,destination_coord,datetime,datasource,x",
                "1,<r>,<o>,\"a,b\",<d>,<t>,<s>,",
                1,
            ),
        ];
        for (number, (header, order, notices)) in files.into_iter().enumerate() {
            let content = format!("{header}\n{}\n", values(order));
            let path = database.files().write(&format!("{number}.csv"), content);
            session.notices();
            let summary = load(&mut session, &path);
            let about_columns = session.notices();
            let about_columns = about_columns
                .iter()
                .filter(|n| n.message().contains("fare"));
            assert_eq!(about_columns.count(), notices, "{header}");
            assert_eq!(exact(&mut session), expected, "{header}");
            forget(&mut session, summary.id()).unwrap();
        }
    }

    #[test]
    fn names_are_trimmed_and_composed_so_that_one_name_is_one_row() {
        let database = Database::new();
        let mut session = database.connect();
        let rows = ["Köln", "Ko\u{308}ln", "  Köln ", "\"Köln\"", "köln"]
            .map(|region| numbered(1).to_string().replacen("Turin", region, 1));
        let path = database.files().write_rows("t.csv", rows);
        load(&mut session, &path);
        let names = "SELECT string_agg(name, '|' ORDER BY name COLLATE \"C\") FROM trips.region";
        assert_eq!(session.value::<String>(names), "Köln|köln");
        let trips = "trips.trips WHERE region = 'Köln'";
        assert_eq!(session.count(trips), 4);
    }

    #[test]
    fn a_name_of_256_bytes_and_any_letters_is_kept_as_it_is() {
        let database = Database::new();
        let mut session = database.connect();
        let names = [
            "é".repeat(128),
            "\"a \"\"b\"\", c\"".to_owned(),
            "東京 \u{1f697}".to_owned(),
        ];
        let rows = names
            .iter()
            .map(|name| numbered(1).to_string().replacen("Turin", name, 1));
        let path = database.files().write_rows("t.csv", rows);
        load(&mut session, &path);
        let stored = exact(&mut session);
        let stored: Vec<&str> = stored
            .iter()
            .map(|(_, values)| values[0].as_str())
            .collect();
        assert_eq!(
            stored,
            ["é".repeat(128).as_str(), "a \"b\", c", "東京 \u{1f697}"]
        );
    }
}

mod values_are_what_postgis_and_postgres_read {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::fs::File;
    use std::io::{Read, Write};

    /// Loads the same text with `COPY` into text columns, and lets PostGIS and PostgreSQL read them.
    fn assert_equal_to_the_server(session: &mut Session, content: &[u8], rows: i64) {
        session.run(
            "CREATE TEMP TABLE raw (number bigserial, region text, origin_coord text,
                 destination_coord text, datetime text, datasource text);
             CREATE INDEX ON raw ((number + 1))",
        );
        let mut copy = session
            .copy_in(
                "COPY raw (region, origin_coord, destination_coord, datetime, datasource)
                 FROM STDIN (FORMAT csv, HEADER)",
            )
            .unwrap();
        copy.write_all(content).unwrap();
        copy.finish().unwrap();
        let equal = session.count(
            "raw JOIN trips.trip t ON t.id & 4294967295 = number + 1
               JOIN trips.region r ON r.id = region_id JOIN trips.datasource d ON d.id = datasource_id
              WHERE r.name = raw.region AND d.name = raw.datasource
                AND departed_at = datetime::timestamp
                AND st_asewkb(origin) = st_asewkb(st_geomfromtext(origin_coord, 4326))
                AND st_asewkb(destination) = st_asewkb(st_geomfromtext(destination_coord, 4326))
                AND pg_column_size(origin) <= pg_column_size(st_geomfromtext(origin_coord, 4326))",
        );
        assert_eq!((equal, session.count("raw")), (rows, rows));
        assert_eq!(session.count("trips.trip"), rows);
        session.run("DROP TABLE raw");
    }

    #[test]
    fn all_of_a_real_file_is_loaded_bit_for_bit() {
        let Some(packed) = shared("real_trips.csv.gz") else {
            return;
        };
        let mut content = Vec::new();
        flate2::read::GzDecoder::new(File::open(packed).unwrap())
            .read_to_end(&mut content)
            .unwrap();
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write("real_trips.csv", &content);
        assert_eq!(load(&mut session, &path).counts(), (304_279, 304_279, 0));
        assert_equal_to_the_server(&mut session, &content, 304_279);
        assert_books_balance(&mut session);
    }

    #[test]
    fn all_of_the_sample_is_loaded_bit_for_bit() {
        let Some(sample) = shared("trips.csv") else {
            return;
        };
        let content = std::fs::read(sample).unwrap();
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write("trips.csv", &content);
        assert_eq!(load(&mut session, &path).counts(), (100, 100, 0));
        assert_equal_to_the_server(&mut session, &content, 100);
    }

    /// Ways to write a number: short, long, with an exponent, with more digits than a double holds.
    fn number(random: &mut ChaCha8Rng, limit: f64) -> String {
        let value: f64 = random.random_range(-limit..limit);
        match random.random_range(0..9) {
            0 => format!("{value}"),
            1 => format!("{value:.1}"),
            2 => format!("{value:e}"),
            3 => format!("{value:.25}"),
            4 => format!("{value:.60}"),
            5 => format!("{}", value.trunc()),
            6 => format!("{value:.17}E+0"),
            7 => format!("{:e}", value * 1e-300),
            _ => {
                // Halfway between two doubles, and a last digit that decides.
                let next = value.next_up();
                let tie = format!("{:.70}", value) + ["0", "1", "9"][random.random_range(0..3)];
                if next.abs() > limit {
                    format!("{value}")
                } else {
                    tie
                }
            }
        }
    }

    fn point(random: &mut ChaCha8Rng) -> String {
        let (lon, lat) = (number(random, 180.0), number(random, 90.0));
        match random.random_range(0..6) {
            0 => format!("point({lon} {lat})"),
            1 => format!("  Point  (  {lon}   {lat}  )  "),
            2 => format!("SRID=4326;POINT({lon} {lat})"),
            3 => format!("srid=4326;point ({lon}\t{lat})"),
            4 => format!("\"POINT\n({lon} {lat})\"").replace('\n', " "),
            _ => format!("POINT ({lon} {lat})"),
        }
    }

    fn time(random: &mut ChaCha8Rng) -> String {
        let (year, month, day) = (
            random.random_range(1..=9999),
            random.random_range(1..=12),
            random.random_range(1..=28),
        );
        let separator = [" ", "T"][random.random_range(0..2)];
        let (hour, minute, second) = (
            random.random_range(0..24),
            random.random_range(0..60),
            random.random_range(0..60),
        );
        let date =
            format!("{year:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}");
        match random.random_range(0..5) {
            0 => format!("{year:04}-{month:02}-{day:02} 24:00:00"),
            2 => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:60"),
            1 => {
                let digits = random.random_range(1..12);
                let fraction = random.random_range(0..10_u64.pow(digits));
                format!("{date}.{fraction:0width$}", width = digits as usize)
            }
            _ => date,
        }
    }

    #[test]
    fn numbers_and_times_are_rounded_as_the_server_rounds_them() {
        let seed: u64 = rand::random();
        eprintln!("seed {seed}");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let rows: Vec<String> = (0..20_000)
            .map(|_| {
                let (origin, destination) = (point(&mut random), point(&mut random));
                format!("Turin,{origin},{destination},{},car", time(&mut random))
            })
            .collect();
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", &rows);
        load(&mut session, &path);
        assert_equal_to_the_server(&mut session, &std::fs::read(path).unwrap(), 20_000);
    }

    #[test]
    fn odd_but_valid_values_are_what_the_server_makes_of_them() {
        let points = [
            "POINT(-180 -90)",
            "POINT(180 90)",
            "POINT(0 0)",
            "POINT(-0 -0.0)",
            "POINT(1. .5)",
            "POINT(1e-400 4.9e-324)",
            "POINT(2.2250738585072011e-308 0)",
            "POINT(179.99999999999999999 1)",
            "POINT(1E1 +1e0)",
            "POINT(7.1e+0 4.51E1)",
            "POINT(007.5 045.0)",
            "pOiNt (7 45)",
            "SRID=4326;POINT(7 45)",
            "POINT\t(7 45)",
        ];
        let times = [
            "2018-05-28 24:00:00",
            "2018-12-31 24:00:00",
            "2018-05-28 09:03:60",
            "2018-12-31 23:59:60",
            "2018-05-28T09:03:40",
            "2018-05-28 09:03:40.1234567",
            "2018-05-28 09:03:40.9999995",
            "2018-05-28 23:59:59.9999999",
            "2020-02-29 00:00:00",
            "2000-02-29 12:00:00",
            "0001-01-01 00:00:00",
            "9999-12-31 23:59:59",
            "1969-12-31 23:59:59.999999",
        ];
        let database = Database::new();
        let mut session = database.connect();
        let mut rows = Vec::new();
        for point in points {
            // What PostGIS does not read is none of a valid file's business.
            if session
                .query_one("SELECT st_geomfromtext($1::text, 4326)::text", &[&point])
                .is_ok()
            {
                rows.push(format!(
                    "Turin,{point},POINT (7 45),2018-05-28 09:03:40,car"
                ));
            }
        }
        assert!(rows.len() >= 12, "{rows:?}");
        rows.extend(times.map(|time| format!("Turin,POINT (7 45),POINT (7 45),{time},car")));
        let path = database.files().write_rows("t.csv", &rows);
        load(&mut session, &path);
        let content = std::fs::read(path).unwrap();
        assert_equal_to_the_server(&mut session, &content, rows.len() as i64);
    }
}

mod the_sample {
    use super::*;

    fn sample() -> Option<(Database, Session)> {
        let sample = shared("trips.csv")?;
        let database = Database::new();
        let mut session = database.connect();
        let path = database
            .files()
            .write("trips.csv", std::fs::read(sample).unwrap());
        load(&mut session, &path);
        Some((database, session))
    }

    #[test]
    fn the_regions_of_the_sample_have_their_weekly_averages() {
        let Some((_database, mut session)) = sample() else {
            return;
        };
        for (region, average) in [("Turin", "7.6"), ("Prague", "6.8"), ("Hamburg", "5.6")] {
            let query = format!("SELECT trips_weekly_average('{region}') = {average}");
            assert!(session.value::<bool>(&query), "{region}");
        }
    }

    #[test]
    fn the_seeds_report_is_reproduced() {
        let Some((_database, mut session)) = sample() else {
            return;
        };
        // The seed's "13 to 23 May" is the half-open period: with the 23rd inside, the last week counts 5.
        let rows = session
            .query(
                "SELECT week::text, trips, days FROM trips_weekly_trips(
                    7.51313508795287, 44.9761246656205, 7.73966001978033, 45.1393010284832,
                    '2018-05-13', '2018-05-23', matching => 'crosses', region => 'Turin')",
                &[],
            )
            .unwrap();
        let rows: Vec<(String, i64, i32)> = rows
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2)))
            .collect();
        let expected = [
            ("2018-05-07", 3, 1),
            ("2018-05-14", 6, 7),
            ("2018-05-21", 3, 2),
        ];
        assert_eq!(
            rows,
            expected.map(|(week, trips, days)| (week.to_owned(), trips, days))
        );
    }

    #[test]
    fn the_challenges_two_questions_are_queries_over_the_view() {
        let Some((_database, mut session)) = sample() else {
            return;
        };
        let latest = "WITH common AS (
                SELECT region FROM trips.trips GROUP BY region ORDER BY count(*) DESC LIMIT 2)
            SELECT datasource FROM trips.trips JOIN common USING (region)
             ORDER BY departed_at DESC LIMIT 1";
        assert_eq!(session.value::<String>(latest), "pt_search_app");
        let regions = "SELECT string_agg(DISTINCT region, ', ' ORDER BY region)
             FROM trips.trips WHERE datasource = 'cheap_mobile'";
        assert_eq!(session.value::<String>(regions), "Hamburg, Prague, Turin");
    }
}

mod the_same_file_again {
    use super::*;

    #[test]
    fn a_second_load_of_the_same_file_is_skipped() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        let first = load(&mut session, &path);
        let before = snapshot(&mut session);
        session.notices();
        let second = Ingest::of(&path).run(&mut session);
        assert_eq!(
            (second.status.as_str(), second.ingest),
            ("skipped", first.ingest)
        );
        assert_eq!(second.counts(), (0, 0, 0));
        assert!(
            session
                .notices()
                .iter()
                .any(|notice| notice.severity() == "NOTICE")
        );
        assert_eq!(snapshot(&mut session), before);
    }

    #[test]
    fn a_file_is_known_by_its_content_not_by_its_name() {
        let database = Database::new();
        let mut session = database.connect();
        let rows: Vec<String> = numbered_rows(0..5000).collect();
        let first = load(&mut session, &database.files().write_rows("a.csv", &rows));
        let copy = database.files().write_rows("b.csv", &rows);
        let again = Ingest::of(&copy).run(&mut session);
        assert_eq!(
            (again.status.as_str(), again.ingest),
            ("skipped", first.ingest)
        );
        // Of the same size, with the same first 64 KiB, and another last row.
        let mut changed = rows.clone();
        changed.swap(4998, 4999);
        let changed = database.files().write_rows("a.csv", &changed);
        assert_eq!(load(&mut session, &changed).counts(), (5000, 5000, 0));
        assert_books_balance(&mut session);
    }

    #[test]
    fn if_loaded_error_refuses_a_file_that_is_loaded() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        load(&mut session, &path);
        let before = snapshot(&mut session);
        refused(
            Ingest::of(&path).if_loaded("error").call(&mut session),
            "42710",
        );
        assert_eq!(snapshot(&mut session), before);
        let other = database.files().write_rows("u.csv", numbered_rows(1..10));
        assert_eq!(
            Ingest::of(&other)
                .if_loaded("error")
                .run(&mut session)
                .status,
            "loaded"
        );
    }

    #[test]
    fn a_file_that_is_forgotten_can_be_loaded_again() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        let first = load(&mut session, &path).id();
        assert_eq!(forget(&mut session, first).unwrap(), 100);
        assert!(load(&mut session, &path).id() > first);
    }

    #[test]
    fn twice_at_once_from_two_sessions_is_loaded_once() {
        let database = Database::new();
        for round in 0..10 {
            let rows = numbered_rows(0..2000 + round);
            let path = database.files().write_rows(&format!("{round}.csv"), rows);
            let barrier = Barrier::new(2);
            let mut outcomes = thread::scope(|scope| {
                let load = || {
                    let mut session = database.connect();
                    barrier.wait();
                    Ingest::of(&path).run(&mut session)
                };
                let other = scope.spawn(load);
                [load(), other.join().unwrap()]
            });
            outcomes.sort_by(|a, b| a.status.cmp(&b.status));
            assert_eq!(
                outcomes.each_ref().map(|o| o.status.as_str()),
                ["loaded", "skipped"]
            );
            assert_eq!(outcomes[0].ingest, outcomes[1].ingest);
            assert_eq!(outcomes[0].loaded, 2000 + round as i64);
        }
        let mut session = database.connect();
        assert_eq!(session.count("trips.ingest"), 10);
        assert_books_balance(&mut session);
    }

    /// What a second load of a file says that waits until the first one's transaction ends in this way.
    fn second_after(end_of_first: &str) -> String {
        let database = Database::new();
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        let (mut first, mut second) = (database.connect(), database.connect());
        let mut observer = database.connect();
        first.run("BEGIN");
        load(&mut first, &path);
        let pid = second.pid();
        let status = thread::scope(|scope| {
            let waiting = scope.spawn(|| Ingest::of(&path).run(&mut second).status);
            wait_until_blocked(&mut observer, pid);
            first.run(end_of_first);
            waiting.join().unwrap()
        });
        assert_eq!(observer.count("trips.trip"), 100);
        assert_books_balance(&mut observer);
        status
    }

    #[test]
    fn a_second_load_waits_for_the_first_and_is_skipped_when_that_commits() {
        assert_eq!(second_after("COMMIT"), "skipped");
    }

    #[test]
    fn a_second_load_waits_for_the_first_and_loads_when_that_rolls_back() {
        assert_eq!(second_after("ROLLBACK"), "loaded");
    }

    #[test]
    fn a_second_load_in_the_same_transaction_is_skipped() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        session.run("BEGIN");
        let first = load(&mut session, &path);
        let second = Ingest::of(&path).run(&mut session);
        assert_eq!(
            (second.status.as_str(), second.ingest),
            ("skipped", first.ingest)
        );
        session.run("COMMIT");
        assert_eq!(session.count("trips.trip"), 100);
    }
}

mod two_loads_at_once {
    use super::*;

    fn rows_of(regions: &[&str], sources: &[&str]) -> Vec<String> {
        let names = regions.iter().zip(sources).cycle().take(500);
        (0..)
            .zip(names)
            .map(|(number, (region, source))| {
                let mut row = numbered(number);
                (row.region, row.datasource) = ((*region).to_owned(), (*source).to_owned());
                row.to_string()
            })
            .collect()
    }

    #[test]
    fn different_files_that_bring_the_same_new_names_in_any_order_both_succeed() {
        let database = Database::new();
        for round in 0..10 {
            let names = ["a", "b", "c", "d"].map(|name| format!("{name}{round}"));
            let forward: Vec<&str> = names.iter().map(String::as_str).collect();
            let backward: Vec<&str> = forward.iter().rev().copied().collect();
            let files = database.files();
            let paths = [
                files.write_rows("f.csv", rows_of(&forward, &backward)),
                files.write_rows("b.csv", rows_of(&backward, &forward)),
            ];
            let barrier = Barrier::new(2);
            thread::scope(|scope| {
                for path in &paths {
                    scope.spawn(|| {
                        let mut session = database.connect();
                        barrier.wait();
                        load(&mut session, path);
                    });
                }
            });
        }
        let mut session = database.connect();
        assert_eq!(session.count("trips.region"), 40);
        assert_eq!(session.count("trips.datasource"), 40);
        assert_eq!(session.count("trips.trip"), 10_000);
        assert_books_balance(&mut session);
    }

    #[test]
    fn a_load_is_whole_whether_the_one_that_brought_its_names_commits_or_not() {
        for end in ["COMMIT", "ROLLBACK"] {
            let database = Database::new();
            let files = database.files();
            let first_path = files.write_rows("1.csv", rows_of(&["x"], &["y"]));
            let second_path = files.write_rows("2.csv", rows_of(&["x", "z"], &["y", "y"]));
            let (mut first, mut second) = (database.connect(), database.connect());
            let mut observer = database.connect();
            first.run("BEGIN");
            load(&mut first, &first_path);
            let pid = second.pid();
            thread::scope(|scope| {
                let waiting = scope.spawn(|| load(&mut second, &second_path));
                eventually("the second load waits or is done", || {
                    observer.value(&format!(
                        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid}
                            AND (wait_event_type = 'Lock' OR state = 'idle'))"
                    ))
                });
                first.run(end);
                waiting.join().unwrap();
            });
            let trips = observer.count("trips.trip");
            assert_eq!(trips, if end == "COMMIT" { 1000 } else { 500 });
            assert_eq!(observer.count("trips.region"), 2, "{end}");
            assert_books_balance(&mut observer);
        }
    }

    #[test]
    fn forgetting_waits_for_a_load_that_runs() {
        let database = Database::new();
        let files = database.files();
        let (mut loading, mut forgetting) = (database.connect(), database.connect());
        let mut observer = database.connect();
        let first = load(
            &mut loading,
            &files.write_rows("1.csv", rows_of(&["x"], &["y"])),
        )
        .id();
        let second_path = files.write_rows("2.csv", rows_of(&["x", "z"], &["y", "y"]));
        loading.run("BEGIN");
        load(&mut loading, &second_path);
        let pid = forgetting.pid();
        let removed = thread::scope(|scope| {
            let waiting = scope.spawn(|| forget(&mut forgetting, first).unwrap());
            wait_until_blocked(&mut observer, pid);
            loading.run("COMMIT");
            waiting.join().unwrap()
        });
        assert_eq!((removed, observer.count("trips.trip")), (500, 500));
        assert_eq!(
            observer.count("trips.region"),
            2,
            "x is still used by the second file"
        );
        assert_books_balance(&mut observer);
    }

    #[test]
    fn a_load_waits_for_a_forget_of_the_names_it_needs() {
        let database = Database::new();
        let files = database.files();
        let (mut forgetting, mut loading) = (database.connect(), database.connect());
        let mut observer = database.connect();
        let first = load(
            &mut loading,
            &files.write_rows("1.csv", rows_of(&["x"], &["y"])),
        )
        .id();
        let second_path = files.write_rows("2.csv", &rows_of(&["x"], &["y"])[1..]);
        forgetting.run("BEGIN");
        forget(&mut forgetting, first).unwrap();
        let pid = loading.pid();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| load(&mut loading, &second_path));
            eventually("the load waits or is done", || {
                observer.value(&format!(
                    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid}
                        AND (wait_event_type = 'Lock' OR state = 'idle'))"
                ))
            });
            forgetting.run("COMMIT");
            waiting.join().unwrap();
        });
        assert_eq!(observer.count("trips.trip"), 499);
        assert_books_balance(&mut observer);
    }
}

mod forgetting {
    use super::*;

    #[test]
    fn forgetting_leaves_every_table_as_before() {
        let database = Database::new();
        let files = database.files();
        let mut session = database.connect();
        session.run("INSERT INTO trips.region (id, name) VALUES (7, 'by hand')");
        load(
            &mut session,
            &files.write_rows("1.csv", numbered_rows(0..100)),
        );
        let before = snapshot(&mut session);
        // A region and a source that are shared, others that are new, one that is known by hand, a rejected row.
        let rows = (0..300).map(|number| {
            let mut row = numbered(number);
            row.region = ["Turin", "Oslo", "by hand"][number as usize % 3].to_owned();
            row.datasource = ["funny_car", "new_car"][number as usize % 2].to_owned();
            row.to_string()
        });
        let path = files.write_rows("2.csv", rows.chain(["bad row".to_owned()]));
        let summary = Ingest::of(&path).on_error("ignore").run(&mut session);
        assert_eq!(summary.counts(), (301, 300, 1));
        assert_ne!(snapshot(&mut session), before);
        assert_eq!(forget(&mut session, summary.id()).unwrap(), 300);
        assert_eq!(snapshot(&mut session), before);
        assert_books_balance(&mut session);
    }

    #[test]
    fn forgetting_the_only_ingest_leaves_nothing() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        let ingest = load(&mut session, &path).id();
        assert_eq!(forget(&mut session, ingest).unwrap(), 100);
        assert_nothing_stored(&mut session);
    }

    #[test]
    fn a_name_stays_while_any_other_ingest_uses_it_and_goes_with_the_last() {
        let database = Database::new();
        let files = database.files();
        let mut session = database.connect();
        let first = load(
            &mut session,
            &files.write_rows("1.csv", numbered_rows(0..10)),
        )
        .id();
        let second = load(
            &mut session,
            &files.write_rows("2.csv", numbered_rows(10..20)),
        )
        .id();
        forget(&mut session, first).unwrap();
        assert_eq!(session.count("trips.region WHERE name = 'Turin'"), 1);
        assert_eq!(session.count("trips.trips WHERE region = 'Turin'"), 10);
        forget(&mut session, second).unwrap();
        assert_nothing_stored(&mut session);
    }

    #[test]
    fn an_unknown_ingest_cannot_be_forgotten() {
        let database = Database::new();
        let mut session = database.connect();
        for unknown in [1, 0, -1, i64::MAX] {
            refused(forget(&mut session, unknown), "42704");
        }
    }

    #[test]
    fn forgetting_can_be_rolled_back() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        let ingest = load(&mut session, &path).id();
        let before = snapshot(&mut session);
        session.run("BEGIN");
        forget(&mut session, ingest).unwrap();
        session.run("ROLLBACK");
        assert_eq!(snapshot(&mut session), before);
        assert_eq!(Ingest::of(&path).run(&mut session).status, "skipped");
    }

    #[test]
    fn a_load_can_be_forgotten_in_its_own_transaction() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        session.run("BEGIN");
        let ingest = load(&mut session, &path).id();
        assert_eq!(forget(&mut session, ingest).unwrap(), 100);
        session.run("COMMIT");
        assert_nothing_stored(&mut session);
    }
}

mod dry_runs {
    use super::*;

    #[test]
    fn a_dry_run_stores_nothing_and_says_what_would_load() {
        let database = Database::new();
        let mut session = database.connect();
        let rows = numbered_rows(0..99).chain(["bad row".to_owned()]);
        let path = database.files().write_rows("t.csv", rows);
        let checked = Ingest::of(&path)
            .on_error("ignore")
            .dry_run()
            .run(&mut session);
        assert_eq!((checked.status.as_str(), checked.ingest), ("checked", None));
        assert_eq!(checked.counts(), (100, 99, 1));
        assert_nothing_stored(&mut session);
        let loaded = Ingest::of(&path).on_error("ignore").run(&mut session);
        assert_eq!(loaded.counts(), checked.counts());
    }

    #[test]
    fn a_dry_run_stops_where_a_load_would() {
        let database = Database::new();
        let mut session = database.connect();
        let rows = numbered_rows(0..3)
            .chain(["Turin,POINT (x 1),POINT (1 1),2018-05-01 00:00:00,a".to_owned()]);
        let path = database.files().write_rows("t.csv", rows);
        let dry = refused(Ingest::of(&path).dry_run().call(&mut session), "22P02");
        let wet = refused(Ingest::of(&path).call(&mut session), "22P02");
        assert_eq!((dry.message(), dry.detail()), (wet.message(), wet.detail()));
        assert_nothing_stored(&mut session);
    }

    #[test]
    fn a_dry_run_of_a_loaded_file_is_skipped() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..10));
        let loaded = load(&mut session, &path);
        let dry = Ingest::of(&path).dry_run().run(&mut session);
        assert_eq!(
            (dry.status.as_str(), dry.ingest),
            ("skipped", loaded.ingest)
        );
    }
}

mod transactions {
    use super::*;

    #[test]
    fn a_load_that_is_rolled_back_leaves_nothing() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        session.run("BEGIN");
        load(&mut session, &path);
        assert_eq!(
            session.count("trips.trips"),
            100,
            "its own transaction sees it"
        );
        session.run("ROLLBACK");
        assert_nothing_stored(&mut session);
        load(&mut session, &path);
    }

    #[test]
    fn a_savepoint_takes_back_the_loads_after_it_and_no_others() {
        let database = Database::new();
        let files = database.files();
        let mut session = database.connect();
        let paths = [0, 10, 20].map(|first| {
            files.write_rows(&format!("{first}.csv"), numbered_rows(first..first + 10))
        });
        session.run("BEGIN");
        let kept = load(&mut session, &paths[0]).id();
        session.run("SAVEPOINT s");
        load(&mut session, &paths[1]);
        session.run("ROLLBACK TO s");
        let last = load(&mut session, &paths[2]).id();
        session.run("COMMIT");
        let mut ingests: Vec<i64> = session
            .query("SELECT DISTINCT ingest_id FROM trips.trips", &[])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        ingests.sort_unstable();
        assert_eq!(ingests, [kept, last]);
        assert_books_balance(&mut session);
        load(&mut session, &paths[1]);
    }

    #[test]
    fn a_failed_load_in_an_exception_block_leaves_the_transaction_usable() {
        let database = Database::new();
        let files = database.files();
        let mut session = database.connect();
        let bad = files.write_rows("bad.csv", ["nonsense"]);
        let good = files.write_rows("good.csv", numbered_rows(0..10));
        session.run(&format!(
            "CREATE TEMP TABLE seen (sqlstate text, detail text);
             DO $$
             DECLARE state text; detail text;
             BEGIN
                 FOR i IN 1..3 LOOP
                     BEGIN
                         PERFORM trips_ingest('{bad}');
                     EXCEPTION WHEN OTHERS THEN
                         GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL;
                         INSERT INTO seen VALUES (state, detail);
                     END;
                 END LOOP;
                 PERFORM trips_ingest('{good}');
             END $$"
        ));
        assert_eq!(
            session.count("seen WHERE sqlstate = '22P04' AND detail LIKE '%line 2%'"),
            3
        );
        assert_eq!(session.count("trips.trip"), 10);
        assert!(session.is_single_threaded());
        assert_books_balance(&mut session);
    }

    #[test]
    fn an_exception_after_a_load_takes_the_load_back() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database
            .files()
            .write_rows("good.csv", numbered_rows(0..10));
        session.run(&format!(
            "DO $$ BEGIN
                 PERFORM trips_ingest('{path}');
                 RAISE EXCEPTION 'later';
             EXCEPTION WHEN raise_exception THEN NULL;
             END $$"
        ));
        assert_nothing_stored(&mut session);
    }

    #[test]
    fn many_files_are_loaded_by_one_statement() {
        let database = Database::new();
        let files = database.files();
        let mut session = database.connect();
        for number in 0..20 {
            files.write_rows(&format!("{number}.csv"), numbered_rows(number..number + 50));
        }
        let dir = files.path("");
        let loaded = session.count(&format!(
            "generate_series(0, 19) n, trips_ingest('{dir}' || n || '.csv') i WHERE i.status = 'loaded'"
        ));
        assert_eq!((loaded, session.count("trips.trip")), (20, 1000));
        assert_books_balance(&mut session);
    }

    #[test]
    fn rows_under_a_limit_are_loaded_whole() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..5000));
        session.run(&format!(
            "SELECT ingest FROM trips_ingest('{path}') LIMIT 1"
        ));
        assert_eq!(session.count("trips.trip"), 5000);
        assert_books_balance(&mut session);
    }

    #[test]
    fn a_truncate_starts_over() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database.files().write_rows("t.csv", numbered_rows(0..100));
        load(&mut session, &path);
        session.run(
            "TRUNCATE trips.trip, trips.rejected_row, trips.ingest, trips.region, trips.datasource",
        );
        assert_eq!(load(&mut session, &path).loaded, 100);
        assert_books_balance(&mut session);
    }
}

mod sizes {
    use super::*;

    #[test]
    fn more_rows_than_any_batch_or_block_holds_keep_their_lines_and_order() {
        let database = Database::new();
        let mut session = database.connect();
        let path = database
            .files()
            .write_rows("t.csv", numbered_rows(0..60_000));
        for threads in [0, 1, 3] {
            for memory in ["1MB", "64MB"] {
                session.run(&format!(
                    "SET trips_ext.parser_threads = {threads}; SET trips_ext.ingest_memory = '{memory}'"
                ));
                let ingest = load(&mut session, &path).id();
                let wrong = session.count(
                    "(SELECT line, departed_at, row_number() OVER (ORDER BY ctid) AS n
                        FROM trips.trips JOIN (SELECT id, ctid FROM trips.trip) c ON c.id = trip_id) q
                      WHERE line <> n + 1 OR departed_at <> timestamp '2018-05-01' + (n - 1) * interval '1 second'",
                );
                assert_eq!(
                    (session.count("trips.trip"), wrong),
                    (60_000, 0),
                    "{threads} threads, {memory}"
                );
                forget(&mut session, ingest).unwrap();
            }
        }
        assert!(session.is_single_threaded());
    }

    #[test]
    fn a_record_of_almost_a_mebibyte_is_loaded() {
        let database = Database::new();
        let mut session = database.connect();
        // Sixteen ignored columns of almost 64 KiB.
        let extras: Vec<String> = (0..16).map(|number| format!("x{number}")).collect();
        let header = format!("{},{}", HEADER.trim_end(), extras.join(","));
        let wide = vec!["y".repeat(65_000); 16].join(",");
        let content = format!("{header}\n{},{wide}\n{},{wide}\n", numbered(1), numbered(2));
        let path = database.files().write("t.csv", content);
        assert_eq!(load(&mut session, &path).loaded, 2);
    }

    #[test]
    fn memory_is_bounded_by_settings_and_not_by_the_rows_of_a_file() {
        const LIMIT: u64 = 96 << 20;
        let database = Database::new();
        let files = database.files();
        let wide = format!("{},{}", numbered(1), "y".repeat(60_000));
        let contents = [
            (
                "good rows",
                numbered_rows(0..500_000).collect::<Vec<String>>(),
            ),
            ("bad rows", vec!["x".to_owned(); 500_000]),
            ("wide bad rows", vec![wide; 1000]),
        ];
        for (what, rows) in contents {
            let path = files.write_rows("t.csv", &rows);
            let mut session = database.connect();
            session.run("LOAD 'trips_ext'");
            let (memory, summary) =
                session.memory_of(|session| Ingest::of(&path).on_error("ignore").run(session));
            assert_eq!(summary.read, rows.len() as i64);
            println!("{what}: {} KiB", memory >> 10);
            assert!(memory < LIMIT, "{what}: {} MiB", memory >> 20);
        }
    }

    #[test]
    fn what_is_loaded_is_sound_on_the_page() {
        let database = Database::new();
        let mut session = database.connect();
        if session.count("pg_available_extensions WHERE name = 'amcheck'") == 0 {
            eprintln!("SKIPPED: amcheck is not installed");
            return;
        }
        let path = database
            .files()
            .write_rows("t.csv", numbered_rows(0..20_000));
        load(&mut session, &path);
        session.run("CREATE EXTENSION amcheck");
        assert_eq!(session.count("verify_heapam('trips.trip')"), 0);
        for statement in [
            "VACUUM (FREEZE) trips.trip",
            "VACUUM FULL trips.trip",
            "REINDEX TABLE trips.trip",
        ] {
            session.run(statement);
        }
        assert_eq!(session.count("verify_heapam('trips.trip')"), 0);
        assert_eq!(session.count("trips.trips"), 20_000);
    }
}

mod what_the_user_added {
    use super::*;

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
            .write_rows("u.csv", numbered_rows(2999..4000));
        let error = refused(Ingest::of(&other).call(&mut session), "23505");
        assert!(error.message().contains("\"one_at_a_time\""), "{error:?}");
        assert_eq!(session.count("trips.trip"), 3000);
        assert_books_balance(&mut session);
    }

    /// Counts by each index equal the count of the whole table.
    #[track_caller]
    fn assert_index_finds(session: &mut Session, index: &str, condition: &str) {
        let query = format!("SELECT count(*) FROM trips.trip WHERE {condition}");
        session.run("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off");
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
                .write_rows("u.csv", numbered_rows(500..6000)),
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
}

mod dump_and_restore {
    use super::*;
    use trips_tests::program::{program, run};

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
        assert_eq!(snapshot(&mut copy), snapshot(&mut session));
        assert_eq!(Ingest::of(&path).run(&mut copy).status, "skipped");
        let next = load(
            &mut copy,
            &files.write_rows("3.csv", numbered_rows(900..950)),
        )
        .id();
        assert!(next > last, "{next} after {last}");
        assert_books_balance(&mut copy);
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
}

mod other_schemas {
    use super::*;

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
}

mod isolation {
    use super::*;

    #[test]
    fn a_transaction_with_an_older_snapshot_never_loads_a_file_twice() {
        for level in ["REPEATABLE READ", "SERIALIZABLE"] {
            let database = Database::new();
            let (mut session, mut other) = (database.connect(), database.connect());
            let path = database.files().write_rows("t.csv", numbered_rows(0..100));
            session.run(&format!(
                "BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM trips.ingest"
            ));
            load(&mut other, &path);
            match Ingest::of(&path).call(&mut session) {
                Ok(summary) => assert_eq!(summary.status, "skipped", "{level}"),
                Err(error) => {
                    let code = error.code().map(|code| code.code().to_owned());
                    assert!(
                        matches!(code.as_deref(), Some("23505" | "40001")),
                        "{error:?}"
                    );
                }
            }
            session.run("ROLLBACK");
            assert_eq!(other.count("trips.trip"), 100);
            assert_books_balance(&mut other);
        }
    }

    #[test]
    fn loads_and_forgets_at_once_neither_fail_nor_lose_a_row() {
        let database = Database::new();
        thread::scope(|scope| {
            for worker in 0..4_u64 {
                let database = &database;
                scope.spawn(move || {
                    let mut session = database.connect();
                    for round in 0..8_u64 {
                        let rows = (0..200).map(|number| {
                            let mut row = numbered(number);
                            // Names that the workers share, bring and lose at the same time.
                            row.region = format!("region {}", (number + worker + round) % 5);
                            row.datasource = format!("car {}", (number * (worker + 1) + round) % 7);
                            format!("{row}")
                        });
                        let rows = rows.chain([format!("{}", numbered(worker * 100 + round))]);
                        let path = database.files().write_rows(&format!("{worker}.csv"), rows);
                        let ingest = load(&mut session, &path).id();
                        if round % 2 == 0 {
                            assert_eq!(forget(&mut session, ingest).unwrap(), 201);
                        }
                    }
                });
            }
        });
        let mut session = database.connect();
        assert_eq!(session.count("trips.trip"), 4 * 4 * 201);
        assert_books_balance(&mut session);
    }
}
