-- The area trees: where the trips begin and end, in runs of immutable trees, so that a count costs what the border of an
-- area costs and not what is inside it.
--
-- All of this is derived from trips.trip, as an index is: pg_dump leaves it out, and a restore makes it anew through the
-- triggers of area_triggers.sql. Functions in C read and write these tables with the rights of the tables' owner, as
-- PostgreSQL does with indexes: who may read trips.trip gets answers, and who may write there need have no rights here.

CREATE SEQUENCE trips.area_run_id AS bigint MINVALUE 1 MAXVALUE 2147483647;
COMMENT ON SEQUENCE trips.area_run_id IS 'Numbers the runs; 31 bits, because the ids of nodes and leaves hold more beside it';

CREATE TABLE trips.area_run (
    id                 bigint   PRIMARY KEY,
    sign               smallint NOT NULL CHECK (sign BETWEEN -1 AND 1),
    ingest_id          bigint,
    trips              bigint   NOT NULL,
    first_day          date,
    last_day           date,
    days               bytea,
    origin_height      smallint,
    destination_height smallint,
    CONSTRAINT area_run_has_trees CHECK (sign = 0 OR num_nulls(first_day, last_day, days, origin_height, destination_height) = 0)
);
COMMENT ON TABLE  trips.area_run                    IS 'Runs of the area trees: each has a tree of origins and one of destinations over some trips; answers are added up over all runs';
COMMENT ON COLUMN trips.area_run.id                 IS 'The run; the upper 32 bits of the ids of its nodes and leaves';
COMMENT ON COLUMN trips.area_run.sign               IS '1: its trips count; -1: its trips are taken away, because they are no longer as another run has them; 0: trips that no tree has yet, so that nothing can be answered until trips_rebuild()';
COMMENT ON COLUMN trips.area_run.ingest_id          IS 'The ingest whose trips these are, and none else''s: what trips_forget can remove whole; null for a mix';
COMMENT ON COLUMN trips.area_run.trips              IS 'How many trips';
COMMENT ON COLUMN trips.area_run.first_day          IS 'The first day that has any';
COMMENT ON COLUMN trips.area_run.last_day           IS 'The last day that has any';
COMMENT ON COLUMN trips.area_run.days               IS 'Trips of each day, encoded';
COMMENT ON COLUMN trips.area_run.origin_height      IS 'The level of the root of the tree of origins; leaves are level 0';
COMMENT ON COLUMN trips.area_run.destination_height IS 'The level of the root of the tree of destinations';

CREATE TABLE trips.area_obsolete (
    run_id bigint PRIMARY KEY
);
COMMENT ON TABLE  trips.area_obsolete        IS 'Runs that others have replaced, and whose nodes and leaves are still there: a background worker removes them, or else the next trips_compact() has one do it';
COMMENT ON COLUMN trips.area_obsolete.run_id IS 'What was the run: trips.area_run has it no more';

-- Plain storage, and no limit below that of a page: what a descent reads is never fetched from elsewhere.
CREATE TABLE trips.area_node (
    id       bigint PRIMARY KEY,
    children bytea  NOT NULL,
    days     bytea  NOT NULL
) WITH (toast_tuple_target = 8160);
ALTER TABLE trips.area_node ALTER COLUMN children SET STORAGE PLAIN;
COMMENT ON TABLE  trips.area_node          IS 'Inner nodes of the area trees';
COMMENT ON COLUMN trips.area_node.id       IS '(run << 32) | (end << 31) | (level << 27) | number; end is 0 for origins and 1 for destinations, levels count from 1 above the leaves';
COMMENT ON COLUMN trips.area_node.children IS 'Of each child, at most 64: the rectangle of its points, its trips, its days, its region if it has just one; encoded';
COMMENT ON COLUMN trips.area_node.days     IS 'Trips of each day below the node, encoded';

-- Two rows a page: what all questions ask for, and nothing else.
CREATE TABLE trips.area_leaf (
    id     bigint PRIMARY KEY,
    points bytea  NOT NULL
);
ALTER TABLE trips.area_leaf ALTER COLUMN points SET STORAGE PLAIN;
COMMENT ON TABLE  trips.area_leaf        IS 'Leaves of the area trees: the points of some hundred trips that lie near each other, by day';
COMMENT ON COLUMN trips.area_leaf.id     IS 'run << 32 | end << 31 | number; end is 0 for origins and 1 for destinations';
COMMENT ON COLUMN trips.area_leaf.points IS 'Where each day begins, and of each point the cell that it is in, encoded: enough for all points but those on the edge of an area';

-- What TOAST does, in pieces that fill pages: three rows to write, to merge and to remove where TOAST has eight.
CREATE TABLE trips.area_part (
    leaf_id bigint   NOT NULL,
    part    smallint NOT NULL,
    content bytea    NOT NULL,
    PRIMARY KEY (leaf_id, part)
);
ALTER TABLE trips.area_part ALTER COLUMN content SET STORAGE PLAIN;
COMMENT ON TABLE  trips.area_part         IS 'What only some questions ask a leaf for, cut into pieces where pages end';
COMMENT ON COLUMN trips.area_part.leaf_id IS 'The leaf: trips.area_leaf.id';
COMMENT ON COLUMN trips.area_part.part    IS 'From 0: where in its cell each point is, to the last bit; from 100: the other end of each trip, in the tree of origins; from 200: the region of each trip, where not all have the same';
COMMENT ON COLUMN trips.area_part.content IS 'A piece of it; to be joined in the order of part';

CREATE TABLE trips.region_day (
    region_id smallint NOT NULL,
    run_id    bigint   NOT NULL,
    days      bytea    NOT NULL,
    PRIMARY KEY (region_id, run_id)
);
CREATE INDEX region_day_run_id_idx ON trips.region_day (run_id);
COMMENT ON TABLE  trips.region_day           IS 'Trips of each region in each run, by day';
COMMENT ON COLUMN trips.region_day.region_id IS 'The region: trips.region.id';
COMMENT ON COLUMN trips.region_day.run_id    IS 'The run: trips.area_run.id';
COMMENT ON COLUMN trips.region_day.days      IS 'Trips of each day, encoded';

-- What reads.

CREATE FUNCTION trips.area_trips(
    matching text, box float8[], area bytea, from_date date, to_date date, region_id smallint, by_week boolean)
RETURNS TABLE (week date, trips bigint)
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'area_trips_wrapper';
COMMENT ON FUNCTION trips.area_trips(text, float8[], bytea, date, date, smallint, boolean) IS
'Internal: trips by the area trees, of each week that has any or, by_week false, of the period as one row without a week. '
'matching is ''origin'', ''destination'', ''either'' or ''both''; of box and area (WKB of a polygon or multipolygon) one is null; a null region is any';

CREATE FUNCTION trips.region_trips(region_id smallint, from_date date, to_date date, by_week boolean)
RETURNS TABLE (week date, trips bigint)
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'region_trips_wrapper';
COMMENT ON FUNCTION trips.region_trips(smallint, date, date, boolean) IS
'Internal: trips of a region, or with null of all, as trips.area_trips gives them';

CREATE FUNCTION trips.trees_answer() RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'trees_answer_wrapper';
COMMENT ON FUNCTION trips.trees_answer() IS
'Internal: whether the trees may answer the current role: it has SELECT on trips.trip, no policy hides rows from it, and no table inherits from trips.trip. Otherwise the functions above raise 42501';

CREATE FUNCTION trips.known_days(region_id smallint) RETURNS TABLE (first_day date, last_day date)
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'known_days_wrapper';
COMMENT ON FUNCTION trips.known_days(smallint) IS
'Internal: the first and the last day on which a region, or with null any, has trips; one row, with nulls where there are none';

CREATE FUNCTION trips.area_plan(
    matching text, box float8[], area bytea, from_date date, to_date date, region_id smallint)
RETURNS TABLE (tree text, runs bigint, nodes_opened bigint, leaves_read bigint, points_tested bigint, points_fetched bigint, trips bigint)
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'area_plan_wrapper';
COMMENT ON FUNCTION trips.area_plan(text, float8[], bytea, date, date, smallint) IS
'Internal: what trips.area_trips does for such a question, a row for each tree that it asks';

CREATE FUNCTION trips.area_contents(tree text)
RETURNS TABLE (region_id smallint, day date, trips bigint, digest bigint)
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'area_contents_wrapper';
COMMENT ON FUNCTION trips.area_contents(text) IS
'Internal: what all runs hold of each region and day: trips, and the sum of their digests. tree is ''origin'' or ''destination'': the leaves; '
'''region'': trips.region_day; or ''run'': trips.area_run, with region_id 0. The latter two have no digest. Trees that contradict themselves raise XX002';

CREATE FUNCTION trips.trip_digest(lon float8, lat float8) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'trip_digest_wrapper';
COMMENT ON FUNCTION trips.trip_digest(float8, float8) IS
'Internal: a hash of a point, 0 to 4294967295, by the bits of its coordinates with -0 as 0';

-- What writes. Triggers of trips.trip and trips_forget call the first five as whoever changes a trip, so that PUBLIC can
-- execute these: each sees to it by itself that it can make no answer wrong.

CREATE FUNCTION trips.index_trips(rows refcursor, sign smallint) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'index_trips_wrapper';
COMMENT ON FUNCTION trips.index_trips(refcursor, smallint) IS
'Internal: writes runs of this sign with the trips of an open cursor, none for no trips; gives their number. Its columns: origin_lon, origin_lat, destination_lon, destination_lat (float8), '
'departed_at (timestamp), region_id (smallint). Coordinates that are null, not finite or out of range raise 22003, infinite times 22008. '
'The cursor is one over a transition table of trips.trip, or the caller owns trips.trip: otherwise 42501';

CREATE FUNCTION trips.release_runs(ingests bigint[]) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'release_runs_wrapper';
COMMENT ON FUNCTION trips.release_runs(bigint[]) IS
'Internal: the runs of these ingests are no longer known to hold just the trips of the ingest: sets their ingest_id to null. Takes SHARE UPDATE EXCLUSIVE on trips.area_run where there are such runs';

CREATE FUNCTION trips.drop_runs(ingest bigint, trips bigint) RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'drop_runs_wrapper';
COMMENT ON FUNCTION trips.drop_runs(bigint, bigint) IS
'Internal: removes the runs of an ingest, where they hold just so many trips and trips.trip holds none of the ingest any more; tells whether it did. Takes SHARE UPDATE EXCLUSIVE on trips.area_run where there are such runs';

CREATE FUNCTION trips.forget_trips(ingest bigint) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'forget_trips_wrapper';
COMMENT ON FUNCTION trips.forget_trips(bigint) IS
'Internal: deletes the trips of an ingest from trips.trip, and from the area trees where no trigger does that; gives their number';

CREATE FUNCTION trips.drop_all_runs() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'drop_all_runs_wrapper';
COMMENT ON FUNCTION trips.drop_all_runs() IS
'Internal: removes all runs. trips.trip is empty, or the caller owns it: otherwise 42501';

CREATE FUNCTION trips_compact() RETURNS TABLE (runs_before bigint, runs_after bigint, trips bigint, elapsed interval)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'trips_compact_wrapper';
REVOKE EXECUTE ON FUNCTION trips_compact() FROM PUBLIC;
COMMENT ON FUNCTION trips_compact() IS
'Merges the runs of the area trees into one (two where trips are taken away that no run has): questions then cost as after a single load. Blocks no reader. '
'A background worker removes what was merged when the transaction has committed; where none is free, that is done before. '
'Loads and changes by hand do it for small runs by themselves. Gives the runs before and after, their trips, and the time';
