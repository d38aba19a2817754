#!/usr/bin/env bash
# Runs the tests that live inside the server (`#[pg_test]`) with pgrx's own throw-away server.
#
# They install a test build of the extension over the one that is installed; scripts/install.sh sees that and
# puts the real one back. As root pgrx starts its server through `sudo -u postgres`; where there is no
# sudo, runuser takes its place.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
    cd "$ROOT"
    use_postgres
    local options=()
    if is_root; then
        have sudo || stand_in_for_sudo
        # A place that the user postgres can write, wherever the checkout is.
        SERVER_FILES=$(mktemp -d /var/tmp/trips_ext-pgrx.XXXXXX)
        trap 'rm -rf "$SERVER_FILES"' EXIT
        chown postgres: "$SERVER_FILES"
        options+=(--runas postgres --pgdata "$SERVER_FILES")
        export USER=${USER:-root}
    fi
    spare_running_servers
    cargo pgrx test "pg$PG_MAJOR" "${options[@]}" "$@"
}

# A program `sudo` for this run only: `sudo [-u USER] [NAME=VALUE...] COMMAND...` by runuser.
stand_in_for_sudo() {
    local directory=$TARGET/stand-in
    mkdir -p "$directory"
    cat >"$directory/sudo" <<'SUDO'
#!/bin/sh
user=root
if [ "$1" = -u ]; then
    user=$2
    shift 2
fi
if [ "$user" = root ]; then
    exec env "$@"
fi
exec runuser -u "$user" -- env "$@"
SUDO
    chmod +x "$directory/sudo"
    PATH=$directory:$PATH
}

main "$@"
