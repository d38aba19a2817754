-- Whatever SQL does to trips.trip reaches the area trees in the same statement: INSERT, COPY, UPDATE, DELETE, MERGE, TRUNCATE.
-- trips_ingest writes its runs by itself: it fires none of these, or is told apart by trips.own_statement().
--
-- The triggers are statement triggers: a statement writes at most one run of trips that count and one of trips that are taken
-- away, and compares what it changed as a whole. Their functions run as whoever changes the trips.

CREATE FUNCTION trips.trip_inserted() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
DECLARE
    rows refcursor;
BEGIN
    -- A load that cannot write in bulk inserts by statements, and writes its runs itself.
    IF trips.own_statement() THEN
        RETURN NULL;
    END IF;
    PERFORM trips.release_runs(ARRAY(SELECT DISTINCT i.id >> 32 FROM inserted i));
    OPEN rows FOR
    SELECT st_x(i.origin), st_y(i.origin), st_x(i.destination), st_y(i.destination), i.departed_at, i.region_id FROM inserted i;
    PERFORM trips.index_trips(rows, 1::smallint);
    CLOSE rows;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION trips.trip_inserted() FROM PUBLIC;
COMMENT ON FUNCTION trips.trip_inserted() IS 'Internal: the area trees learn of trips that a statement has inserted';

CREATE FUNCTION trips.trip_updated() RETURNS trigger
-- A sort spills to disk, where a hashed EXCEPT takes what memory it needs.
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET enable_hashagg = off AS $$
DECLARE
    changed bigint[];
    rows    refcursor;
BEGIN
    -- The ingests that have lost trips as the trees know them. There are as many trips as before: if none has lost any, none has got any.
    SELECT array_agg(DISTINCT c.ingest) INTO changed
      FROM (SELECT st_x(d.origin), st_y(d.origin), st_x(d.destination), st_y(d.destination), d.departed_at::date, d.region_id, d.id >> 32 FROM deleted d
            EXCEPT ALL
            SELECT st_x(i.origin), st_y(i.origin), st_x(i.destination), st_y(i.destination), i.departed_at::date, i.region_id, i.id >> 32 FROM inserted i
           ) c (origin_lon, origin_lat, destination_lon, destination_lat, day, region_id, ingest);
    IF changed IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT changed || array_agg(DISTINCT c.ingest) INTO changed
      FROM (SELECT st_x(i.origin), st_y(i.origin), st_x(i.destination), st_y(i.destination), i.departed_at::date, i.region_id, i.id >> 32 FROM inserted i
            EXCEPT ALL
            SELECT st_x(d.origin), st_y(d.origin), st_x(d.destination), st_y(d.destination), d.departed_at::date, d.region_id, d.id >> 32 FROM deleted d
           ) c (origin_lon, origin_lat, destination_lon, destination_lat, day, region_id, ingest);
    PERFORM trips.release_runs(changed);
    OPEN rows FOR
    SELECT st_x(d.origin), st_y(d.origin), st_x(d.destination), st_y(d.destination), d.departed_at::date::timestamp, d.region_id FROM deleted d
    EXCEPT ALL
    SELECT st_x(i.origin), st_y(i.origin), st_x(i.destination), st_y(i.destination), i.departed_at::date::timestamp, i.region_id FROM inserted i;
    PERFORM trips.index_trips(rows, -1::smallint);
    CLOSE rows;
    OPEN rows FOR
    SELECT st_x(i.origin), st_y(i.origin), st_x(i.destination), st_y(i.destination), i.departed_at::date::timestamp, i.region_id FROM inserted i
    EXCEPT ALL
    SELECT st_x(d.origin), st_y(d.origin), st_x(d.destination), st_y(d.destination), d.departed_at::date::timestamp, d.region_id FROM deleted d;
    PERFORM trips.index_trips(rows, 1::smallint);
    CLOSE rows;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION trips.trip_updated() FROM PUBLIC;
COMMENT ON FUNCTION trips.trip_updated() IS
'Internal: the area trees learn of trips whose ends, day or region a statement has changed; other columns, and the time of the day, are not theirs';

CREATE FUNCTION trips.trip_deleted() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
DECLARE
    ingest  record;
    reduced bigint[] := '{}';
    rows    refcursor;
BEGIN
    -- An ingest that is gone takes its runs with it.
    FOR ingest IN SELECT d.id >> 32 AS id, count(*) AS trips FROM deleted d GROUP BY 1 LOOP
        IF NOT trips.drop_runs(ingest.id, ingest.trips) THEN
            reduced := reduced || ingest.id;
        END IF;
    END LOOP;
    IF reduced <> '{}' THEN
        PERFORM trips.release_runs(reduced);
        OPEN rows FOR
        SELECT st_x(d.origin), st_y(d.origin), st_x(d.destination), st_y(d.destination), d.departed_at, d.region_id
          FROM deleted d WHERE d.id >> 32 = ANY (reduced);
        PERFORM trips.index_trips(rows, -1::smallint);
        CLOSE rows;
    END IF;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION trips.trip_deleted() FROM PUBLIC;
COMMENT ON FUNCTION trips.trip_deleted() IS 'Internal: the area trees learn of trips that a statement has deleted';

CREATE FUNCTION trips.trip_truncated() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
BEGIN
    PERFORM trips.drop_all_runs();
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION trips.trip_truncated() FROM PUBLIC;
COMMENT ON FUNCTION trips.trip_truncated() IS 'Internal: the area trees learn that there are no trips any more';

-- Rows that a subscription applies fire no statement triggers, and row triggers only in the role "replica". A session that has set
-- this role by hand has its statement triggers: they are ENABLE ALWAYS. An apply worker, the server's own or that of
-- another extension, is no client's backend; where the caller may not see what it is, it is taken for one.
CREATE FUNCTION trips.trip_not_replicated() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
BEGIN
    IF current_setting('session_replication_role') = 'replica'
       AND (SELECT a.backend_type IS DISTINCT FROM 'client backend' FROM pg_stat_get_activity(pg_backend_pid()) a) THEN
        RAISE feature_not_supported USING
            MESSAGE = 'rows cannot be replicated into trips.trip',
            HINT = 'Replicate into a table of another name, and use INSERT ... SELECT from there.';
    END IF;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION trips.trip_not_replicated() FROM PUBLIC;
COMMENT ON FUNCTION trips.trip_not_replicated() IS
'Internal: refuses rows that replication applies, since the area trees would not learn of them; lets pass what a client does with session_replication_role = replica';

CREATE TRIGGER trip_inserted AFTER INSERT ON trips.trip
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION trips.trip_inserted();
CREATE TRIGGER trip_updated AFTER UPDATE ON trips.trip
    REFERENCING OLD TABLE AS deleted NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION trips.trip_updated();
CREATE TRIGGER trip_deleted AFTER DELETE ON trips.trip
    REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION trips.trip_deleted();
CREATE TRIGGER trip_truncated AFTER TRUNCATE ON trips.trip
    FOR EACH STATEMENT EXECUTE FUNCTION trips.trip_truncated();
-- After, not before, the row: a trigger before it, even one that is not enabled, makes COPY insert row by row.
CREATE TRIGGER trip_not_replicated AFTER INSERT OR UPDATE OR DELETE ON trips.trip
    FOR EACH ROW EXECUTE FUNCTION trips.trip_not_replicated();

CREATE FUNCTION trips.enable_triggers() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
DECLARE
    own name;
BEGIN
    FOR own IN
        SELECT t.tgname
          FROM pg_trigger t
         WHERE t.tgrelid = 'trips.trip'::regclass
           AND t.tgname IN ('trip_inserted', 'trip_updated', 'trip_deleted', 'trip_truncated', 'trip_not_replicated', 'trip_guarded')
    LOOP
        EXECUTE format('ALTER TABLE trips.trip ENABLE %s TRIGGER %I', CASE own WHEN 'trip_not_replicated' THEN 'REPLICA' ELSE 'ALWAYS' END, own);
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION trips.enable_triggers() FROM PUBLIC;
COMMENT ON FUNCTION trips.enable_triggers() IS
'Internal: enables the triggers that keep the area trees as the trips are, in every session_replication_role; after DISABLE and ENABLE TRIGGER ALL they would fire in that of an origin alone';
SELECT trips.enable_triggers();

COMMENT ON TRIGGER trip_inserted       ON trips.trip IS 'Keeps the area trees as the trips are. Whoever disables it (pg_restore --disable-triggers does) calls trips_rebuild() afterwards; trips_check() tells whether that is needed';
COMMENT ON TRIGGER trip_updated        ON trips.trip IS 'Keeps the area trees as the trips are, like trip_inserted';
COMMENT ON TRIGGER trip_deleted        ON trips.trip IS 'Keeps the area trees as the trips are, like trip_inserted';
COMMENT ON TRIGGER trip_truncated      ON trips.trip IS 'Keeps the area trees as the trips are, like trip_inserted';
COMMENT ON TRIGGER trip_not_replicated ON trips.trip IS 'Refuses what a subscription applies: no statement trigger would see it';
