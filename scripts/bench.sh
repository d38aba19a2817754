#!/usr/bin/env bash
# Times trips_ingest against COPY on ROWS=2000000 invented trips, REPEATS=5 times each in turns, on a new private cluster
# with the settings of a fresh installation. Prints the result as Markdown and keeps it in target/bench-results.md.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ROWS=${ROWS:-2000000}
REPEATS=${REPEATS:-5}
SEED=1
CLUSTER=$TARGET/bench
RESULTS=$TARGET/bench-results.md

main() {
    cd "$ROOT"
    "$ROOT/scripts/setup.sh"
    use_postgres
    "$ROOT/scripts/install.sh"
    local tools conninfo file
    tools=$(build_tools)
    trap '"$ROOT/scripts/cluster.sh" destroy "$CLUSTER"' EXIT
    "$ROOT/scripts/cluster.sh" destroy "$CLUSTER"
    conninfo=$("$ROOT/scripts/cluster.sh" start "$CLUSTER")
    file=$("$ROOT/scripts/cluster.sh" home "$CLUSTER")/exchange/trips.csv
    psql_at "$conninfo" -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION trips_ext CASCADE'
    say "writing $ROWS invented trips"
    "$tools/trips-generate" "$ROWS" --seed "$SEED" --output "$file"
    chmod 644 "$file"
    say "loading them $REPEATS times with each"
    "$tools/trips-bench" --rows "$ROWS" --repeats "$REPEATS" --file "$file" "$conninfo" >"$RESULTS"
    cat "$RESULTS"
    say "kept in $RESULTS"
}

main
