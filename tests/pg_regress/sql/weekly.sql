-- Weekly averages and weekly trips, on trips that can be counted by hand.
SET datestyle = ISO; SET intervalstyle = postgres;
BEGIN;
INSERT INTO trips.region (id, name) VALUES (1, 'Turin'), (2, 'Prague'), (3, 'Nowhere');
INSERT INTO trips.datasource (id, name) VALUES (1, 'funny_car');
-- Wednesday 9 May 2018 and later, at noon; from and to are longitudes on latitude 45.
CREATE TEMP TABLE told (id bigint, day date, region_id smallint, from_lon float8, to_lon float8);
INSERT INTO told VALUES
    (1, '2018-05-09', 1,    7,  8),
    (2, '2018-05-10', 1,    7,  7),
    (3, '2018-05-13', 1,    8,  9),
    (4, '2018-05-14', 1,    6, 10),
    (5, '2018-06-01', 1,  7.5,  6),
    (6, '2018-05-09', 2,   14, 15),
    (7, '2018-12-31', 2,  180, -179),
    (8, '2019-01-06', 2, -180, 179);
INSERT INTO trips.trip
SELECT id, day + time '12:00', region_id, 1, st_point(from_lon, 45, 4326), st_point(to_lon, 45, 4326) FROM told;

-- By region: four weeks of Turin, 35 of Prague, most of them without a trip.
SELECT * FROM trips_weekly_trips('Turin');
SELECT trips_weekly_average('Turin'), round(trips_weekly_average('Prague'), 6) AS prague;
SELECT count(*), sum(trips), min(week), max(week) FROM trips_weekly_trips('Prague');

-- A period is half open, and its weeks may be cut.
SELECT * FROM trips_weekly_trips('Turin', '2018-05-10', '2018-05-15');
SELECT trips_weekly_average('Turin', '2018-05-10', '2018-05-15');
SELECT * FROM trips_weekly_trips('Turin', from_date => '2018-05-31');
SELECT * FROM trips_weekly_trips('Turin', to_date => '2018-05-11');

-- A closed box, in all five ways.
SELECT matching, trips_weekly_average(7, 45, 8, 45, '2018-05-07', '2018-05-14', matching) AS first_week,
       trips_weekly_average(7, 45, 8, 45, '2018-05-07', '2018-06-04', matching) AS four_weeks
  FROM unnest('{origin,destination,either,both,crosses}'::text[]) matching;

-- A box and a region mean both.
SELECT trips_weekly_average(0, 0, 90, 90, '2018-05-07', '2018-05-14') AS all_regions,
       trips_weekly_average(0, 0, 90, 90, '2018-05-07', '2018-05-14', region => 'Prague') AS prague;

-- Across the antimeridian, and across the year's end.
SELECT * FROM trips_weekly_trips(179.5, 44, -179.5, 46, '2018-12-31', '2019-01-07');
SELECT * FROM trips_weekly_trips(-179.5, 44, 179.5, 46, '2018-12-31', '2019-01-07');
SELECT * FROM trips_weekly_trips(170, 44, -170, 46, '2018-12-30', '2019-01-08', 'both', 'Prague');

-- An area, with a hole, and of two parts.
SELECT trips_weekly_average(st_geomfromtext('POLYGON ((6 44, 9 44, 9 46, 6 46, 6 44), (7.2 44.5, 7.8 44.5, 7.8 45.5, 7.2 45.5, 7.2 44.5))', 4326),
                            '2018-05-28', '2018-06-04') AS in_the_hole,
       trips_weekly_average(st_geomfromtext('POLYGON ((7.5 45, 9 44, 9 46, 7.5 45))', 4326),
                            '2018-05-28', '2018-06-04') AS on_a_corner,
       trips_weekly_average(st_geomfromtext('MULTIPOLYGON (((13 44, 14.5 44, 14.5 46, 13 44)), ((6.5 44, 7.2 44, 7.2 46, 6.5 46, 6.5 44)))', 4326),
                            '2018-05-07', '2018-05-14') AS two_parts;
SELECT * FROM trips_weekly_trips(st_makeenvelope(7, 44, 8, 46, 4326), matching => 'crosses', region => 'Turin');

-- Nothing to count.
SELECT trips_weekly_average('Nowhere') AS no_trips, trips_weekly_average('Turin', '2001-01-01', '2001-01-08') AS long_before,
       trips_weekly_average('SRID=4326;POLYGON EMPTY'::geometry) AS no_area;
SELECT * FROM trips_weekly_trips('Nowhere');
SELECT * FROM trips_weekly_trips('Nowhere', '2018-05-07', '2018-05-15');

-- A required argument that is null.
SELECT trips_weekly_average(NULL::text) IS NULL AS region, trips_weekly_average(7, 45, NULL, 46) IS NULL AS box,
       trips_weekly_average(NULL::geometry) IS NULL AS area;
SELECT * FROM trips_weekly_trips(NULL::text);
ROLLBACK;
