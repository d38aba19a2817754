#!/usr/bin/env bash
# Loads FILES=10 files of ROWS=10000000 invented trips each into one table, then all of them as one file, on a new private
# cluster with the settings of a fresh installation: speed and memory of each load, times of questions as the table grows,
# groups of a city, and a recount of everything. Prints the result as Markdown and keeps it in target/proof-results.md, the
# curves in target/PROOF.svg; ends with 1 when an answer was wrong. Takes about 40 GB of disk.

# shellcheck source=scripts/bench-lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/bench-lib.sh"

ROWS=${ROWS:-10000000}
FILES=${FILES:-10}
RESULTS=$TARGET/proof-results.md

main() {
    local status=0
    rm -f "$RESULTS"
    open_cluster "$TARGET/proof"
    "$TOOLS_DIR/trips-bench" proof --files "$FILES" --rows-each "$ROWS" --seed "$SEED" --directory "$EXCHANGE" \
        --curves "$TARGET/PROOF.svg" --command "make proof ROWS=$ROWS FILES=$FILES" "$CONNINFO" >"$RESULTS" || status=$?
    cat "$RESULTS"
    say "kept in $RESULTS, the curves in $TARGET/PROOF.svg"
    return "$status"
}

main
