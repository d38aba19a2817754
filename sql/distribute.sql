-- Trips beyond one ordinary table: in partitions, which may be on other servers, or in the shards of Citus.

CREATE FUNCTION trips.rows_in_hand(of anyelement) RETURNS SETOF anyelement
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'trips_ext_rows_in_hand';
COMMENT ON FUNCTION trips.rows_in_hand(anyelement) IS
'Internal: the rows of the argument''s type that the session is about to insert, one after the other, for the INSERT ... SELECT by which a load writes where it cannot do so in bulk; none at any other time';

CREATE FUNCTION trips.own_statement() RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'own_statement_wrapper';
COMMENT ON FUNCTION trips.own_statement() IS
'Internal: whether the statement that runs is one by which the extension itself changes trips.trip, and sees to the area trees';

CREATE FUNCTION trips.trip_guarded() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
BEGIN
    IF NOT trips.own_statement() THEN
        RAISE feature_not_supported USING
            MESSAGE = format('%s is not supported on a partitioned trips.trip', TG_OP),
            DETAIL = 'The area trees would not learn of it.',
            HINT = 'Load with trips_ingest, trips_ingest_upload or trips.inbox; remove with trips_forget.';
    END IF;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION trips.trip_guarded() FROM PUBLIC;
COMMENT ON FUNCTION trips.trip_guarded() IS 'Internal: refuses what would change a partitioned trips.trip without its area trees';

CREATE FUNCTION trips_partition(relation regclass, partition_by text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
DECLARE
    allowed  constant text[] := '{trips.trip,trips.area_node,trips.area_leaf,trips.area_part}';
    old      pg_class;
    indexes  text[];
    granted  record;
    text_    text;
    has_rows boolean;
BEGIN
    IF relation IS NULL OR partition_by IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'arguments of trips_partition must not be null';
    ELSIF relation::text <> ALL (allowed) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('table %s cannot be partitioned by trips_partition', relation),
            DETAIL = format('Allowed tables: %s.', array_to_string(allowed, ', '));
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', relation);
    SELECT c.* INTO old FROM pg_class c WHERE c.oid = relation;
    IF old.relkind <> 'r' THEN
        RAISE wrong_object_type USING MESSAGE = format('%s is no ordinary table', relation);
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', relation) INTO has_rows;
    IF has_rows THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('%s is not empty', relation),
            HINT = 'Partition the tables before the first load, or forget the ingests, partition, and load again.';
    END IF;
    -- A partition on another server cannot be in a unique index.
    indexes := ARRAY(SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid = relation AND NOT i.indisunique);
    EXECUTE format('ALTER EXTENSION trips_ext DROP TABLE %s', relation);
    EXECUTE format('ALTER TABLE %s RENAME TO %I', relation, old.relname || '_before');
    EXECUTE format('CREATE TABLE trips.%I (LIKE %s INCLUDING COMMENTS INCLUDING STORAGE) PARTITION BY %s', old.relname, relation, partition_by);
    EXECUTE format('ALTER TABLE trips.%I OWNER TO %s', old.relname, old.relowner::regrole);
    EXECUTE format('COMMENT ON TABLE trips.%I IS %L', old.relname, obj_description(relation, 'pg_class'));
    FOR granted IN
        SELECT a.privilege_type AS privilege, a.is_grantable, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
          FROM aclexplode(old.relacl) a
         WHERE a.grantee <> old.relowner
    LOOP
        EXECUTE format('GRANT %s ON trips.%I TO %s', granted.privilege, old.relname, granted.grantee)
             || CASE WHEN granted.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END;
    END LOOP;
    IF old.relname = 'trip' THEN
        DROP VIEW IF EXISTS trips.drop_guard;
        text_ := replace(pg_get_viewdef('trips.trips'::regclass), 'trips.trip_before', 'trips.trip');
        EXECUTE 'CREATE OR REPLACE VIEW trips.trips WITH (security_invoker = true) AS ' || text_;
        CREATE TRIGGER trip_guarded BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON trips.trip
            FOR EACH STATEMENT EXECUTE FUNCTION trips.trip_guarded();
        PERFORM trips.enable_triggers();
        COMMENT ON TRIGGER trip_guarded ON trips.trip IS 'Refuses what would change trips without the area trees';
    END IF;
    EXECUTE format('DROP TABLE trips.%I', old.relname || '_before');
    FOREACH text_ IN ARRAY indexes LOOP
        EXECUTE text_;
    END LOOP;
    EXECUTE format('ALTER EXTENSION trips_ext ADD TABLE trips.%I', old.relname);
END
$$;
REVOKE EXECUTE ON FUNCTION trips_partition(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION trips_partition(regclass, text) IS
'Makes an empty table a partitioned one: trips.trip, or trips.area_node, trips.area_leaf and trips.area_part, which hold the area trees. partition_by is what CREATE TABLE has after PARTITION BY, as in ''HASH (id)''. '
'Partitions are made by CREATE TABLE or CREATE FOREIGN TABLE ... PARTITION OF then. Loads, trips_forget and all questions work as before; INSERT, UPDATE, DELETE and TRUNCATE of a partitioned trips.trip raise 0A000. '
'A table that has rows raises 55000, any other 22023';

CREATE FUNCTION trips_distribute(trees boolean = false) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
DECLARE
    own record;
BEGIN
    IF to_regclass('pg_catalog.pg_dist_partition') IS NULL THEN
        RAISE feature_not_supported USING
            MESSAGE = 'this database has no Citus to distribute trips',
            HINT = 'Install Citus on all servers, CREATE EXTENSION citus, and add the workers; trips_partition does without it.';
    END IF;
    LOCK TABLE trips.trip IN ACCESS EXCLUSIVE MODE;
    -- A distributed table has no triggers. Others' than the extension's own stay, for Citus to refuse.
    FOR own IN
        SELECT t.tgname
          FROM pg_trigger t
         WHERE t.tgrelid = 'trips.trip'::regclass AND NOT t.tgisinternal AND t.tgfoid::regproc::text LIKE 'trips.trip\_%'
    LOOP
        EXECUTE format('DROP TRIGGER %I ON trips.trip', own.tgname);
    END LOOP;
    -- Dimensions first: on every server, so that joins with them are made where the trips are.
    EXECUTE 'SELECT create_reference_table(''trips.region''), create_reference_table(''trips.datasource'')';
    EXECUTE 'SELECT create_distributed_table(''trips.trip'', ''id'')';
    IF trees THEN
        EXECUTE 'SELECT create_distributed_table(''trips.area_node'', ''id''), create_distributed_table(''trips.area_leaf'', ''id''), create_distributed_table(''trips.area_part'', ''leaf_id'')';
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION trips_distribute(boolean) FROM PUBLIC;
COMMENT ON FUNCTION trips_distribute(boolean) IS
'Has Citus keep the trips in shards on its workers: trips.trip by id, trips.region and trips.datasource on every server. The area trees stay on the coordinator, which answers from them, or with trees => true go to the workers, too. '
'Loads, trips_forget and all questions work as before. Distributed tables have no triggers: rows that are inserted, changed or removed by hand are not in the trees; trips_check() tells, trips_rebuild() is the remedy. Without Citus raises 0A000';
