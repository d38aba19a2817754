-- What must be the same before and after pg_upgrade, a line each.
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT 'extension', extversion FROM pg_extension WHERE extname = 'trips_ext';
SELECT 'trips', count(*), min(id), max(id), md5(string_agg(t::text, ',' ORDER BY id, departed_at)) FROM trips.trip t;
SELECT 'ledger', i.* FROM trips.ingest i ORDER BY id;
SELECT 'region', name, trips_weekly_average(name) FROM trips.region ORDER BY name;
SELECT 'weeks', name, w.* FROM trips.region, trips_weekly_trips(name) w ORDER BY name, w.week;
-- Around trips that are there, of some tens of metres up to a city.
WITH areas AS (
    SELECT row_number() OVER (ORDER BY id) AS number, st_expand(origin, 0.0005 * 2 ^ (row_number() OVER (ORDER BY id) % 9)) AS area
      FROM trips.trip WHERE id % 1000 = 11 LIMIT 60)
SELECT 'area', number, matching, trips_weekly_average(area, matching => matching),
       trips_weekly_average(st_xmin(area), st_ymin(area), st_xmax(area), st_ymax(area), '2018-03-05', '2018-06-01', matching)
  FROM areas, unnest(ARRAY['origin', 'destination', 'either', 'both', 'crosses']) matching ORDER BY number, matching;
SELECT 'plan', p.* FROM trips_area_plan(-180, -90, 180, 90) p;
SELECT 'groups', group_id, trips, time_of_day, flow FROM trips_groups() ORDER BY group_id;
SELECT 'flows', group_id, trips, time_of_day FROM flows ORDER BY group_id;
SELECT 'difference', c.* FROM trips_check() c;
SELECT 'analyst', has_table_privilege('analyst', 'trips.trip', 'SELECT'), has_table_privilege('analyst', 'trips.trip', 'INSERT');
