#!/usr/bin/env bash
# Builds the extension for production and packs it for Debian and Ubuntu:  scripts/package.sh [MAJOR]   (default: 17)
# Leaves a tree, as it is unpacked on a server, and a .deb in target/package.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

major=${1:-$(default_majors 17)}
scripts/setup.sh "$major"
pg_config=$(pg_config_of "$major")
packages=${CARGO_TARGET_DIR:-$PWD/target}/package
built=$packages/built-$major

# These are for development (see env.sh).
unset PGRX_BUILD_FLAGS CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND
# Where the checkout and the crates' sources lie makes no difference to the bytes then.
RUSTFLAGS="--remap-path-prefix=$PWD=/synapsor_writeback --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo ${RUSTFLAGS:-}"
export RUSTFLAGS

rm -rf "$built"
step "Building for PostgreSQL $major" "$SYNAPSOR_CACHE/tools/bin/cargo-pgrx" pgrx package \
    --no-default-features --features "pg$major" --pg-config "$pg_config" --out-dir "$built"
step "Packing" scripts/make-deb.sh "$major" "$built$("$pg_config" --pkglibdir)" "$built$("$pg_config" --sharedir)/extension" "$packages"
rm -rf "$built"
say
say "To install it, as root:  apt-get install $packages/postgresql-$major-synapsor-writeback_*.deb"
