-- Rejected rows by what is wrong with them. $1 how many reasons.
SELECT sqlstate, column_name, reason, count(*), sum(count(*)) OVER ()::int8
  FROM trips.rejected_row
 GROUP BY 1, 2, 3
 ORDER BY 4 DESC, 1, 2, 3
 LIMIT $1
