-- Whether the ledger and the rejected rows may be read.
SELECT has_table_privilege('trips.ingest', 'SELECT'), has_table_privilege('trips.rejected_row', 'SELECT')
