#!/usr/bin/env bash
# Builds the extension for PG_CONFIG or PG_MAJOR, and installs nothing: `make all`, as `pgxn install` wants it before `make install`.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$ROOT"
use_postgres
say "building trips_ext for PostgreSQL $PG_MAJOR (the first time takes minutes)"
# shellcheck disable=SC2046
PGRX_PG_CONFIG_PATH=$PG_CONFIG cargo build --quiet --release --lib -p trips_ext $(pg_features)
