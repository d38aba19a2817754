-- Work that comes back, by pg_cron: in the database that cron.database_name names, as a superuser. Run again, it replaces the jobs of these names.
-- pg_cron's times are those of cron.timezone, GMT by default.

-- One run of area trees, after the day's loads: questions are quickest then. Blocks no reader.
SELECT cron.schedule('trips-compact', '30 2 * * *', 'SELECT trips_compact()');

-- The day's trips into every table of groups that is kept (docs/groups.md).
SELECT cron.schedule('trips-groups', '0 3 * * *', 'SELECT g.relation, r.* FROM trips.group_table g, trips_group_refresh(g.relation) r');

-- A recount each Sunday: fails, and stays in cron.job_run_details as failed, where a tree differs from the trips.
SELECT cron.schedule('trips-check', '0 4 * * 0',
                     $job$DO $do$ BEGIN
                           IF EXISTS (SELECT FROM trips_check()) THEN
                               RAISE EXCEPTION 'the trees differ from the trips' USING HINT = 'SELECT * FROM trips_check(), then trips_rebuild()';
                           END IF;
                       END $do$ $job$);

-- A file that another program puts in the same place every night; if it is not new, it is skipped.
SELECT cron.schedule('trips-nightly', '15 1 * * *', $$SELECT trips_ingest_async('/srv/trips/nightly/trips.csv', on_error => 'ignore', reject_limit => 1000)$$);

-- What did not end well in the last day. pg_cron tells of nobody: look, or have a monitor look.
SELECT j.jobname, d.status, d.return_message, d.start_time
  FROM cron.job_run_details d JOIN cron.job j USING (jobid)
 WHERE j.jobname LIKE 'trips-%' AND d.status = 'failed' AND d.start_time > now() - interval '1 day';
SELECT ingest, file, error_sqlstate, error_message, error_line
  FROM trips.ingest_progress
 WHERE status = 'failed';
