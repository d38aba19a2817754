-- One statement brings the extension and what it needs.
SET client_min_messages = warning;
CREATE EXTENSION trips_ext CASCADE;
SELECT extname FROM pg_extension WHERE extname IN ('postgis', 'trips_ext') ORDER BY extname;
