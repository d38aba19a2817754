-- What a cluster holds before pg_upgrade: an ingest, changes and a trip by hand,
-- a table of groups, a role with grants. :file is a file of trips.
SET client_min_messages = warning;
CREATE EXTENSION trips_ext CASCADE;
SELECT FROM trips_ingest(:'file');
SELECT trips_group_table('flows') \g /dev/null
UPDATE trips.trip SET departed_at = departed_at + interval '1 day' WHERE id % 1000 = 7;
DELETE FROM trips.trip WHERE id % 1000 = 8;
INSERT INTO trips.trip (id, departed_at, region_id, datasource_id, origin, destination)
SELECT 1, '2018-01-01', region_id, datasource_id, origin, destination FROM trips.trip ORDER BY id LIMIT 1;
CREATE ROLE analyst;
GRANT USAGE ON SCHEMA trips TO analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA trips TO analyst;
