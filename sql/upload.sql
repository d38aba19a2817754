-- What clients send: files in parts, and rows. trips_upload and trips_ingest_upload are Rust: src/api/ingest.rs.

REVOKE EXECUTE ON FUNCTION trips_upload(bytea) FROM PUBLIC;
COMMENT ON FUNCTION trips_upload(bytea) IS
'Takes the next part of a file of trips that the client sends, for trips_ingest_upload in the same transaction; gives the bytes that it has now. '
'The server keeps them in a temporary file: temp_tablespaces and temp_file_limit apply. What is rolled back to a savepoint is taken back. '
'A transaction that sends parts and does not ingest them cannot commit';

REVOKE EXECUTE ON FUNCTION trips_ingest_upload(text, text, bigint, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION trips_ingest_upload(text, text, bigint, text, boolean) IS
'Loads the file whose parts trips_upload has received in this transaction, as trips_ingest loads one that lies on the server: the other arguments, the rules, the content that is known by, and the result are the same. '
'file is what the ledger, errors and events call it. Needs INSERT on the tables of the schema trips, and no right to read files of the server';

CREATE VIEW trips.inbox WITH (security_invoker = true) AS
SELECT NULL::text AS region, NULL::text AS origin_coord, NULL::text AS destination_coord, NULL::text AS datetime, NULL::text AS datasource
 WHERE false;
COMMENT ON VIEW   trips.inbox                   IS
'Always empty: rows of trips that are inserted here, by COPY or INSERT, are loaded as trips_ingest loads those of a file, one ingest for each statement. '
'trips_ext.inbox_on_error and trips_ext.inbox_reject_limit say what is done with bad rows. Lines are counted as those of a CSV file with a header';
COMMENT ON COLUMN trips.inbox.region            IS 'Name of the region';
COMMENT ON COLUMN trips.inbox.origin_coord      IS 'Where the trip started: POINT (longitude latitude), in degrees';
COMMENT ON COLUMN trips.inbox.destination_coord IS 'Where the trip ended';
COMMENT ON COLUMN trips.inbox.datetime          IS 'When it started, in local civil time: 2018-05-28 09:03:40';
COMMENT ON COLUMN trips.inbox.datasource        IS 'Name of the source';

CREATE FUNCTION trips.inbox_insert() RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'inbox_insert_wrapper';
REVOKE EXECUTE ON FUNCTION trips.inbox_insert() FROM PUBLIC;
COMMENT ON FUNCTION trips.inbox_insert() IS 'Internal: collects the rows of a statement and loads them at its end';

CREATE TRIGGER inbox_begin BEFORE INSERT ON trips.inbox FOR EACH STATEMENT EXECUTE FUNCTION trips.inbox_insert();
CREATE TRIGGER inbox_row INSTEAD OF INSERT ON trips.inbox FOR EACH ROW EXECUTE FUNCTION trips.inbox_insert();
CREATE TRIGGER inbox_end AFTER INSERT ON trips.inbox FOR EACH STATEMENT EXECUTE FUNCTION trips.inbox_insert();
COMMENT ON TRIGGER inbox_begin ON trips.inbox IS 'Begins to collect the rows of a statement';
COMMENT ON TRIGGER inbox_row   ON trips.inbox IS 'Collects a row';
COMMENT ON TRIGGER inbox_end   ON trips.inbox IS 'Loads what was collected';
