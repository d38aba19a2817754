#!/usr/bin/env bash
# Builds the extension and the client, and lays their files out below DIR as they are installed: what .deb packages and
# container images are made of.
#
#     scripts/package.sh DIR            PG_CONFIG or PG_MAJOR choose the PostgreSQL, as in setup.sh
#
# Two builds of one commit by one compiler on one release of the system are the same, byte for byte, wherever the checkout is.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

LOG=$TARGET/package.log

main() {
    [ $# -eq 1 ] || fail "usage: scripts/package.sh DIR"
    local directory
    directory=$(realpath -m "$1")
    cd "$ROOT"
    use_postgres
    rm -rf "$directory"
    mkdir -p "$directory"
    # Paths of the checkout and of cargo's sources get into messages of panics.
    export RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$ROOT=/trips_ext --remap-path-prefix=$CARGO_OUT=/trips_ext/target"
    say "building trips_ext for PostgreSQL $PG_MAJOR (minutes)"
    logged cargo pgrx package --pg-config "$PG_CONFIG" --out-dir "$directory"
    say "building the client"
    PREFIX=$directory/usr logged scripts/install-client.sh
    # Symbols for debuggers are a tenth of the size.
    strip --strip-unneeded "$directory$("$PG_CONFIG" --pkglibdir)/trips_ext.so" "$directory/usr/bin/trips"
    # The same, whoever made them.
    find "$directory" -type d -exec chmod 755 {} +
    find "$directory" -type f ! -path '*/bin/*' -exec chmod 644 {} +
}

logged() {
    "$@" >"$LOG" 2>&1 || {
        tail -n 60 "$LOG" >&2
        fail "the build failed (the whole log: $LOG)"
    }
}

main "$@"
