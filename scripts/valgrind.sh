#!/usr/bin/env bash
# Runs a server under valgrind's memcheck, without the extension and then with it, and counts the errors that it has with it alone.
#
#     ROWS=50000           of the load
#
# First tests/valgrind-core.sql, which does with PostgreSQL and PostGIS alone what a load does: the errors that are found there are core's own, and
# the second run does not count them, nor those of tests/valgrind.supp. Then tests/valgrind-trips.sql: a load with rejects, and what can be done with the
# trips. PostgreSQL's own memory contexts are no blocks of their own for memcheck, as PostgreSQL is built; what Rust allocates is.
#
# The last line is the count of errors, and the exit status 0 where there are none. Where valgrind is missing the only line is "SKIPPED: reason".

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ROWS=${ROWS:-50000}
CLUSTER=$TARGET/valgrind
RESULTS=$TARGET/valgrind-logs
# Every so many rows one is bad.
BAD_ROW=500
START_TRIES=600
VALGRIND_OPTIONS=(--tool=memcheck --trace-children=yes --leak-check=no --error-limit=no --num-callers=40 --gen-suppressions=all)

main() {
    cd "$ROOT"
    if ! have valgrind; then
        echo 'SKIPPED: no valgrind here'
        return
    fi
    use_postgres
    "$ROOT/scripts/install.sh"
    rm -rf "$RESULTS"
    mkdir -p "$RESULTS"
    trap finish EXIT
    prepare
    run core "$ROOT/tests/valgrind.supp"
    cat "$ROOT/tests/valgrind.supp" >"$RESULTS/suppressions"
    suppressions_of core >>"$RESULTS/suppressions"
    run trips "$RESULTS/suppressions"
    report
}

finish() {
    local status=$?
    stop_server
    "$ROOT/scripts/cluster.sh" destroy "$CLUSTER"
    exit "$status"
}

# Makes a cluster, and the files that are loaded.
prepare() {
    local tools
    tools=$(build_tools)
    "$ROOT/scripts/cluster.sh" destroy "$CLUSTER"
    CONNINFO=$("$ROOT/scripts/cluster.sh" start "$CLUSTER" "$ROOT/tests/postgresql.conf")
    HOME_DIR=$("$ROOT/scripts/cluster.sh" home "$CLUSTER")
    "$ROOT/scripts/cluster.sh" stop "$CLUSTER"
    EXCHANGE=$HOME_DIR/exchange
    "$tools/trips-generate" "$ROWS" --seed 1 --regions 3 --output "$EXCHANGE/good.csv"
    "$tools/trips-generate" 2000 --seed 2 --regions 3 --output "$EXCHANGE/more.csv"
    awk -F, -v OFS=, -v every="$BAD_ROW" 'NR > 1 && NR % every == 0 { $2 = "POINT (14.4 95" } { print }' "$EXCHANGE/good.csv" >"$EXCHANGE/bad.csv"
    head -n 1000 "$EXCHANGE/bad.csv" >"$EXCHANGE/stop.csv"
    chmod 644 "$EXCHANGE"/*.csv
}

# Runs the statements of tests/valgrind-NAME.sql on a server under valgrind, whose logs go to target/valgrind-logs/NAME: run NAME SUPPRESSIONS
run() {
    local name=$1 logs=$HOME_DIR/valgrind-$1 started=$SECONDS status=0
    say "valgrind: $name"
    as_server mkdir -p "$logs"
    # The server's user may not be let into the checkout.
    as_server tee "$HOME_DIR/suppressions" <"$2" >/dev/null
    (
        cd /
        unset RUST_BACKTRACE
        as_server valgrind "${VALGRIND_OPTIONS[@]}" --suppressions="$HOME_DIR/suppressions" --log-file="$logs/%p.log" \
            "$PG_BIN/postgres" -D "$HOME_DIR/data"
    ) >"$RESULTS/$name-server.log" 2>&1 </dev/null &
    SERVER=$!
    wait_for_server || fail "the server did not start: $(tail -n 5 "$RESULTS/$name-server.log")"
    psql_at "$CONNINFO" -v exchange="$EXCHANGE" -f "$ROOT/tests/valgrind-$name.sql" >"$RESULTS/$name.out" 2>&1 || status=$?
    stop_server
    mkdir -p "$RESULTS/$name"
    as_server tar -C "$logs" -cf - . | tar -C "$RESULTS/$name" -xf - --no-same-owner
    [ "$status" -eq 0 ] || {
        tail -n 20 "$RESULTS/$name.out" "$RESULTS/$name-server.log" >&2
        fail "the statements of tests/valgrind-$name.sql failed"
    }
    say "valgrind: $name took $((SECONDS - started)) s"
}

wait_for_server() {
    local tries
    for ((tries = 0; tries < START_TRIES; tries++)); do
        kill -0 "$SERVER" 2>/dev/null || return 1
        ! psql_at "$CONNINFO" -c 'SELECT 1' >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    return 1
}

stop_server() {
    [ -n "${SERVER:-}" ] || return 0
    "$ROOT/scripts/cluster.sh" stop "$CLUSTER"
    wait "$SERVER" 2>/dev/null || true
    SERVER=
}

# The suppressions that valgrind wrote beside errors, by the first frames of their stacks.
suppressions_of() {
    cat "$RESULTS/$1"/*.log | awk '
        /^\{/ { frames = 0; inside = 1 }
        inside && /^   (fun|obj):/ && ++frames > 4 { next }
        inside && /^\}/ { print "   ..."; inside = 0; print; next }
        inside { sub(/<insert_a_suppression_name_here>/, "found without the extension"); print }'
}

# Errors that were counted, of all processes: count NAME
count() { sum "$1" 's/.*ERROR SUMMARY: ([0-9,]+) errors from.*/\1/p'; }

# Errors that were not counted.
suppressed() { sum "$1" 's/.*ERROR SUMMARY: .*\(suppressed: ([0-9,]+) from.*/\1/p'; }

sum() {
    cat "$RESULTS/$1"/*.log | sed -nE "$2" | tr -d , | awk '{ sum += $1 } END { print sum + 0 }'
}

report() {
    local errors processes
    errors=$(count trips)
    processes=$(find "$RESULTS/trips" -name '*.log' | wc -l)
    [ "$processes" -gt 0 ] || fail "valgrind wrote no log"
    if [ "$errors" -ne 0 ]; then
        grep -hE '^==[0-9]+== ' "$RESULTS"/trips/*.log | grep -vE 'Memcheck|Copyright|Using Valgrind|Command:|Parent PID' | head -n 200
    fi
    grep -vE "^ *$|^Asynchronous" "$RESULTS/trips.out" || true
    echo "valgrind: $errors errors beyond core's own in $processes processes; core's own: $(($(count core) + $(suppressed core))) without the extension, $(suppressed trips) with it (logs: $RESULTS)"
    [ "$errors" -eq 0 ]
}

main
