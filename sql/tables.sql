-- The tables of the schema trips: facts, dimensions, ledger, rejected rows.

CREATE SCHEMA trips;
COMMENT ON SCHEMA trips IS 'Tables and views of trips_ext: facts (trip), dimensions (region, datasource), ledger (ingest), rejected_row, and the flat view trips';

CREATE TABLE trips.region (
    id           smallint PRIMARY KEY CHECK (id > 0),
    name         text     NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 256),
    first_ingest bigint
);
COMMENT ON TABLE  trips.region              IS 'Dimension: the regions that trips belong to, one row for each name';
COMMENT ON COLUMN trips.region.id           IS 'What trips.trip.region_id holds';
COMMENT ON COLUMN trips.region.name         IS 'The name as the files give it, without surrounding blanks, in Unicode normal form C; upper and lower case differ';
COMMENT ON COLUMN trips.region.first_ingest IS 'The ingest that brought the name; null for a name that was added by hand, which trips_forget never removes';

CREATE TABLE trips.datasource (
    id           smallint PRIMARY KEY CHECK (id > 0),
    name         text     NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 256),
    first_ingest bigint
);
COMMENT ON TABLE  trips.datasource              IS 'Dimension: the sources that reported trips, one row for each name';
COMMENT ON COLUMN trips.datasource.id           IS 'What trips.trip.datasource_id holds';
COMMENT ON COLUMN trips.datasource.name         IS 'The name as the files give it, without surrounding blanks, in Unicode normal form C; upper and lower case differ';
COMMENT ON COLUMN trips.datasource.first_ingest IS 'The ingest that brought the name; null for a name that was added by hand, which trips_forget never removes';

-- Fixed-width columns first, so that no byte is lost to alignment: the ingest forms these tuples itself.
CREATE TABLE trips.trip (
    id            bigint                NOT NULL,
    departed_at   timestamp             NOT NULL,
    region_id     smallint              NOT NULL,
    datasource_id smallint              NOT NULL,
    origin        geometry(Point, 4326) NOT NULL,
    destination   geometry(Point, 4326) NOT NULL
);
-- A trip file is ordered by time more often than not: BRIN costs the load a fraction of what a btree does.
CREATE INDEX trip_id_idx          ON trips.trip USING brin (id);
CREATE INDEX trip_departed_at_idx ON trips.trip USING brin (departed_at);
COMMENT ON TABLE  trips.trip               IS 'Facts: one row for each trip, written by trips_ingest';
COMMENT ON COLUMN trips.trip.id            IS 'Says where the row came from: id >> 32 is the ingest, id & 4294967295 the line of its file';
COMMENT ON COLUMN trips.trip.departed_at   IS 'When the trip began, in the local civil time of the file';
COMMENT ON COLUMN trips.trip.region_id     IS 'The region: trips.region.id';
COMMENT ON COLUMN trips.trip.datasource_id IS 'Who reported the trip: trips.datasource.id';
COMMENT ON COLUMN trips.trip.origin        IS 'Where the trip began, WGS84 longitude and latitude in degrees';
COMMENT ON COLUMN trips.trip.destination   IS 'Where the trip ended, WGS84 longitude and latitude in degrees';

CREATE SEQUENCE trips.ingest_id AS bigint MINVALUE 1 MAXVALUE 2147483647;
COMMENT ON SEQUENCE trips.ingest_id IS 'Numbers the ingests, failed ones too; 31 bits, because trips.trip.id holds the line number beside it';

CREATE TABLE trips.ingest (
    id            bigint      PRIMARY KEY,
    file          text        NOT NULL,
    bytes         bigint      NOT NULL,
    rows_read     bigint      NOT NULL,
    rows_loaded   bigint      NOT NULL,
    rows_rejected bigint      NOT NULL,
    started_at    timestamptz NOT NULL,
    finished_at   timestamptz NOT NULL,
    loaded_by     name        NOT NULL,
    content_hash  bytea       NOT NULL CONSTRAINT ingest_content_hash_key UNIQUE,
    head_hash     bytea       NOT NULL,
    CONSTRAINT ingest_rows_add_up CHECK (rows_read = rows_loaded + rows_rejected)
);
CREATE INDEX ingest_head_hash_idx ON trips.ingest (head_hash);
COMMENT ON TABLE  trips.ingest               IS 'Ledger: one row for each file that was loaded, in the same transaction as its trips';
COMMENT ON COLUMN trips.ingest.id            IS 'The ingest; trips.trip.id >> 32';
COMMENT ON COLUMN trips.ingest.file          IS 'Path of the file on the server, or name of one that was sent, as it was given; trips.inbox of rows that were sent';
COMMENT ON COLUMN trips.ingest.bytes         IS 'Size of the file';
COMMENT ON COLUMN trips.ingest.rows_read     IS 'Rows that the file held: loaded and rejected ones; the header and blank lines are none';
COMMENT ON COLUMN trips.ingest.rows_loaded   IS 'Rows that became trips';
COMMENT ON COLUMN trips.ingest.rows_rejected IS 'Rows in trips.rejected_row';
COMMENT ON COLUMN trips.ingest.started_at    IS 'When the load began';
COMMENT ON COLUMN trips.ingest.finished_at   IS 'When its last row was written; the rows can be seen once the transaction commits';
COMMENT ON COLUMN trips.ingest.loaded_by     IS 'The role that loaded the file';
COMMENT ON COLUMN trips.ingest.content_hash  IS 'BLAKE3 of the file: what a file is known by when it comes again';
COMMENT ON COLUMN trips.ingest.head_hash     IS 'BLAKE3 of the file''s size and first 64 KiB: tells new files at once, without reading them whole';

CREATE TABLE trips.rejected_row (
    ingest_id   bigint NOT NULL,
    file        text   NOT NULL,
    line        bigint NOT NULL,
    column_name text,
    sqlstate    text   NOT NULL,
    reason      text   NOT NULL,
    raw         text   NOT NULL,
    PRIMARY KEY (ingest_id, line)
);
COMMENT ON TABLE  trips.rejected_row             IS 'The rows that an ingest did not load where bad rows are ignored (on_error => ''ignore''), and why';
COMMENT ON COLUMN trips.rejected_row.ingest_id   IS 'The ingest: trips.ingest.id';
COMMENT ON COLUMN trips.rejected_row.file        IS 'The file: trips.ingest.file';
COMMENT ON COLUMN trips.rejected_row.line        IS 'The physical line on which the row starts; the header is line 1';
COMMENT ON COLUMN trips.rejected_row.column_name IS 'The column at fault; null where the row as a whole is';
COMMENT ON COLUMN trips.rejected_row.sqlstate    IS 'SQLSTATE that on_error => ''stop'' would have raised';
COMMENT ON COLUMN trips.rejected_row.reason      IS 'What is wrong';
COMMENT ON COLUMN trips.rejected_row.raw         IS 'The first 100 characters of the row as it stands in the file';

-- pg_dump brings the contents back: the tables belong to the extension, what is in them to the user.
SELECT pg_catalog.pg_extension_config_dump('trips.region', '');
SELECT pg_catalog.pg_extension_config_dump('trips.datasource', '');
SELECT pg_catalog.pg_extension_config_dump('trips.trip', '');
SELECT pg_catalog.pg_extension_config_dump('trips.ingest_id', '');
SELECT pg_catalog.pg_extension_config_dump('trips.ingest', '');
SELECT pg_catalog.pg_extension_config_dump('trips.rejected_row', '');
