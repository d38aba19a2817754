#!/usr/bin/env bash
# In a system with two PostgreSQLs, both with the extension: fills a cluster of the older, upgrades it by pg_upgrade, and compares
# what both answer. target/trips-generate makes the trips. systems.sh runs it.
#
#     scripts/try-upgrade.sh OLD NEW      major versions

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ROWS=50000

main() {
    local old=$1 new=$2 conninfo files
    cd "$ROOT"
    for directory in old new; do
        scripts/cluster.sh destroy "$TARGET/$directory"
    done
    # What is written here need not outlive the machine.
    export INITDB_OPTIONS=--no-sync
    echo 'fsync = off' >"$TARGET/no-sync.conf"
    conninfo=$(PG_MAJOR=$old scripts/cluster.sh start "$TARGET/old" "$TARGET/no-sync.conf")
    files=$(PG_MAJOR=$old scripts/cluster.sh home "$TARGET/old")/exchange
    "$TARGET/trips-generate" "$ROWS" --regions 5 --seed 1 --output "$files/first.csv"
    "$TARGET/trips-generate" 1000 --regions 5 --seed 2 --output "$files/second.csv"
    chmod 644 "$files"/*.csv
    PG_MAJOR=$old use_and_run "$conninfo" -v file="$files/first.csv" -f tests/upgrade/fill.sql
    PG_MAJOR=$old use_and_run "$conninfo" -f tests/upgrade/answers.sql >"$TARGET/answers-$old"
    PG_MAJOR=$old scripts/cluster.sh stop "$TARGET/old"

    PG_MAJOR=$new scripts/cluster.sh start "$TARGET/new" "$TARGET/no-sync.conf" >/dev/null
    PG_MAJOR=$new scripts/cluster.sh stop "$TARGET/new"
    upgrade "$old" "$new"
    conninfo=$(PG_MAJOR=$new scripts/cluster.sh start "$TARGET/new" "$TARGET/no-sync.conf")
    PG_MAJOR=$new use_and_run "$conninfo" -f tests/upgrade/answers.sql >"$TARGET/answers-$new"
    diff "$TARGET/answers-$old" "$TARGET/answers-$new" || fail "PostgreSQL $new answers what $old did not"
    PG_MAJOR=$new use_and_run "$conninfo" -v first="$files/first.csv" -v second="$files/second.csv" -f tests/upgrade/goes_on.sql
    PG_MAJOR=$new scripts/cluster.sh stop "$TARGET/new"
    say "$(wc -l <"$TARGET/answers-$new") lines of answers are the same on PostgreSQL $old and $new"
}

# psql of PG_MAJOR: use_and_run CONNINFO ARGUMENT...
use_and_run() (
    use_postgres
    psql_at "$@" -A -t
)

upgrade() {
    local scratch=$TARGET/upgrade
    install -d -o postgres -m 700 "$scratch"
    (
        cd "$scratch"
        as_server "$(debian_bin "$2")/pg_upgrade" --username=postgres --no-sync --socketdir="$scratch" \
            --old-bindir="$(debian_bin "$1")" --new-bindir="$(debian_bin "$2")" \
            --old-datadir="$(PG_MAJOR=$1 "$ROOT/scripts/cluster.sh" home "$TARGET/old")/data" \
            --new-datadir="$(PG_MAJOR=$2 "$ROOT/scripts/cluster.sh" home "$TARGET/new")/data" >"$TARGET/pg_upgrade.log" 2>&1
    ) || {
        tail -n 40 "$TARGET/pg_upgrade.log" >&2
        fail "pg_upgrade failed"
    }
}

debian_bin() { dirname "$(debian_pg_config "$1")"; }

main "$@"
