-- Rejected rows by what is wrong with them, whatever the value at fault: an ellipsis stands for numbers and what is quoted.
-- $1 how many reasons.
SELECT sqlstate, column_name, regexp_replace(reason, '"[^"]*"|-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?', '…', 'g'), count(*), sum(count(*)) OVER ()::int8
  FROM trips.rejected_row
 GROUP BY 1, 2, 3
 ORDER BY 4 DESC, 1, 2, 3
 LIMIT $1
