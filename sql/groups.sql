-- Similar trips together.

CREATE FUNCTION trips.similar_groups(
    method text, origin_distance float8, destination_distance float8, time_difference bigint, min_trips bigint,
    region_id smallint, area bytea, from_date date, to_date date)
RETURNS TABLE (
    group_id bigint, trips bigint, origin_lon float8, origin_lat float8, destination_lon float8, destination_lat float8,
    origin_radius float8, destination_radius float8, time_of_day bigint, time_spread bigint,
    first_departure bigint, last_departure bigint)
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'similar_groups_wrapper';
COMMENT ON FUNCTION trips.similar_groups(text, float8, float8, bigint, bigint, smallint, bytea, date, date) IS
'Internal: groups of similar trips of a region, or with null of any, that begin in an area (WKB of a polygon or multipolygon) or, with null, anywhere. Reads trips.trip as the caller. '
'Times are microseconds: time_difference, time_of_day since midnight, time_spread, departures since 2000-01-01';

CREATE FUNCTION trips.similar_members(
    method text, origin_distance float8, destination_distance float8, time_difference bigint, min_trips bigint,
    region_id smallint, area bytea, from_date date, to_date date)
RETURNS TABLE (group_id bigint, trip_id bigint)
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'similar_members_wrapper';
COMMENT ON FUNCTION trips.similar_members(text, float8, float8, bigint, bigint, smallint, bytea, date, date) IS
'Internal: the trips of the groups that trips.similar_groups gives for the same arguments';

CREATE FUNCTION trips.check_similar(
    method text, origin_distance float8, destination_distance float8, time_difference interval, min_trips integer)
RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF NOT coalesce(method IN ('representative', 'density', 'cell'), false) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid value for option "method": "%s"', method),
            DETAIL = 'Allowed values: "representative", "density", "cell".';
    ELSIF NOT coalesce(origin_distance > 0 AND origin_distance < 'Infinity' AND destination_distance > 0 AND destination_distance < 'Infinity', false) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid distances: origin_distance %s, destination_distance %s', origin_distance, destination_distance),
            DETAIL = 'Distances are metres above 0.';
    ELSIF NOT coalesce(time_difference > interval '0' AND time_difference <= interval '1 day', false) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid time_difference: %s', time_difference),
            DETAIL = 'The time difference is above 0 and at most a day.';
    ELSIF min_trips IS NULL OR min_trips < 1 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid min_trips: %s', min_trips),
            DETAIL = 'A group has at least one trip.';
    END IF;
END
$$;
COMMENT ON FUNCTION trips.check_similar(text, float8, float8, interval, integer) IS 'Internal: raises 22023 for arguments of trips_groups that cannot be meant';

CREATE FUNCTION trips.flow(origin_lon float8, origin_lat float8, destination_lon float8, destination_lat float8)
RETURNS geometry
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    -- The antimeridian as the origin sees it, and how far along the way it is.
    edge  constant float8 := CASE WHEN origin_lon < 0 THEN -180 ELSE 180 END;
    share float8;
    lat   float8;
BEGIN
    IF abs(destination_lon - origin_lon) <= 180 THEN
        RETURN st_setsrid(st_makeline(st_makepoint(origin_lon, origin_lat), st_makepoint(destination_lon, destination_lat)), 4326);
    ELSIF abs(destination_lon - origin_lon) = 360 THEN
        RETURN trips.flow(origin_lon, origin_lat, origin_lon, destination_lat);
    END IF;
    share := (edge - origin_lon) / (destination_lon + 2 * edge - origin_lon);
    lat := origin_lat + share * (destination_lat - origin_lat);
    IF share <= 0 THEN
        RETURN trips.flow(-edge, origin_lat, destination_lon, destination_lat);
    ELSIF share >= 1 THEN
        RETURN trips.flow(origin_lon, origin_lat, edge, destination_lat);
    END IF;
    RETURN st_setsrid(st_collect(
        st_makeline(st_makepoint(origin_lon, origin_lat), st_makepoint(edge, lat)),
        st_makeline(st_makepoint(-edge, lat), st_makepoint(destination_lon, destination_lat))), 4326);
END
$$;
COMMENT ON FUNCTION trips.flow(float8, float8, float8, float8) IS
'Internal: the line from an origin to a destination in degrees, the shorter way round; in two parts where that crosses the antimeridian';

CREATE FUNCTION trips_groups(
    origin_distance float8 = 500, destination_distance float8 = 500, time_difference interval = '30 minutes',
    min_trips integer = 2, region text = NULL, area geometry = NULL, from_date date = NULL, to_date date = NULL,
    method text = 'representative')
RETURNS TABLE (
    group_id bigint, trips bigint, origin geometry, destination geometry, flow geometry,
    time_of_day time, time_spread interval, first_departure timestamp, last_departure timestamp,
    origin_geohash text, destination_geohash text,
    origin_lon float8, origin_lat float8, destination_lon float8, destination_lat float8,
    origin_radius float8, destination_radius float8, weekly_average numeric)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
#variable_conflict use_column
DECLARE
    asked trips.question;
BEGIN
    PERFORM trips.check_similar(method, origin_distance, destination_distance, time_difference, min_trips);
    asked := trips.ask(region, from_date, to_date, 'origin', NULL, area);
    IF NOT coalesce(asked.from_date < asked.to_date, false) THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT g.group_id, g.trips, p.origin, p.destination,
           -- Nearly all are one line, which is quicker without a function around it.
           CASE WHEN abs(g.destination_lon - g.origin_lon) <= 180 THEN st_makeline(p.origin, p.destination)
                ELSE trips.flow(g.origin_lon, g.origin_lat, g.destination_lon, g.destination_lat) END,
           time '00:00' + g.time_of_day * interval '1 microsecond', g.time_spread * interval '1 microsecond',
           timestamp '2000-01-01' + g.first_departure * interval '1 microsecond',
           timestamp '2000-01-01' + g.last_departure * interval '1 microsecond',
           st_geohash(p.origin, 7), st_geohash(p.destination, 7),
           g.origin_lon, g.origin_lat, g.destination_lon, g.destination_lat, g.origin_radius, g.destination_radius,
           trim_scale(g.trips::numeric * 7 / (asked.to_date - asked.from_date))
      FROM trips.similar_groups(
               method, origin_distance, destination_distance, (extract(epoch FROM time_difference) * 1000000)::bigint, min_trips,
               asked.region_id, st_asbinary(st_force2d(area), 'NDR'), asked.from_date, asked.to_date) g
     CROSS JOIN LATERAL (SELECT st_setsrid(st_makepoint(g.origin_lon, g.origin_lat), 4326) AS origin,
                                st_setsrid(st_makepoint(g.destination_lon, g.destination_lat), 4326) AS destination) p;
END
$$;
COMMENT ON FUNCTION trips_groups(float8, float8, interval, integer, text, geometry, date, date, text) IS
'Groups of similar trips, largest first: their number, mean origin and destination on WGS84, the flow between these (in two parts across the antimeridian), circular mean of the times of day and their circular standard deviation, '
'first and last departure, geohashes of 7 characters, longitudes and latitudes as numbers, radii (the root mean square of the distances from the mean, metres), and trips a week in the period. '
'Trips are similar when their origins lie within origin_distance metres of each other, their destinations within destination_distance metres, and their times of day within time_difference, round the clock. '
'method ''representative'': in the order of departure and id each trip joins the most similar representative so far, or becomes one; a group is no larger than the distances. '
'''density'': DBSCAN; a trip with at least min_trips similar ones, itself included, is a core, similar cores are of one group, other trips go to their most similar core; dense data may run together. '
'''cell'': trips with the same origin cell, destination cell and slot of the day, cells and slots being as large as the distances and the difference; cheap, but trips on two sides of a cell''s edge stay apart. '
'Groups of fewer than min_trips trips are left out, but by density. region, period and an area that holds the origin choose the trips. More memory than trips_ext.group_memory raises 53200';

CREATE FUNCTION trips_group_members(
    origin_distance float8 = 500, destination_distance float8 = 500, time_difference interval = '30 minutes',
    min_trips integer = 2, region text = NULL, area geometry = NULL, from_date date = NULL, to_date date = NULL,
    method text = 'representative')
RETURNS TABLE (group_id bigint, trip_id bigint)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
#variable_conflict use_column
DECLARE
    asked trips.question;
BEGIN
    PERFORM trips.check_similar(method, origin_distance, destination_distance, time_difference, min_trips);
    asked := trips.ask(region, from_date, to_date, 'origin', NULL, area);
    IF NOT coalesce(asked.from_date < asked.to_date, false) THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT *
      FROM trips.similar_members(
               method, origin_distance, destination_distance, (extract(epoch FROM time_difference) * 1000000)::bigint, min_trips,
               asked.region_id, st_asbinary(st_force2d(area), 'NDR'), asked.from_date, asked.to_date);
END
$$;
COMMENT ON FUNCTION trips_group_members(float8, float8, interval, integer, text, geometry, date, date, text) IS
'The trips of the groups that trips_groups gives for the same arguments: group_id as there, and trips.trip.id; in the order of both';
