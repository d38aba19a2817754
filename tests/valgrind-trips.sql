-- What scripts/valgrind.sh has a server do with the extension: all that a load, an upload, a question, a group and a change take. What it gives is checked,
-- too: a server that answers wrongly under memcheck has not been tested.
\set QUIET on
\pset footer off
\pset tuples_only on
SET client_min_messages = error;
CREATE EXTENSION trips_ext CASCADE;
LISTEN trips_ingest;
CREATE FUNCTION pg_temp.expect(what text, is_so boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF is_so IS NOT TRUE THEN RAISE EXCEPTION 'not so: %', what; END IF;
END $$;
CREATE FUNCTION pg_temp.refused(statement text, state text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE found text = '00000';
BEGIN
    BEGIN
        EXECUTE statement;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS found = RETURNED_SQLSTATE;
    END;
    PERFORM pg_temp.expect(format('%s gives %s, not %s', statement, found, state), found = state);
END $$;

-- A load with rejects, one that is stopped by a reject, one of a known file, one that is rolled back, and files that are none.
\set bad :exchange '/bad.csv'
\set good :exchange '/good.csv'
\set more :exchange '/more.csv'
\set stop :exchange '/stop.csv'
\set none :exchange '/none.csv'
SELECT rows_read, rows_loaded, rows_rejected, pg_temp.expect('all rows are accounted for', rows_read = rows_loaded + rows_rejected AND rows_rejected > 0)
  FROM trips_ingest(:'bad', on_error => 'ignore');
SELECT pg_temp.expect('a second load is skipped', status = 'skipped') FROM trips_ingest(:'bad', on_error => 'ignore');
SELECT pg_temp.refused(format('SELECT trips_ingest(%L)', :'stop'), '22P02');
SELECT pg_temp.refused(format('SELECT trips_ingest(%L)', :'none'), '58P01');
SELECT pg_temp.expect('a dry run', rows_loaded > 0) FROM trips_ingest(:'good', dry_run => true);
BEGIN;
SELECT FROM trips_ingest(:'good');
ROLLBACK;
SELECT count(DISTINCT reason) AS reasons FROM trips.rejected_row;

-- Questions.
SELECT pg_temp.expect('a region', trips_weekly_average('Prague') >= 0);
SELECT pg_temp.expect('a box, ' || m, trips_weekly_average(14.0, 49.0, 14.45, 50.08, '2018-05-01', '2018-06-01', m) >= 0)
  FROM unnest('{origin,destination,either,both,crosses}'::text[]) m;
SELECT pg_temp.expect('a polygon, ' || m, trips_weekly_average(st_buffer(st_setsrid(st_makepoint(14.43, 50.07), 4326), 0.03, 40), '2018-05-01', '2018-06-01', m, region => 'Prague') >= 0)
  FROM unnest('{origin,destination,either,both,crosses}'::text[]) m;
SELECT pg_temp.expect('the trees count as the trips do',
    (SELECT sum(trips) FROM trips_weekly_trips(14.0, 49.0, 14.45, 50.08, '2018-03-01', '2018-09-01'))
    = (SELECT count(*) FROM trips.trip WHERE st_x(origin) BETWEEN 14.0 AND 14.45 AND st_y(origin) BETWEEN 49.0 AND 50.08
          AND departed_at >= '2018-03-01' AND departed_at < '2018-09-01'));
SELECT pg_temp.expect('a plan', runs > 0) FROM trips_area_plan(14.0, 49.0, 14.45, 50.08);

-- Groups, and a table of them that goes on after the next load.
SELECT method, count(*) > 0 AS has_groups FROM unnest('{representative,density,cell}'::text[]) method,
    trips_groups(method => method, region => 'Prague', from_date => '2018-05-01', to_date => '2018-07-01') GROUP BY 1 ORDER BY 1;
SELECT pg_temp.expect('a table of groups', trips_group_table('kept', region => 'Prague', to_date => '2018-07-01') > 0);

-- Other ways in: rows, parts of a file, a background worker.
SET trips_ext.inbox_on_error = ignore;
INSERT INTO trips.inbox VALUES ('Prague', 'POINT (14.43 50.08)', 'POINT (14.44 50.09)', '2018-05-28 09:03:40', 'a program'), ('Prague', 'POINT (14.43 50.08)', '', '', '');
BEGIN;
SELECT FROM trips_upload(pg_read_binary_file(:'more', 0, 70000));
SELECT FROM trips_upload(pg_read_binary_file(:'more', 70000, 100000000));
SELECT pg_temp.expect('an upload', status = 'loaded' AND rows_loaded = 2000) FROM trips_ingest_upload('more.csv');
COMMIT;
SELECT trips_ingest_async(:'good') AS job \gset
CREATE PROCEDURE pg_temp.wait_for(job bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..1200 LOOP
        PERFORM pg_sleep(0.1);
        EXIT WHEN EXISTS (SELECT FROM trips.ingest_progress WHERE ingest = job AND status IN ('completed', 'failed'));
        COMMIT;
    END LOOP;
    PERFORM pg_temp.expect('a job', EXISTS (SELECT FROM trips.ingest_progress WHERE ingest = job AND status = 'completed'));
END $$;
CALL pg_temp.wait_for(:job);
SELECT pg_temp.expect('a refresh', new_trips > 0) FROM trips_group_refresh('kept');

-- Changes, what merges them, and what recounts them.
UPDATE trips.trip SET origin = destination, departed_at = departed_at + interval '9 days' WHERE id % 100 = 0;
DELETE FROM trips.trip WHERE id % 90 = 1;
SELECT pg_temp.expect('merged', runs_after < runs_before) FROM trips_compact();
SELECT pg_temp.expect('forgotten', trips_forget(1) > 0);
SELECT pg_temp.expect('forgotten', trips_forget(:job) > 0);
SELECT count(*) AS differences, pg_temp.expect('no difference', count(*) = 0) FROM trips_check();

-- Bytes that are no tree.
BEGIN;
UPDATE trips.area_leaf SET points = substr(points, 1, length(points) - 1);
SELECT pg_temp.refused('SELECT trips_compact()', 'XX002');
ROLLBACK;
SELECT trips_rebuild() AS rebuilt \gset
SELECT pg_temp.expect('rebuilt', :rebuilt = count(*)) FROM trips.trip;
DROP TABLE kept;
TRUNCATE trips.trip;
DROP EXTENSION trips_ext CASCADE;
CHECKPOINT;
