-- Where the trips of regions are: bounds that leave out the outermost hundredth, or twentieth, on each side. Longitudes come twice, the
-- second time counted from Greenwich all around eastwards, for regions that lie across the antimeridian.
-- $1 regions, $2 and $3 the period in days since 2000-01-01, $4 per cent of the table's pages that are looked at
-- (where that is all, the sample is left out).
SELECT t.region_id, count(*),
       percentile_disc(ARRAY[0.01, 0.05, 0.95, 0.99]) WITHIN GROUP (ORDER BY st_x(p)),
       percentile_disc(ARRAY[0.01, 0.05, 0.95, 0.99]) WITHIN GROUP (ORDER BY CASE WHEN st_x(p) < 0 THEN st_x(p) + 360 ELSE st_x(p) END),
       percentile_disc(ARRAY[0.01, 0.05, 0.95, 0.99]) WITHIN GROUP (ORDER BY st_y(p))
  FROM trips.trip t TABLESAMPLE SYSTEM ($4::float4) REPEATABLE (1)
 CROSS JOIN LATERAL (VALUES (t.origin), (t.destination)) e (p)
 WHERE t.region_id = ANY ($1::int2[])
   AND t.departed_at >= date '2000-01-01' + $2::int4 AND t.departed_at < date '2000-01-01' + $3::int4
   AND $4 > 0
 GROUP BY t.region_id
