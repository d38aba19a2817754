-- What the database's owner may do: send files, read, and remove what one ingest brought. The server's files stay closed to it. As a superuser, in the database:
--     kubectl exec -i "$(kubectl get cluster trips -o jsonpath='{.status.currentPrimary}')" -c postgres -- psql -X -v ON_ERROR_STOP=1 -d trips <rights.sql
GRANT USAGE ON SCHEMA trips TO trips;
GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA trips TO trips;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA trips TO trips;
GRANT EXECUTE ON FUNCTION trips_upload, trips_ingest_upload, trips_forget, trips_compact TO trips;
