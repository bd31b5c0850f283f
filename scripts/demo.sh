#!/usr/bin/env bash
# Shows the whole path on a private server, from approved proposal to report:  scripts/demo.sh [MAJOR]   (default: 17)
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

major=${1:-$(default_majors 17)}
scripts/setup.sh "$major"
pg_config=$(pg_config_of "$major")
programs=$("$pg_config" --bindir)
take_lock "server-$major"
trap 'trap "" INT TERM HUP PIPE; stop_left_over "$programs" || true' EXIT

# Built first, so that the demo's own output stands alone at the end.
step "Building the extension and installing it into PostgreSQL $major" scripts/install-into.sh "$pg_config"
step "Building the demo" cargo build -p synapsor-demo --bin synapsor-demo
heading "Demo"
SYNAPSOR_PG_CONFIG="$pg_config" cargo run --quiet -p synapsor-demo --bin synapsor-demo 9>&-
