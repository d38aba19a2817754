#!/usr/bin/env bash
# Times `trips load` and psql's \copy of ROWS=1000000 invented trips into trips.inbox against \copy into plain typed columns, REPEATS=5
# times each in turns, on a new private cluster with the settings of a fresh installation. Prints Markdown.

# shellcheck source=scripts/bench-lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/bench-lib.sh"

ROWS=${ROWS:-1000000}
REPEATS=${REPEATS:-5}

main() {
    open_cluster "$TARGET/bench-client"
    local trips
    trips=$(build_client)
    invent_trips --regions 5
    say "loading them $REPEATS times in each way"
    echo "# Loads over a connection"
    echo
    echo "Made by \`make bench-client ROWS=$ROWS REPEATS=$REPEATS\`: $ROWS trips of the generator, $(stat -c %s "$FILE") bytes. Medians of $REPEATS, in turns."
    echo
    python3 "$ROOT/bench/client.py" "$CONNINFO" "$PG_BIN/psql" "$trips" "$FILE" "$REPEATS"
    echo
    psql_at "$CONNINFO" -At -c "SELECT '- Versions: PostgreSQL ' || current_setting('server_version') || ', PostGIS ' || extversion FROM pg_extension WHERE extname = 'postgis'"
    echo "- Machine: $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) cores"
}

main
