-- Similar trips together.

-- Rows of cells are counted from the equator. A degree of latitude is 111,694 m long at the poles of WGS84, and nowhere
-- longer (a^2 / b * pi / 180 with a = 6,378,137 m and b = 6,356,752.314 m). The columns of a row are as wide as a cell
-- on the row's edge that is nearer to the equator. So a cell is nowhere higher or wider than asked for.

CREATE FUNCTION trips_groups(
    origin_distance float8 = 500, destination_distance float8 = 500, time_difference interval = '30 minutes',
    min_trips integer = 2, region text = NULL, area geometry = NULL, from_date date = NULL, to_date date = NULL,
    method text = 'cell')
RETURNS TABLE (
    group_id bigint, trips bigint, origin geometry, destination geometry, flow geometry,
    time_of_day time, time_spread interval, first_departure timestamp, last_departure timestamp,
    origin_geohash text, destination_geohash text)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
#variable_conflict use_column
DECLARE
    slot  constant float8 := extract(epoch FROM time_difference);
    asked trips.question;
BEGIN
    IF method IN ('representative', 'density') THEN
        RAISE feature_not_supported USING
            MESSAGE = format('method "%s" is not supported yet', method),
            HINT = 'Use method => ''cell''.';
    ELSIF method IS DISTINCT FROM 'cell' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid value for option "method": "%s"', method),
            DETAIL = 'Allowed values: "cell".';
    ELSIF NOT coalesce(origin_distance > 0 AND origin_distance < 'Infinity' AND destination_distance > 0 AND destination_distance < 'Infinity', false) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid distances: origin_distance %s, destination_distance %s', origin_distance, destination_distance),
            DETAIL = 'Distances are metres above 0.';
    ELSIF NOT coalesce(slot > 0 AND slot <= 86400, false) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid time_difference: %s', time_difference),
            DETAIL = 'The time difference is above 0 and at most a day.';
    ELSIF min_trips IS NULL OR min_trips < 1 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid min_trips: %s', min_trips),
            DETAIL = 'A group has at least one trip.';
    END IF;
    asked := trips.ask(region, from_date, to_date, 'origin', NULL, area);
    RETURN QUERY EXECUTE format($query$
        SELECT row_number() OVER (ORDER BY g.trips DESC, g.first_id),
               g.trips,
               st_setsrid(st_makepoint(g.origin_lon, g.origin_lat), 4326),
               st_setsrid(st_makepoint(g.destination_lon, g.destination_lat), 4326),
               st_setsrid(st_makeline(st_makepoint(g.origin_lon, g.origin_lat), st_makepoint(g.destination_lon, g.destination_lat)), 4326),
               time '00:00' + make_interval(secs => g.seconds),
               make_interval(secs => round(g.spread::numeric, 6)::float8),
               g.first_departure, g.last_departure,
               st_geohash(st_setsrid(st_makepoint(g.origin_lon, g.origin_lat), 4326), 7),
               st_geohash(st_setsrid(st_makepoint(g.destination_lon, g.destination_lat), 4326), 7)
          FROM (SELECT count(*) AS trips, min(t.id) AS first_id,
                       avg(st_x(t.origin)) AS origin_lon, avg(st_y(t.origin)) AS origin_lat,
                       avg(st_x(t.destination)) AS destination_lon, avg(st_y(t.destination)) AS destination_lat,
                       avg(s.seconds) AS seconds, stddev_pop(s.seconds) AS spread,
                       min(t.departed_at) AS first_departure, max(t.departed_at) AS last_departure
                  FROM trips.trip t
                 CROSS JOIN LATERAL (SELECT extract(epoch FROM t.departed_at::time)::float8 AS seconds) s
                 CROSS JOIN LATERAL (SELECT floor(st_y(t.origin) * 111694 / $3) AS line) o
                 CROSS JOIN LATERAL (SELECT floor(st_y(t.destination) * 111694 / $4) AS line) d
                 WHERE t.departed_at >= $1.from_date AND t.departed_at < $1.to_date %s AND %s
                 GROUP BY o.line, floor(st_x(t.origin) * 111694 * cosd(least(abs(o.line), abs(o.line + 1)) * $3 / 111694) / $3),
                          d.line, floor(st_x(t.destination) * 111694 * cosd(least(abs(d.line), abs(d.line + 1)) * $4 / 111694) / $4),
                          floor(s.seconds / $5)
                HAVING count(*) >= $6) g
         ORDER BY 1
        $query$,
        CASE WHEN asked.region_id IS NOT NULL THEN 'AND t.region_id = $1.region_id' END,
        trips.matching_condition('origin', NULL, area))
    USING asked, area, origin_distance, destination_distance, slot, min_trips;
END
$$;
COMMENT ON FUNCTION trips_groups(float8, float8, interval, integer, text, geometry, date, date, text) IS
'Groups of similar trips, largest first: how many, mean origin and destination, the line between them, mean time of day and its standard deviation, first and last departure, geohashes of 7 characters. '
'method ''cell'': trips with the same origin cell, the same destination cell and the same slot of the day; cells are at most origin_distance and destination_distance metres wide and high, slots time_difference long. '
'Cheap; but trips on two sides of a cell''s edge stay apart however near they are. Groups of fewer than min_trips trips are left out. '
'region, period and an area that holds the origin choose the trips';
