#!/usr/bin/env bash
# A private PostgreSQL cluster that listens on a Unix socket only.
#
#     scripts/cluster.sh start DIR [FILE]   creates it when needed, starts it, prints its conninfo; FILE: lines for postgresql.conf
#     scripts/cluster.sh copy DIR FROM      makes DIR a standby of FROM, which runs; to be started
#     scripts/cluster.sh promote DIR        ends its time as a standby
#     scripts/cluster.sh stop DIR           stops this server and no other
#     scripts/cluster.sh status DIR         prints the conninfo when it runs; exit status 3 when not
#     scripts/cluster.sh home DIR           prints where its files are
#     scripts/cluster.sh destroy DIR        stops it and deletes its files
#
# As root the server runs as the user postgres. Where that user cannot enter DIR (a checkout below /root), the files
# are in a directory under /var/tmp instead. In that home: data/ is the cluster, log its log, exchange/ is for files
# that the server shall read. Socket and exchange/ are closed to all but the server's user and root.
# INITDB_OPTIONS are further options for initdb.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Sockets are told apart by their directory; the port is only a part of the name.
PORT=54320
# A socket's path must fit into sockaddr_un with its final NUL.
MAX_SOCKET_PATH=107

main() {
    local command=${1:-} directory=${2:-} extra=${3:-}
    [ -n "$directory" ] || fail "usage: scripts/cluster.sh start|copy|promote|stop|status|home|destroy DIR [FILE|FROM]"
    [ -z "$extra" ] || extra=$(realpath "$extra")
    # Where no PostgreSQL is, there is nothing to stop.
    [[ $command =~ ^(stop|destroy)$ && ! -x $(find_pg_config) ]] && return
    use_postgres
    if is_root; then
        getent passwd postgres >/dev/null || fail "no user postgres: PostgreSQL refuses to run as root"
    fi
    directory=$(realpath -m "$directory")
    CLUSTER_HOME=$(home_of "$directory")
    DATA=$CLUSTER_HOME/data
    LOG=$CLUSTER_HOME/log
    SOCKETS=$(socket_directory)
    # The caller's directory may be closed to the user postgres.
    cd /
    case $command in
        start) start "$directory" "$extra" ;;
        copy) copy "$directory" "$extra" ;;
        promote) as_server "$PG_BIN/pg_ctl" -D "$DATA" -s -w -t 120 promote ;;
        stop) stop ;;
        status) status ;;
        home) echo "$CLUSTER_HOME" ;;
        destroy) destroy ;;
        *) fail "unknown command: $command" ;;
    esac
}

# DIR, or its stand-in where the server's user cannot enter it.
home_of() {
    local existing=$1
    while [ ! -d "$existing" ] || [ "$existing" = "$1" ]; do
        existing=$(dirname "$existing")
    done
    if as_server test -x "$existing"; then
        echo "$1"
    else
        echo "/var/tmp/trips_ext-$(short_hash "$1")"
    fi
}

short_hash() { printf '%s' "$1" | sha256sum | cut -c1-12; }

# In the cluster's home, or in /tmp where its path is too long or holds what a conninfo would have to quote.
socket_directory() {
    local inside=$CLUSTER_HOME/socket
    local path=$inside/.s.PGSQL.$PORT
    if [ "${#path}" -le "$MAX_SOCKET_PATH" ] && [[ $inside =~ ^[A-Za-z0-9_./-]+$ ]]; then
        echo "$inside"
    else
        echo "/tmp/trips_ext-$(short_hash "$CLUSTER_HOME")"
    fi
}

conninfo() { echo "host=$SOCKETS port=$PORT dbname=postgres user=postgres"; }

is_running() { as_server "$PG_BIN/pg_ctl" -D "$DATA" status >/dev/null 2>&1; }

has_cluster() { as_server test -f "$DATA/PG_VERSION"; }

start() {
    local directory=$1 extra=$2
    [ "$CLUSTER_HOME" = "$directory" ] ||
        say "the user postgres cannot enter $(dirname "$directory"): the cluster is in $CLUSTER_HOME"
    if ! is_running; then
        make_home "$directory"
        make_cluster
        configure "$extra"
        launch
    fi
    conninfo
}

make_home() {
    # Only the stand-in's parent is sure to be there.
    [ "$CLUSTER_HOME" != "$1" ] || mkdir -p "$(dirname "$CLUSTER_HOME")"
    private_directory "$CLUSTER_HOME"
    private_directory "$CLUSTER_HOME/exchange"
    private_directory "$SOCKETS"
}

# Makes a directory of the server's user, closed to others. One that somebody else has put in its place is refused:
# under /tmp and /var/tmp anybody could.
private_directory() {
    local directory=$1 user
    if [ ! -d "$directory" ]; then
        if is_root; then
            install -d -m 700 -o postgres -g postgres "$directory"
        else
            install -d -m 700 "$directory"
        fi
    fi
    user=$(as_server id -un)
    if [ -L "$directory" ] || [ "$(stat -c %U "$directory")" != "$user" ]; then
        fail "$directory exists and does not belong to $user: remove it"
    fi
}

make_cluster() {
    if has_cluster; then
        local major
        major=$(as_server cat "$DATA/PG_VERSION")
        [ "$major" = "$PG_MAJOR" ] ||
            fail "the cluster is of PostgreSQL $major, now it is $PG_MAJOR: delete it with scripts/cluster.sh destroy"
        return
    fi
    # shellcheck disable=SC2086
    as_server "$PG_BIN/initdb" -D "$DATA" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 ${INITDB_OPTIONS:-} \
        >"$CLUSTER_HOME/initdb.log" 2>&1 || {
        cat "$CLUSTER_HOME/initdb.log" >&2
        fail "initdb failed"
    }
    echo "include 'trips_ext.conf'" | as_server tee -a "$DATA/postgresql.conf" >/dev/null
}

# Authentication is "trust": what protects the server is that nobody else can reach its socket.
configure() {
    {
        echo "listen_addresses = ''"
        echo "port = $PORT"
        echo "unix_socket_directories = '$SOCKETS'"
        echo "unix_socket_permissions = 0700"
        [ -z "$1" ] || cat "$1"
    } | as_server tee "$DATA/trips_ext.conf" >/dev/null
}

launch() {
    # With it, the details of errors would hold Rust's own stack.
    unset RUST_BACKTRACE
    as_server "$PG_BIN/pg_ctl" -D "$DATA" -l "$LOG" -s -w -t 120 start </dev/null >/dev/null 2>&1 || {
        as_server tail -n 20 "$LOG" >&2 || true
        fail "the server did not start (its log: $LOG)"
    }
}

stop() {
    if is_running; then
        as_server "$PG_BIN/pg_ctl" -D "$DATA" -s -m fast -w -t 120 stop
    fi
}

# The standby's slot keeps the WAL that it has not had yet.
copy() {
    local primary
    primary=$("$ROOT/scripts/cluster.sh" status "$2") || fail "$2 does not run"
    make_home "$1"
    as_server "$PG_BIN/pg_basebackup" -d "$primary" -D "$DATA" -R -C -S "standby_$$" -c fast
}

status() {
    is_running || return 3
    conninfo
}

destroy() {
    stop
    # Only what is a cluster of this script: a wrong DIR must cost nothing.
    if as_server test -f "$DATA/trips_ext.conf"; then
        rm -rf "$CLUSTER_HOME"
        [ "$SOCKETS" = "$CLUSTER_HOME/socket" ] || rm -rf "$SOCKETS"
    elif [ -e "$CLUSTER_HOME" ]; then
        fail "$CLUSTER_HOME holds no cluster of this script"
    fi
}

main "$@"
