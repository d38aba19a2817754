# Prints each event of trips_ext as it is pushed: python3 listen.py postgresql://user@host/database
#   pip install "psycopg[binary]"
import sys
import psycopg

with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    connection.execute("LISTEN trips_ingest")
    print("listening", file=sys.stderr, flush=True)
    for event in connection.notifies():
        print(event.payload, flush=True)
