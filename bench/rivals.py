#!/usr/bin/env python3
"""Reads a file of trips into typed columns with another system, and writes what that took as a line of JSON.

    rivals.py duckdb TRIPS.csv
    rivals.py chdb TRIPS.csv
    rivals.py pyspark TRIPS.csv JDBC_URL DRIVER.jar

Imports and connections are not in the time. DuckDB and chDB fill a table in memory, which is quickest; PySpark reads the file into a
DataFrame and writes that to the table plain_spark through JDBC. Points become two numbers each: longitude and latitude.
"""

import json
import sys
import time


def duckdb(file):
    import duckdb

    def number(column, part):
        inside = f"substr({column}, 8, length({column}) - 8)"
        return f"CAST(split_part({inside}, ' ', {part}) AS DOUBLE)"

    session = duckdb.connect()
    start = time.perf_counter()
    session.execute(
        f"""
        CREATE TABLE trip AS
        SELECT region, {number("origin_coord", 1)} AS origin_lon, {number("origin_coord", 2)} AS origin_lat,
               {number("destination_coord", 1)} AS destination_lon, {number("destination_coord", 2)} AS destination_lat,
               datetime AS departed_at, datasource
          FROM read_csv(?, header = true, columns = {{
               'region': 'VARCHAR', 'origin_coord': 'VARCHAR', 'destination_coord': 'VARCHAR',
               'datetime': 'TIMESTAMP', 'datasource': 'VARCHAR'}})
        """,
        [file],
    )
    seconds = time.perf_counter() - start
    return duckdb.__version__, session.execute("SELECT count(*) FROM trip").fetchone()[0], seconds


def chdb(file):
    import chdb
    from chdb import session as sessions

    def number(column, part):
        return f"toFloat64(splitByChar(' ', substring({column}, 8, length({column}) - 8))[{part}])"

    session = sessions.Session()
    session.query("CREATE DATABASE IF NOT EXISTS bench")
    session.query(
        """
        CREATE TABLE bench.trip (region LowCardinality(String), origin_lon Float64, origin_lat Float64,
            destination_lon Float64, destination_lat Float64, departed_at DateTime, datasource LowCardinality(String))
        ENGINE = Memory
        """
    )
    structure = "region String, origin_coord String, destination_coord String, datetime DateTime, datasource String"
    path = file.replace("\\", "\\\\").replace("'", "\\'")
    start = time.perf_counter()
    session.query(
        f"""
        INSERT INTO bench.trip
        SELECT region, {number("origin_coord", 1)}, {number("origin_coord", 2)},
               {number("destination_coord", 1)}, {number("destination_coord", 2)}, datetime, datasource
          FROM file('{path}', 'CSVWithNames', '{structure}')
        """
    )
    seconds = time.perf_counter() - start
    rows = int(str(session.query("SELECT count() FROM bench.trip", "TabSeparated")).strip())
    return chdb.__version__, rows, seconds


def pyspark(file, url, driver):
    import pyspark
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import regexp_extract

    session = (
        SparkSession.builder.master("local[*]")
        .config("spark.driver.extraClassPath", driver)
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    schema = "region STRING, origin_coord STRING, destination_coord STRING, datetime TIMESTAMP, datasource STRING"
    start = time.perf_counter()
    trips = session.read.csv(file, header=True, schema=schema, timestampFormat="yyyy-MM-dd HH:mm:ss")
    for end in ("origin", "destination"):
        for part, name in ((1, "lon"), (2, "lat")):
            number = regexp_extract(f"{end}_coord", r"\(([^ ]+) ([^)]+)\)", part)
            trips = trips.withColumn(f"{end}_{name}", number.cast("double"))
    trips = trips.drop("origin_coord", "destination_coord")
    trips.write.jdbc(url, "plain_spark", mode="overwrite", properties={"driver": "org.postgresql.Driver"})
    seconds = time.perf_counter() - start
    return pyspark.__version__, session.read.csv(file, header=True).count(), seconds


def main():
    system, *arguments = sys.argv[1:]
    version, rows, seconds = {"duckdb": duckdb, "chdb": chdb, "pyspark": pyspark}[system](*arguments)
    print(json.dumps({"version": version, "rows": rows, "seconds": seconds}))


if __name__ == "__main__":
    main()
