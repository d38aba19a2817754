-- Ingests that background workers run.

CREATE FUNCTION trips.ingest_queued() RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ingest_queued_wrapper';
REVOKE EXECUTE ON FUNCTION trips.ingest_queued() FROM PUBLIC;
COMMENT ON FUNCTION trips.ingest_queued() IS 'Internal: has a background worker run what is queued, once this transaction has committed';

-- Deferred: nothing is started for what a savepoint takes back, and what is started waits for the commit.
CREATE CONSTRAINT TRIGGER ingest_queued
AFTER INSERT ON trips.ingest_attempt DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.status = 'queued') EXECUTE FUNCTION trips.ingest_queued();
COMMENT ON TRIGGER ingest_queued ON trips.ingest_attempt IS 'Has what is queued run once the transaction has committed';

REVOKE EXECUTE ON FUNCTION trips_ingest_async(text, text, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION trips_ingest_async(text, text, bigint, text) IS
'Queues a file of trips to be loaded by a background worker once this transaction commits, and gives the number of the ingest at once. '
'The arguments are those of trips_ingest; the worker connects as the role that has logged in and has the rights of the current role. At most trips_ext.max_jobs run at a time. '
'Status is pushed on the channel trips_ingest, from the event queued on, and shown by trips.ingest_progress. '
'Needs the privileges of pg_read_server_files and INSERT on the tables of the schema trips';

REVOKE EXECUTE ON FUNCTION trips_cancel(bigint) FROM PUBLIC;
COMMENT ON FUNCTION trips_cancel(bigint) IS
'Cancels an ingest of trips_ingest_async that is queued or running; false if it has ended. Needs the privileges of the role that queued it. A running one ends soon after, and what it had loaded is gone';
