#!/usr/bin/env bash
# Makes Debian packages of this checkout for the system it runs on, in target/deb:
#
#     postgresql-NN-trips-ext    the extension for PostgreSQL NN
#     trips-ext-client           trips, the client
#
# PG_CONFIG or PG_MAJOR choose the PostgreSQL, as in setup.sh. The version of a package is that of the extension, then the
# Debian it was made on: 0.1.0-1+deb13.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

OUTPUT=$TARGET/deb
MAINTAINER='the trips_ext authors <trips_ext@localhost>'

main() {
    cd "$ROOT"
    "$ROOT/scripts/setup.sh"
    use_postgres
    have dpkg-shlibdeps || as_root apt-get install -y -q --no-install-recommends dpkg-dev >/dev/null
    BUILT=$TARGET/package/pg$PG_MAJOR
    "$ROOT/scripts/package.sh" "$BUILT"
    ARCHITECTURE=$(dpkg --print-architecture)
    VERSION=$(version)
    export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(last_change)}
    mkdir -p "$OUTPUT"
    extension_package
    client_package
}

# 0.1.0 of Cargo.toml, and the release of this Debian; sid has no number.
version() {
    local own release
    own=$(sed -n 's/^version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml" | head -n 1)
    release=$(sed -n 's/^VERSION_ID="\?\([0-9.]*\)"\?/\1/p' /etc/os-release)
    echo "$own-1+deb${release:-sid}"
}

# Seconds since 1970 of the last commit: files in the packages bear it, so that two builds of one commit are the same.
last_change() { git -c safe.directory="$ROOT" -C "$ROOT" log -1 --format=%ct 2>/dev/null || date +%s; }

extension_package() {
    local name=postgresql-$PG_MAJOR-trips-ext
    begin "$name"
    cp -r "$BUILT/usr/lib" "$TREE/usr/"
    mkdir -p "$TREE/usr/share"
    cp -r "$BUILT/usr/share/postgresql" "$TREE/usr/share/"
    finish "$name" "postgresql-$PG_MAJOR, postgresql-$PG_MAJOR-postgis-3" \
        "$TREE/usr/lib/postgresql/$PG_MAJOR/lib/trips_ext.so" <<TEXT
Suggests: trips-ext-client
Description: vehicle trips in PostgreSQL $PG_MAJOR: bulk ingest, weekly averages, groups
 Files of vehicle trips (region, origin, destination, time, source) are loaded
 in bulk on the server, with status pushed by LISTEN/NOTIFY while they are.
 Weekly averages of any area come in milliseconds; similar trips are grouped.
 .
 In a database: CREATE EXTENSION trips_ext CASCADE;
TEXT
}

client_package() {
    begin trips-ext-client
    cp -r "$BUILT/usr/bin" "$TREE/usr/"
    mkdir -p "$TREE/usr/share"
    cp -r "$BUILT"/usr/share/{man,bash-completion,zsh,fish} "$TREE/usr/share/"
    gzip --best --no-name "$TREE"/usr/share/man/man1/*.1
    finish trips-ext-client '' "$TREE/usr/bin/trips" <<'TEXT'
Description: vehicle trips in PostgreSQL: the client
 "trips watch" shows the ingests of the extension trips_ext while they run,
 "trips load" loads files of this machine, "trips report" writes a report as
 one page of HTML.
TEXT
}

# An empty tree with the documents that each package has: begin NAME
begin() {
    TREE=$TARGET/package/$1
    rm -rf "$TREE"
    mkdir -p "$TREE/usr/share/doc/$1" "$TREE/DEBIAN"
    cp "$ROOT/LICENSE" "$TREE/usr/share/doc/$1/copyright"
    gzip --best --no-name <"$ROOT/CHANGELOG.md" >"$TREE/usr/share/doc/$1/changelog.gz"
}

# Makes the package; what it depends on besides is read from its programs. The last fields come on standard input:
# finish NAME DEPENDENCIES PROGRAM...
finish() {
    local name=$1 depends=$2 libraries
    shift 2
    libraries=$(shared_libraries "$@")
    {
        echo "Package: $name"
        echo "Source: trips-ext"
        echo "Version: $VERSION"
        echo "Architecture: $ARCHITECTURE"
        echo "Maintainer: $MAINTAINER"
        echo "Section: database"
        echo "Priority: optional"
        echo "Depends: ${depends:+$depends, }$libraries"
        echo "Installed-Size: $(du -k --apparent-size -s "$TREE/usr" | cut -f1)"
        cat
    } >"$TREE/DEBIAN/control"
    (cd "$TREE" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
    dpkg-deb --root-owner-group -Zxz --build "$TREE" "$OUTPUT/${name}_${VERSION}_$ARCHITECTURE.deb" >/dev/null
    echo "$OUTPUT/${name}_${VERSION}_$ARCHITECTURE.deb"
}

# The packages of the libraries that programs are linked with, as Depends has them.
shared_libraries() {
    local scratch=$TARGET/package/shlibdeps
    mkdir -p "$scratch/debian"
    printf 'Source: trips-ext\n\nPackage: trips-ext\nArchitecture: any\n' >"$scratch/debian/control"
    (cd "$scratch" && dpkg-shlibdeps -O "$@" 2>/dev/null) | sed -n 's/^shlibs:Depends=//p'
}

main
