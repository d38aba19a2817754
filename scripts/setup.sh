#!/usr/bin/env bash
# Installs what a build needs and this machine lacks, on Debian 12 and 13: PostgreSQL with PostGIS and the server
# headers, libclang, a C compiler, cargo-pgrx. Does nothing, within a second, where all is there.
#
#     scripts/setup.sh            what `make demo` needs
#     scripts/setup.sh --test     what `make test` needs: also Python, Node.js and Java with their PostgreSQL drivers,
#                                 for the listeners in examples/, Chromium, for the pages of `trips report`, and valgrind
#     scripts/setup.sh --lint     cargo-deny and shellcheck too
#
# PG_MAJOR=17 or PG_CONFIG=/path/pg_config chooses the PostgreSQL; otherwise an installed one, or else what apt offers.
# Packages come from apt (root or sudo); cargo's programs go to target/tools, settings of cargo-pgrx to target/pgrx.
# Nothing else on the machine changes: no cluster is created or started.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

LOG=$TARGET/setup.log
CARGO_DENY_VERSION=0.20.2
PSYCOPG_VERSION=3.3.9
NODE_POSTGRES_VERSION=8.23.1
PLAYWRIGHT_VERSION=1.65.1
AXE_VERSION=4.14.1
JDBC_DRIVER=/usr/share/java/postgresql.jar
NO_CLUSTER=/etc/postgresql-common/createcluster.d/trips_ext_setup.conf

main() {
    TEST=no LINT=no
    case ${1:-} in
        '') ;;
        --test) TEST=yes ;;
        --lint) LINT=yes ;;
        *) fail "usage: scripts/setup.sh [--test|--lint]" ;;
    esac
    check_rust
    : >"$LOG"
    PG_CONFIG=$(find_pg_config)
    choose_postgres
    install_packages
    check_postgres
    write_pgrx_config
    install_cargo_tool cargo-pgrx "$CARGO_PGRX_VERSION" --no-default-features
    if [ "$TEST" = yes ]; then
        install_python_driver
        install_node_driver
        install_browser_driver
    fi
    if [ "$LINT" = yes ]; then
        install_cargo_tool cargo-deny "$CARGO_DENY_VERSION"
    fi
}

# Runs a command with its output in the log, which is shown when it fails: logged WHAT COMMAND...
logged() {
    local what=$1
    shift
    say "$what"
    {
        printf '\n$ %s\n' "$*"
        "$@"
    } >>"$LOG" 2>&1 </dev/null || {
        tail -n 40 "$LOG" >&2
        fail "$what: failed (the whole log: $LOG)"
    }
}

check_rust() {
    have cargo || fail "cargo not found: install Rust first, for example with rustup"
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")
    found=$(rustc --version | cut -d' ' -f2)
    printf '%s\n%s\n' "$wanted" "$found" | sort --check=quiet --version-sort ||
        fail "Rust $found found, $wanted or newer is needed"
}

# Sets PG_CONFIG where find_pg_config knew none: to what apt offers.
choose_postgres() {
    [ -z "$PG_CONFIG" ] || return 0
    update_package_lists
    local major
    major=$(apt-cache policy postgresql | sed -nE 's/^ *Candidate: ([0-9]+).*/\1/p')
    [[ " ${SUPPORTED_MAJORS[*]} " == *" ${major:-none} "* ]] ||
        fail "apt offers PostgreSQL ${major:-none}; one of ${SUPPORTED_MAJORS[*]} is needed"
    PG_CONFIG=$(debian_pg_config "$major")
}

install_packages() {
    local packages
    mapfile -t packages < <(missing_packages)
    [ "${#packages[@]}" -gt 0 ] || return 0
    update_package_lists
    prevent_main_cluster "${packages[@]}"
    logged "installing ${packages[*]}" \
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${packages[@]}"
}

# The packages for what is not there, one a line. Capabilities are looked at, not packages: a PostgreSQL that was built
# from source counts.
missing_packages() {
    local major
    major=$(sed -nE 's,^/usr/lib/postgresql/([0-9]+)/bin/pg_config$,\1,p' <<<"$PG_CONFIG")
    if [ -n "$major" ]; then
        has_server "$PG_CONFIG" || echo "postgresql-$major"
        has_headers "$PG_CONFIG" || echo "postgresql-server-dev-$major"
        has_postgis "$PG_CONFIG" || echo "postgresql-$major-postgis-3"
    fi
    has_libclang || echo libclang-dev
    have cc || printf '%s\n' gcc libc6-dev
    have make || echo make
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
    if [ "$LINT" = yes ]; then
        have shellcheck || echo shellcheck
    fi
    if [ "$TEST" = yes ]; then
        python3 -c 'import ensurepip, venv' 2>/dev/null || printf '%s\n' python3 python3-venv
        have node || echo nodejs
        have npm || echo npm
        python3 -c 'import yaml' 2>/dev/null || echo python3-yaml
        have javac || echo default-jdk-headless
        [ -e "$JDBC_DRIVER" ] || echo libpostgresql-jdbc-java
        have chromium || echo chromium
        have valgrind || echo valgrind
    fi
}

# bindgen looks in these places, and in LIBCLANG_PATH.
has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] || compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null ||
        compgen -G '/usr/lib/*/libclang*.so*' >/dev/null
}

# Once, and only when something must be installed.
update_package_lists() {
    [ -z "${PACKAGE_LISTS_UPDATED:-}" ] || return 0
    have apt-get || fail "apt-get not found: this script knows Debian 12 and 13. Needed are PostgreSQL 15 to 18 with" \
        "server headers and PostGIS 3 (say where: PG_CONFIG=/path/pg_config), libclang, a C compiler and make"
    is_root || have sudo || fail "neither root nor sudo: have this run once by root:" \
        "apt-get install $(packages_to_name)"
    logged "updating apt's package lists" \
        as_root apt-get update -q -o DPkg::Lock::Timeout=300
    PACKAGE_LISTS_UPDATED=yes
}

packages_to_name() {
    if [ -n "$PG_CONFIG" ]; then
        missing_packages | tr '\n' ' '
    else
        echo "postgresql postgresql-postgis postgresql-server-dev-all libclang-dev gcc libc6-dev make"
    fi
}

# Debian's server package would create a cluster and start it on port 5432: nobody asked for that. Its own
# drop-in directory says so for as long as this script runs.
prevent_main_cluster() {
    [[ " $* " =~ \ postgresql-[0-9]+(-postgis-3)?\  ]] || return 0
    trap 'as_root rm -f "$NO_CLUSTER"' EXIT
    as_root mkdir -p "$(dirname "$NO_CLUSTER")"
    echo 'create_main_cluster = false' | as_root tee "$NO_CLUSTER" >/dev/null
}

check_postgres() {
    [ -x "$PG_CONFIG" ] || fail "$PG_CONFIG is not a program"
    local major
    major=$(pg_major "$PG_CONFIG")
    [[ " ${SUPPORTED_MAJORS[*]} " == *" $major "* ]] ||
        fail "$PG_CONFIG is of PostgreSQL $major; one of ${SUPPORTED_MAJORS[*]} is needed"
    has_server "$PG_CONFIG" || fail "no server beside $PG_CONFIG"
    has_headers "$PG_CONFIG" || fail "no server headers for $PG_CONFIG: install its development package"
    has_postgis "$PG_CONFIG" || fail "no PostGIS for $PG_CONFIG: install it first"
}

# What `cargo pgrx init` would write, without its downloads and its initdb (which refuses root). Lines of other versions
# stay; the file is touched only when it changes, because pgrx builds anew when it does.
write_pgrx_config() {
    local config=$PGRX_HOME/config.toml label others
    label=pg$(pg_major "$PG_CONFIG")
    mkdir -p "$PGRX_HOME"
    others=$(grep -E '^pg[0-9]+ = ' "$config" 2>/dev/null | grep -v "^$label = " || true)
    {
        echo '[configs]'
        printf '%s\n%s\n' "$others" "$label = \"$PG_CONFIG\"" | sed '/^$/d' | sort
    } >"$config.new"
    if cmp -s "$config.new" "$config"; then
        rm "$config.new"
    else
        mv "$config.new" "$config"
    fi
}

# psycopg, into a virtual environment below target.
install_python_driver() {
    local environment=$TARGET/drivers/python
    if ! "$environment/bin/python" -c 'import psycopg' 2>/dev/null; then
        rm -rf "$environment"
        logged "making a Python environment" python3 -m venv "$environment"
        logged "installing psycopg" "$environment/bin/pip" install --quiet "psycopg[binary]==$PSYCOPG_VERSION"
    fi
}

# node-postgres, below target.
install_node_driver() {
    local directory=$TARGET/drivers/node
    [ -e "$directory/node_modules/pg/package.json" ] ||
        logged "installing node-postgres" \
            npm install --silent --no-fund --no-audit --prefix "$directory" "pg@$NODE_POSTGRES_VERSION"
}

# Playwright, which drives the Chromium of Debian and brings none of its own, and axe, beside node-postgres: npm leaves
# alone what it finds there.
install_browser_driver() {
    local directory=$TARGET/drivers/node
    if [ ! -e "$directory/node_modules/playwright-core/package.json" ] ||
        [ ! -e "$directory/node_modules/axe-core/package.json" ]; then
        logged "installing playwright-core and axe-core" \
            npm install --silent --no-fund --no-audit --prefix "$directory" \
            "playwright-core@$PLAYWRIGHT_VERSION" "axe-core@$AXE_VERSION"
    fi
}

# Installs a cargo subcommand into target/tools unless this very version is on the PATH:
# install_cargo_tool NAME VERSION [OPTION...]
install_cargo_tool() {
    local name=$1 version=$2
    shift 2
    if [ "$("$name" "${name#cargo-}" --version 2>/dev/null)" = "$name $version" ]; then
        return
    fi
    # Unoptimised: it builds in a third of the time, and what it does here takes seconds either way.
    logged "building $name $version (once, a few minutes)" \
        cargo install --locked --debug --root "$TOOLS" "$name@$version" "$@"
}

main "$@"
