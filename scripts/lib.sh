# shellcheck shell=bash disable=SC2034
# What every script shares: where things are, which PostgreSQL is meant, how to speak and how to fail.
# Sourced, never run. Read-only but for `mkdir target`.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
TARGET=$ROOT/target
# Cargo's own directory may lie elsewhere; what the scripts keep is always in the checkout.
CARGO_OUT=${CARGO_TARGET_DIR:-$TARGET}
TOOLS=$TARGET/tools

SUPPORTED_MAJORS=(18 17 16 15)
CARGO_PGRX_VERSION=0.18.1

export PGRX_HOME=$TARGET/pgrx
export PATH="$TOOLS/bin:$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
# Connections name everything that they need; what the caller's environment says must not leak in.
unset PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGSERVICE PGOPTIONS PGDATA

mkdir -p "$TARGET"

if [ -t 1 ]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' PLAIN=$'\e[0m'
else
    BOLD='' DIM='' PLAIN=''
fi

# One line for a step, on standard error: standard output is for results.
say() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*" >&2; }

fail() {
    printf '%serror:%s %s\n' "$BOLD" "$PLAIN" "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# pgrx has its bindings formatted, and fails where that program is missing: minimal installations of Rust have none.
have rustfmt || export RUSTFMT=true

is_root() { [ "$(id -u)" -eq 0 ]; }

# Runs a command as root: directly or through sudo.
as_root() {
    if is_root; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        return 126
    fi
}

# Runs a command as the user that owns the servers: PostgreSQL refuses to run as root.
as_server() {
    if is_root; then
        runuser -u postgres -- "$@"
    else
        "$@"
    fi
}

# The pg_config to build for, or nothing when no PostgreSQL is installed: PG_CONFIG, or that of PG_MAJOR, or the
# newest of those installed, complete ones (headers and PostGIS) first.
find_pg_config() {
    if [ -n "${PG_CONFIG:-}" ]; then
        command -v "$PG_CONFIG" || echo "$PG_CONFIG"
        return
    fi
    if [ -n "${PG_MAJOR:-}" ]; then
        debian_pg_config "$PG_MAJOR"
        return
    fi
    local major first=
    for major in "${SUPPORTED_MAJORS[@]}"; do
        local candidate
        candidate=$(debian_pg_config "$major")
        [ -x "$(dirname "$candidate")/postgres" ] || continue
        if has_headers "$candidate" && has_postgis "$candidate"; then
            echo "$candidate"
            return
        fi
        first=${first:-$candidate}
    done
    echo "$first"
}

debian_pg_config() { echo "/usr/lib/postgresql/$1/bin/pg_config"; }

has_server() { [ -x "$1" ] && [ -x "$("$1" --bindir)/postgres" ]; }
has_headers() { [ -x "$1" ] && [ -f "$("$1" --includedir-server)/postgres.h" ]; }
has_postgis() { [ -x "$1" ] && [ -f "$("$1" --sharedir)/extension/postgis.control" ]; }

# The major version of a pg_config: 15 of "PostgreSQL 15.20 (Debian ...)".
pg_major() { "$1" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/'; }

# Sets PG_CONFIG, PG_BIN and PG_MAJOR for a script that runs after setup.sh.
use_postgres() {
    PG_CONFIG=$(find_pg_config)
    [ -x "$PG_CONFIG" ] || fail "no PostgreSQL found: run scripts/setup.sh first"
    PG_BIN=$("$PG_CONFIG" --bindir)
    PG_MAJOR=$(pg_major "$PG_CONFIG")
    export PG_CONFIG PG_BIN PG_MAJOR
}

# Puts a copy of the installed library in its place. What follows writes into that file, and servers that run have the
# old one mapped: they would die.
spare_running_servers() {
    local library
    library=$("$PG_CONFIG" --pkglibdir)/trips_ext.so
    [ -f "$library" ] || return 0
    as_root cp -p "$library" "$library.new"
    as_root mv -f "$library.new" "$library"
}

# psql without the user's own settings, which stops at the first error: psql_at CONNINFO ARGUMENT...
psql_at() {
    local conninfo=$1
    shift
    "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -d "$conninfo" "$@"
}

# The last line "N passed, N failed, N skipped" of a log, as three numbers; none where it has no such line: last_count FILE
last_count() { sed -nE 's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$1" | tail -n 1; }

# One word of a libpq connection string: conninfo_word host CONNINFO
conninfo_word() { sed -E "s/(^|.* )$1=([^ ]*).*/\2/" <<<"$2"; }

# Builds the client and prints where it is.
build_client() {
    (cd "$ROOT" && cargo build --quiet --release -p trips_cli >&2)
    echo "$CARGO_OUT/release/trips"
}

# Builds the tools and prints where they are.
build_tools() {
    (cd "$ROOT" && cargo build --quiet --release -p trips_tools --bins >&2)
    echo "$CARGO_OUT/release"
}
