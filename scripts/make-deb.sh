#!/usr/bin/env bash
# Packs what cargo-pgrx has built, or installed, for Debian and Ubuntu:
#   scripts/make-deb.sh MAJOR LIBRARIES EXTENSIONS TARGET
# where LIBRARIES has the library, and EXTENSIONS the control file and the SQL. Leaves the tree and the .deb in TARGET. The same
# input gives the same bytes: every file has the time of the last commit, or of SOURCE_DATE_EPOCH.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage="usage: scripts/make-deb.sh MAJOR LIBRARIES EXTENSIONS TARGET"
major=${1:?$usage}
library=${2:?$usage}/synapsor_writeback.so
extensions=${3:?$usage}
target=${4:?$usage}

command -v dpkg-deb >/dev/null || die "dpkg-deb is missing" "It is there on Debian and Ubuntu; elsewhere: make install PG_CONFIG=..."
command -v strip >/dev/null || need_package strip binutils
version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$extensions/synapsor_writeback.control")
[ -n "$version" ] || die "no version in $extensions/synapsor_writeback.control"
architecture=$(dpkg --print-architecture)
name=postgresql-$major-synapsor-writeback
tree=$target/$name
docs=$tree/usr/share/doc/$name
# A checkout has a history; what was unpacked from an archive has the time of its files.
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat --format=%Y CHANGELOG.md)}"

# The oldest C library that has what the library asks for. It needs nothing else that a Debian could lack.
c_library() {
    local unknown
    unknown=$(readelf --dynamic --wide "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
        grep -vE '^(libc|libm|libgcc_s|ld-linux-[a-z0-9-]+)\.so\.[0-9]+$' || true)
    [ -z "$unknown" ] || die "the library needs $unknown, of which the package knows nothing"
    readelf --version-info --wide "$library" | grep -oE 'GLIBC_[0-9.]+' | sort --version-sort --unique | sed -n '$s/GLIBC_//p'
}

put() { install -D --mode=644 --target-directory="$1" "${@:2}"; }

lay_out() {
    put "$tree/usr/lib/postgresql/$major/lib" "$library"
    # What reads SQL entities out of it is done.
    strip --strip-unneeded "$tree/usr/lib/postgresql/$major/lib/synapsor_writeback.so"
    put "$tree/usr/share/postgresql/$major/extension" "$extensions/synapsor_writeback.control" \
        "$extensions/synapsor_writeback--$version.sql" sql/synapsor_writeback--*--*.sql
    put "$docs" README.md SECURITY.md
    put "$docs/docs" docs/*
    put "$docs/monitoring" monitoring/*
    gzip --no-name --best --stdout CHANGELOG.md >"$docs/changelog.gz"
    cat LICENSE LICENSE-MIT LICENSE-APACHE >"$docs/copyright"
}

describe() {
    install -d "$tree/DEBIAN"
    (cd "$tree" && find usr -type f | LC_ALL=C sort | xargs md5sum) >"$tree/DEBIAN/md5sums"
    cat >"$tree/DEBIAN/control" <<END
Package: $name
Version: $version-1
Architecture: $architecture
Maintainer: The developers of synapsor_writeback
Depends: postgresql-$major, libc6 (>= $(c_library)), libgcc-s1
Recommends: ca-certificates
Installed-Size: $(find "$tree/usr" -type f -printf '%s\n' | awk '{ bytes += $1 } END { print int(bytes / 1024) + 1 }')
Section: database
Priority: optional
Description: applies approved Synapsor proposals inside PostgreSQL $major
 Changes that people approved are written by Postgres itself, under the rights of a
 role with few of them; the change, its receipt and its pending report are one
 transaction. CREATE EXTENSION synapsor_writeback sets a database up for it.
END
}

rm -rf "$tree"
lay_out
describe
find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
# xz, as every Debian and Ubuntu in use can unpack it.
dpkg-deb --root-owner-group -Zxz --build "$tree" "$target/${name}_$version-1_$architecture.deb"
rm -rf "$tree/DEBIAN"
