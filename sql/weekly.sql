-- Weekly averages and weekly trips, for a region, a box or an area.
--
-- The public functions say what is asked for, as a row of trips.question; the internal ones
-- in the schema trips answer it: from the area trees, or where these cannot, by a scan of trips.trip. Bounds and boxes are
-- compared in double precision: the operators of PostGIS that work on boxes round to single precision.

CREATE TYPE trips.question AS (
    region_id smallint,
    from_date date,
    to_date   date,
    matching  text,
    box       float8[],
    area      geometry,
    scan      boolean
);
COMMENT ON TYPE trips.question IS 'Internal: which trips are asked for; null parts ask for no restriction. box is min_lon, min_lat, max_lon, max_lat; scan: this role''s answer is not in the area trees';

CREATE FUNCTION trips.region_named(region text) RETURNS smallint
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    found smallint := (SELECT r.id FROM trips.region r WHERE r.name = normalize(btrim(region), NFC));
BEGIN
    IF found IS NULL AND region IS NOT NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('region "%s" does not exist', region),
            HINT = (SELECT CASE WHEN count(*) = 0 THEN 'No region is known yet: load a file with trips_ingest.'
                                ELSE format('Known regions: %s%s.', string_agg(n.name, ', ' ORDER BY n.name),
                                            CASE WHEN count(*) = 20 THEN ', ...' ELSE '' END) END
                      FROM (SELECT r.name FROM trips.region r ORDER BY r.name LIMIT 20) n);
    END IF;
    RETURN found;
END
$$;
COMMENT ON FUNCTION trips.region_named(text) IS 'Internal: id of a region; an unknown name raises 22023 with the known ones as a hint, null gives null';

CREATE FUNCTION trips.ask(region text, from_date date, to_date date, matching text, box float8[], area geometry)
RETURNS trips.question
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    asked   trips.question;
    unit    constant interval := '1 week';
    first_  timestamp;
    last_   timestamp;
BEGIN
    IF matching IS NULL OR matching NOT IN ('origin', 'destination', 'either', 'both', 'crosses') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid value for option "matching": "%s"', matching),
            DETAIL = 'Allowed values: "origin", "destination", "either", "both", "crosses".';
    END IF;
    IF from_date >= to_date OR NOT isfinite(coalesce(from_date, to_date, '2000-01-01'))
                            OR NOT isfinite(coalesce(to_date, from_date, '2000-01-01')) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid period: from_date %s, to_date %s', coalesce(from_date::text, 'null'), coalesce(to_date::text, 'null')),
            DETAIL = 'Both must be finite, and from_date before to_date, which is the first day outside the period.';
    END IF;
    IF 'NaN' = ANY (box) OR box[2] > box[4] THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid box: longitude %s to %s, latitude %s to %s', box[1], box[3], box[2], box[4]),
            DETAIL = 'No bound may be NaN, and min_lat not above max_lat; min_lon above max_lon means a box across the antimeridian.';
    END IF;
    IF area IS NOT NULL AND (geometrytype(area) NOT IN ('POLYGON', 'MULTIPOLYGON') OR st_srid(area) <> 4326) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid area: %s with SRID %s', geometrytype(area), st_srid(area)),
            DETAIL = 'An area is a polygon or multipolygon with SRID 4326.';
    END IF;
    asked := (trips.region_named(region), from_date, to_date, matching, box, area, NOT trips.trees_answer());
    IF from_date IS NULL OR to_date IS NULL THEN
        IF asked.scan THEN
            SELECT min(t.departed_at), max(t.departed_at) INTO first_, last_
              FROM trips.trip t
             WHERE asked.region_id IS NULL OR t.region_id = asked.region_id;
        ELSE
            SELECT k.first_day, k.last_day INTO first_, last_ FROM trips.known_days(asked.region_id) k;
        END IF;
        asked.from_date := coalesce(from_date, date_trunc('week', first_)::date);
        asked.to_date   := coalesce(to_date, (date_trunc('week', last_) + unit)::date);
    END IF;
    RETURN asked;
END
$$;
COMMENT ON FUNCTION trips.ask(text, date, date, text, float8[], geometry) IS
'Internal: the question that these arguments ask, checked; open ends of the period become those of the weeks in which the region, or any region, has trips';

CREATE FUNCTION trips.box_area(box float8[]) RETURNS geometry
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- The envelope of a diagonal is a point or a line where the box has no width or height.
    SELECT CASE WHEN box[1] <= box[3]
                THEN st_envelope(st_setsrid(st_makeline(st_makepoint(box[1], box[2]), st_makepoint(box[3], box[4])), 4326))
                ELSE st_collect(
                     st_envelope(st_setsrid(st_makeline(st_makepoint(box[1], box[2]), st_makepoint(180, box[4])), 4326)),
                     st_envelope(st_setsrid(st_makeline(st_makepoint(-180, box[2]), st_makepoint(box[3], box[4])), 4326)))
           END
$$;
COMMENT ON FUNCTION trips.box_area(float8[]) IS 'Internal: the geometry of a box; of two where it lies across the antimeridian';

CREATE FUNCTION trips.matching_condition(matching text, box float8[], area geometry) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    -- What a point, %1$s, must be. $1 is a trips.question, $2 its area or that of its box.
    inside constant text := CASE
        WHEN area IS NOT NULL THEN 'st_intersects($2, t.%1$s)'
        WHEN box[1] <= box[3] THEN '(st_x(t.%1$s) BETWEEN $1.box[1] AND $1.box[3] AND st_y(t.%1$s) BETWEEN $1.box[2] AND $1.box[4])'
        WHEN box IS NOT NULL  THEN '((st_x(t.%1$s) >= $1.box[1] OR st_x(t.%1$s) <= $1.box[3]) AND st_y(t.%1$s) BETWEEN $1.box[2] AND $1.box[4])'
        ELSE 'true' END;
    starts constant text := format(inside, 'origin');
    ends   constant text := format(inside, 'destination');
BEGIN
    RETURN CASE matching
        WHEN 'origin'      THEN starts
        WHEN 'destination' THEN ends
        WHEN 'either'      THEN format('(%s OR %s)', starts, ends)
        WHEN 'both'        THEN format('(%s AND %s)', starts, ends)
        WHEN 'crosses'     THEN format('(%s OR %s OR st_intersects($2, st_makeline(t.origin, t.destination)))', starts, ends)
    END;
END
$$;
COMMENT ON FUNCTION trips.matching_condition(text, float8[], geometry) IS 'Internal: the condition on a trip t, as SQL text that holds none of the arguments';

CREATE FUNCTION trips.scan_trips(asked trips.question, by_week boolean) RETURNS TABLE (week date, trips bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    -- As the trees say it; PostGIS would count something.
    IF EXISTS (SELECT FROM st_dumppoints(asked.area) p
                WHERE NOT (abs(st_x(p.geom)) < 'Infinity' AND abs(st_y(p.geom)) < 'Infinity')) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'invalid area: a coordinate is not a finite number';
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT %s, count(*)
           FROM trips.trip t
          WHERE t.departed_at >= $1.from_date AND t.departed_at < $1.to_date %s AND %s
          GROUP BY 1',
        CASE WHEN by_week THEN 'date_trunc(''week'', t.departed_at)::date' ELSE 'NULL::date' END,
        CASE WHEN asked.region_id IS NOT NULL THEN 'AND t.region_id = $1.region_id' END,
        trips.matching_condition(asked.matching, asked.box, asked.area))
    USING asked, coalesce(asked.area, trips.box_area(asked.box));
END
$$;
COMMENT ON FUNCTION trips.scan_trips(trips.question, boolean) IS
'Internal: what trips.count_trips gives, by a scan of trips.trip, which may run in parallel';

CREATE FUNCTION trips.count_trips(asked trips.question, by_week boolean) RETURNS TABLE (week date, trips bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    -- An open end that falls before the other end, or on no trip at all, leaves nothing to count.
    IF NOT coalesce(asked.from_date < asked.to_date, false) THEN
        RETURN;
    ELSIF asked.scan OR asked.matching = 'crosses' THEN
        RETURN QUERY SELECT * FROM trips.scan_trips(asked, by_week);
    ELSIF asked.box IS NULL AND asked.area IS NULL THEN
        RETURN QUERY SELECT * FROM trips.region_trips(asked.region_id, asked.from_date, asked.to_date, by_week);
    ELSE
        RETURN QUERY SELECT * FROM trips.area_trips(
            asked.matching, asked.box, st_asbinary(st_force2d(asked.area), 'NDR'),
            asked.from_date, asked.to_date, asked.region_id, by_week);
    END IF;
END
$$;
COMMENT ON FUNCTION trips.count_trips(trips.question, boolean) IS
'Internal: the trips of each week that has any or, by_week false, of the whole period, in at most one row without a week';

CREATE FUNCTION trips.average(asked trips.question) RETURNS numeric
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    days constant integer := asked.to_date - asked.from_date;
BEGIN
    IF NOT coalesce(days > 0, false) THEN
        RETURN 0;
    END IF;
    RETURN (SELECT trim_scale(coalesce(sum(w.trips), 0) * 7 / days) FROM trips.count_trips(asked, by_week => false) w);
END
$$;
COMMENT ON FUNCTION trips.average(trips.question) IS 'Internal: trips times seven over the days of the period';

CREATE FUNCTION trips.weeks(asked trips.question) RETURNS TABLE (week date, trips bigint, days integer)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT m.monday, coalesce(w.trips, 0),
           least(m.monday + 7, asked.to_date) - greatest(m.monday, asked.from_date)
      FROM (SELECT date_trunc('week', asked.from_date::timestamp)::date + 7 * n AS monday
              FROM generate_series(0, (asked.to_date - 1 - date_trunc('week', asked.from_date::timestamp)::date) / 7) n
             WHERE asked.from_date < asked.to_date) m
      LEFT JOIN trips.count_trips(asked, by_week => true) w ON w.week = m.monday
     ORDER BY m.monday;
END
$$;
COMMENT ON FUNCTION trips.weeks(trips.question) IS 'Internal: every week of the period, those without trips too';

CREATE FUNCTION trips_weekly_average(region text, from_date date = NULL, to_date date = NULL) RETURNS numeric
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF region IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN trips.average(trips.ask(region, from_date, to_date, 'origin', NULL, NULL));
END
$$;
COMMENT ON FUNCTION trips_weekly_average(text, date, date) IS
'Trips a week in a region: trips * 7 / days from from_date up to, but without, to_date; weeks without trips count. '
'The period is by default that of the ISO weeks from the region''s first trip to its last. An unknown region raises 22023; null gives null';

CREATE FUNCTION trips_weekly_average(
    min_lon float8, min_lat float8, max_lon float8, max_lat float8,
    from_date date = NULL, to_date date = NULL, matching text = 'origin', region text = NULL) RETURNS numeric
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF min_lon IS NULL OR min_lat IS NULL OR max_lon IS NULL OR max_lat IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN trips.average(trips.ask(region, from_date, to_date, matching, ARRAY[min_lon, min_lat, max_lon, max_lat], NULL));
END
$$;
COMMENT ON FUNCTION trips_weekly_average(float8, float8, float8, float8, date, date, text, text) IS
'Trips a week in a box of longitudes and latitudes in degrees, edges included; min_lon above max_lon means across the antimeridian. '
'matching: ''origin'' or ''destination'' lies in the box, ''either'', ''both'', or ''crosses'': the straight line between them meets it. '
'region restricts to its trips besides. Period and average as for a region; the default period is that of the region, or of all trips';

CREATE FUNCTION trips_weekly_average(
    area geometry,
    from_date date = NULL, to_date date = NULL, matching text = 'origin', region text = NULL) RETURNS numeric
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF area IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN trips.average(trips.ask(region, from_date, to_date, matching, NULL, area));
END
$$;
COMMENT ON FUNCTION trips_weekly_average(geometry, date, date, text, text) IS
'Trips a week in a polygon or multipolygon with SRID 4326, border included, as ST_Intersects decides. '
'matching, region, period and average as for a box';

CREATE FUNCTION trips_weekly_trips(region text, from_date date = NULL, to_date date = NULL)
RETURNS TABLE (week date, trips bigint, days integer)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF region IS NOT NULL THEN
        RETURN QUERY SELECT * FROM trips.weeks(trips.ask(region, from_date, to_date, 'origin', NULL, NULL));
    END IF;
END
$$;
COMMENT ON FUNCTION trips_weekly_trips(text, date, date) IS
'Trips of a region in each ISO week of the period, those without trips too: the Monday, the trips, and how many days of the week lie in the period. '
'Arguments as of trips_weekly_average';

CREATE FUNCTION trips_weekly_trips(
    min_lon float8, min_lat float8, max_lon float8, max_lat float8,
    from_date date = NULL, to_date date = NULL, matching text = 'origin', region text = NULL)
RETURNS TABLE (week date, trips bigint, days integer)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF min_lon IS NOT NULL AND min_lat IS NOT NULL AND max_lon IS NOT NULL AND max_lat IS NOT NULL THEN
        RETURN QUERY SELECT * FROM trips.weeks(
            trips.ask(region, from_date, to_date, matching, ARRAY[min_lon, min_lat, max_lon, max_lat], NULL));
    END IF;
END
$$;
COMMENT ON FUNCTION trips_weekly_trips(float8, float8, float8, float8, date, date, text, text) IS
'Trips of a box in each ISO week of the period, those without trips too: the Monday, the trips, and how many days of the week lie in the period. '
'Arguments as of trips_weekly_average';

CREATE FUNCTION trips_weekly_trips(
    area geometry,
    from_date date = NULL, to_date date = NULL, matching text = 'origin', region text = NULL)
RETURNS TABLE (week date, trips bigint, days integer)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF area IS NOT NULL THEN
        RETURN QUERY SELECT * FROM trips.weeks(trips.ask(region, from_date, to_date, matching, NULL, area));
    END IF;
END
$$;
COMMENT ON FUNCTION trips_weekly_trips(geometry, date, date, text, text) IS
'Trips of an area in each ISO week of the period, those without trips too: the Monday, the trips, and how many days of the week lie in the period. '
'Arguments as of trips_weekly_average';

CREATE FUNCTION trips.plan(asked trips.question)
RETURNS TABLE (tree text, runs bigint, nodes_opened bigint, leaves_read bigint, points_tested bigint, points_fetched bigint, trips bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF asked.matching = 'crosses' THEN
        RAISE feature_not_supported USING
            MESSAGE = 'no area tree answers matching "crosses"',
            HINT = 'Such a question is answered by a scan of trips.trip.';
    ELSIF asked.from_date < asked.to_date THEN
        RETURN QUERY SELECT * FROM trips.area_plan(
            asked.matching, asked.box, st_asbinary(st_force2d(asked.area), 'NDR'), asked.from_date, asked.to_date, asked.region_id);
    END IF;
END
$$;
COMMENT ON FUNCTION trips.plan(trips.question) IS 'Internal: what the area trees do for a question, as trips_area_plan gives it';

CREATE FUNCTION trips_area_plan(
    min_lon float8, min_lat float8, max_lon float8, max_lat float8,
    from_date date = NULL, to_date date = NULL, matching text = 'origin', region text = NULL)
RETURNS TABLE (tree text, runs bigint, nodes_opened bigint, leaves_read bigint, points_tested bigint, points_fetched bigint, trips bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF min_lon IS NOT NULL AND min_lat IS NOT NULL AND max_lon IS NOT NULL AND max_lat IS NOT NULL THEN
        RETURN QUERY SELECT * FROM trips.plan(
            trips.ask(region, from_date, to_date, matching, ARRAY[min_lon, min_lat, max_lon, max_lat], NULL));
    END IF;
END
$$;
COMMENT ON FUNCTION trips_area_plan(float8, float8, float8, float8, date, date, text, text) IS
'What the area trees do to count the trips of a box: of each tree, the runs, the inner nodes that were opened, the leaves that were read, the points in them that were compared one by one, '
'those of them whose exact place had to be fetched since their cell lies on the edge, and the trips that were found. '
'Arguments as of trips_weekly_average; matching ''crosses'' asks no tree and raises 0A000';

CREATE FUNCTION trips_area_plan(
    area geometry,
    from_date date = NULL, to_date date = NULL, matching text = 'origin', region text = NULL)
RETURNS TABLE (tree text, runs bigint, nodes_opened bigint, leaves_read bigint, points_tested bigint, points_fetched bigint, trips bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF area IS NOT NULL THEN
        RETURN QUERY SELECT * FROM trips.plan(trips.ask(region, from_date, to_date, matching, NULL, area));
    END IF;
END
$$;
COMMENT ON FUNCTION trips_area_plan(geometry, date, date, text, text) IS
'What the area trees do to count the trips of a polygon or multipolygon, as for a box';
