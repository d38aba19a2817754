-- Regions with their trips in the period, and trips a week; most trips first.
-- $1 region or null, $2 and $3 the period in days since 2000-01-01.
SELECT r.id, r.name, coalesce(sum(w.trips), 0)::int8,
       trips_weekly_average(r.name, date '2000-01-01' + $2::int4, date '2000-01-01' + $3::int4)::float8
  FROM trips.region r
  LEFT JOIN LATERAL trips_weekly_trips(r.name, date '2000-01-01' + $2::int4, date '2000-01-01' + $3::int4) w ON true
 WHERE $1::int2 IS NULL OR r.id = $1
 GROUP BY r.id, r.name
 ORDER BY 3 DESC, r.name COLLATE "C"
