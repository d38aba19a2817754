#!/usr/bin/env bash
# What the stand-in of tests/images starts with: at the first start it makes the cluster, the database POSTGRES_DB and the
# superuser POSTGRES_USER with POSTGRES_PASSWORD, and runs /docker-entrypoint-initdb.d on a server that has a socket only.
set -euo pipefail

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

if [ "$1" = postgres ] && [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown postgres: "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    : "${POSTGRES_PASSWORD:?the superuser needs a password}"
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    initdb --username="$user" --pwfile=<(echo "$POSTGRES_PASSWORD") --auth-local=trust --auth-host=scram-sha-256
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    pg_ctl --pgdata="$PGDATA" --options="$(printf '%q ' "${@:2}" -c listen_addresses=)" --wait start
    [ "$database" = postgres ] || createdb --username="$user" "$database"
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sql) psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$user" --dbname="$database" --file="$file" ;;
            *.sh) bash "$file" ;;
        esac
    done
    pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
fi
exec "$@"
