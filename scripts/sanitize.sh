#!/usr/bin/env bash
# Looks for undefined behaviour and data races under the core's tests. The core forbids unsafe code: what is tested is how it uses its dependencies.
#
#     FULL=1               all tests of the core; without it its unit tests alone
#
# With Miri, where the nightly compiler has it. Where not, with AddressSanitizer, all tests, and ThreadSanitizer, those with threads. ThreadSanitizer takes a standard library
# that is built with it, from the compiler's component rust-src; without that it is left out. The last line is the count. Where there is no nightly
# compiler the only line is "SKIPPED: reason".

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

FULL=${FULL:-}
OUT=$TARGET/sanitize
PASSED=0 FAILED=0 LEFT_OUT=()

main() {
    cd "$ROOT"
    if ! cargo +nightly --version >/dev/null 2>&1; then
        echo 'SKIPPED: no nightly compiler here (rustup toolchain install nightly)'
        return
    fi
    mkdir -p "$OUT"
    HOST=$(rustc +nightly -vV | sed -n 's/^host: //p')
    if cargo +nightly miri --version >/dev/null 2>&1; then
        # Files and the clock are the system's; random cases take minutes each there.
        check miri env MIRIFLAGS=-Zmiri-disable-isolation PROPTEST_CASES=4 CARGO_TARGET_DIR="$OUT/miri" cargo +nightly miri test -p trips_core --lib
    else
        LEFT_OUT+=('Miri (the nightly compiler has no component miri)')
        # Of the tests without a harness of their own all but the slowest, whose inputs are large.
        local tests=(--lib)
        [ -z "$FULL" ] || tests=(--lib --tests)
        check address env RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR="$OUT/address" cargo +nightly test -p trips_core --target "$HOST" "${tests[@]}"
        if [ -d "$(rustc +nightly --print sysroot)/lib/rustlib/src/rust/library" ]; then
            check thread env RUSTFLAGS=-Zsanitizer=thread CARGO_TARGET_DIR="$OUT/thread" cargo +nightly test -Zbuild-std -p trips_core --target "$HOST" --test pipeline --test similar
        else
            LEFT_OUT+=('ThreadSanitizer (the nightly compiler has no component rust-src)')
        fi
    fi
    [ "${#LEFT_OUT[@]}" -eq 0 ] || printf 'left out: %s\n' "${LEFT_OUT[@]}"
    echo "sanitize: $PASSED tests passed, $FAILED failed"
    [ "$FAILED" -eq 0 ]
}

# Runs tests with a tool, and counts them: check NAME COMMAND...
check() {
    local name=$1 status=0 passed failed
    shift
    say "sanitize: $name"
    "$@" >"$OUT/$name.log" 2>&1 || status=$?
    passed=$(sed -nE 's/^test result: .* ([0-9]+) passed;.*/\1/p' "$OUT/$name.log" | awk '{ sum += $1 } END { print sum + 0 }')
    failed=$(sed -nE 's/^test result: .* ([0-9]+) failed;.*/\1/p' "$OUT/$name.log" | awk '{ sum += $1 } END { print sum + 0 }')
    # A sanitizer ends the program, whose results are then not there.
    if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
        failed=1
    fi
    [ "$failed" -eq 0 ] || tail -n 60 "$OUT/$name.log"
    echo "$name: $passed tests passed, $failed failed, $(grep -cE '^(SUMMARY|WARNING): [A-Za-z]*Sanitizer|Undefined Behavior' "$OUT/$name.log") reports"
    PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
}

main
