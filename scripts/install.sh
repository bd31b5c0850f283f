#!/usr/bin/env bash
# Builds the extension for production and installs it into a server:  PG_CONFIG=/path/to/pg_config scripts/install.sh
# Builds as the calling user; only the copying is done with sudo, where the server's directories ask for it.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ -n "${PG_CONFIG:-}" ] || die "which server?" "make install PG_CONFIG=/path/to/pg_config"
major=$(major_of "$PG_CONFIG")
[[ " $supported_majors " = *" $major "* ]] || die "PostgreSQL $major is not supported" "One of: $supported_majors"
check_server_headers "$PG_CONFIG"

# Asked first: building takes minutes.
with_sudo=()
if ! unwritable=$(unwritable_path "$PG_CONFIG"); then
    command -v sudo >/dev/null || die "cannot write to $unwritable" "Run this as a user who can, or install sudo."
    with_sudo=(--sudo)
fi
scripts/setup.sh
# These are for development (see env.sh).
unset PGRX_BUILD_FLAGS CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND
step "Building and installing into PostgreSQL $major" "$SYNAPSOR_CACHE/tools/bin/cargo-pgrx" pgrx install --release "${with_sudo[@]}" \
    --no-default-features --features "pg$major" --pg-config "$PG_CONFIG"
say
say "In the database that it shall work in:  CREATE EXTENSION synapsor_writeback;"
