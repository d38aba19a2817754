#!/usr/bin/env bash
# The source of the last commit as PGXN takes it: target/trips_ext-VERSION.zip, with META.json at its top.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$ROOT"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
git archive --format zip --prefix "trips_ext-$version/" --output "$TARGET/trips_ext-$version.zip" HEAD
echo "$TARGET/trips_ext-$version.zip"
