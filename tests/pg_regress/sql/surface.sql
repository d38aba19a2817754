-- What users see of the extension, and the rules that all of it keeps.
CREATE TEMP VIEW mine AS
SELECT classid, objid FROM pg_depend
 WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'trips_ext');
CREATE TEMP VIEW my_function AS
SELECT p.* FROM pg_proc p JOIN mine ON classid = 'pg_proc'::regclass AND objid = p.oid;
CREATE TEMP VIEW my_relation AS
SELECT c.* FROM pg_class c JOIN mine ON classid = 'pg_class'::regclass AND objid = c.oid;

-- Functions: their arguments, then what they give.
SELECT proname AS function, place, part
  FROM my_function, unnest(string_to_array(pg_get_function_arguments(oid), ', ')
                           || string_to_array('-> ' || pg_get_function_result(oid), ', ')) WITH ORDINALITY u (part, place)
 WHERE pronamespace <> 'trips'::regnamespace
 ORDER BY proname COLLATE "C", pronargs, pg_get_function_arguments(oid) COLLATE "C", place;

-- Only what writes is volatile, and that never runs in parallel.
SELECT proname, pg_get_function_identity_arguments(oid) AS arguments, provolatile, proparallel
  FROM my_function WHERE provolatile = 'v' OR proparallel <> 's'
 ORDER BY proname COLLATE "C";

-- Tables, their columns, the view.
SELECT relname, relkind, attname, format_type(atttypid, atttypmod) AS type, attnotnull AS not_null
  FROM my_relation c JOIN pg_attribute a ON attrelid = c.oid
 WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'v')
 ORDER BY relname COLLATE "C", attnum;

-- Constraints and indexes.
SELECT conrelid::regclass AS relation, conname, pg_get_constraintdef(oid) AS definition
  FROM pg_constraint WHERE conrelid IN (SELECT oid FROM my_relation) AND contype <> 'n'
 ORDER BY 1::text COLLATE "C", conname COLLATE "C";
SELECT indexrelid::regclass AS index, pg_get_indexdef(indexrelid) AS definition
  FROM pg_index WHERE indrelid IN (SELECT oid FROM my_relation)
 ORDER BY indexrelid::regclass::text COLLATE "C";

-- Everything has a comment: no rows.
SELECT oid::regprocedure AS without_comment FROM my_function WHERE obj_description(oid, 'pg_proc') IS NULL;
SELECT oid::regclass AS without_comment FROM my_relation
 WHERE relkind IN ('r', 'v', 'S') AND obj_description(oid, 'pg_class') IS NULL;
SELECT attrelid::regclass AS relation, attname AS without_comment
  FROM my_relation c JOIN pg_attribute a ON attrelid = c.oid
 WHERE relkind IN ('r', 'v') AND attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL;
SELECT nspname AS without_comment FROM pg_namespace n JOIN mine ON classid = 'pg_namespace'::regclass AND objid = n.oid
 WHERE obj_description(n.oid, 'pg_namespace') IS NULL;

-- PUBLIC may execute nothing that writes but what the triggers of trips.trip call, which sees to its rights by itself,
-- and read or write no table: no rows.
SELECT oid::regprocedure AS writes FROM my_function
 WHERE provolatile = 'v' AND proname NOT IN ('index_trips', 'release_runs', 'drop_runs', 'forget_trips', 'drop_all_runs', 'rows_in_hand', 'own_statement') AND EXISTS (
       SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0);
SELECT oid::regclass AS open_to_all FROM my_relation
 WHERE EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee = 0);

-- Nothing runs with the rights of another role, and no name is looked up where the caller says: no rows.
SELECT oid::regprocedure AS security_definer FROM my_function WHERE prosecdef;
SELECT p.oid::regprocedure AS search_path_not_pinned
  FROM my_function p JOIN pg_language l ON l.oid = prolang
 WHERE lanname <> 'c' AND NOT EXISTS (SELECT FROM unnest(proconfig) c WHERE c ~ '^search_path=pg_catalog, .*, pg_temp$');
SELECT oid::regclass AS reads_with_its_owners_rights FROM my_relation
 WHERE relkind = 'v' AND NOT 'security_invoker=true' = ANY (coalesce(reloptions, '{}'));

-- pg_dump takes the contents of every table and sequence along, but for the area trees, which are made anew, and what is noted of ingests and of files of this machine: no rows.
SELECT oid::regclass AS not_dumped FROM my_relation
 WHERE relkind IN ('r', 'S') AND relname !~ '^area_|^region_day$|^ingest_attempt$|^inbox_file$'
   AND NOT oid = ANY ((SELECT extconfig FROM pg_extension WHERE extname = 'trips_ext')::oid[]);
