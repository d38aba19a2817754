-- What the catalogue must not say of trips_ext: a row for each fault, none where all is well. Reads what CREATE EXTENSION made, in a
-- session that has loaded the library.
--
-- A function, a setting or a kind of object that is new is a fault until it is listed here: say first who may use it.

WITH labels (names, volatility, parallel, by_public) AS (VALUES
    -- Writes for its caller, so that it has to be granted.
    ('trips_ingest trips_ingest_async trips_upload trips_ingest_upload trips_cancel trips_forget trips_compact trips_rebuild
      trips_group_table trips_group_refresh refresh_groups enable_triggers trips_partition trips_distribute', 'v', 'u', false),
    -- Triggers: nobody needs a right for what a trigger calls, nor should anybody make triggers of them.
    ('trip_inserted trip_updated trip_deleted trip_truncated trip_not_replicated trip_guarded inbox_insert ingest_queued', 'v', 'u', false),
    -- What the triggers call as whoever changes the trips; each refuses by itself what would make an answer wrong.
    ('index_trips release_runs drop_runs forget_trips drop_all_runs', 'v', 'u', true),
    -- Gives what the session itself holds, and only while it inserts it.
    ('rows_in_hand own_statement', 'v', 'u', true),
    -- Reads with the rights of its caller.
    ('trips_weekly_average trips_weekly_trips trips_area_plan trips_check', 's', 's', true),
    ('trips_groups trips_group_members similar_groups similar_members', 's', 'r', true),
    ('similar_refresh', 's', 'u', true),
    ('area_trips region_trips trees_answer known_days area_plan area_contents', 's', 's', true),
    ('ingest_is_running region_named ask scan_trips count_trips average weeks plan', 's', 's', true),
    -- Reads nothing.
    ('trip_digest box_area matching_condition flow check_similar', 'i', 's', true)
), settings (names, context) AS (VALUES
    ('channel parser_threads ingest_memory area_memory merge_delay group_memory group_threads inbox_on_error inbox_reject_limit', 'user'),
    ('allowed_directories area_trees disk_reserve', 'superuser'),
    ('max_jobs inbox_directory inbox_database inbox_role', 'sighup')
), extension AS (
    SELECT e.oid, e.extowner AS owner, e.extnamespace AS namespace,
           (SELECT n.nspname FROM pg_extension p JOIN pg_namespace n ON n.oid = p.extnamespace WHERE p.extname = 'postgis') AS postgis
      FROM pg_extension e
     WHERE e.extname = 'trips_ext'
), member AS (
    SELECT d.classid, d.objid
      FROM pg_depend d
      JOIN extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
     WHERE d.deptype = 'e'
), function AS (
    SELECT p.*, p.oid::regprocedure::text AS called, l.lanname AS language, l.lanpltrusted AS is_trusted,
           EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0) AS by_public
      FROM pg_proc p
      JOIN pg_language l ON l.oid = p.prolang
      JOIN member m      ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
), label AS (
    SELECT n.name, l.volatility, l.parallel, l.by_public
      FROM labels l
     CROSS JOIN LATERAL regexp_split_to_table(l.names, '\s+') n (name)
), setting AS (
    SELECT 'trips_ext.' || n.name AS name, s.context
      FROM settings s
     CROSS JOIN LATERAL regexp_split_to_table(s.names, '\s+') n (name)
), relation AS (
    SELECT c.*, c.oid::regclass::text AS called
      FROM pg_class c
      JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
), granted AS (
    -- Rights of others than the owner, which CREATE EXTENSION gives to nobody.
    SELECT r.called, a.grantee, a.privilege_type
      FROM relation r
     CROSS JOIN LATERAL aclexplode(r.relacl) a
     WHERE a.grantee <> r.relowner
     UNION ALL
    SELECT r.called || '.' || c.attname, a.grantee, a.privilege_type
      FROM relation r
      JOIN pg_attribute c ON c.attrelid = r.oid
     CROSS JOIN LATERAL aclexplode(c.attacl) a
     UNION ALL
    SELECT 'schema trips', a.grantee, a.privilege_type
      FROM pg_namespace n
     CROSS JOIN LATERAL aclexplode(n.nspacl) a
     WHERE n.nspname = 'trips' AND a.grantee <> n.nspowner
     UNION ALL
    SELECT 'type ' || t.typname, a.grantee, a.privilege_type
      FROM pg_type t
      JOIN member m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
     CROSS JOIN LATERAL aclexplode(t.typacl) a
     WHERE a.grantee NOT IN (0, t.typowner)
), in_schema (classid, objid, called) AS (
    -- All that stands in the schema of the extension's tables.
    SELECT 'pg_class'::regclass::oid, c.oid, c.oid::regclass::text
      FROM pg_class c WHERE c.relnamespace = 'trips'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S')
     UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'trips'::regnamespace
     UNION ALL
    SELECT 'pg_type'::regclass, t.oid, t.oid::regtype::text
      FROM pg_type t WHERE t.typnamespace = 'trips'::regnamespace AND t.typelem = 0 AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind <> 'c')
     UNION ALL
    SELECT 'pg_operator'::regclass, o.oid, o.oid::regoperator::text FROM pg_operator o WHERE o.oprnamespace = 'trips'::regnamespace
     UNION ALL
    SELECT 'pg_collation'::regclass, c.oid, c.collname FROM pg_collation c WHERE c.collnamespace = 'trips'::regnamespace
)
SELECT 'runs with the rights of its owner' AS fault, f.called AS object FROM function f WHERE f.prosecdef
 UNION ALL
SELECT 'is said to leak nothing', f.called FROM function f WHERE f.proleakproof
 UNION ALL
SELECT 'is in no list of labels', f.called FROM function f WHERE NOT EXISTS (SELECT FROM label l WHERE l.name = f.proname)
 UNION ALL
SELECT 'is listed and does not exist', l.name FROM label l WHERE NOT EXISTS (SELECT FROM function f WHERE f.proname = l.name)
 UNION ALL
SELECT 'has another volatility than is listed', f.called FROM function f JOIN label l ON l.name = f.proname WHERE l.volatility <> f.provolatile
 UNION ALL
SELECT 'has another parallel label than is listed', f.called FROM function f JOIN label l ON l.name = f.proname WHERE l.parallel <> f.proparallel
 UNION ALL
SELECT CASE WHEN f.by_public THEN 'may be executed by PUBLIC' ELSE 'may not be executed by PUBLIC' END, f.called
  FROM function f JOIN label l ON l.name = f.proname WHERE l.by_public <> f.by_public
 UNION ALL
SELECT 'is granted to a role', f.called
  FROM function f WHERE EXISTS (SELECT FROM aclexplode(f.proacl) a WHERE a.grantee NOT IN (0, f.proowner))
 UNION ALL
SELECT 'is written in ' || f.language, f.called
  FROM function f WHERE f.language NOT IN ('c', 'sql', 'plpgsql') OR f.language <> 'c' AND NOT f.is_trusted
 UNION ALL
SELECT 'is in another library', f.called FROM function f WHERE f.language = 'c' AND f.probin <> 'trips_ext'
 UNION ALL
SELECT 'does not look names up in the catalogue, then PostGIS'' schema, and last among temporary objects', f.called
  FROM function f CROSS JOIN extension e
 WHERE f.language <> 'c'
   AND format('search_path=pg_catalog, %I, pg_temp', e.postgis) <> ALL (coalesce(f.proconfig, '{}'))
 UNION ALL
SELECT 'belongs to another role than the extension', f.called FROM function f CROSS JOIN extension e WHERE f.proowner <> e.owner
 UNION ALL
SELECT 'belongs to another role than the extension', r.called FROM relation r CROSS JOIN extension e WHERE r.relowner <> e.owner
 UNION ALL
SELECT format('%s is granted to %s', g.privilege_type, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END), g.called FROM granted g
 UNION ALL
SELECT 'shows what its owner may read', r.called
  FROM relation r
 WHERE r.relkind = 'v'
   AND NOT EXISTS (SELECT FROM pg_options_to_table(r.reloptions) o WHERE o.option_name = 'security_invoker' AND o.option_value::boolean)
 UNION ALL
SELECT 'is a ' || r.relkind::text || ', which no extension needs here', r.called FROM relation r WHERE r.relkind NOT IN ('r', 'v', 'S')
 UNION ALL
SELECT 'is unlogged or temporary', r.called FROM relation r WHERE r.relpersistence <> 'p'
 UNION ALL
SELECT 'shows what was pushed to everybody who may read the schema''s tables', r.called
  FROM relation r WHERE r.relname IN ('ingest_attempt', 'inbox_file') AND NOT r.relrowsecurity
 UNION ALL
SELECT 'lets others write by a policy', p.polrelid::regclass::text
  FROM pg_policy p JOIN relation r ON r.oid = p.polrelid WHERE p.polcmd <> 'r'
 UNION ALL
SELECT 'does not belong to the extension', s.called
  FROM in_schema s
 WHERE s.called <> 'trips.drop_guard'  -- Which the first load makes, so that DROP EXTENSION asks for CASCADE.
   AND NOT EXISTS (SELECT FROM member m WHERE m.classid = s.classid AND m.objid = s.objid)
 UNION ALL
SELECT 'does not belong to the extension', p.oid::regprocedure::text
  FROM pg_proc p CROSS JOIN extension e
 WHERE p.pronamespace = e.namespace AND p.proname LIKE 'trips\_%'
   AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
 UNION ALL
SELECT 'is of a kind that the extension has no need of', pg_describe_object(m.classid, m.objid, 0)
  FROM member m
 WHERE m.classid NOT IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_namespace'::regclass)
 UNION ALL
SELECT 'is an event trigger', t.evtname FROM pg_event_trigger t JOIN function f ON f.oid = t.evtfoid
 UNION ALL
SELECT 'is a rule', r.rulename FROM pg_rewrite r JOIN relation t ON t.oid = r.ev_class WHERE r.rulename <> '_RETURN'
 UNION ALL
SELECT 'has no comment', f.called FROM function f WHERE obj_description(f.oid, 'pg_proc') IS NULL
 UNION ALL
SELECT 'has no comment', r.called FROM relation r WHERE r.relkind IN ('r', 'v', 'S') AND obj_description(r.oid, 'pg_class') IS NULL
 UNION ALL
SELECT 'has no comment', r.called || '.' || a.attname
  FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid
 WHERE r.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped AND col_description(r.oid, a.attnum) IS NULL
 UNION ALL
SELECT 'has no comment', t.oid::regtype::text
  FROM pg_type t JOIN member m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid WHERE obj_description(t.oid, 'pg_type') IS NULL
 UNION ALL
SELECT 'has no comment', t.tgname || ' on ' || r.called
  FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal AND obj_description(t.oid, 'pg_trigger') IS NULL
 UNION ALL
SELECT 'has no comment', p.polname || ' on ' || r.called
  FROM pg_policy p JOIN relation r ON r.oid = p.polrelid WHERE obj_description(p.oid, 'pg_policy') IS NULL
 UNION ALL
SELECT 'has no comment', 'schema trips' WHERE obj_description('trips'::regnamespace, 'pg_namespace') IS NULL
 UNION ALL
SELECT 'keeps its triggers to the sessions of an origin', t.tgname || ' on ' || r.called
  FROM pg_trigger t JOIN relation r ON r.oid = t.tgrelid
 WHERE r.relname = 'trip' AND t.tgenabled <> CASE t.tgname WHEN 'trip_not_replicated' THEN 'R' ELSE 'A' END
 UNION ALL
SELECT 'may be set by ' || p.context || ', not by ' || coalesce(s.context, 'anybody'), p.name
  FROM pg_settings p LEFT JOIN setting s USING (name)
 WHERE p.name LIKE 'trips\_ext.%' AND p.context IS DISTINCT FROM s.context
 UNION ALL
SELECT 'is listed and does not exist', s.name FROM setting s WHERE NOT EXISTS (SELECT FROM pg_settings p WHERE p.name = s.name)
 UNION ALL
SELECT 'can be made by others than superusers', v.name
  FROM pg_available_extension_versions v WHERE v.name = 'trips_ext' AND (v.trusted OR NOT v.superuser)
 ORDER BY 1, 2
