#!/usr/bin/env bash
# Looks for what a reviewer should not have to: formatting, clippy, licences and sources of dependencies,
# documentation, shell scripts. Every check runs, whatever the others found; the exit status tells.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# How long the database of advisories may take to come.
FETCH_SECONDS=60

FAILURES=()

main() {
    cd "$ROOT"
    "$ROOT/scripts/setup.sh" --lint
    use_postgres
    check 'format' cargo fmt --all --check -- --files-with-diff
    # The extension apart from the rest: its features choose the PostgreSQL.
    check 'clippy, extension' cargo clippy --quiet -p trips_ext --all-targets \
        --no-default-features --features "pg$PG_MAJOR pg_test" -- -D warnings
    check 'clippy, extension with fault points' cargo clippy --quiet -p trips_ext \
        --no-default-features --features "pg$PG_MAJOR fault_points" -- -D warnings
    check 'clippy, other crates' cargo clippy --quiet --workspace --exclude trips_ext --all-targets \
        --features trips_tests/fault_points -- -D warnings
    export RUSTDOCFLAGS='-D warnings'
    # The docs are for those who work on it: an extension has no public items.
    check 'rustdoc, extension' cargo doc --quiet --no-deps --document-private-items -p trips_ext \
        --no-default-features --features "pg$PG_MAJOR"
    check 'rustdoc, other crates' cargo doc --quiet --no-deps --document-private-items --workspace --exclude trips_ext
    check 'dependencies: licences, bans, sources' cargo deny --log-level warn check --hide-inclusion-graph \
        licenses bans sources
    check_advisories
    check 'shell scripts' shellcheck -x scripts/*.sh .ci/run tests/images/*.sh
    report
}

# Runs one check with its name shown first: check NAME COMMAND...
check() {
    local name=$1
    shift
    say "lint: $name"
    "$@" || FAILURES+=("$name")
}

# They are in a database on the network, which a build machine may not reach.
check_advisories() {
    if timeout "$FETCH_SECONDS" cargo deny --log-level off fetch db >/dev/null 2>&1; then
        check 'dependencies: advisories' cargo deny --log-level warn check --disable-fetch advisories
    else
        say 'lint: advisories left out: their database cannot be had here'
    fi
}

report() {
    [ "${#FAILURES[@]}" -eq 0 ] || fail "lint found something: $(printf '%s; ' "${FAILURES[@]}")"
    say 'lint: nothing found'
}

main
