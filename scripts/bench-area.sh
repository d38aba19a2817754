#!/usr/bin/env bash
# Times questions about areas, and what their trees cost, on ROWS=20000000 invented trips in five cities, on a new private
# cluster with the settings of a fresh installation. Prints the result as Markdown and keeps it in
# target/bench-area-results.md; ends with 1 when an answer was wrong.
#
#     REPEATS=3           loads without the trees, and with them
#     GIST=off            leaves the GiST index out, which takes longer than anything else
#     SMALL_LOADS=1000    in how many loads a quarter of the rows is brought once more; 0 leaves that part out
#     SETTINGS=FILE       lines for postgresql.conf
#     PYTHON=python3      with the package duckdb, DuckDB counts the same cities; without it that part is left out

# shellcheck source=scripts/bench-lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/bench-lib.sh"

ROWS=${ROWS:-20000000}
REPEATS=${REPEATS:-3}
GIST=${GIST:-on}
SMALL_LOADS=${SMALL_LOADS:-1000}
SETTINGS=${SETTINGS:-}
PYTHON=${PYTHON:-python3}
RESULTS=$TARGET/bench-area-results.md
CITIES=$TARGET/bench-area-cities.json

main() {
    local command="make bench-area ROWS=$ROWS REPEATS=$REPEATS GIST=$GIST SMALL_LOADS=$SMALL_LOADS" options=() status=0
    [[ $GIST =~ ^(on|off)$ ]] || fail "GIST is on or off, not $GIST"
    [ "$GIST" = on ] || options+=(--no-gist)
    rm -f "$RESULTS" "$CITIES"
    open_cluster "$TARGET/bench-area" "$SETTINGS"
    invent_trips --regions 5
    "$TOOLS_DIR/trips-bench" area --rows "$ROWS" --repeats "$REPEATS" --small-loads "$SMALL_LOADS" --seed "$SEED" \
        --file "$FILE" --cities "$CITIES" --command "$command" "${options[@]}" "$CONNINFO" >"$RESULTS" || status=$?
    compare_duckdb || status=$?
    cat "$RESULTS"
    say "kept in $RESULTS"
    return "$status"
}

# The same cities, counted by DuckDB from the same file. It does without the server, which would take memory and cores.
compare_duckdb() {
    if [ ! -f "$CITIES" ]; then
        say 'DuckDB is left out: there is nothing to compare with'
    elif ! "$PYTHON" -c 'import duckdb' 2>/dev/null; then
        say "DuckDB is left out: $PYTHON has no package duckdb"
        printf '\n## DuckDB\n\nLeft out: the package duckdb was not installed.\n' >>"$RESULTS"
    else
        say 'counting the cities with DuckDB'
        "$ROOT/scripts/cluster.sh" stop "$CLUSTER"
        "$PYTHON" "$ROOT/bench/duckdb_scan.py" "$FILE" "$CITIES" >>"$RESULTS"
    fi
}

main
