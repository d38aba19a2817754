-- Run once, when the database is made: the extension, and the role that loads what is put into the watched folder.
CREATE EXTENSION trips_ext CASCADE;

-- It has no password: nobody can log in with it over the network.
CREATE ROLE courier LOGIN;
GRANT pg_read_server_files TO courier;
GRANT USAGE ON SCHEMA trips TO courier;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA trips TO courier;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA trips TO courier;
