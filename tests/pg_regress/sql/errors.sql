-- What is refused: message, detail and hint; SQLSTATEs are the integration suites' business.
SET datestyle = ISO; SET intervalstyle = postgres;
\set SHOW_CONTEXT never
INSERT INTO trips.region (id, name) VALUES (1, 'Turin'), (2, 'Prague');

-- Arguments of trips_ingest; none of these opens a file.
SELECT * FROM trips_ingest(NULL);
SELECT * FROM trips_ingest('trips.csv');
SELECT * FROM trips_ingest('');
SELECT * FROM trips_ingest('/trips.csv', on_error => 'continue');
SELECT * FROM trips_ingest('/trips.csv', if_loaded => 'replace');
SELECT * FROM trips_ingest('/trips.csv', reject_limit => 10);
SELECT * FROM trips_ingest('/trips.csv', on_error => 'ignore', reject_limit => 0);

-- Files that are none.
SELECT * FROM trips_ingest('/nonexistent/trips.csv');
SELECT * FROM trips_ingest('/');
SELECT * FROM trips_ingest('/dev/null');

-- An ingest that does not exist.
SELECT trips_forget(4711);

-- Regions.
SELECT trips_weekly_average('Rome');
SELECT * FROM trips_weekly_trips(7, 44, 8, 45, region => 'Rome');
SELECT * FROM trips_groups(region => 'Rome');
BEGIN;
DELETE FROM trips.region;
SELECT trips_weekly_average('Rome');
ROLLBACK;

-- Periods, boxes, areas, words.
SELECT trips_weekly_average('Turin', '2018-05-10', '2018-05-10');
SELECT trips_weekly_average('Turin', to_date => 'infinity');
SELECT trips_weekly_average(7, 45, 8, 44);
SELECT trips_weekly_average('NaN', 44, 8, 45);
SELECT trips_weekly_average(7, 44, 8, 45, matching => 'inside');
SELECT trips_weekly_average(st_point(7, 45, 4326));
SELECT trips_weekly_average(st_makeenvelope(7, 44, 8, 45, 3857));

-- Groups.
SELECT * FROM trips_groups(method => 'cells');
SELECT * FROM trips_groups(origin_distance => 0);
SELECT * FROM trips_groups(time_difference => '-1 minute');
SELECT * FROM trips_groups(min_trips => 0);
SELECT * FROM trips_group_members(time_difference => '25 hours');

DELETE FROM trips.region;
