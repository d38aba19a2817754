#!/usr/bin/env bash
# Runs every test: unit and property tests, pg_regress, tests with real sessions, tests inside the server.
#
# The last line is the count over all suites, `N passed, N failed, N skipped`, also kept in target/test-count. The exit
# status is 0 only when something ran and nothing failed. A suite that broke off without a
# result counts as one failure.
#
#     scripts/test.sh        all of them
#     scripts/test.sh sql    pg_regress and the isolation tests alone, on the build that is installed; FULL=1 adds the tests with
#                            real sessions
#
# WITH_TOOLS=1, as in .ci/run, also fuzzes, runs the sanitizers and memcheck, and tries other PostgreSQLs and containers: make
# fuzz, sanitize, valgrind, systems and containers in short.
#
# What the suites that need a server are told:
#   TRIPS_TEST_CONNINFO    a superuser's connection to the database postgres of a new private cluster
#   TRIPS_TEST_DATA_DIR    a directory that the tests can write and the server can read
# A test that cannot run here prints a line "SKIPPED: reason" and passes; it is counted as skipped.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

CLUSTER=$TARGET/test
LOGS=$TARGET/test-logs
COUNT_FILE=$TARGET/test-count

PASSED=0 FAILED=0 SKIPPED=0
# The process that runs beside another, if any.
BESIDE=

main() {
    cd "$ROOT"
    # The server reads what the tests write.
    umask 022
    rm -rf "$LOGS" "$COUNT_FILE"
    mkdir -p "$LOGS"
    trap finish EXIT
    case ${1:-all} in
        all) all_suites ;;
        sql) sql_suites ;;
        *) fail 'usage: scripts/test.sh [sql]' ;;
    esac
}

all_suites() {
    "$ROOT/scripts/setup.sh" --test
    use_postgres
    cargo_suite unit cargo test --no-fail-fast -p trips_core -p trips_tools -- --show-output
    fault_suite
    if [ -n "${WITH_TOOLS:-}" ]; then
        tool_suite fuzz RUNS=200000
        tool_suite sanitize
    fi
    if suite install "$ROOT/scripts/install.sh"; then
        server_suites
    else
        FAILED=$((FAILED + 1))
    fi
}

# Before the others: these leave the build that is used in its place.
fault_suite() {
    if suite install-fault-points env FAULT_POINTS=1 "$ROOT/scripts/install.sh"; then
        cargo_suite fault-points cargo test --no-fail-fast -p trips_tests --features fault_points --test fault_points -- --show-output
    else
        FAILED=$((FAILED + 1))
    fi
}

sql_suites() {
    use_postgres
    if start_server; then
        regress_suite
        isolation_suite
        [ -z "${FULL:-}" ] || session_suite
        stop_server
    else
        FAILED=$((FAILED + 1))
    fi
}

session_suite() {
    cargo_suite sessions cargo test --no-fail-fast -p trips_tests -p trips_cli -- --show-output
}

server_suites() {
    if start_server; then
        regress_suite
        isolation_suite
        session_suite
        stop_server
    else
        FAILED=$((FAILED + 1))
    fi
    cargo_suite in-server "$ROOT/scripts/pgrx-test.sh"
    # That suite has left a test build in its place.
    "$ROOT/scripts/install.sh"
    benchmark_suite bench ROWS=200000 REPEATS=1
    benchmark_suite proof ROWS=20000 FILES=2
    if [ -n "${WITH_TOOLS:-}" ]; then
        tool_suite valgrind ROWS=20000
        tool_suite cloud PART=offline
        tool_suite cloud PART=provider
        other_systems
    fi
}

# Bare systems and containers side by side, since both wait for packages, and for linkers with one thread. What both want of apt
# here comes first: it has one lock.
other_systems() {
    local release status=0
    ! is_root || for release in trixie sid; do "$ROOT/scripts/root.sh" archive "$release" >/dev/null || true; done
    "$ROOT/scripts/containers.sh" >"$LOGS/containers.out" 2>&1 &
    BESIDE=$!
    counted_suite systems "$ROOT/scripts/systems.sh"
    wait "$BESIDE" || status=$?
    BESIDE=
    counted_suite containers replay "$LOGS/containers.out" "$status"
}

# What a command said and how it ended: replay FILE STATUS
replay() {
    cat "$1"
    return "$2"
}

# Whatever happened: no server stays behind, and the last line is the count.
finish() {
    local status=$?
    [ -z "$BESIDE" ] || kill "$BESIDE" 2>/dev/null || true
    stop_server || true
    local count="$PASSED passed, $FAILED failed, $SKIPPED skipped"
    [ "$status" -eq 0 ] && [ "$FAILED" -eq 0 ] && [ "$PASSED" -gt 0 ] || status=1
    echo "$count" | tee "$COUNT_FILE"
    exit "$status"
}

start_server() {
    local options=()
    [ ! -f tests/postgresql.conf ] || options+=(tests/postgresql.conf)
    "$ROOT/scripts/cluster.sh" destroy "$CLUSTER" || return
    TRIPS_TEST_CONNINFO=$("$ROOT/scripts/cluster.sh" start "$CLUSTER" "${options[@]}") || return
    TRIPS_TEST_DATA_DIR=$("$ROOT/scripts/cluster.sh" home "$CLUSTER")/exchange
    export TRIPS_TEST_CONNINFO TRIPS_TEST_DATA_DIR
}

stop_server() {
    [ -n "${TRIPS_TEST_CONNINFO:-}" ] || return 0
    "$ROOT/scripts/cluster.sh" stop "$CLUSTER"
    unset TRIPS_TEST_CONNINFO
}

# Runs a command with its output kept in a log and shown, but for cargo's lists of what succeeded, which was said before:
# suite NAME COMMAND...
suite() {
    local name=$1
    shift
    say "tests: $name, $((SECONDS / 60)) min $((SECONDS % 60)) s from the start"
    "$@" 2>&1 | tee "$LOGS/$name.log" | sed -u '/^successes:$/,/^$/d'
}

# A suite whose results are cargo's lines "test result: ok. 12 passed; 0 failed; 1 ignored; ...". What a test printed
# follows a line "---- its name stdout ----": there one says that it skipped.
cargo_suite() {
    local name=$1 status=0 passed failed skipped
    suite "$@" || status=$?
    read -r passed failed skipped < <(awk '
        /^---- .* stdout ----$/ { test = $2 }
        /^(SKIPPED|skipped): / && !(test in skips) { skips[test]; skipped++; passed-- }
        /^test result: / {
            for (i = 2; i <= NF; i++) {
                if ($i == "passed;") passed += $(i - 1)
                if ($i == "failed;") failed += $(i - 1)
                if ($i == "ignored;") skipped += $(i - 1)
            }
            delete skips
        }
        END { print passed + 0, failed + 0, skipped + 0 }' "$LOGS/$name.log")
    add "$passed" "$failed" "$skipped" "$status"
}

regress_suite() {
    local program
    program=$(dirname "$("$PG_CONFIG" --pgxs)")/../test/regress/pg_regress
    psql_at "$TRIPS_TEST_CONNINFO" -c 'CREATE DATABASE trips_regress'
    compared_suite regress "$program" --use-existing --bindir="$PG_BIN" --dbname=trips_regress \
        --host="$(conninfo_word host "$TRIPS_TEST_CONNINFO")" --port="$(conninfo_word port "$TRIPS_TEST_CONNINFO")" --user=postgres \
        --inputdir=tests/pg_regress --outputdir="$LOGS/regress" --schedule=tests/pg_regress/schedule
}

isolation_suite() {
    compared_suite isolation "$ROOT/scripts/isolation.sh" "$LOGS/isolation"
}

# A suite of pg_regress or pg_isolation_regress, which keeps its differences in $LOGS/NAME: "All 5 tests passed." or
# "1 of 5 tests failed.", behind "# " since version 16: compared_suite NAME COMMAND...
compared_suite() {
    local name=$1 status=0 all failed
    suite "$@" || status=$?
    [ ! -s "$LOGS/$name/regression.diffs" ] || cat "$LOGS/$name/regression.diffs"
    all=$(sed -nE 's/^(# |\s*)All ([0-9]+) tests passed.*/\2/p' "$LOGS/$name.log")
    failed=$(sed -nE 's/^(# |\s*)([0-9]+) of [0-9]+ tests failed.*/\2/p' "$LOGS/$name.log")
    all=${all:-$(sed -nE 's/^(# |\s*)[0-9]+ of ([0-9]+) tests failed.*/\2/p' "$LOGS/$name.log")}
    failed=${failed:-0}
    add "$((${all:-0} - failed))" "$failed" 0 "$status"
}

# A benchmark in small, one test: that it runs and its answers are right. Its times are of no interest: benchmark_suite NAME SETTING...
benchmark_suite() {
    local name=$1 status=0
    shift
    suite "$name" env "$@" "$ROOT/scripts/$name.sh" || status=$?
    add "$((status == 0))" 0 0 "$status"
}

# A script that looks for errors with a tool that may not be here, one test: tool_suite NAME [SETTING...]
tool_suite() {
    local name=$1 status=0 skipped=0
    shift
    suite "$name" env "$@" "$ROOT/scripts/$name.sh" || status=$?
    ! grep -q '^SKIPPED: ' "$LOGS/$name.log" || skipped=1
    add "$((status == 0 && !skipped))" 0 "$skipped" "$status"
}

# A script whose last line counts, as this one's: counted_suite NAME COMMAND...
counted_suite() {
    local name=$1 status=0 passed=0 failed=0 skipped=0
    suite "$@" || status=$?
    read -r passed failed skipped < <(last_count "$LOGS/$name.log") || true
    add "${passed:-0}" "${failed:-0}" "${skipped:-0}" "$status"
}

# Adds the results of one suite: passed, failed, skipped, and its exit status, which must agree.
add() {
    PASSED=$((PASSED + $1))
    FAILED=$((FAILED + $2))
    SKIPPED=$((SKIPPED + $3))
    if [ "$4" -ne 0 ] && [ "$2" -eq 0 ]; then
        FAILED=$((FAILED + 1))
    fi
}

main "$@"
