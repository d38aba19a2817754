-- trips_ingest itself is Rust: src/api/ingest.rs.

REVOKE EXECUTE ON FUNCTION trips_ingest(text, text, bigint, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION trips_ingest(text, text, bigint, text, boolean) IS
'Loads a file of trips that lies on the server: source is its absolute path, its header names region, origin_coord, destination_coord, datetime, datasource. '
'on_error => ''ignore'' puts rows that cannot be loaded into trips.rejected_row, at most reject_limit of them, where ''stop'' raises the first. '
'A file whose content is loaded already is skipped, or raises 42710 with if_loaded => ''error''. dry_run => true reads and counts, and stores nothing. '
'All or nothing, in the transaction of the caller. Status is pushed on the channel trips_ingest while it runs. '
'Needs the privileges of pg_read_server_files and INSERT on the tables of the schema trips';
