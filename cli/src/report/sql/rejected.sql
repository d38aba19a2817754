-- The first rejected rows of the latest loads that have any. $1 how many.
SELECT ingest_id, line, column_name, sqlstate, reason, raw
  FROM trips.rejected_row
 ORDER BY ingest_id DESC, line
 LIMIT $1
