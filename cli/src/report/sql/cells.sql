-- Where trips begin, and the ways that most of them take, in a grid over the frame of each region. Destinations are told
-- by cells thrice as wide and high; the middles of a way's ends are those of its own trips.
-- $1 regions, $2 and $3 the period in days since 2000-01-01, $4 per cent of the table's pages that are looked at (where that is all, the sample is left out); for each
-- region: $5 west, $6 south, $7 width and $8 height of its frame in degrees, $9 columns and $10 rows, multiples of 3; $11 how many ways.
WITH frame AS (
    SELECT *, f.west + f.width > 180 AS wraps
      FROM unnest($1::int2[], $5::float8[], $6::float8[], $7::float8[], $8::float8[], $9::int4[], $10::int4[])
           WITH ORDINALITY f (region_id, west, south, width, height, columns, rows, place)
), cell AS MATERIALIZED (
    SELECT key, count(*)::int4 AS trips, sum(x) AS x, sum(y) AS y
      FROM (SELECT (f.place << 32)
                   | (width_bucket(st_x(t.origin) - f.west + CASE WHEN f.wraps AND st_x(t.origin) < f.west THEN 360 ELSE 0 END, 0, f.width, f.columns) << 24)
                   | (width_bucket(st_y(t.origin) - f.south, 0, f.height, f.rows) << 16)
                   | (width_bucket(st_x(t.destination) - f.west + CASE WHEN f.wraps AND st_x(t.destination) < f.west THEN 360 ELSE 0 END, 0, f.width, f.columns / 3) << 8)
                   | width_bucket(st_y(t.destination) - f.south, 0, f.height, f.rows / 3) AS key,
                   st_x(t.destination) - f.west + CASE WHEN f.wraps AND st_x(t.destination) < f.west THEN 360 ELSE 0 END AS x,
                   st_y(t.destination) - f.south AS y
              FROM trips.trip t TABLESAMPLE SYSTEM ($4::float4) REPEATABLE (1)
              JOIN frame f ON f.region_id = t.region_id
             WHERE t.departed_at >= date '2000-01-01' + $2::int4 AND t.departed_at < date '2000-01-01' + $3::int4
               AND $4 > 0) q
     GROUP BY key
), part AS (
    SELECT key >> 32 AS place, ((key >> 24) & 255)::int4 AS origin_x, ((key >> 16) & 255)::int4 AS origin_y,
           ((key >> 8) & 255)::int4 AS destination_x, (key & 255)::int4 AS destination_y, trips, x, y
      FROM cell
), placed AS (
    SELECT p.*, f.columns, f.rows, f.width, f.height, (p.origin_x - 1) / 3 AS from_x, (p.origin_y - 1) / 3 AS from_y,
           p.origin_x BETWEEN 1 AND f.columns AND p.origin_y BETWEEN 1 AND f.rows AS begins,
           p.destination_x BETWEEN 1 AND f.columns / 3 AND p.destination_y BETWEEN 1 AND f.rows / 3 AS ends
      FROM part p JOIN frame f USING (place)
), way AS (
    SELECT place, sum(trips) AS trips, row_number() OVER (PARTITION BY place ORDER BY sum(trips) DESC, from_x, from_y, destination_x, destination_y) AS rank,
           sum((origin_x - float8 '0.5') * trips) / sum(trips) / max(columns) AS from_x, sum((origin_y - float8 '0.5') * trips) / sum(trips) / max(rows) AS from_y,
           sum(x) / sum(trips) / max(width) AS to_x, sum(y) / sum(trips) / max(height) AS to_y
      FROM placed p
     WHERE begins AND ends AND NOT (p.from_x = destination_x - 1 AND p.from_y = destination_y - 1)
     GROUP BY place, p.from_x, p.from_y, destination_x, destination_y
)
SELECT 'total', place::int4, sum(trips)::int8,
       coalesce(sum(trips) FILTER (WHERE begins), 0)::float8, coalesce(sum(trips) FILTER (WHERE begins AND ends), 0)::float8,
       coalesce(sum(trips) FILTER (WHERE begins AND ends AND from_x = destination_x - 1 AND from_y = destination_y - 1), 0)::float8, NULL::float8
  FROM placed GROUP BY place
UNION ALL
SELECT 'cell', place::int4, sum(trips)::int8, origin_x - 1, origin_y - 1, NULL, NULL FROM placed WHERE begins GROUP BY place, origin_x, origin_y
UNION ALL
(SELECT 'way', place::int4, trips::int8, from_x, from_y, to_x, to_y FROM way WHERE rank <= $11::int8 ORDER BY place, rank)
