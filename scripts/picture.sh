#!/usr/bin/env bash
# Draws docs/monitoring.svg from the metrics of a real run, which takes 16 minutes:  scripts/picture.sh [MAJOR]   (default: 17)
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

major=${1:-$(default_majors 17)}
scripts/setup.sh "$major"
pg_config=$(pg_config_of "$major")
programs=$("$pg_config" --bindir)
take_lock "server-$major"
trap 'trap "" INT TERM HUP PIPE; stop_left_over "$programs" || true' EXIT

step "Building the extension and installing it into PostgreSQL $major" scripts/install-into.sh "$pg_config"
step "Building the demo" cargo build -p synapsor-demo --bin synapsor-demo-monitoring
heading "A run of 16 minutes"
picture=$(SYNAPSOR_PG_CONFIG="$pg_config" cargo run --quiet -p synapsor-demo --bin synapsor-demo-monitoring 9>&-)
say "$picture" >docs/monitoring.svg
say "docs/monitoring.svg is drawn"
