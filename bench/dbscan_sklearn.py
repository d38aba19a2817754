#!/usr/bin/env python3
"""Compares trips_groups by density with the DBSCAN of scikit-learn, on random sets of trips and on cuts of a file.

    python3 bench/dbscan_sklearn.py CONNINFO DIRECTORY [SETS [FILE]]

CONNINFO names an empty database in which trips_ext can be created, DIRECTORY one that the server can read files from. Needs
psql, numpy and scikit-learn. Each of SETS=50 sets has 2,000 trips: in cities, across the antimeridian, at a pole, round
midnight. scikit-learn is given the distances of all pairs; 1 is what the limits allow. It gives a border trip to the first
core that it meets, so that only cores and noise are compared; which core a border trip goes to is worked out here.
Of FILE, a CSV file that may be compressed by gzip, the first days of each region with about 4,000 trips are compared as well.
Ends with 1 if anything differs.
"""

import gzip
import os
import shutil
import subprocess
import sys

import numpy as np
import sklearn
from sklearn.cluster import DBSCAN

TRIPS = 2000
ORIGIN, DESTINATION, SECONDS = 900, 1100, 2400
PLACES = [(179.9999, -17.0), (7.6, 45.0), (30.0, 89.99), (10.0, 0.0)]


def query(conninfo, statement):
    command = ["psql", "-X", "-q", "-At", "-F", ",", conninfo, "-c", statement]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def point(random, places):
    lon, lat = places[random.integers(len(places))]
    noise = random.choice([0.002, 0.006, 0.02])
    lon += random.normal() * noise / max(0.02, np.cos(np.radians(lat)))
    return (lon + 540) % 360 - 180, float(np.clip(lat + random.normal() * noise, -90, 90))


def write(path, sets):
    random = np.random.default_rng(5)
    with open(path, "w", encoding="utf-8") as file:
        file.write("region,origin_coord,destination_coord,datetime,datasource\n")
        for number in range(sets):
            places = PLACES + [(random.uniform(-180, 180), random.uniform(-85, 85)) for _ in range(2)]
            for _ in range(TRIPS):
                (a, b), (c, d) = point(random, places), point(random, places)
                second = int((random.choice([0, 8, 17]) * 3600 + random.normal() * 3000) % 86400)
                time = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
                day = random.integers(1, 29)
                file.write(f"set {number},POINT ({a} {b}),POINT ({c} {d}),2018-05-{day:02d} {time},random\n")
    os.chmod(path, 0o644)


def in_space(lon, lat):
    """Metres from the middle of the earth: WGS84, EPSG:4978."""
    a, e2 = 6378137.0, 0.0066943799901413165
    lon, lat = np.radians(lon), np.radians(lat)
    normal = a / np.sqrt(1 - e2 * np.sin(lat) ** 2)
    return np.stack([normal * np.cos(lat) * np.cos(lon), normal * np.cos(lat) * np.sin(lon), normal * (1 - e2) * np.sin(lat)], 1)


def shares(trips, limits):
    """Of all pairs, what sets them apart as shares of the limits: origins, destinations, times of day."""
    ends = [in_space(trips[:, 0], trips[:, 1]), in_space(trips[:, 2], trips[:, 3])]
    metres = [np.sqrt(((end[:, None] - end[None]) ** 2).sum(-1)) for end in ends]
    apart = np.abs(trips[:, 4][:, None] - trips[:, 4][None])
    return metres[0] / limits[0], metres[1] / limits[1], np.minimum(apart, 86400 - apart) / limits[2]


def compare(conninfo, region, limits, min_trips, to_date="2100-01-01"):
    """Whether the trips of a region until a date are grouped alike; how many trips, cores and border trips they are."""
    rows = query(conninfo, f"""
        SELECT t.id, st_x(origin), st_y(origin), st_x(destination), st_y(destination), extract(epoch FROM departed_at::time)
          FROM trips.trip t JOIN trips.region r ON r.id = t.region_id
         WHERE r.name = '{region}' AND departed_at < '{to_date}' ORDER BY 1""")
    rows = [row.split(",") for row in rows]
    ids = [int(row[0]) for row in rows]
    apart = shares(np.array([[float(value) for value in row[1:]] for row in rows]), limits)
    furthest = np.maximum(np.maximum(apart[0], apart[1]), apart[2])
    unlike = np.where(furthest > 1, np.inf, apart[0] ** 2 + apart[1] ** 2 + apart[2] ** 2)
    found = DBSCAN(eps=1, min_samples=min_trips, metric="precomputed").fit(furthest)
    core = np.zeros(len(ids), bool)
    core[found.core_sample_indices_] = True

    members = query(conninfo, f"""
        SELECT trip_id, group_id FROM trips_group_members(
            {limits[0]}, {limits[1]}, '{limits[2]} seconds', {min_trips}, '{region}', NULL, '2000-01-01', '{to_date}',
            method => 'density')""")
    groups = dict(tuple(map(int, row.split(","))) for row in members)
    own = np.array([groups.get(trip, -1) for trip in ids])
    pairs = set(zip(found.labels_[core], own[core]))
    same = len(pairs) == len(set(found.labels_[core])) == len(set(own[core]))
    same &= bool(((own == -1) == (found.labels_ == -1)).all())
    border = np.where(~core & (own != -1))[0]
    for place in border:
        nearest = min(np.where(core)[0], key=lambda other: (unlike[place, other], ids[other]))
        same &= bool(own[nearest] == own[place])
    return same, len(ids), int(core.sum()), len(border)


def compare_cuts(conninfo, file, directory):
    """Compares the first days of each region in a file."""
    path = os.path.join(directory, "cuts.csv")
    with (gzip.open if file.endswith(".gz") else open)(file, "rb") as source, open(path, "wb") as copy:
        shutil.copyfileobj(source, copy)
    os.chmod(path, 0o644)
    query(conninfo, f"SET client_min_messages = warning; SELECT trips_ingest('{path}')")
    cuts = query(conninfo, f"""
        SELECT name, max(day) FROM (
            SELECT r.name, departed_at::date + 1 AS day, count(*) OVER (PARTITION BY r.id ORDER BY departed_at::date) AS trips
              FROM trips.trip t JOIN trips.region r ON r.id = t.region_id WHERE r.name NOT LIKE 'set %') AS d
         WHERE trips <= 4000 GROUP BY name ORDER BY name""")
    return [(region, minutes, *compare(conninfo, region, (metres, metres, 60 * minutes), min_trips, to_date))
            for region, to_date in (cut.split(",") for cut in cuts)
            for metres, minutes, min_trips in [(250, 15, 3), (500, 30, 2), (500, 30, 10)]]


def main():
    conninfo, directory = sys.argv[1:3]
    sets = int(sys.argv[3]) if len(sys.argv) > 3 else 50
    path = os.path.join(directory, "dbscan.csv")
    write(path, sets)
    query(conninfo, "SET client_min_messages = warning; CREATE EXTENSION trips_ext CASCADE")
    query(conninfo, f"SET client_min_messages = warning; SELECT trips_ingest('{path}')")
    limits = ORIGIN, DESTINATION, SECONDS
    results = [compare(conninfo, f"set {number}", limits, 3 + number % 4) for number in range(sets)]
    differ = sum(not same for same, *_ in results)
    cores, border = (sum(result[place] for result in results) for place in (2, 3))
    print(f"scikit-learn {sklearn.__version__}: {sets} sets of {TRIPS} trips, {cores} cores, {border} border trips: {differ} sets differ")
    for region, minutes, same, trips, cores, border in compare_cuts(conninfo, sys.argv[4], directory) if len(sys.argv) > 4 else []:
        differ += not same
        print(f"{region}, {minutes} minutes: {trips} trips, {cores} cores, {border} border trips: {'the same' if same else 'different'}")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
