#!/usr/bin/env bash
# Shows the extension at work: a file goes in, its status is pushed to a listening session, answers come out.
#
#     scripts/demo.sh              ROWS=1000000 invented trips
#     scripts/demo.sh FILE         a file of your own
#
# `make demo` calls it. The server is a private cluster in target/demo; it keeps running until `make demo-stop`.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ROWS=${ROWS:-1000000}
CLUSTER=$TARGET/demo
SAMPLE_SEED=1
# How long the last event may take to arrive once the load has returned.
LAST_EVENT_TRIES=100

main() {
    local file=${1:-}
    [ -z "$file" ] || file=$(realpath "$file")
    cd "$ROOT"
    "$ROOT/scripts/setup.sh"
    use_postgres
    "$ROOT/scripts/install.sh"
    TOOLS_DIR=$(build_tools)
    TRIPS=$(build_client)
    start_server
    create_database
    if [ -n "$file" ]; then
        offer_file "$file"
    else
        write_sample
    fi
    ingest_while_listening
    show_answers
    write_report
    say_how_to_go_on
}

start_server() {
    local conninfo
    conninfo=$("$ROOT/scripts/cluster.sh" start "$CLUSTER")
    EXCHANGE=$("$ROOT/scripts/cluster.sh" home "$CLUSTER")/exchange
    SERVER=$conninfo
    DATABASE=${conninfo/dbname=postgres/dbname=trips}
}

# Anew each time: the build may have changed, and the same file would be skipped.
create_database() {
    psql_at "$SERVER" -c 'SET client_min_messages = warning' \
        -c 'DROP DATABASE IF EXISTS trips WITH (FORCE)' -c 'CREATE DATABASE trips'
    psql_at "$DATABASE" -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION trips_ext CASCADE'
}

write_sample() {
    FILE=$EXCHANGE/trips-$ROWS.csv
    [ -f "$FILE" ] && return
    say "writing $ROWS invented trips"
    rm -f "$EXCHANGE"/trips-*.csv
    "$TOOLS_DIR/trips-generate" "$ROWS" --seed "$SAMPLE_SEED" --output "$FILE.new"
    chmod 644 "$FILE.new"
    mv "$FILE.new" "$FILE"
}

# Sets FILE to the user's file, or to a link or a copy of it where the server cannot read it.
offer_file() {
    FILE=$1
    [ -f "$FILE" ] || fail "$FILE: no such file"
    if (cd / && as_server test -r "$FILE"); then
        return
    fi
    local offered=$EXCHANGE/${FILE##*/}
    rm -f "$offered"
    if ln "$FILE" "$offered" 2>/dev/null && (cd / && as_server test -r "$offered"); then
        say "the server cannot enter $(dirname "$FILE"): it reads the file through a link, $offered"
    else
        rm -f "$offered"
        cp --reflink=auto "$FILE" "$offered"
        chmod 644 "$offered"
        say "the server cannot read $FILE: it reads a copy, $offered"
    fi
    FILE=$offered
}

# One session listens, another one ingests: what the first receives is shown as it comes.
ingest_while_listening() {
    local listening=$TARGET/demo-listen.log result=$TARGET/demo-ingest.log status=0
    EVENTS=$TARGET/demo-events.log
    "$TRIPS" watch --json --dbname "$DATABASE" \
        2>"$listening" > >(tee "$EVENTS" | sed -u "s/^/  ${BOLD}pushed${PLAIN}  /") &
    LISTENER=$!
    trap 'kill "$LISTENER" 2>/dev/null || true' EXIT
    wait_until_listening "$listening"

    heading "trips watch --json in one session, SELECT * FROM trips_ingest('$FILE') in another"
    # What psql has to say, then what it got.
    psql_at "$DATABASE" -v file="$FILE" <<<"SELECT * FROM trips_ingest(:'file');" 2>&1 >"$result" |
        sed -u "s/^/  ${DIM}/; s/\$/${PLAIN}/" || status=$?
    wait_for_last_event || fail "the listener did not get the last event: $(cat "$listening")"
    kill "$LISTENER"
    wait "$LISTENER" || true
    trap - EXIT
    # The last lines of the two filters.
    sleep 0.1
    [ "$status" -eq 0 ] || fail "the ingest failed"
    echo
    cat "$result"
}

# The event failed comes from another process.
wait_for_last_event() {
    local tries
    for ((tries = 0; tries < LAST_EVENT_TRIES; tries++)); do
        ! grep -qE '"event": ?"(completed|failed|skipped)"' "$EVENTS" || return 0
        sleep 0.05
    done
    return 1
}

wait_until_listening() {
    local tries
    for tries in {1..200}; do
        grep -q 'listening' "$1" && return
        kill -0 "$LISTENER" 2>/dev/null || break
        sleep 0.05
    done
    fail "trips watch did not start after $tries tries: $(cat "$1")"
}

heading() { printf '\n%s%s%s\n\n' "$BOLD" "$1" "$PLAIN"; }

# Shows a title and the result of the query on standard input.
answer() {
    heading "$1"
    psql_at "$DATABASE" -P footer=off -P null=-
}

show_answers() {
    answer 'Weekly average number of trips, by region' <<'SQL'
SELECT name AS region, round(trips_weekly_average(name), 1) AS trips_a_week FROM trips.region ORDER BY name;
SQL
    answer 'The same for a bounding box: 4 x 4 hundredths of a degree in the middle of each region' <<'SQL'
WITH middle AS (
    SELECT r.name, round(avg(st_x(t.origin))::numeric, 2)::float8 AS lon, round(avg(st_y(t.origin))::numeric, 2)::float8 AS lat
      FROM trips.trip t JOIN trips.region r ON r.id = t.region_id
     GROUP BY r.name ORDER BY count(*) DESC LIMIT 3
)
SELECT name AS around, lon, lat,
       round(trips_weekly_average(lon - 0.02, lat - 0.02, lon + 0.02, lat + 0.02), 1) AS trips_a_week
  FROM middle ORDER BY name;
SQL
    answer 'Trips in each week, the first five weeks of one region' <<'SQL'
SELECT w.* FROM (SELECT min(name) AS name FROM trips.region) r, trips_weekly_trips(r.name) w ORDER BY 1 LIMIT 5;
SQL
    answer 'Similar trips: the largest groups' <<'SQL'
SELECT trips, st_astext(origin, 4) AS around, st_astext(destination, 4) AS to, time_of_day::time(0),
       first_departure::date AS first, last_departure::date AS last
  FROM trips_groups(method => 'cell') ORDER BY group_id LIMIT 10;
SQL
    answer 'The ledger' <<'SQL'
SELECT id, file, rows_read, rows_loaded, rows_rejected, finished_at - started_at AS took FROM trips.ingest ORDER BY id;
SQL
}

write_report() {
    heading 'A report of all of it, for a browser'
    REPORT=$TARGET/demo-report.html
    "$TRIPS" report --dbname "$DATABASE" --output "$REPORT"
}

say_how_to_go_on() {
    heading 'Go on'
    cat <<EOF
  connect   $PG_BIN/psql "$DATABASE"
  watch     $TRIPS watch --dbname "$DATABASE"
  your file make demo FILE=/path/trips.csv
  stop      make demo-stop
  report    $REPORT
EOF
}

main "$@"
