//! Every value of a file arrives as it stands there, and as the server would have read it.

use postgres::Client;
use trips_tests::files::shared;
use trips_tests::ingest::{forget, load};
use trips_tests::rows::{numbered, numbered_rows};
use trips_tests::snapshot::assert_books_balance;
use trips_tests::{Database, HEADER, Session};

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
