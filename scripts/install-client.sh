#!/usr/bin/env bash
# Builds `trips`, the client, and installs it with its man pages and completions below PREFIX=/usr/local. It needs no PostgreSQL on
# this machine, only Rust and a C compiler.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PREFIX=${PREFIX:-/usr/local}

main() {
    local trips made=$TARGET/client
    trips=$(build_client)
    rm -rf "$made"
    mkdir -p "$made/man" "$made/completions"
    "$trips" man --output "$made/man"
    "$trips" completions bash >"$made/completions/bash"
    "$trips" completions zsh >"$made/completions/zsh"
    "$trips" completions fish >"$made/completions/fish"
    put 755 "$trips" "bin/trips"
    local page
    for page in "$made"/man/*.1; do
        put 644 "$page" "share/man/man1/${page##*/}"
    done
    put 644 "$made/completions/bash" share/bash-completion/completions/trips
    put 644 "$made/completions/zsh" share/zsh/site-functions/_trips
    put 644 "$made/completions/fish" share/fish/vendor_completions.d/trips.fish
    say "installed $PREFIX/bin/trips"
}

# Installs a file below PREFIX, as root where that is needed: put MODE FILE PLACE
put() {
    local to=$PREFIX/$3
    if mkdir -p "${to%/*}" 2>/dev/null && [ -w "${to%/*}" ]; then
        install -m "$1" "$2" "$to"
    else
        as_root install -D -m "$1" "$2" "$to" || fail "$to cannot be written: choose a PREFIX of your own"
    fi
}

main
