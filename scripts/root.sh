#!/usr/bin/env bash
# Bare Debian systems in directories, to try there what this machine does not have: other releases, other PostgreSQLs, a
# system on which nothing was ever installed.
#
#     scripts/root.sh archive SUITE            makes target/roots/SUITE.tar when needed, prints where it is
#     scripts/root.sh make SUITE DIR           a new system of bookworm, trixie or sid in DIR; what was there is deleted
#     scripts/root.sh enter DIR COMMAND...     runs COMMAND there as root, in this directory of the checkout
#     scripts/root.sh remove DIR               deletes it
#
# In the system the checkout is at its own path, with a target/ of its own (DIR.target). What cargo builds is shared by all systems
# (target/roots/cargo): make the oldest first, whose C library the others have. Rust and cargo's downloads are this machine's;
# processes, mounts and shared memory are its own: all of them end with COMMAND.
# Needs root and the network. The environment of COMMAND is that of a new login, and VARIABLES='A B' of the caller.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ROOTS=$TARGET/roots
# Archives are made anew after so many days: sid moves.
MAX_AGE=7

main() {
    local command=${1:-}
    shift || true
    is_root || fail "only root can make a system and enter it"
    case $command in
        archive) archive "$@" ;;
        make) make_root "$@" ;;
        enter) enter "$@" ;;
        apart) apart "$@" ;;
        remove) remove "$@" ;;
        *) fail "usage: scripts/root.sh archive SUITE|make SUITE DIR|enter DIR COMMAND...|remove DIR" ;;
    esac
}

archive() {
    local suite=$1 file=$ROOTS/$1.tar
    mkdir -p "$ROOTS"
    if [ -z "$(find "$file" -mtime "-$MAX_AGE" 2>/dev/null)" ]; then
        have mmdebstrap || install_mmdebstrap
        say "making a bare Debian: $suite"
        # shellcheck disable=SC2016
        mmdebstrap --variant=minbase --format=tar --include=ca-certificates --aptopt='Acquire::Check-Valid-Until "false"' \
            --customize-hook='copy-in /usr/local/share/ca-certificates /usr/local/share' \
            --customize-hook='chroot "$1" update-ca-certificates' \
            "$suite" "$file.part" "$(mirror)" >"$ROOTS/$suite.log" 2>&1 || {
            tail -n 20 "$ROOTS/$suite.log" >&2
            fail "no Debian $suite could be made"
        }
        mv "$file.part" "$file"
    fi
    echo "$file"
}

install_mmdebstrap() {
    apt-get update -q >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mmdebstrap >&2
}

# Where this machine has Debian's packages from; all releases are there.
mirror() {
    local found
    # shellcheck disable=SC2016
    found=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' | sed -n 1p)
    [ -n "$found" ] || fail "apt knows no archive of Debian here: run apt-get update"
    echo "$found"
}

make_root() {
    local file
    file=$(archive "$1")
    remove "$2"
    mkdir -p "$2" "$2.target"
    tar -C "$2" -xf "$file"
    # Nothing is started when a package is installed.
    printf '#!/bin/sh\nexit 101\n' >"$2/usr/sbin/policy-rc.d"
    chmod +x "$2/usr/sbin/policy-rc.d"
}

# The mounts are in a name space of the command's own: they cannot be left behind, nor be deleted through.
enter() {
    local directory
    directory=$(realpath "$1")
    shift
    [ -e "$directory/etc/debian_version" ] || fail "$directory is no Debian system"
    exec unshare --mount --pid --ipc --fork --kill-child "$ROOT/scripts/root.sh" apart "$directory" "$@"
}

# The second half of enter, in the new name space.
apart() {
    local directory=$1 cargo=${CARGO_HOME:-$HOME/.cargo} name
    shift
    mkdir -p "$directory$ROOT" "$directory/usr/local/cargo/registry" "$directory/usr/local/rust" "$directory/var/cache/cargo" \
        "$directory.target" "$ROOTS/cargo" "$cargo/registry"
    mount --bind "$ROOT" "$directory$ROOT"
    mount --bind "$directory.target" "$directory$ROOT/target"
    mount --bind "$ROOTS/cargo" "$directory/var/cache/cargo"
    mount --bind "$cargo/registry" "$directory/usr/local/cargo/registry"
    mount --bind -o ro "$(rustc --print sysroot)" "$directory/usr/local/rust"
    mount -t proc proc "$directory/proc"
    mount --rbind /dev "$directory/dev"
    mount -t tmpfs -o mode=1777 shm "$directory/dev/shm"
    cp /etc/resolv.conf /etc/hosts "$directory/etc/"
    local environment=(HOME=/root USER=root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive CARGO_HOME=/usr/local/cargo
        CARGO_TARGET_DIR=/var/cache/cargo PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/rust/bin)
    for name in CI ${VARIABLES:-}; do
        [ -z "${!name:-}" ] || environment+=("$name=${!name}")
    done
    # shellcheck disable=SC2016
    exec env -i "${environment[@]}" chroot "$directory" bash -c 'cd "$0" && exec "$@"' "$ROOT" "$@"
}

remove() {
    local directory=$1
    [ -e "$directory" ] || return 0
    [ -e "$directory/etc/debian_version" ] || fail "$directory is no Debian system"
    ! grep -qF " $(realpath "$directory")/" /proc/self/mounts || fail "something is mounted below $directory"
    rm -rf "$directory" "$directory.target"
}

main "$@"
