-- What the specs share, in the schema iso: three files, and what has to hold whoever did what at once.
-- Run once by psql, with files = a directory that this client writes into and the server reads.

CREATE EXTENSION trips_ext CASCADE;
CREATE SCHEMA iso;

-- 'a' and 'b' have the region Turin in common and each a region of its own; 'c' has the names of 'b'.
CREATE FUNCTION iso.rows(
    file text, OUT region text, OUT origin_coord text, OUT destination_coord text, OUT datetime text, OUT datasource text)
RETURNS SETOF record LANGUAGE sql AS $$
    SELECT CASE n % 2 WHEN 0 THEN 'Turin' ELSE CASE file WHEN 'a' THEN 'Prague' ELSE 'Hamburg' END END,
           format('POINT (%s 45)', 7 + n / 128.0), format('POINT (%s 45.5)', 7 + n / 64.0),
           to_char(timestamp '2018-05-07 08:00' + n * interval '7 hours', 'YYYY-MM-DD HH24:MI:SS'), CASE file WHEN 'a' THEN 'funny_car' ELSE 'baba_car' END
      FROM generate_series(1, CASE file WHEN 'a' THEN 30 WHEN 'b' THEN 20 ELSE 10 END) n
$$;
\cd :files
COPY (SELECT * FROM iso.rows('a')) TO STDOUT (FORMAT csv, HEADER) \g a.csv
COPY (SELECT * FROM iso.rows('b')) TO STDOUT (FORMAT csv, HEADER) \g b.csv
COPY (SELECT * FROM iso.rows('c')) TO STDOUT (FORMAT csv, HEADER) \g c.csv

-- Loads one of the files: what became of it. Paths, times and speeds differ from run to run.
CREATE FUNCTION iso.load(file text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    done record;
BEGIN
    SELECT * INTO done FROM trips_ingest(format('%s/%s.csv', current_setting('iso.files'), file));
    RETURN format('%s %s: %s', done.status, file, done.rows_loaded);
END
$$;

-- The same content, from the client.
CREATE FUNCTION iso.upload(file text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    done record;
BEGIN
    PERFORM trips_upload(pg_read_binary_file(format('%s/%s.csv', current_setting('iso.files'), file)));
    SELECT * INTO done FROM trips_ingest_upload(file);
    RETURN format('%s %s: %s', done.status, file, done.rows_loaded);
END
$$;

-- The ingest of a file; null where the session sees none. A file that was sent has its bare name.
CREATE FUNCTION iso.ingest(name text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT i.id FROM trips.ingest i WHERE i.file IN (name, format('%s/%s.csv', current_setting('iso.files'), name))
$$;

-- Trips as the session sees them: counted one by one, by the trees of areas and those of regions, and by the ledger.
CREATE FUNCTION iso.counted(OUT trips bigint, OUT by_area numeric, OUT by_region numeric, OUT by_ledger numeric)
LANGUAGE sql STABLE AS $$
    SELECT (SELECT count(*) FROM trips.trip),
           (SELECT coalesce(sum(w.trips), 0) FROM trips_weekly_trips(-180, -90, 180, 90, '2018-01-01', '2019-01-01') w),
           (SELECT coalesce(sum(w.trips), 0) FROM trips.region r, trips_weekly_trips(r.name, '2018-01-01', '2019-01-01') w),
           (SELECT coalesce(sum(i.rows_loaded), 0) FROM trips.ingest i)
$$;

-- What is broken, or that nothing is: what holds of the tables at any time, in every snapshot.
CREATE FUNCTION iso.books() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(string_agg(broken, ', '), 'the books balance')
      FROM (SELECT 'trees and trips differ' AS broken WHERE EXISTS (SELECT FROM trips_check())
            UNION ALL
            SELECT 'ledger and trips differ' WHERE EXISTS (
                SELECT FROM trips.ingest i
                  FULL JOIN (SELECT id >> 32 AS ingest, count(*) AS n FROM trips.trip GROUP BY 1) t ON t.ingest = i.id
                 WHERE i.rows_loaded IS DISTINCT FROM t.n)
            UNION ALL
            SELECT 'an id occurs twice' WHERE EXISTS (SELECT FROM trips.trip GROUP BY id HAVING count(*) > 1)
            UNION ALL
            SELECT 'a name is missing' WHERE EXISTS (
                SELECT FROM trips.trip t
                 WHERE NOT EXISTS (SELECT FROM trips.region r WHERE r.id = t.region_id)
                    OR NOT EXISTS (SELECT FROM trips.datasource d WHERE d.id = t.datasource_id))
            UNION ALL
            SELECT 'trees of no run' WHERE EXISTS (
                SELECT FROM (SELECT id >> 32 FROM trips.area_node UNION SELECT id >> 32 FROM trips.area_leaf
                             UNION SELECT leaf_id >> 32 FROM trips.area_part UNION SELECT run_id FROM trips.region_day) t (run)
                 WHERE run NOT IN (SELECT id FROM trips.area_run) AND run NOT IN (SELECT run_id FROM trips.area_obsolete))
           ) b
$$;

-- As after CREATE EXTENSION, whatever the last spec did.
CREATE PROCEDURE iso.begin() LANGUAGE plpgsql AS $$
BEGIN
    -- A worker that says how the last load ended reads the tables that go now: these two could deadlock.
    WHILE EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND backend_type LIKE 'trips%') LOOP
        PERFORM pg_sleep(0.005), pg_stat_clear_snapshot();
    END LOOP;
    DROP EXTENSION IF EXISTS trips_ext CASCADE;
    CREATE EXTENSION trips_ext;
END
$$;

-- Loads files, the first as ingest 1. Not in the transaction of iso.begin: the worker that pushes status sees no tables before that ends.
CREATE PROCEDURE iso.load_all(VARIADIC files text[]) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM iso.load(file) FROM unnest(files) file;
END
$$;
