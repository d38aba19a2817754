#!/usr/bin/env bash
# Runs every fuzz target of fuzz/ so many times, two at a time, from the seeds of fuzz/seeds and what earlier runs have found (target/fuzz).
#
#     RUNS=200000          executions of each target; 5000000 is the full form
#     TARGETS='node leaf'  only these
#     SANITIZER=none       or address: the core forbids unsafe code, so it finds next to nothing and takes most of the time
#
# Prints a table as Markdown. The last line is the count, and the exit status 0 where nothing crashed. What crashed a target is in target/fuzz/NAME/;
# `cargo +nightly fuzz run NAME FILE` runs it again. Where there is no nightly compiler the only line is "SKIPPED: reason".

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

RUNS=${RUNS:-200000}
TARGETS=${TARGETS:-}
SANITIZER=${SANITIZER:-none}
CARGO_FUZZ_VERSION=0.13.2
OUT=$TARGET/fuzz
AT_A_TIME=2
# Seconds that one input may take, and bytes that it may have: what is longer says nothing new.
INPUT_SECONDS=60
INPUT_BYTES=400

main() {
    [[ $RUNS =~ ^[1-9][0-9]*$ ]] || fail "RUNS is a number of executions, not $RUNS"
    cd "$ROOT"
    if ! cargo +nightly --version >/dev/null 2>&1; then
        echo 'SKIPPED: no nightly compiler here (rustup toolchain install nightly)'
        return
    fi
    install_cargo_fuzz
    [ -n "$TARGETS" ] || TARGETS=$(sed -nE 's/^name = "([a-z]+)"$/\1/p' fuzz/Cargo.toml | xargs)
    mkdir -p "$OUT"
    say "building the fuzz targets"
    cargo +nightly fuzz build --sanitizer "$SANITIZER" >"$OUT/build.log" 2>&1 || {
        tail -n 40 "$OUT/build.log" >&2
        fail "the build failed (the whole log: $OUT/build.log)"
    }
    PROGRAMS=$(dirname "$(find "${CARGO_TARGET_DIR:-fuzz/target}"/*/release -maxdepth 1 -name "${TARGETS%% *}" -type f | head -n 1)")
    local target
    for target in $TARGETS; do
        while [ "$(jobs -rp | wc -l)" -ge "$AT_A_TIME" ]; do
            wait -n || true
        done
        say "fuzz: $target"
        run "$target" &
    done
    wait
    report
}

install_cargo_fuzz() {
    [ "$(cargo-fuzz --version 2>/dev/null)" != "cargo-fuzz $CARGO_FUZZ_VERSION" ] || return 0
    say "building cargo-fuzz $CARGO_FUZZ_VERSION (once, a minute or two)"
    cargo install --quiet --locked --debug --root "$TOOLS" "cargo-fuzz@$CARGO_FUZZ_VERSION" >&2
}

# Runs one target: its log is target/fuzz/NAME.log. The first directory of a corpus is the one that is written to.
run() {
    local corpora=("$OUT/$1/corpus")
    mkdir -p "${corpora[0]}"
    [ ! -d "fuzz/seeds/$1" ] || corpora+=("fuzz/seeds/$1")
    "$PROGRAMS/$1" "${corpora[@]}" -runs="$RUNS" -max_len="$INPUT_BYTES" -timeout="$INPUT_SECONDS" \
        -artifact_prefix="$OUT/$1/" -print_final_stats=1 >"$OUT/$1.log" 2>&1 || echo "exit status $?" >>"$OUT/$1.log"
}

# A number that libFuzzer says of a target at its end: final TARGET NAME
final() { sed -nE "s/^stat::$2: *([0-9]+)$/\1/p" "$OUT/$1.log" | tail -n 1; }

report() {
    local target executions rate crashes all=0 passed=0 failed=0
    printf '\n| target | executions | a second | crashes |\n|---|---:|---:|---:|\n'
    for target in $TARGETS; do
        executions=$(final "$target" number_of_executed_units)
        crashes=0
        if grep -q '^exit status' "$OUT/$target.log" || [ "${executions:-0}" -lt "$RUNS" ]; then
            crashes=1
        fi
        # libFuzzer counts whole seconds.
        rate=$(final "$target" average_exec_per_sec)
        [ "${rate:-0}" -gt 0 ] || rate='under a second'
        printf '| %s | %s | %s | %s |\n' "$target" "${executions:-0}" "$rate" "$crashes"
        all=$((all + ${executions:-0}))
        failed=$((failed + crashes))
        passed=$((passed + 1 - crashes))
    done
    echo
    for target in $TARGETS; do
        ! grep -q '^exit status' "$OUT/$target.log" || grep -aE -A 4 'panicked at|ERROR: libFuzzer|Test unit written' "$OUT/$target.log" | cut -c 1-300
    done
    echo "fuzz: $all executions of $((passed + failed)) targets, $failed crashed"
    [ "$failed" -eq 0 ]
}

main
