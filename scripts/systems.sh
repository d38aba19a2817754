#!/usr/bin/env bash
# Builds, packages and tests trips_ext on PostgreSQLs that this machine does not have, in bare Debian systems: 17 of trixie, 18
# of sid. On each the .deb packages are made and installed, and the SQL suite runs against what they brought. On 17 they are also
# installed where nothing was before, and a cluster of 15 is upgraded by pg_upgrade.
#
#     scripts/systems.sh [17] [18]
#
# FULL=1 runs the tests with real sessions there, too, and builds with the optimisations of a release at link time. KEEP=1 leaves the systems in target/roots.
# Needs root and the network: otherwise it skips. Where sid cannot be installed today, 18 is skipped; 17 never is.
# The last line counts, as that of test.sh.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ROOTS=$TARGET/roots
PASSED=0 FAILED=0 SKIPPED=0

main() {
    cd "$ROOT"
    if ! is_root || ! unshare --mount --pid --ipc --fork true 2>/dev/null; then
        echo 'SKIPPED: bare systems need root, and name spaces'
        echo '0 passed, 0 failed, 1 skipped'
        return
    fi
    [ $# -gt 0 ] || set -- 17 18
    local major
    for major in "$@"; do
        case $major in
            17) try 17 trixie ;;
            18) try 18 sid ;;
            *) fail "PostgreSQL $major is in none of these systems: 17 or 18" ;;
        esac
    done
    echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
    [ "$FAILED" -eq 0 ]
}

# try MAJOR SUITE
try() {
    local major=$1 suite=$2 root=$ROOTS/pg$1
    say "PostgreSQL $major in a bare Debian: $suite"
    if ! prepare "$suite" "$root"; then
        if [ "$suite" = sid ]; then
            echo "SKIPPED: PostgreSQL $major: Debian sid cannot be installed today"
            SKIPPED=$((SKIPPED + 1))
            return
        fi
        FAILED=$((FAILED + 1))
        return
    fi

    one "packages of PostgreSQL $major" packages "$root" &&
        one "installation of the packages of PostgreSQL $major" install_packages "$root" || return 0
    VARIABLES=FULL counted "the SQL suite on PostgreSQL $major" scripts/root.sh enter "$root" scripts/test.sh sql
    if [ "$major" = 17 ]; then
        # What one finds does not keep the others from being run.
        one 'packages in a system where nothing was installed' fresh_system "$root" || true
        upgrade "$root"
    fi
    [ -n "${KEEP:-}" ] || scripts/root.sh remove "$root"
}

# Runs one test: one NAME COMMAND...
one() {
    local name=$1
    shift
    if ("$@"); then
        PASSED=$((PASSED + 1))
        say "passed: $name"
    else
        FAILED=$((FAILED + 1))
        say "FAILED: $name"
        return 1
    fi
}

# Runs a command that counts in its last line: counted NAME COMMAND...
counted() {
    local name=$1 log=$ROOTS/counted.log status=0 passed failed skipped
    shift
    "$@" 2>&1 | tee "$log" || status=$?
    read -r passed failed skipped < <(last_count "$log") ||
        { passed=0 failed=1 skipped=0; }
    [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
    say "$name: $passed passed, $failed failed"
}

# A system with all that a build needs: prepare SUITE DIR
prepare() {
    scripts/root.sh make "$1" "$2" || return
    # The tool that builds extensions is this machine's: the C library there is no older.
    mkdir -p "$2.target/tools"
    [ ! -d "$TOOLS" ] || cp -a "$TOOLS/." "$2.target/tools/"
    scripts/root.sh enter "$2" scripts/setup.sh ${FULL:+--test}
}

packages() {
    if [ -z "${FULL:-}" ]; then
        export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
    fi
    VARIABLES='CARGO_PROFILE_RELEASE_LTO CARGO_PROFILE_RELEASE_CODEGEN_UNITS' scripts/root.sh enter "$1" scripts/deb.sh
}

install_packages() {
    scripts/root.sh enter "$1" bash -c 'apt-get install -y -q ./target/deb/*.deb >target/deb.log 2>&1 || { cat target/deb.log; exit 1; }'
}

# The packages, the tests of README and nothing else.
fresh_system() {
    local fresh=$ROOTS/fresh readme
    scripts/root.sh make trixie "$fresh"
    cp "$1.target"/deb/*.deb "$fresh.target/"
    readme=$(cargo test --no-run -p trips_tests --test readme --message-format=json 2>/dev/null |
        sed -nE 's/.*"executable":"([^"]*\/readme-[^"]*)".*/\1/p' | tail -n 1)
    cp "$readme" "$fresh.target/readme"
    scripts/root.sh enter "$fresh" scripts/try-packages.sh || return
    [ -n "${KEEP:-}" ] || scripts/root.sh remove "$fresh"
}

# From the PostgreSQL of this machine, where that is older, to the system's.
upgrade() {
    local root=$1 old
    use_postgres
    old=$PG_MAJOR
    if [ "$old" -ge 17 ] || [ "$PG_CONFIG" != "$(debian_pg_config "$old")" ]; then
        echo "SKIPPED: an upgrade to 17 needs Debian's PostgreSQL 15 or 16 on this machine"
        SKIPPED=$((SKIPPED + 1))
        return
    fi
    "$ROOT/scripts/install.sh"
    cp "$(build_tools)/trips-generate" "$root.target/"
    lend_postgres "$old" "$root"
    one "pg_upgrade from $old to 17" scripts/root.sh enter "$root" scripts/try-upgrade.sh "$old" 17 || true
}

# Puts this machine's PostgreSQL into a newer system, with the libraries that its own have replaced: lend_postgres MAJOR DIR
lend_postgres() {
    local major=$1 root=$2 library
    mkdir -p "$root/usr/lib/postgresql" "$root/usr/share/postgresql" "$root/usr/local/lib/lent"
    cp -a "/usr/lib/postgresql/$major" "$root/usr/lib/postgresql/"
    cp -aL "/usr/share/postgresql/$major" "$root/usr/share/postgresql/"
    # It would need LLVM.
    rm -rf "$root/usr/lib/postgresql/$major/lib"/{llvmjit.so,bitcode}
    echo /usr/local/lib/lent >"$root/etc/ld.so.conf.d/zz-lent.conf"
    # What these need may need others.
    for _ in 1 2 3; do
        while read -r library; do
            cp -L "$(ldconfig -p | sed -nE "s,^\s*$library \(.*\) => ,,p" | sed -n 1p)" "$root/usr/local/lib/lent/"
        done < <(missing_libraries "$major" "$root")
        chroot "$root" ldconfig
    done
    [ -z "$(missing_libraries "$major" "$root")" ] || fail "libraries of PostgreSQL $major are missing"
}

missing_libraries() {
    # shellcheck disable=SC2016
    chroot "$2" bash -c 'ldd /usr/lib/postgresql/'"$1"'/bin/{postgres,psql,pg_dump,pg_ctl} /usr/lib/postgresql/'"$1"'/lib/{postgis-3,trips_ext}.so /usr/local/lib/lent/* 2>/dev/null' |
        sed -nE 's/^\s*(\S+) => not found/\1/p' | sort -u
}

main "$@"
