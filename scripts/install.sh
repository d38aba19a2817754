#!/usr/bin/env bash
# Builds the extension for the PostgreSQL in use and installs it there, unless that very build is installed already.
#
#     scripts/install.sh            PG_CONFIG or PG_MAJOR choose the PostgreSQL, as in setup.sh
#
# FAULT_POINTS=1 installs a build in which tests can make an ingest fail. As after a test build, the next call without it
# puts the real one back.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

LOG=$TARGET/install.log

main() {
    cd "$ROOT"
    use_postgres
    STAMP=$TARGET/installed-pg$PG_MAJOR
    if [ -n "${FAULT_POINTS:-}" ]; then
        build_and_install --features fault_points
        return
    fi
    if is_installed; then
        return
    fi
    build_and_install
    installed_files | checksums >"$STAMP"
}

# The files that make up the extension, one a line.
installed_files() {
    "$PG_CONFIG" --pkglibdir | sed 's,$,/trips_ext.so,'
    find "$("$PG_CONFIG" --sharedir)/extension" -name 'trips_ext.control' -o -name 'trips_ext--*.sql'
}

checksums() { sort | xargs -d '\n' sha256sum 2>/dev/null; }

# No source is newer than the last installation, and nobody (another checkout, a test build) has
# replaced its files since.
is_installed() {
    [ -f "$STAMP" ] || return 1
    [ -z "$(find Cargo.toml Cargo.lock trips_ext.control src sql core -newer "$STAMP" -print -quit)" ] || return 1
    installed_files | checksums | cmp -s - "$STAMP"
}

# build_and_install OPTION...
build_and_install() {
    local options=("$@")
    is_writable || {
        have sudo || fail "$("$PG_CONFIG" --pkglibdir) belongs to root and there is no sudo: run this as root"
        options+=(--sudo)
    }
    say "building and installing trips_ext for PostgreSQL $PG_MAJOR (the first time takes minutes)"
    spare_running_servers
    cargo pgrx install --release --pg-config "$PG_CONFIG" "${options[@]}" >"$LOG" 2>&1 || {
        tail -n 60 "$LOG" >&2
        fail "the build failed (the whole log: $LOG)"
    }
}

is_writable() { [ -w "$("$PG_CONFIG" --pkglibdir)" ] && [ -w "$("$PG_CONFIG" --sharedir)/extension" ]; }

main
