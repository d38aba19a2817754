-- One look at every trip: how many by hour of the week, by region and by datasource. 1970 began on a Thursday.
-- The second arm of the union has no rows. It hides from the planner that the key is made of departures, of which there are
-- as many as trips: it would expect as many groups, and no gain from parallel workers.
-- $1 region or null, $2 and $3 the period in days since 2000-01-01.
WITH counted AS MATERIALIZED (
    SELECT (key / 11010048)::int4 AS region_id, (key / 168 % 65536)::int4 AS datasource_id, (key % 168)::int4 AS hour, count(*) AS trips,
           min(departed_at)::date - date '2000-01-01' AS first, max(departed_at)::date - date '2000-01-01' AS last
      FROM (SELECT (t.region_id * 65536::int8 + t.datasource_id) * 168
                   + (floor(date_part('epoch', t.departed_at) / 3600)::int8 % 168 + 168 + 72) % 168 AS key, t.departed_at
              FROM trips.trip t
             WHERE t.departed_at >= date '2000-01-01' + $2::int4 AND t.departed_at < date '2000-01-01' + $3::int4
               AND ($1::int2 IS NULL OR t.region_id = $1)
            UNION ALL
            SELECT 0::int8, t.departed_at FROM trips.trip t WHERE false) t
     GROUP BY key
)
SELECT 'hour', hour, NULL::text, sum(trips)::int8, min(first), max(last) FROM counted GROUP BY hour
UNION ALL
SELECT 'region', region_id, NULL, sum(trips)::int8, min(first), max(last) FROM counted GROUP BY region_id
UNION ALL
(SELECT 'datasource', c.datasource_id, coalesce(d.name, '?'), sum(trips)::int8, min(first), max(last)
   FROM counted c
   LEFT JOIN trips.datasource d ON d.id = c.datasource_id
  GROUP BY c.datasource_id, d.name
  ORDER BY 4 DESC, 3)
