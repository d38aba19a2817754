-- What scripts/valgrind.sh has a server do without the extension: what it finds here is core's own, or PostGIS'.
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION postgis;
LISTEN core;
CREATE TABLE text_trip (region text, origin text, destination text, departed_at text, datasource text);
\set file :exchange '/good.csv'
COPY text_trip FROM :'file' (FORMAT csv, HEADER);
CREATE TABLE trip (id bigint PRIMARY KEY, region text NOT NULL, origin geometry(Point, 4326) NOT NULL, destination geometry(Point, 4326) NOT NULL,
    departed_at timestamp NOT NULL, datasource text NOT NULL);
CREATE INDEX ON trip USING brin (departed_at);
INSERT INTO trip SELECT row_number() OVER (), region, st_geomfromtext(origin, 4326), st_geomfromtext(destination, 4326), departed_at::timestamp, datasource FROM text_trip;
CREATE INDEX ON trip USING gist (origin);
SELECT count(*) AS core_rows FROM trip WHERE st_intersects(origin, st_makeenvelope(14, 50, 14.45, 50.1, 4326));
SELECT count(DISTINCT c) > 0 AS clusters FROM (SELECT st_clusterdbscan(origin, 0.01, 2) OVER () c FROM trip WHERE id <= 2000) c;
NOTIFY core, 'one';
BEGIN;
UPDATE trip SET origin = destination WHERE id % 10 = 0;
DELETE FROM trip WHERE id % 7 = 0;
ROLLBACK;
DELETE FROM trip WHERE id % 5 = 0;
VACUUM ANALYZE trip;
CREATE TABLE part (id bigint PRIMARY KEY, content bytea);
ALTER TABLE part ALTER content SET STORAGE EXTERNAL;
INSERT INTO part SELECT i, decode(repeat(md5(i::text), 200), 'hex') FROM generate_series(1, 2000) i;
UPDATE part SET content = set_byte(content, 5, 7) WHERE id % 3 = 0;
SELECT sum(length(content)) AS bytes FROM part;
DROP TABLE trip, text_trip, part;
DROP EXTENSION postgis;
CHECKPOINT;
