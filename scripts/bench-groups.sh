#!/usr/bin/env bash
# Times trips_groups on invented trips, on a new private cluster with the settings of a fresh installation: ROWS=1000000 in one
# city, four times as many there, as many in each of five cities, and four times as many in each of these. Prints the result as
# Markdown and keeps it in target/bench-groups-results.md.
#
#     REPEATS=3           of which the median counts
#     RIVAL=off           leaves ST_ClusterDBSCAN out, which takes longer than all the rest

# shellcheck source=scripts/bench-lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/bench-lib.sh"

ROWS=${ROWS:-1000000}
REPEATS=${REPEATS:-3}
RIVAL=${RIVAL:-on}
RESULTS=$TARGET/bench-groups-results.md

main() {
    local command="make bench-groups ROWS=$ROWS REPEATS=$REPEATS RIVAL=$RIVAL" options=()
    [[ $RIVAL =~ ^(on|off)$ ]] || fail "RIVAL is on or off, not $RIVAL"
    [ "$RIVAL" = on ] || options+=(--no-rival)
    open_cluster "$TARGET/bench-groups"
    local status=0
    "$TOOLS_DIR/trips-bench" groups --rows "$ROWS" --repeats "$REPEATS" --directory "$EXCHANGE" --command "$command" \
        "${options[@]}" "$CONNINFO" >"$RESULTS" || status=$?
    cat "$RESULTS"
    say "kept in $RESULTS"
    return "$status"
}

main
