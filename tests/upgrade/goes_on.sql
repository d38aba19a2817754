-- After pg_upgrade: a file that was loaded before it is known, another is loaded, and trees and facts agree. Prints nothing;
-- a division by zero is a promise that was not kept. :first and :second are files of trips.
SET client_min_messages = warning;
SELECT postgis_extensions_upgrade() \g /dev/null
SELECT 1 / (status = 'skipped')::int FROM trips_ingest(:'first') \g /dev/null
SELECT 1 / (status = 'loaded' AND rows_loaded = 1000)::int FROM trips_ingest(:'second') \g /dev/null
SELECT 1 / (count(*) = 0)::int FROM trips_check() \g /dev/null
SELECT 1 / (trips_group_refresh('flows') IS NOT NULL)::int \g /dev/null
SELECT 1 / (trips_forget(max(id)) = 1000)::int FROM trips.ingest \g /dev/null
SELECT 1 / (count(*) = 0)::int FROM trips_check() \g /dev/null
