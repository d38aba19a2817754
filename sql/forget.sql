-- Undoing an ingest.

CREATE FUNCTION trips_forget(ingest bigint) RETURNS bigint
-- Trips that a policy hides would stay behind without their ingest: better an error.
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET row_security = off AS $$
DECLARE
    removed     bigint;
    regions     smallint[];
    datasources smallint[];
    name_id     smallint;
BEGIN
    IF ingest IS NULL THEN
        RETURN NULL;
    END IF;
    -- Running loads hold ROW EXCLUSIVE on these: none of them may be about to use a name that goes here.
    LOCK TABLE trips.region, trips.datasource IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM trips.ingest i WHERE i.id = ingest;
    IF NOT FOUND THEN
        RAISE undefined_object USING
            MESSAGE = pg_catalog.format('ingest %s does not exist', ingest),
            HINT = 'The table trips.ingest lists the ingests.';
    END IF;
    DELETE FROM trips.rejected_row r WHERE r.ingest_id = ingest;
    SELECT array_agg(DISTINCT n.region_id), array_agg(DISTINCT n.datasource_id)
      INTO regions, datasources
      FROM (SELECT t.region_id, t.datasource_id
              FROM trips.trip t
             WHERE t.id >= ingest << 32 AND t.id < (ingest + 1) << 32
             GROUP BY t.region_id, t.datasource_id) n;
    removed := trips.forget_trips(ingest);
    -- A name that is used ends each search, most often soon; for those that are not, one search is enough.
    LOOP
        SELECT t.region_id INTO name_id FROM trips.trip t WHERE t.region_id = ANY (regions) LIMIT 1;
        EXIT WHEN NOT FOUND;
        regions := array_remove(regions, name_id);
    END LOOP;
    DELETE FROM trips.region r WHERE r.id = ANY (regions) AND r.first_ingest IS NOT NULL;
    LOOP
        SELECT t.datasource_id INTO name_id FROM trips.trip t WHERE t.datasource_id = ANY (datasources) LIMIT 1;
        EXIT WHEN NOT FOUND;
        datasources := array_remove(datasources, name_id);
    END LOOP;
    DELETE FROM trips.datasource d WHERE d.id = ANY (datasources) AND d.first_ingest IS NOT NULL;
    RETURN removed;
END
$$;
REVOKE EXECUTE ON FUNCTION trips_forget(bigint) FROM PUBLIC;
COMMENT ON FUNCTION trips_forget(bigint) IS
'Removes all that one ingest brought: its trips, also from the area trees, its rejected rows, its row in the ledger, and the names that no other trip uses. '
'Gives the number of trips removed; an ingest that does not exist raises 42704. Waits for running loads to end';
