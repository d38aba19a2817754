-- What trips.area_part saves against TOAST: the same bytes as one row a leaf with columns that TOAST cuts into its chunks.
-- Room and rows first, then the time to copy all rows and to delete them, as a merge does. The median of five counts.
--
--     psql -X -f bench/area_toast.sql     in a database with some million trips; it leaves nothing behind

\set QUIET on
SET client_min_messages = warning;
BEGIN;

CREATE TABLE trips.bench_piece (LIKE trips.area_part INCLUDING ALL);
CREATE TABLE trips.bench_toast (leaf_id bigint PRIMARY KEY, exact bytea, other bytea, regions bytea);
ALTER TABLE trips.bench_toast ALTER exact   SET STORAGE EXTERNAL,
                              ALTER other   SET STORAGE EXTERNAL,
                              ALTER regions SET STORAGE EXTERNAL;
CREATE TABLE trips.bench_toast_source AS
SELECT leaf_id,
       string_agg(content, '' ORDER BY part) FILTER (WHERE part < 100)              AS exact,
       string_agg(content, '' ORDER BY part) FILTER (WHERE part BETWEEN 100 AND 199) AS other,
       string_agg(content, '' ORDER BY part) FILTER (WHERE part >= 200)             AS regions
  FROM trips.area_part
 GROUP BY leaf_id;
CREATE TABLE trips.bench_time (stored text, step text, seconds float8);

DO $$
DECLARE
    way record;
    started timestamptz;
BEGIN
    FOR turn IN 1 .. 6 LOOP
        FOR way IN VALUES ('pieces', 'bench_piece', 'area_part'), ('TOAST', 'bench_toast', 'bench_toast_source') LOOP
            EXECUTE format('TRUNCATE trips.%I', way.column2);
            started := clock_timestamp();
            EXECUTE format('INSERT INTO trips.%I SELECT * FROM trips.%I', way.column2, way.column3);
            -- The first turn warms up.
            IF turn > 1 THEN
                INSERT INTO trips.bench_time VALUES (way.column1, 'copy', extract(epoch FROM clock_timestamp() - started));
            END IF;
            IF turn < 6 THEN
                started := clock_timestamp();
                EXECUTE format('DELETE FROM trips.%I', way.column2);
                IF turn > 1 THEN
                    INSERT INTO trips.bench_time VALUES (way.column1, 'delete', extract(epoch FROM clock_timestamp() - started));
                END IF;
            END IF;
        END LOOP;
    END LOOP;
END
$$;

CREATE TABLE trips.bench_chunks (rows bigint);
SELECT format('INSERT INTO trips.bench_chunks SELECT count(*) FROM %s', reltoastrelid::regclass)
  FROM pg_class WHERE oid = 'trips.bench_toast'::regclass \gexec

SELECT stored, rows, pg_size_pretty(bytes) AS room,
       (SELECT round((percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds))::numeric, 3) FROM trips.bench_time t WHERE t.stored = s.stored AND step = 'copy')   AS copy_seconds,
       (SELECT round((percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds))::numeric, 3) FROM trips.bench_time t WHERE t.stored = s.stored AND step = 'delete') AS delete_seconds
  FROM (SELECT 'pieces' AS stored, count(*) AS rows, pg_total_relation_size('trips.bench_piece') AS bytes FROM trips.bench_piece
        UNION ALL
        SELECT 'TOAST', count(*) + (SELECT rows FROM trips.bench_chunks), pg_total_relation_size('trips.bench_toast') FROM trips.bench_toast) s
 ORDER BY stored;

ROLLBACK;
