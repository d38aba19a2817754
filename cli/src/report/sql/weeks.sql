-- Trips of every week of the period by region: its place among those that are drawn by themselves, 0 for all others.
-- $1 regions that are drawn, $2 region or null, $3 and $4 the period in days since 2000-01-01.
SELECT w.week - date '2000-01-01', max(w.days), coalesce(array_position($1::int2[], r.id), 0), sum(w.trips)::int8
  FROM trips.region r
 CROSS JOIN LATERAL trips_weekly_trips(r.name, date '2000-01-01' + $3::int4, date '2000-01-01' + $4::int4) w
 WHERE $2::int2 IS NULL OR r.id = $2
 GROUP BY 1, 3
 ORDER BY 1, 3
