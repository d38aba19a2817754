#!/usr/bin/env bash
# In a bare system, entered by root.sh, with packages in target/: installs them, asks for a weekly average, runs the statements of
# README (target/readme is that test, built), and removes them. systems.sh runs it.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

MAJOR=17

main() {
    cd "$ROOT"
    local started average
    apt-get update -q >/dev/null
    started=$(date +%s)
    quietly apt-get install -y -q "$TARGET"/*.deb
    pg_ctlcluster "$MAJOR" main start
    install -d -o postgres "$TARGET/exchange"
    install -m 644 "$ROOT/samples/trips.csv" "$TARGET/exchange/"
    average=$(as_postgres psql -X -q -A -t -v ON_ERROR_STOP=1 <<SQL
SET client_min_messages = warning;
CREATE EXTENSION trips_ext CASCADE;
SELECT FROM trips_ingest('$TARGET/exchange/trips.csv');
SELECT round(trips_weekly_average('Prague'), 2);
SQL
)
    say "from apt install to the first weekly average: $(($(date +%s) - started)) s"
    average=$(tail -n 1 <<<"$average")
    [ "$average" = 3.32 ] || fail "the weekly average of Prague is $average, not 3.32"
    trips --version

    # The test makes roles and logs in with them.
    sed -i 's/\bpeer$/trust/' "/etc/postgresql/$MAJOR/main/pg_hba.conf"
    pg_ctlcluster "$MAJOR" main reload
    as_postgres env TRIPS_TEST_CONNINFO='host=/var/run/postgresql dbname=postgres user=postgres' \
        TRIPS_TEST_DATA_DIR="$TARGET/exchange" PG_CONFIG="$(debian_pg_config "$MAJOR")" \
        "$TARGET/readme" --exact every_statement_of_the_readme_gives_the_output_that_stands_below_it

    quietly apt-get remove -y -q "postgresql-$MAJOR-trips-ext" trips-ext-client
    local left
    left=$(find /usr /etc /var/lib \( -path /usr/local/cargo -o -path /usr/local/rust -o -path /var/lib/dpkg -o -path "/var/lib/postgresql/*" \) -prune \
        -o \( -name '*trips*' -print \))
    [ -z "$left" ] || fail "left behind: $left"
    pg_ctlcluster "$MAJOR" main stop
}

as_postgres() { runuser -u postgres -- "$@"; }

quietly() {
    "$@" >"$TARGET/quietly.log" 2>&1 || {
        cat "$TARGET/quietly.log" >&2
        fail "$*"
    }
}

main
