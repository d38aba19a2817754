# Loads a file of this machine, whole or not at all: python3 upload.py postgresql://user@host/database trips.csv
#   pip install "psycopg[binary]"
import sys
import psycopg

with psycopg.connect(sys.argv[1]) as connection, open(sys.argv[2], "rb") as file:
    while part := file.read(256 * 1024):
        connection.execute("SELECT trips_upload(%b)", [part])
    cursor = connection.execute("SELECT status, rows_loaded FROM trips_ingest_upload(%s)", [sys.argv[2]])
    print(*cursor.fetchone())
