# shellcheck shell=bash disable=SC2034
# What the benchmarks share: a new private cluster with the extension, and a file of invented trips in it.
# Sourced, never run.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SEED=1

# Builds and installs what is measured, and starts a new cluster that goes when the script ends: DIR [FILE], with lines
# for postgresql.conf. Sets CLUSTER, CONNINFO, EXCHANGE and TOOLS_DIR.
open_cluster() {
    CLUSTER=$1
    local settings=${2:-}
    cd "$ROOT"
    "$ROOT/scripts/setup.sh"
    use_postgres
    "$ROOT/scripts/install.sh"
    TOOLS_DIR=$(build_tools)
    trap '"$ROOT/scripts/cluster.sh" destroy "$CLUSTER"' EXIT
    "$ROOT/scripts/cluster.sh" destroy "$CLUSTER"
    CONNINFO=$("$ROOT/scripts/cluster.sh" start "$CLUSTER" ${settings:+"$settings"})
    EXCHANGE=$("$ROOT/scripts/cluster.sh" home "$CLUSTER")/exchange
    psql_at "$CONNINFO" -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION trips_ext CASCADE'
}

# Writes ROWS trips to trips.csv where the server reads files, and sets FILE: invent_trips [OPTION...]
invent_trips() {
    FILE=$EXCHANGE/trips.csv
    say "writing $ROWS invented trips"
    "$TOOLS_DIR/trips-generate" "$ROWS" --seed "$SEED" "$@" --output "$FILE"
    chmod 644 "$FILE"
}
