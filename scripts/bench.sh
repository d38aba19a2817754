#!/usr/bin/env bash
# Times trips_ingest against COPY on ROWS=2000000 invented trips, REPEATS=5 times each in turns, on a new private cluster
# with the settings of a fresh installation. Prints the result as Markdown and keeps it in target/bench-results.md.

# shellcheck source=scripts/bench-lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/bench-lib.sh"

ROWS=${ROWS:-2000000}
REPEATS=${REPEATS:-5}
RESULTS=$TARGET/bench-results.md

main() {
    open_cluster "$TARGET/bench"
    invent_trips --regions 3
    say "loading them $REPEATS times with each"
    "$TOOLS_DIR/trips-bench" load --rows "$ROWS" --repeats "$REPEATS" --file "$FILE" "$CONNINFO" >"$RESULTS"
    cat "$RESULTS"
    say "kept in $RESULTS"
}

main
