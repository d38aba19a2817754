//! Tests that run inside the server: what unit tests cannot reach and sessions cannot see.

mod rows;

#[pgrx::pg_schema]
#[allow(clippy::unwrap_used)]
mod tests {
    use pgrx::prelude::*;
    use trips_core::ingest::parse::point::Point;
    use trips_core::ingest::tuple::{Trip, trip_id};

    use crate::postgres::bulk_insert::BulkInsert;
    use crate::postgres::disk::Use;
    use crate::postgres::relation::{LockMode, Relation};

    fn trip(line: u64) -> Trip {
        Trip {
            id: trip_id(7, line),
            departed_at: 580_000_000_000_000 + line as i64,
            region_id: 1,
            datasource_id: 2,
            origin: Point {
                lon: 7.672837913286881,
                lat: 44.9957109242058,
            },
            destination: Point {
                lon: -180.0,
                lat: -0.0,
            },
        }
    }

    fn insert(lines: impl IntoIterator<Item = u64>) {
        let table = Relation::open(c"trips", c"trip", LockMode::RowExclusive);
        let tuples: Vec<_> = lines
            .into_iter()
            .map(|line| trip(line).to_tuple())
            .collect();
        let mut insert = BulkInsert::begin(&table, Use::Whole);
        // SAFETY: the tuples are those of trips.trip.
        unsafe { insert.insert(&tuples) };
        insert.finish();
        Spi::run("SELECT 1").unwrap();
    }

    fn one<T: FromDatum + IntoDatum>(query: &str) -> Option<T> {
        Spi::get_one(query).unwrap()
    }

    #[pg_test]
    fn a_point_is_stored_in_the_very_bytes_that_postgis_stores() {
        insert(1..2);
        let stored = "SELECT pg_catalog.md5(pg_catalog.string_agg(x.b::text, ',')) FROM (
            SELECT st_asewkb(p) AS b FROM trips.trip, LATERAL (VALUES (origin), (destination)) v(p)) x";
        let made = "SELECT pg_catalog.md5(pg_catalog.string_agg(x.b::text, ',')) FROM (
            SELECT st_asewkb(st_geomfromtext(w, 4326)) AS b
              FROM (VALUES ('POINT (7.672837913286881 44.9957109242058)'), ('POINT (-180 -0.0)')) v(w)) x";
        assert_eq!(one::<String>(stored), one::<String>(made));
        // What PostGIS would store takes as many bytes, and compares equal by memory image.
        Spi::run(
            "CREATE TEMP TABLE made (p geometry(Point, 4326));
             INSERT INTO made VALUES ('SRID=4326;POINT (7.672837913286881 44.9957109242058)')",
        )
        .unwrap();
        assert_eq!(
            one::<bool>(
                "SELECT pg_catalog.record_image_eq(ROW(t.origin), ROW(m.p))
                    AND pg_catalog.pg_column_size(t.origin) = pg_catalog.pg_column_size(m.p)
                   FROM trips.trip t, made m"
            ),
            Some(true)
        );
    }

    #[pg_test]
    fn more_tuples_than_one_call_takes_arrive_once_each_and_in_order() {
        insert(1..2502);
        assert_eq!(
            one::<String>(
                "SELECT pg_catalog.format('%s %s %s', count(*), count(DISTINCT id), bool_and(in_order))
                   FROM (SELECT id, ctid >= lag(ctid, 1, ctid) OVER (ORDER BY id) AS in_order FROM trips.trip) t"
            )
            .as_deref(),
            Some("2501 2501 t")
        );
    }

    #[pg_test]
    fn a_bulk_insert_fills_the_indexes_that_users_add() {
        Spi::run("CREATE INDEX ON trips.trip (id); CREATE INDEX ON trips.trip USING gist (origin)")
            .unwrap();
        insert(1..1502);
        Spi::run("SET enable_seqscan = off; SET enable_bitmapscan = off").unwrap();
        assert_eq!(
            one::<i64>("SELECT count(*) FROM trips.trip WHERE id > 0"),
            Some(1501)
        );
    }

    #[pg_test]
    fn a_brin_index_knows_every_row_of_a_page_that_was_summarized_before() {
        insert([5000]);
        Spi::run("SELECT brin_summarize_new_values('trips.trip_id_idx')").unwrap();
        // On the same page, in no order: the least and the greatest are neither first nor last.
        insert([5001, 4000, 5002, 6000, 5003]);
        Spi::run("SET enable_seqscan = off").unwrap();
        for line in [4000, 5000, 5001, 5002, 5003, 6000] {
            let id = trip_id(7, line);
            let found = format!("SELECT count(*) FROM trips.trip WHERE id = {id}");
            assert_eq!(one::<i64>(&found), Some(1), "line {line}");
        }
        let plan = one::<pgrx::Json>("EXPLAIN (FORMAT json) SELECT FROM trips.trip WHERE id = 1");
        assert!(plan.unwrap().0.to_string().contains("trip_id_idx"));
    }

    #[pg_test(error = "new row for relation \"trip\" violates check constraint \"no_such_line\"")]
    fn a_bulk_insert_honours_check_constraints() {
        Spi::run(
            "ALTER TABLE trips.trip ADD CONSTRAINT no_such_line CHECK (id & 4294967295 <> 1200)",
        )
        .unwrap();
        insert(1..1502);
    }

    #[pg_test]
    fn a_sqlstate_survives_the_servers_packing() {
        for state in ["22P02", "57014", "0A000", "XX000", "42704"] {
            assert_eq!(crate::error::unpack(crate::error::pack(state)), state);
        }
    }
}

/// What `cargo pgrx test` asks for.
#[cfg(test)]
pub mod pg_test {
    /// Called once before the tests.
    pub fn setup(_options: Vec<&str>) {}

    /// Settings of the test server.
    #[must_use]
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        Vec::new()
    }
}
