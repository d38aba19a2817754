-- The flat view for BI tools: names and plain numbers, no geometry, no joins to know.

CREATE VIEW trips.trips WITH (security_invoker = true) AS
SELECT t.id                                             AS trip_id,
       r.name                                           AS region,
       d.name                                           AS datasource,
       t.departed_at,
       pg_catalog.date_trunc('week', t.departed_at)::date AS week,
       st_x(t.origin)                                   AS origin_lon,
       st_y(t.origin)                                   AS origin_lat,
       st_x(t.destination)                              AS destination_lon,
       st_y(t.destination)                              AS destination_lat,
       t.id >> 32                                       AS ingest_id,
       t.id & 4294967295                                AS line
  FROM trips.trip t
  JOIN trips.region r     ON r.id = t.region_id
  JOIN trips.datasource d ON d.id = t.datasource_id;

COMMENT ON VIEW   trips.trips                 IS 'Trips with their names, flat, for BI tools; read with the rights of whoever asks';
COMMENT ON COLUMN trips.trips.trip_id         IS 'trips.trip.id';
COMMENT ON COLUMN trips.trips.region          IS 'Name of the region';
COMMENT ON COLUMN trips.trips.datasource      IS 'Name of the source';
COMMENT ON COLUMN trips.trips.departed_at     IS 'When the trip began, local civil time';
COMMENT ON COLUMN trips.trips.week            IS 'The Monday of the ISO week in which the trip began';
COMMENT ON COLUMN trips.trips.origin_lon      IS 'Longitude of the origin in degrees';
COMMENT ON COLUMN trips.trips.origin_lat      IS 'Latitude of the origin in degrees';
COMMENT ON COLUMN trips.trips.destination_lon IS 'Longitude of the destination in degrees';
COMMENT ON COLUMN trips.trips.destination_lat IS 'Latitude of the destination in degrees';
COMMENT ON COLUMN trips.trips.ingest_id       IS 'The ingest that brought the trip: trips.ingest.id';
COMMENT ON COLUMN trips.trips.line            IS 'Its line in that file';
