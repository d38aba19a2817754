-- The largest groups of similar trips of a region.
-- $1 region's name, $2 and $3 the period in days since 2000-01-01, $4 method, $5 how many.
SELECT g.trips, g.origin_lon, g.origin_lat, g.destination_lon, g.destination_lat,
       st_distance(g.origin::geography, g.destination::geography) / 1000,
       to_char(g.time_of_day, 'HH24:MI'), (extract(epoch FROM g.time_spread) / 60)::float8,
       g.first_departure::date - date '2000-01-01', g.last_departure::date - date '2000-01-01'
  FROM (SELECT *
          FROM trips_groups(region => $1, from_date => date '2000-01-01' + $2::int4, to_date => date '2000-01-01' + $3::int4, method => $4)
         ORDER BY trips DESC, group_id
         LIMIT $5) g
 ORDER BY g.trips DESC, g.group_id
