-- Groups of similar trips; first of those in the same cells and slots.
SET datestyle = ISO; SET intervalstyle = postgres;
BEGIN;
INSERT INTO trips.region (id, name) VALUES (1, 'Turin'), (2, 'Prague');
INSERT INTO trips.datasource (id, name) VALUES (1, 'funny_car');
-- Places in the middle of cells of 500 m near the equator, where a degree is about 111 km.
CREATE TEMP TABLE told (id bigint, departed_at timestamp, region_id smallint, from_lon float8, from_lat float8, to_lon float8, to_lat float8);
INSERT INTO told VALUES
    (1, '2018-05-07 08:05', 1, 0.002, 0.002, 1.002, 0.002),
    (2, '2018-05-08 08:15', 1, 0.003, 0.002, 1.002, 0.002),
    (3, '2018-05-09 08:25', 1, 0.002, 0.003, 1.002, 0.002),
    -- another slot
    (4, '2018-05-09 08:35', 1, 0.002, 0.002, 1.002, 0.002),
    (5, '2018-05-10 08:45', 1, 0.002, 0.002, 1.002, 0.002),
    -- another destination
    (6, '2018-05-09 08:25', 1, 0.002, 0.002, 2.002, 0.002),
    -- the way back
    (7, '2018-05-07 18:00', 2, 1.002, 0.002, 0.002, 0.002),
    (8, '2018-05-08 18:00', 2, 1.002, 0.002, 0.002, 0.002);
INSERT INTO trips.trip
SELECT id, departed_at, region_id, 1, st_point(from_lon, from_lat, 4326), st_point(to_lon, to_lat, 4326) FROM told;

SELECT group_id, trips, st_astext(origin, 6) AS origin, st_astext(destination, 6) AS destination, time_of_day, time_spread
  FROM trips_groups(method => 'cell');
SELECT group_id, first_departure, last_departure, origin_geohash, destination_geohash, st_astext(flow, 6) AS flow
  FROM trips_groups(method => 'cell');

-- Every trip is in a group of its own size.
SELECT group_id, trips FROM trips_groups(min_trips => 1, method => 'cell');
SELECT group_id, trips FROM trips_groups(min_trips => 3, method => 'cell');

-- Wider slots, wider cells, and all trips together.
SELECT trips, time_of_day FROM trips_groups(time_difference => '1 hour', method => 'cell');
SELECT trips, time_of_day FROM trips_groups(destination_distance => 500000, time_difference => '1 hour', min_trips => 1, method => 'cell');
SELECT trips FROM trips_groups(1e7, 1e7, '1 day', method => 'cell');

-- Some of the trips.
SELECT group_id, trips FROM trips_groups(region => 'Prague', method => 'cell');
SELECT group_id, trips FROM trips_groups(area => st_makeenvelope(0.5, -1, 1.5, 1, 4326), method => 'cell');
SELECT group_id, trips FROM trips_groups(from_date => '2018-05-08', to_date => '2018-05-10', method => 'cell');
SELECT count(*) FROM trips_groups(from_date => '2001-01-01', to_date => '2001-01-02', method => 'cell');

-- Around representatives, and by density: slots have no edges, so that trips 10 minutes apart are together.
SELECT group_id, trips, time_of_day, time_spread, round(origin_radius::numeric, 1) AS origin_radius, round(destination_radius::numeric, 1) AS destination_radius,
       first_departure, last_departure, weekly_average
  FROM trips_groups();
SELECT group_id, trips, time_of_day, time_spread, round(origin_radius::numeric, 1) AS origin_radius, weekly_average
  FROM trips_groups(time_difference => '10 minutes', method => 'density');
SELECT * FROM trips_group_members();
SELECT * FROM trips_group_members(time_difference => '10 minutes', method => 'density');
SELECT * FROM trips_group_members(time_difference => '10 minutes', min_trips => 3, region => 'Turin', method => 'density');
ROLLBACK;
