#!/usr/bin/env python3
"""What idle listeners cost a load: the same file, while so many sessions LISTEN and while they are only there.

    python3 bench/idle_listeners.py CONNINFO FILE [LISTENERS] [REPEATS]

CONNINFO is a superuser's, to a database with the extension whose trips may be forgotten, on a server whose max_connections
allows for LISTENERS (2000) and a few. FILE is one that the server reads. Loads take turns, REPEATS (7) of each kind after one that is
not counted; medians are compared. Needs psycopg.
"""

import statistics
import sys
import time

import psycopg


def main():
    conninfo, file = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
    repeats = int(sys.argv[4]) if len(sys.argv) > 4 else 7
    seconds = {"UNLISTEN": [], "LISTEN": []}
    sessions = [psycopg.connect(conninfo, autocommit=True) for _ in range(count)]
    with psycopg.connect(conninfo, autocommit=True) as loader:
        load(loader, file)
        for turn in range(2 * repeats):
            command = "LISTEN" if turn % 2 else "UNLISTEN"
            for session in sessions:
                session.execute(f"{command} trips_ingest")
            seconds[command].append(load(loader, file))
    silent, listening = (statistics.median(seconds[kind]) for kind in ("UNLISTEN", "LISTEN"))
    print(f"{count} sessions that do not listen  {silent:.3f} s  ({spread(seconds['UNLISTEN'])})")
    print(f"{count} sessions that do             {listening:.3f} s  ({spread(seconds['LISTEN'])})")
    print(f"ratio of the medians  {listening / silent:.3f}")


def load(connection, file):
    begin = time.monotonic()
    row = connection.execute("SELECT ingest FROM trips_ingest(%s)", [file]).fetchone()
    taken = time.monotonic() - begin
    connection.execute("SELECT trips_forget(%s)", [row[0]])
    connection.execute("VACUUM trips.trip")
    connection.execute("CHECKPOINT")
    return taken


def spread(seconds):
    return f"{min(seconds):.3f} to {max(seconds):.3f}"


if __name__ == "__main__":
    main()
