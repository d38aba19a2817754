-- Makes a coordinator and two workers a cluster, and trips distributed. A second run changes nothing.

SELECT citus_set_coordinator_host('coordinator', 5432);
SELECT citus_add_node(name, 5432) FROM unnest('{worker-1,worker-2}'::text[]) AS name;
CREATE EXTENSION IF NOT EXISTS trips_ext CASCADE;
SELECT trips_distribute() WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'trips.trip'::regclass);
