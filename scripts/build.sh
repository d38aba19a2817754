#!/usr/bin/env bash
# Builds the extension for PG_CONFIG or PG_MAJOR, and installs nothing: `make all`, as `pgxn install` wants it before `make install`.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$ROOT"
use_postgres
say "building trips_ext for PostgreSQL $PG_MAJOR (the first time takes minutes)"
# As install.sh builds, so that it finds all of this done.
cargo pgrx package --pg-config "$PG_CONFIG" --out-dir "$TARGET/package/all" >"$TARGET/build.log" 2>&1 || {
    tail -n 60 "$TARGET/build.log" >&2
    fail "the build failed (the whole log: $TARGET/build.log)"
}
