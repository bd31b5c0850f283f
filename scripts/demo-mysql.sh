#!/usr/bin/env bash
# Shows the whole path on a private MariaDB, from approved proposal to report:  scripts/demo-mysql.sh
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/mysql-servers.sh
. scripts/mysql-servers.sh

scripts/setup.sh mariadb
use_mysql_servers
trap 'trap "" INT TERM HUP PIPE; stop_left_over "${mysql_directories[@]}" || true' EXIT

# Built first, so that the demo's own output stands alone at the end.
step "Building the demo" cargo build -p synapsor-demo --bin synapsor-demo-mysql -p synapsor-writeback-mysql --bin synapsor-writeback-mysql
heading "Demo"
cargo run --quiet -p synapsor-demo --bin synapsor-demo-mysql
