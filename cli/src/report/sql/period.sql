-- The days from which and up to which trips are asked for: those that are given, or of the weeks that have trips.
-- $1 region or null, $2 and $3 days since 2000-01-01 or null.
SELECT coalesce($2, min(w.week) - date '2000-01-01'),
       coalesce($3, max(w.week) + 7 - date '2000-01-01')
  FROM trips.region r
 CROSS JOIN LATERAL trips_weekly_trips(r.name, date '2000-01-01' + $2::int4, date '2000-01-01' + $3::int4) w
 WHERE $1::int2 IS NULL OR r.id = $1
