-- Groups of similar trips that a table keeps.

CREATE TABLE trips.group_table (
    relation             regclass    PRIMARY KEY,
    origin_distance      float8      NOT NULL,
    destination_distance float8      NOT NULL,
    time_difference      interval    NOT NULL,
    region_id            smallint,
    area                 geometry,
    from_date            date        NOT NULL,
    to_date              date        NOT NULL,
    ingests              bigint[]    NOT NULL DEFAULT '{}',
    late_trips           bigint      NOT NULL DEFAULT 0,
    refreshed_at         timestamptz
);
COMMENT ON TABLE  trips.group_table                      IS 'Tables of groups that trips_group_table has made: what their trips are, and how far they have come';
COMMENT ON COLUMN trips.group_table.relation             IS 'The table';
COMMENT ON COLUMN trips.group_table.origin_distance      IS 'Metres that origins of similar trips may be apart';
COMMENT ON COLUMN trips.group_table.destination_distance IS 'Metres that their destinations may be apart';
COMMENT ON COLUMN trips.group_table.time_difference      IS 'What their times of day may be apart';
COMMENT ON COLUMN trips.group_table.region_id            IS 'The region of the trips; null for any';
COMMENT ON COLUMN trips.group_table.area                 IS 'The area that holds their origins; null for any';
COMMENT ON COLUMN trips.group_table.from_date            IS 'The first day of their departures; -infinity for any';
COMMENT ON COLUMN trips.group_table.to_date              IS 'The first day that is too late; infinity for none';
COMMENT ON COLUMN trips.group_table.ingests              IS 'The ingests whose trips are in the table';
COMMENT ON COLUMN trips.group_table.late_trips           IS 'Trips that departed before some that had been grouped already, since the groups were made anew: because of them the groups may differ from those that would be made now';
COMMENT ON COLUMN trips.group_table.refreshed_at         IS 'When trips were added last';
SELECT pg_catalog.pg_extension_config_dump('trips.group_table', '');

CREATE FUNCTION trips.similar_refresh(
    kept text, origin_distance float8, destination_distance float8, time_difference bigint,
    region_id smallint, area bytea, from_date date, to_date date, ingests bigint[])
RETURNS TABLE (
    group_id bigint, trips bigint, origin_lon float8, origin_lat float8, destination_lon float8, destination_lat float8,
    origin_radius float8, destination_radius float8, time_of_day bigint, time_spread bigint,
    first_departure bigint, last_departure bigint, state bytea)
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'similar_refresh_wrapper';
COMMENT ON FUNCTION trips.similar_refresh(text, float8, float8, bigint, smallint, bytea, date, date, bigint[]) IS
'Internal: goes on from the groups that the open cursor kept gives, with the trips of these ingests, or with null of all: the groups that are new or have got trips. Units are those of trips.similar_groups';

CREATE FUNCTION trips.refresh_groups(relation regclass, rebuild boolean,
    OUT new_trips bigint, OUT late_trips bigint, OUT changed_groups bigint, OUT rebuilt boolean)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
#variable_conflict use_column
DECLARE
    known    trips.group_table;
    kept     refcursor;
    before   bigint := 0;
    after    bigint := 0;
    latest   timestamp;
    ingests_ bigint[];
BEGIN
    -- Two sessions take turns.
    SELECT * INTO known FROM trips.group_table g WHERE g.relation = refresh_groups.relation FOR UPDATE;
    IF NOT FOUND THEN
        RAISE undefined_object USING
            MESSAGE = format('table %s is no table of groups', coalesce(refresh_groups.relation::text, 'null')),
            HINT = 'Make one with trips_group_table; trips.group_table lists them.';
    END IF;
    -- Trips that are forgotten cannot be taken out of their groups.
    rebuilt := coalesce(rebuild, false) OR known.refreshed_at IS NULL
        OR EXISTS (SELECT FROM unnest(known.ingests) AS i (id) WHERE NOT EXISTS (SELECT FROM trips.ingest n WHERE n.id = i.id));
    IF rebuilt THEN
        EXECUTE format('DELETE FROM %s', known.relation);
        known.ingests := '{}';
        known.late_trips := 0;
    END IF;
    EXECUTE format('SELECT coalesce(sum(trips), 0), max(last_departure) FROM %s', known.relation) INTO before, latest;
    OPEN kept FOR EXECUTE format('SELECT state FROM %s ORDER BY group_id', known.relation);
    -- One statement: what is grouped and what is said to be are of one snapshot.
    EXECUTE format($sql$
        WITH new AS MATERIALIZED (
            SELECT coalesce(array_agg(i.id ORDER BY i.id), '{}') AS ids FROM trips.ingest i WHERE i.id <> ALL ($1.ingests)
        ), refreshed AS (
            SELECT r.*, st_setsrid(st_makepoint(r.origin_lon, r.origin_lat), 4326) AS origin,
                   st_setsrid(st_makepoint(r.destination_lon, r.destination_lat), 4326) AS destination
              FROM new, trips.similar_refresh(
                       $2, $1.origin_distance, $1.destination_distance, (extract(epoch FROM $1.time_difference) * 1000000)::bigint,
                       $1.region_id, st_asbinary(st_force2d($1.area), 'NDR'), $1.from_date, $1.to_date,
                       CASE WHEN NOT $3 THEN new.ids END) r
        ), written AS (
            INSERT INTO %s AS g
            SELECT r.group_id, r.trips, r.origin, r.destination,
                   CASE WHEN abs(r.destination_lon - r.origin_lon) <= 180 THEN st_makeline(r.origin, r.destination)
                        ELSE trips.flow(r.origin_lon, r.origin_lat, r.destination_lon, r.destination_lat) END,
                   time '00:00' + r.time_of_day * interval '1 microsecond', r.time_spread * interval '1 microsecond',
                   timestamp '2000-01-01' + r.first_departure * interval '1 microsecond',
                   timestamp '2000-01-01' + r.last_departure * interval '1 microsecond',
                   st_geohash(r.origin, 7), st_geohash(r.destination, 7),
                   r.origin_lon, r.origin_lat, r.destination_lon, r.destination_lat, r.origin_radius, r.destination_radius, r.state
              FROM refreshed r
                ON CONFLICT (group_id) DO UPDATE
               SET (trips, origin, destination, flow, time_of_day, time_spread, first_departure, last_departure,
                    origin_geohash, destination_geohash, origin_lon, origin_lat, destination_lon, destination_lat,
                    origin_radius, destination_radius, state)
                 = (excluded.trips, excluded.origin, excluded.destination, excluded.flow, excluded.time_of_day, excluded.time_spread,
                    excluded.first_departure, excluded.last_departure, excluded.origin_geohash, excluded.destination_geohash,
                    excluded.origin_lon, excluded.origin_lat, excluded.destination_lon, excluded.destination_lat,
                    excluded.origin_radius, excluded.destination_radius, excluded.state)
            RETURNING 1
        )
        SELECT new.ids, (SELECT count(*) FROM written) FROM new
        $sql$, known.relation)
    INTO ingests_, changed_groups USING known, kept::text, rebuilt;
    CLOSE kept;
    EXECUTE format('SELECT coalesce(sum(trips), 0) FROM %s', known.relation) INTO after;
    new_trips := after - before;
    SELECT count(*) INTO late_trips
      FROM unnest(ingests_) AS i (id)
      JOIN trips.trip t ON t.id >= i.id << 32 AND t.id <= i.id << 32 | 4294967295
     WHERE t.departed_at < latest AND t.departed_at >= known.from_date AND t.departed_at < known.to_date
       AND (known.region_id IS NULL OR t.region_id = known.region_id)
       AND (known.area IS NULL OR st_intersects(known.area, t.origin));
    UPDATE trips.group_table g
       SET ingests = known.ingests || ingests_, late_trips = known.late_trips + refresh_groups.late_trips, refreshed_at = clock_timestamp()
     WHERE g.relation = known.relation;
END
$$;
REVOKE EXECUTE ON FUNCTION trips.refresh_groups(regclass, boolean) FROM PUBLIC;
COMMENT ON FUNCTION trips.refresh_groups(regclass, boolean) IS 'Internal: what trips_group_refresh and trips_group_table do';

CREATE FUNCTION trips_group_refresh(relation regclass, rebuild boolean = false,
    OUT new_trips bigint, OUT late_trips bigint, OUT changed_groups bigint, OUT rebuilt boolean)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
BEGIN
    SELECT * INTO new_trips, late_trips, changed_groups, rebuilt FROM trips.refresh_groups(relation, rebuild);
END
$$;
REVOKE EXECUTE ON FUNCTION trips_group_refresh(regclass, boolean) FROM PUBLIC;
COMMENT ON FUNCTION trips_group_refresh(regclass, boolean) IS
'Adds the trips of files that were loaded since to a table that trips_group_table has made: how many there are, how many of these departed before some that were grouped already, and how many groups are new or have changed. '
'Where files come in the order of their trips'' departures, the groups are those that would be made from all trips now. Late trips join the groups that are there, which may give others: rebuild => true makes the groups anew. '
'That is done in any case where an ingest was forgotten, and has to be asked for where trips were changed by SQL';

CREATE FUNCTION trips_group_table(
    name name, origin_distance float8 = 500, destination_distance float8 = 500, time_difference interval = '30 minutes',
    region text = NULL, area geometry = NULL, from_date date = NULL, to_date date = NULL, schema name = current_schema())
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
DECLARE
    made regclass;
BEGIN
    IF name IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'the name of a table of groups is missing';
    ELSIF schema IS NULL THEN
        RAISE invalid_schema_name USING MESSAGE = 'no schema has been selected to create in';
    END IF;
    PERFORM trips.check_similar('representative', origin_distance, destination_distance, time_difference, 1);
    -- It checks period and area; open ends of the period stay open.
    PERFORM trips.ask(region, from_date, to_date, 'origin', NULL, area);
    EXECUTE format($sql$
        CREATE TABLE %1$I.%2$I (
            group_id            bigint                NOT NULL PRIMARY KEY,
            trips               bigint                NOT NULL,
            origin              geometry(Point, 4326) NOT NULL,
            destination         geometry(Point, 4326) NOT NULL,
            flow                geometry              NOT NULL,
            time_of_day         time                  NOT NULL,
            time_spread         interval              NOT NULL,
            first_departure     timestamp             NOT NULL,
            last_departure      timestamp             NOT NULL,
            origin_geohash      text                  NOT NULL,
            destination_geohash text                  NOT NULL,
            origin_lon          float8                NOT NULL,
            origin_lat          float8                NOT NULL,
            destination_lon     float8                NOT NULL,
            destination_lat     float8                NOT NULL,
            origin_radius       float8                NOT NULL,
            destination_radius  float8                NOT NULL,
            state               bytea                 NOT NULL
        );
        COMMENT ON TABLE  %1$I.%2$I          IS 'Groups of similar trips, kept by trips_group_refresh; columns as trips_groups gives them';
        COMMENT ON COLUMN %1$I.%2$I.group_id IS 'The group, for good: 1 is the one whose first trip was grouped first';
        COMMENT ON COLUMN %1$I.%2$I.trips    IS 'How many trips it has; those of one trip wait for a second one';
        COMMENT ON COLUMN %1$I.%2$I.state    IS 'What trips_group_refresh goes on from'
        $sql$, schema, name);
    made := format('%I.%I', schema, name)::regclass;
    DELETE FROM trips.group_table g WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = g.relation) OR g.relation = made;
    INSERT INTO trips.group_table AS g
           (relation, origin_distance, destination_distance, time_difference, region_id, area, from_date, to_date)
    VALUES (made, origin_distance, destination_distance, time_difference, trips.region_named(region), area,
            coalesce(from_date, '-infinity'), coalesce(to_date, 'infinity'));
    RETURN (SELECT r.changed_groups FROM trips.refresh_groups(made, false) r);
END
$$;
REVOKE EXECUTE ON FUNCTION trips_group_table(name, float8, float8, interval, text, geometry, date, date, name) FROM PUBLIC;
COMMENT ON FUNCTION trips_group_table(name, float8, float8, interval, text, geometry, date, date, name) IS
'Makes a table of the groups that trips_groups gives by ''representative'', groups of one trip included; gives their number. trips_group_refresh adds the trips of later loads. '
'region, area and period choose the trips as in trips_groups, but ends of the period that are not given stay open. The table is made in the schema, by default the first one of the search path';
