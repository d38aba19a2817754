#!/usr/bin/env bash
# Runs the specs of tests/isolation by PostgreSQL's own pg_isolation_regress: all of the schedule, or those that are named.
#
#   isolation.sh OUTPUT_DIRECTORY [SPEC...]
#
# Needs TRIPS_TEST_CONNINFO and TRIPS_TEST_DATA_DIR, see test.sh, and makes the database trips_isolation anew.
# What a spec gave is in OUTPUT_DIRECTORY/results; where that is right, it is copied to tests/isolation/expected.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
    local output=$1 program files=$TRIPS_TEST_DATA_DIR/isolation
    shift
    cd "$ROOT"
    use_postgres
    program=$(dirname "$("$PG_CONFIG" --pgxs)")/../test/isolation/pg_isolation_regress
    mkdir -p "$files" "$output"
    make_database "$files"
    [ $# -gt 0 ] || set -- --schedule=tests/isolation/schedule
    "$program" --use-existing --bindir="$PG_BIN" --dbname=trips_isolation \
        --host="$(conninfo_word host "$TRIPS_TEST_CONNINFO")" --port="$(conninfo_word port "$TRIPS_TEST_CONNINFO")" --user=postgres \
        --inputdir=tests/isolation --outputdir="$output" "$@"
}

# Notices name paths and times; errors and warnings do not.
make_database() {
    psql_at "$TRIPS_TEST_CONNINFO" \
        -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS trips_isolation WITH (FORCE)' \
        -c 'CREATE DATABASE trips_isolation TEMPLATE template0' \
        -c "ALTER DATABASE trips_isolation SET iso.files = '$1'" \
        -c 'ALTER DATABASE trips_isolation SET client_min_messages = warning'
    psql_at "$TRIPS_TEST_CONNINFO dbname=trips_isolation" -v files="$1" -f tests/isolation/setup.sql
}

main "$@"
