#!/usr/bin/env python3
"""Counts the trips that start in each city with DuckDB, by scanning a table in memory, and writes a section of Markdown.

    duckdb_scan.py TRIPS.csv CITIES.json

CITIES.json is what `trips-bench area --cities` has written: name, box, trips and times of each city. The counts
must be the same; the exit status is 1 when one is not.
"""

import json
import statistics
import sys
import time

import duckdb

REPEATS = 11

# Coordinates are text in the file, POINT (lon lat): the table holds them as numbers, which is the quickest way to count.
READ = r"""
CREATE TABLE trip AS
SELECT CAST(split_part(point, ' ', 1) AS DOUBLE) AS origin_lon,
       CAST(split_part(point, ' ', 2) AS DOUBLE) AS origin_lat
  FROM (SELECT substr(origin_coord, 8, length(origin_coord) - 8) AS point
          FROM read_csv(?, header = true, all_varchar = true))
"""

COUNT = """
SELECT count(*) FROM trip
 WHERE origin_lon BETWEEN ? AND ? AND origin_lat BETWEEN ? AND ?
"""


def main():
    trips, cities = sys.argv[1:]
    with open(cities, encoding="utf-8") as file:
        cities = json.load(file)
    session = duckdb.connect()
    session.execute(READ, [trips])
    threads = session.execute("SELECT current_setting('threads')").fetchone()[0]
    print(
        f"\n## DuckDB\n\nDuckDB {duckdb.__version__}, {threads} threads: `count(*)` of the trips whose origin lies in a city's box, "
        f"over a table in memory with the origins' longitudes and latitudes as columns and nothing else; median of {REPEATS} after one "
        "that is not counted, timed by the client. The server is stopped meanwhile.\n"
    )
    print("| city | trips | scan | trees | times as fast | trees, compacted | times as fast |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    return max([compare(session, city) for city in cities])


def compare(session, city):
    """Writes one row; gives 1 when the counts differ."""
    min_lon, min_lat, max_lon, max_lat = city["box"]
    bounds = [min_lon, max_lon, min_lat, max_lat]
    seconds = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        count = session.execute(COUNT, bounds).fetchone()[0]
        seconds.append(time.perf_counter() - start)
    scan = statistics.median(seconds[1:])
    cells = [f"{1e3 * trees:.3f} ms | {scan / trees:.1f}" for trees in city["seconds"]]
    print(f"| {city['city']} | {count:,} | {1e3 * scan:.3f} ms | {' | '.join(cells)} |")
    if count == city["trips"]:
        return 0
    print(f"\n**{city['city']}: DuckDB counts {count}, the trees {city['trips']}**", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
