#!/usr/bin/env python3
"""Draws the largest groups of one region by two methods, side by side, as SVG.

    python3 bench/groups_picture.py CONNINFO REGION >picture.svg

CONNINFO names a database with trips. Needs psql and nothing else. Each line is an origin and a destination that trips of a group share, to four
decimals of a degree, as thick as they are many; the twelve largest groups have colours, all other trips are grey.
"""

import math
import subprocess
import sys

COLOURS = ["#c1272d", "#0072b2", "#e69f00", "#009e73", "#8e44ad", "#56b4e9", "#d35400", "#7a5c00", "#e377c2", "#1b4f72", "#6b8e23", "#000000"]
SIDE, MARGIN, TOP, LINES = 420, 14, 58, 500
METHODS = [("representative", 2), ("density", 10)]


def query(conninfo, statement):
    command = ["psql", "-X", "-q", "-At", "-F", ",", conninfo, "-c", statement]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [[float(value) for value in line.split(",")] for line in lines]


def flows(conninfo, region, method, min_trips):
    """Group (0 for those without a colour), number of trips, origin and destination of the most frequent lines."""
    return query(conninfo, f"""
        SELECT CASE WHEN group_id <= {len(COLOURS)} THEN group_id ELSE 0 END, count(*),
               round(st_x(origin)::numeric, 4), round(st_y(origin)::numeric, 4), round(st_x(destination)::numeric, 4), round(st_y(destination)::numeric, 4)
          FROM trips.trip t JOIN trips.region r ON r.id = t.region_id AND r.name = '{region}'
          LEFT JOIN trips_group_members(region => '{region}', method => '{method}', min_trips => {min_trips}) m ON m.trip_id = t.id
         GROUP BY 1, 3, 4, 5, 6 ORDER BY 2 DESC, 1, 3, 4, 5, 6 LIMIT {LINES}""")


def largest(conninfo, region, method, min_trips):
    """Trips of the largest group, of all groups and of the region, and how many groups."""
    return [int(value) for value in query(conninfo, f"""
        SELECT max(trips), sum(trips), (SELECT count(*) FROM trips.trips WHERE region = '{region}'), count(*)
          FROM trips_groups(region => '{region}', method => '{method}', min_trips => {min_trips})""")[0]]


def middle_half(values, share):
    """The least and the greatest of the values but for a share at both ends."""
    ordered = sorted(values)
    cut = int(len(ordered) * share)
    return ordered[cut], ordered[-1 - cut]


def main():
    conninfo, region = sys.argv[1:3]
    drawn = [(method, largest(conninfo, region, method, least), flows(conninfo, region, method, least)) for method, least in METHODS]
    ends = [(line[at], line[at + 1]) for _, _, lines in drawn for line in lines for at in (2, 4)]
    (west, east), (south, north) = (middle_half([end[axis] for end in ends], 0.02) for axis in (0, 1))
    shrink = math.cos(math.radians((south + north) / 2))
    scale = (SIDE - 2 * MARGIN) / max((east - west) * shrink, north - south)
    width, height = 2 * SIDE, TOP + int((north - south) * scale) + 2 * MARGIN + 24

    def place(lon, lat, left):
        return left + MARGIN + (lon - west) * shrink * scale, TOP + MARGIN + (north - lat) * scale

    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" role="img" '
          f'aria-label="The twelve largest groups of {region} by two methods">')
    print(f'<rect width="{width}" height="{height}" fill="#ffffff"/>')
    for number, (method, (most, grouped, trips, groups), lines) in enumerate(drawn):
        left = number * SIDE
        print(f'<text x="{left + MARGIN}" y="24" font-size="17" fill="#111111">{method}</text>')
        print(f'<text x="{left + MARGIN}" y="44" font-size="12" fill="#444444">{groups:,} groups; the largest has {most:,} of {trips:,} trips ({100 * most / trips:.0f} %)</text>')
        print(f'<clipPath id="c{number}"><rect x="{left}" y="{TOP}" width="{SIDE}" height="{height - TOP - 20}"/></clipPath><g clip-path="url(#c{number})" fill="none" stroke-linecap="round">')
        for group, count, *ends in sorted(lines, key=lambda line: (line[0] != 0, -line[0])):
            (x1, y1), (x2, y2) = place(ends[0], ends[1], left), place(ends[2], ends[3], left)
            # A bend to the right of the way tells there and back apart.
            bend = (x1 + x2) / 2 - (y2 - y1) * 0.12, (y1 + y2) / 2 + (x2 - x1) * 0.12
            colour, opacity = (COLOURS[int(group) - 1], 0.75) if group else ("#999999", 0.35)
            print(f'<path d="M{x1:.0f} {y1:.0f}Q{bend[0]:.0f} {bend[1]:.0f} {x2:.0f} {y2:.0f}" stroke="{colour}" stroke-width="{0.4 + math.sqrt(count) / 9:.1f}" opacity="{opacity}"/>')
        print('</g>')
    metres = 500
    length = metres / 111_320 * scale
    base = height - 10
    print(f'<path d="M{MARGIN} {base}h{length:.1f}" stroke="#111111" stroke-width="2"/>'
          f'<text x="{MARGIN + length + 6:.0f}" y="{base + 4}" font-size="11" fill="#111111">{metres} m, north is up</text>')
    print('</svg>')


if __name__ == "__main__":
    main()
