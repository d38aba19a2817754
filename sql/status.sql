-- How far ingests are, for those who look; those who LISTEN are told.

CREATE TABLE trips.ingest_attempt (
    id             bigint      PRIMARY KEY,
    file           text        NOT NULL,
    channel        text        NOT NULL,
    role           oid         NOT NULL,
    status         text        NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'skipped')),
    phase          text        NOT NULL CHECK (phase IN ('queued', 'checking', 'loading', 'done')),
    events         integer     NOT NULL,
    bytes_done     bigint      NOT NULL,
    bytes_total    bigint      NOT NULL,
    rows_loaded    bigint      NOT NULL,
    rows_rejected  bigint      NOT NULL,
    elapsed        interval    NOT NULL,
    queued_at      timestamptz,
    started_at     timestamptz,
    updated_at     timestamptz NOT NULL,
    error_sqlstate text,
    error_message  text,
    error_line     bigint,
    error_column   text,
    login_role     oid,
    on_error       text,
    reject_limit   bigint,
    if_loaded      text,
    directory      text
);
COMMENT ON TABLE  trips.ingest_attempt                IS 'What was last pushed of each ingest, failed ones too, by its status worker; rows go after 30 days. Read the view trips.ingest_progress';
COMMENT ON COLUMN trips.ingest_attempt.id             IS 'The ingest; trips.ingest has the same number if it was loaded';
COMMENT ON COLUMN trips.ingest_attempt.file           IS 'Path of the file on the server, or name of one that was sent, as it was given';
COMMENT ON COLUMN trips.ingest_attempt.channel        IS 'The channel on which its events are pushed';
COMMENT ON COLUMN trips.ingest_attempt.role           IS 'The role that loads the file';
COMMENT ON COLUMN trips.ingest_attempt.status         IS 'queued, running, completed, failed or skipped; running may also be said of a load that ended with the server';
COMMENT ON COLUMN trips.ingest_attempt.phase          IS 'queued, checking, loading or done, as in events';
COMMENT ON COLUMN trips.ingest_attempt.events         IS 'The sequence number of its last event';
COMMENT ON COLUMN trips.ingest_attempt.bytes_done     IS 'Bytes of the file that are dealt with';
COMMENT ON COLUMN trips.ingest_attempt.bytes_total    IS 'Size of the file; 0 before it is known';
COMMENT ON COLUMN trips.ingest_attempt.rows_loaded    IS 'Rows inserted';
COMMENT ON COLUMN trips.ingest_attempt.rows_rejected  IS 'Rows rejected';
COMMENT ON COLUMN trips.ingest_attempt.elapsed        IS 'Time since it began, or that it took';
COMMENT ON COLUMN trips.ingest_attempt.queued_at      IS 'When trips_ingest_async was called, of an ingest that a background worker runs';
COMMENT ON COLUMN trips.ingest_attempt.started_at     IS 'When it began';
COMMENT ON COLUMN trips.ingest_attempt.updated_at     IS 'When this row was written';
COMMENT ON COLUMN trips.ingest_attempt.error_sqlstate IS 'SQLSTATE of the error, of a failed one';
COMMENT ON COLUMN trips.ingest_attempt.error_message  IS 'Its message';
COMMENT ON COLUMN trips.ingest_attempt.error_line     IS 'The line of the file at which it failed, where there is one';
COMMENT ON COLUMN trips.ingest_attempt.error_column   IS 'The column at fault, where there is one';
COMMENT ON COLUMN trips.ingest_attempt.login_role     IS 'The role that its background worker connects as; null for an ingest that a session runs';
COMMENT ON COLUMN trips.ingest_attempt.on_error       IS 'What trips_ingest_async was asked for';
COMMENT ON COLUMN trips.ingest_attempt.reject_limit   IS 'What trips_ingest_async was asked for';
COMMENT ON COLUMN trips.ingest_attempt.if_loaded      IS 'What trips_ingest_async was asked for';
COMMENT ON COLUMN trips.ingest_attempt.directory      IS 'The watched folder that the file came to, and must lie in';

-- Who may read all tables of the schema still sees the files of its own roles only.
ALTER TABLE trips.ingest_attempt ENABLE ROW LEVEL SECURITY;
CREATE POLICY ingest_attempt_of_own_roles ON trips.ingest_attempt FOR SELECT
 USING (pg_catalog.pg_has_role(role, 'USAGE') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'));
COMMENT ON POLICY ingest_attempt_of_own_roles ON trips.ingest_attempt IS 'Shows the ingests of roles that the reader has the privileges of, all to members of pg_read_all_stats; nobody but the owner writes';

-- A load holds an advisory lock from before its attempt is noted until its transaction ends; 1953655152 is "trip".
CREATE FUNCTION trips.ingest_is_running(ingest bigint) RETURNS boolean
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_locks l
          JOIN pg_catalog.pg_database d ON d.oid = l.database
         WHERE d.datname = current_database()
           AND l.locktype = 'advisory' AND l.objsubid = 1
           AND l.classid = 1953655152 AND l.objid::bigint = ingest)
$$;
COMMENT ON FUNCTION trips.ingest_is_running(bigint) IS 'Whether the transaction that loads this ingest is open';

CREATE VIEW trips.ingest_progress WITH (security_invoker = true) AS
SELECT a.id AS ingest,
       a.file,
       CASE WHEN a.status <> 'running'                                    THEN a.status
            WHEN EXISTS (SELECT FROM trips.ingest i WHERE i.id = a.id)    THEN 'completed'
            WHEN trips.ingest_is_running(a.id)                            THEN 'running'
            ELSE 'failed'
       END AS status,
       a.phase,
       a.events AS sequence,
       a.bytes_done,
       a.bytes_total,
       a.rows_loaded,
       a.rows_rejected,
       a.elapsed,
       CASE WHEN a.elapsed > '0' THEN (a.rows_loaded / extract(epoch FROM a.elapsed))::bigint ELSE 0 END AS rows_per_second,
       CASE WHEN a.status = 'running' AND a.bytes_done > 0
            THEN a.elapsed * ((a.bytes_total - a.bytes_done)::double precision / a.bytes_done)
       END AS time_left,
       pg_catalog.pg_get_userbyid(a.role) AS loaded_by,
       a.queued_at,
       a.started_at,
       a.updated_at,
       a.error_sqlstate,
       a.error_message,
       a.error_line,
       a.error_column
  FROM trips.ingest_attempt a;
COMMENT ON VIEW   trips.ingest_progress                 IS 'Running and recent ingests, failed ones too: one row says what its last event said. Shows those of roles that the reader has the privileges of, or all to members of pg_read_all_stats; needs SELECT on the tables trips.ingest_attempt and trips.ingest';
COMMENT ON COLUMN trips.ingest_progress.ingest          IS 'The ingest; trips.ingest has the same number if it was loaded';
COMMENT ON COLUMN trips.ingest_progress.file            IS 'Path of the file on the server, or name of one that was sent, as it was given';
COMMENT ON COLUMN trips.ingest_progress.status          IS 'queued, running, completed, failed or skipped';
COMMENT ON COLUMN trips.ingest_progress.phase           IS 'queued (waiting for a background worker), checking (opening the file, asking whether it is known), loading, or done';
COMMENT ON COLUMN trips.ingest_progress.sequence        IS 'The number of its last event: one who LISTENs first and reads this then knows which events are new';
COMMENT ON COLUMN trips.ingest_progress.bytes_done      IS 'Bytes of the file that are dealt with';
COMMENT ON COLUMN trips.ingest_progress.bytes_total     IS 'Size of the file; 0 before it is known';
COMMENT ON COLUMN trips.ingest_progress.rows_loaded     IS 'Rows inserted; they can be seen once the ingest is completed';
COMMENT ON COLUMN trips.ingest_progress.rows_rejected   IS 'Rows rejected';
COMMENT ON COLUMN trips.ingest_progress.elapsed         IS 'Time since it began, or that it took';
COMMENT ON COLUMN trips.ingest_progress.rows_per_second IS 'Rows inserted a second, over the whole time';
COMMENT ON COLUMN trips.ingest_progress.time_left       IS 'Time to the end of the file at the speed so far, of a running one';
COMMENT ON COLUMN trips.ingest_progress.loaded_by       IS 'The role that loads the file';
COMMENT ON COLUMN trips.ingest_progress.queued_at       IS 'When trips_ingest_async was called; null for an ingest that a session runs';
COMMENT ON COLUMN trips.ingest_progress.started_at      IS 'When it began; null before that';
COMMENT ON COLUMN trips.ingest_progress.updated_at      IS 'When this was last written: four times a second while it runs';
COMMENT ON COLUMN trips.ingest_progress.error_sqlstate  IS 'SQLSTATE of the error, of a failed one; null where it ended with the server and that has not been pushed yet';
COMMENT ON COLUMN trips.ingest_progress.error_message   IS 'Its message';
COMMENT ON COLUMN trips.ingest_progress.error_line      IS 'The line of the file at which it failed, where there is one';
COMMENT ON COLUMN trips.ingest_progress.error_column    IS 'The column at fault, where there is one';
