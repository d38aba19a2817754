-- Every function of the extension that is not C looks names up in the catalogue and in PostGIS' schema alone.

DO $$
DECLARE
    postgis  constant name := (SELECT n.nspname
                                 FROM pg_catalog.pg_extension e
                                 JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
                                WHERE e.extname OPERATOR(pg_catalog.=) 'postgis');
    function regprocedure;
BEGIN
    FOR function IN
        SELECT p.oid
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
          JOIN pg_catalog.pg_proc p      ON p.oid OPERATOR(pg_catalog.=) d.objid
          JOIN pg_catalog.pg_language l  ON l.oid OPERATOR(pg_catalog.=) p.prolang
         WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
           AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
           AND d.deptype OPERATOR(pg_catalog.=) 'e'
           AND e.extname OPERATOR(pg_catalog.=) 'trips_ext'
           AND l.lanname OPERATOR(pg_catalog.<>) 'c'
    LOOP
        EXECUTE pg_catalog.format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', function, postgis);
    END LOOP;
END
$$;
