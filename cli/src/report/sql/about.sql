-- Where the report comes from. No row where the extension is missing.
SELECT current_database()::text,
       to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
       e.extversion,
       -- Functions and types are found whatever the session's own path is, and nothing else is.
       set_config('search_path', concat_ws(', ', 'pg_catalog', quote_ident(n.nspname), quote_ident(p.nspname)), true)
  FROM pg_extension e
  JOIN pg_namespace n ON n.oid = e.extnamespace
 CROSS JOIN pg_extension g
  JOIN pg_namespace p ON p.oid = g.extnamespace
 WHERE e.extname = 'trips_ext' AND g.extname = 'postgis'
