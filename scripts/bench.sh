#!/usr/bin/env bash
# Times trips_ingest against other ways to load ROWS=5000000 invented trips, REPEATS=5 times each in turns, on a new private
# cluster with the settings of a fresh installation. Prints the result as Markdown and keeps it in target/bench-results.md.
#
#     PYTHON=python3     with the packages duckdb, chdb and pyspark these take part; what it lacks is left out

# shellcheck source=scripts/bench-lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/bench-lib.sh"

ROWS=${ROWS:-5000000}
REPEATS=${REPEATS:-5}
PYTHON=${PYTHON:-python3}
RESULTS=$TARGET/bench-results.md
# PySpark takes minutes for millions of rows: it gets fewer, in turns of its own.
SPARK_ROWS=200000
SPARK_DRIVER=/usr/share/java/postgresql.jar
SPARK_URL='jdbc:postgresql://127.0.0.1:54320/postgres?user=postgres'

main() {
    local settings=
    if has_spark; then
        # JDBC knows no Unix sockets.
        settings=$TARGET/bench.conf
        echo "listen_addresses = '127.0.0.1'" >"$settings"
    fi
    open_cluster "$TARGET/bench" "$settings"
    rivals "$ROWS" DuckDB chDB >"$RESULTS"
    if has_spark; then
        rivals "$((ROWS < SPARK_ROWS ? ROWS : SPARK_ROWS))" PySpark | sed 's/^# Loads/# Loads, with PySpark/' >>"$RESULTS"
    else
        say "PySpark is left out: it takes the package pyspark, java and $SPARK_DRIVER"
    fi
    cat "$RESULTS"
    say "kept in $RESULTS"
}

has_spark() { "$PYTHON" -c 'import pyspark' 2>/dev/null && have java && [ -f "$SPARK_DRIVER" ]; }

# Loads so many rows in each way, other systems among them: rivals ROWS NAME...
rivals() {
    local rows=$1 options=() rival program
    shift
    ROWS=$rows invent_trips --regions 5
    cut_in_halves "$rows"
    for rival in "$@"; do
        program="'$PYTHON' '$ROOT/bench/rivals.py' ${rival,,} '$FILE'"
        [ "$rival" != PySpark ] || program+=" '$SPARK_URL' '$SPARK_DRIVER' 2>/dev/null"
        if "$PYTHON" -c "import ${rival,,}" 2>/dev/null; then
            options+=(--rival "$rival" "$program")
        else
            say "$rival is left out: $PYTHON has no package ${rival,,}"
        fi
    done
    say "loading them $REPEATS times in each way"
    "$TOOLS_DIR/trips-bench" load --rows "$rows" --repeats "$REPEATS" --file "$FILE" --halves "${HALVES[@]}" \
        --command "make bench ROWS=$ROWS REPEATS=$REPEATS" "${options[@]}" "$CONNINFO"
}

# The rows of FILE in two files of their own.
cut_in_halves() {
    local half=$(($1 / 2)) number file
    HALVES=()
    for number in 1 2; do
        file=$EXCHANGE/half$number.csv
        HALVES+=("$file")
        head -n 1 "$FILE" >"$file"
        chmod 644 "$file"
    done
    tail -n +2 "$FILE" | head -n "$half" >>"${HALVES[0]}" || true
    tail -n "+$((half + 2))" "$FILE" >>"${HALVES[1]}"
}

main
