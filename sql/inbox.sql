-- The watched folder.

CREATE TABLE trips.inbox_file (
    path     text        PRIMARY KEY,
    size     bigint      NOT NULL,
    modified timestamptz NOT NULL,
    ingest   bigint      NOT NULL,
    tries    integer     NOT NULL,
    role     oid         NOT NULL
);
CREATE INDEX inbox_file_ingest ON trips.inbox_file (ingest);
COMMENT ON TABLE  trips.inbox_file          IS 'Files of the watched folder, trips_ext.inbox_directory, that were queued; a row goes with its file. The view trips.ingest_progress says what became of each';
COMMENT ON COLUMN trips.inbox_file.path     IS 'Path of the file on the server';
COMMENT ON COLUMN trips.inbox_file.size     IS 'Its size in bytes: where that changes, or modified does, the file is taken for another';
COMMENT ON COLUMN trips.inbox_file.modified IS 'When its content was last changed, by the file system';
COMMENT ON COLUMN trips.inbox_file.ingest   IS 'The ingest that it was queued as last, see trips.ingest_progress';
COMMENT ON COLUMN trips.inbox_file.tries    IS 'How often it was queued: again, where the server ended during the ingest';
COMMENT ON COLUMN trips.inbox_file.role     IS 'The role that loads it';
COMMENT ON INDEX  trips.inbox_file_ingest   IS 'Ingests whose file is still there are kept in trips.ingest_progress';

-- Who may read all tables of the schema still sees the files of its own roles only.
ALTER TABLE trips.inbox_file ENABLE ROW LEVEL SECURITY;
CREATE POLICY inbox_file_of_own_roles ON trips.inbox_file FOR SELECT
 USING (pg_catalog.pg_has_role(role, 'USAGE') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'));
COMMENT ON POLICY inbox_file_of_own_roles ON trips.inbox_file IS 'Shows the files that are loaded by roles that the reader has the privileges of, all to members of pg_read_all_stats; nobody but the owner writes';
