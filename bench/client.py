#!/usr/bin/env python3
"""Loading a file of the client's machine over a socket: trips load, and psql's \\copy into the view trips.inbox, against \\copy into
plain typed columns without any index.

    python3 bench/client.py CONNINFO PSQL TRIPS FILE [REPEATS]

CONNINFO is a superuser's, to a database with the extension, whose trips are forgotten. PSQL and TRIPS are the programs. The ways take
turns, REPEATS (5) times after one that is not counted; medians are compared. Prints Markdown. `make bench-client` calls it.
"""

import statistics
import subprocess
import sys
import time

TYPED = """CREATE TABLE IF NOT EXISTS typed (region text, origin_coord geometry(Point, 4326), destination_coord geometry(Point, 4326),
           datetime timestamp, datasource text)"""
EMPTY = """TRUNCATE typed; SELECT trips_forget(id) FROM trips.ingest; VACUUM trips.trip; CHECKPOINT"""


def main():
    conninfo, psql, trips, file = sys.argv[1:5]
    repeats = int(sys.argv[5]) if len(sys.argv) > 5 else 5
    sql = [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", conninfo, "-c"]
    ways = {
        "`\\copy` into typed columns": sql + [f"\\copy typed FROM '{file}' CSV HEADER"],
        "`\\copy trips.inbox`": sql + [f"\\copy trips.inbox FROM '{file}' CSV HEADER"],
        "`trips load`": [trips, "load", "-d", conninfo, file],
    }
    run(sql + [TYPED])
    seconds = {way: [] for way in ways}
    for turn in range(repeats + 1):
        for way, command in ways.items():
            for statement in EMPTY.split("; "):
                run(sql + [statement])
            taken = timed(command)
            if turn > 0:
                seconds[way].append(taken)
    report(seconds)


def run(command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def timed(command):
    begin = time.monotonic()
    run(command)
    return time.monotonic() - begin


def report(seconds):
    medians = {way: statistics.median(taken) for way, taken in seconds.items()}
    base = next(iter(medians.values()))
    print("| over a Unix socket | median | range | times as fast |")
    print("|---|---:|---:|---:|")
    for way, taken in seconds.items():
        spread = f"{min(taken):.2f} to {max(taken):.2f} s"
        print(f"| {way} | {medians[way]:.2f} s | {spread} | {base / medians[way]:.2f} |")


if __name__ == "__main__":
    main()
