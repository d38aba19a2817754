-- The last loads, and how many there are in all. $1 how many.
SELECT count(*) OVER (), sum(rows_read) OVER ()::int8, sum(rows_loaded) OVER ()::int8, sum(rows_rejected) OVER ()::int8,
       id, file, to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), rows_read, rows_loaded, rows_rejected, bytes,
       extract(epoch FROM finished_at - started_at)::float8
  FROM trips.ingest
 ORDER BY id DESC
 LIMIT $1
