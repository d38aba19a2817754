-- Whether the area trees hold what trips.trip holds, and how to make them anew.

CREATE FUNCTION trips_check()
RETURNS TABLE (what text, tree text, region text, day date, in_facts bigint, in_tree bigint)
-- Rows that a policy hides would look like trips that the facts lack: better an error.
LANGUAGE plpgsql STABLE PARALLEL SAFE SET row_security = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH facts AS MATERIALIZED (
        SELECT t.region_id, t.departed_at::date AS day, count(*) AS trips, sum(d.origin)::bigint AS origin, sum(d.destination)::bigint AS destination
          FROM trips.trip t
         CROSS JOIN LATERAL (SELECT trips.trip_digest(st_x(t.origin), st_y(t.origin)) AS o,
                                    trips.trip_digest(st_x(t.destination), st_y(t.destination)) AS d OFFSET 0) p
         -- The tree of origins has the other ends, too.
         CROSS JOIN LATERAL (SELECT p.o # (p.d >> 1) AS origin, p.d AS destination) d
         GROUP BY 1, 2
    ), counted (tree, region_id, day, in_facts, facts_digest, in_tree, tree_digest) AS (
        SELECT 'origin', f.region_id, f.day, f.trips, f.origin, 0, 0 FROM facts f
         UNION ALL
        SELECT 'destination', f.region_id, f.day, f.trips, f.destination, 0, 0 FROM facts f
         UNION ALL
        SELECT 'region', f.region_id, f.day, f.trips, 0, 0, 0 FROM facts f
         UNION ALL
        SELECT 'run', 0, f.day, f.trips, 0, 0, 0 FROM facts f
         UNION ALL
        SELECT n.tree, c.region_id, c.day, 0, 0, c.trips, coalesce(c.digest, 0)
          FROM unnest('{origin,destination,region,run}'::text[]) n (tree)
         CROSS JOIN LATERAL trips.area_contents(n.tree) c
    ), compared AS (
        SELECT c.tree, c.region_id, c.day, sum(c.in_facts)::bigint AS in_facts, sum(c.in_tree)::bigint AS in_tree,
               sum(c.facts_digest)::bigint AS facts_digest, sum(c.tree_digest)::bigint AS tree_digest
          FROM counted c
         GROUP BY 1, 2, 3
    )
    SELECT CASE WHEN c.in_facts <> c.in_tree THEN 'trips' ELSE 'positions' END, c.tree, r.name, c.day,
           CASE WHEN c.in_facts <> c.in_tree THEN c.in_facts ELSE c.facts_digest END,
           CASE WHEN c.in_facts <> c.in_tree THEN c.in_tree ELSE c.tree_digest END
      FROM compared c
      LEFT JOIN trips.region r ON r.id = c.region_id
     WHERE c.in_facts <> c.in_tree OR c.facts_digest <> c.tree_digest
     ORDER BY c.tree, r.name, c.day;
END
$$;
COMMENT ON FUNCTION trips_check() IS
'Recounts: every difference between trips.trip and the area trees, by region and day; no rows where there is none. '
'what: ''trips'', their number differs; or ''positions'', the number is the same but a digest of where they begin and end differs, and stands in in_facts and in_tree. '
'tree: ''origin'' or ''destination'', the leaves; ''region'', trips.region_day; ''run'', trips.area_run, which knows no regions. '
'Reads all trips and all leaves; trees that contradict themselves raise XX002. trips_rebuild() is the remedy';

CREATE FUNCTION trips_rebuild() RETURNS bigint
-- Trips that a policy hides would be lost to the trees: better an error.
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET row_security = off AS $$
DECLARE
    rows    refcursor;
    indexed bigint;
BEGIN
    LOCK TABLE trips.trip IN SHARE ROW EXCLUSIVE MODE;
    PERFORM trips.enable_triggers();
    PERFORM trips.drop_all_runs();
    OPEN rows FOR
    SELECT st_x(t.origin), st_y(t.origin), st_x(t.destination), st_y(t.destination), t.departed_at, t.region_id FROM trips.trip t;
    indexed := trips.index_trips(rows, 1::smallint);
    CLOSE rows;
    RETURN indexed;
END
$$;
REVOKE EXECUTE ON FUNCTION trips_rebuild() FROM PUBLIC;
COMMENT ON FUNCTION trips_rebuild() IS
'Makes the area trees anew from trips.trip and enables the triggers that keep them so; gives the number of trips. Needed after loads with trips_ext.area_trees = off, after changes with disabled triggers, and where trips_check() finds a difference. '
'Only the owner of trips.trip may. Blocks who changes trips, not who asks';
