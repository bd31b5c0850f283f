#!/usr/bin/env bash
# Builds the extension as in development and installs it:  scripts/install-into.sh PG_CONFIG [FEATURE...]
# For tests and demo, whose caller holds the server's lock; scripts/install.sh is for people's own servers.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

pg_config=${1:?usage: scripts/install-into.sh PG_CONFIG [FEATURE...]}
shift
# Tests begin with these, to see what an update makes of them.
cp sql/released/*.sql "$("$pg_config" --sharedir)/extension/"
features="pg$(major_of "$pg_config") $*"
"$SYNAPSOR_CACHE/tools/bin/cargo-pgrx" pgrx install --no-default-features --features "$features" --pg-config "$pg_config"
