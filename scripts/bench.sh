#!/usr/bin/env bash
# Measures how fast it is, and prints tables (crates/bench/README.md says what they are):  scripts/bench.sh [MAJOR]   (default: 17)
# ONLY="applying cycle" takes these measures alone, QUICK=1 small sizes. Everything is built as for production.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/mysql-servers.sh
. scripts/mysql-servers.sh

major=${1:-$(default_majors 17)}
read -ra arguments <<<"${ONLY:-}"
case ${QUICK:-} in
'' | 0 | no) ;;
*) arguments+=(--quick) ;;
esac

pg_config=$(pg_config_of "$major")
scripts/setup.sh "$major" mariadb
use_mysql_servers
take_lock "server-$major"

is_installed=no
clean_up() {
    local status=$?
    trap '' INT TERM HUP PIPE
    # Nobody is to find a library with a benchmark's procedure in his server.
    [ "$is_installed" = no ] || scripts/install-into.sh "$pg_config" 9>&- || status=1
    check_left_over "$status" "$("$pg_config" --bindir)" "${mysql_directories[@]}" || status=$?
    exit "$status"
}
trap clean_up EXIT

# As scripts/install.sh does, and with the benchmark's procedure.
install_for_bench() (
    unset PGRX_BUILD_FLAGS CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND
    "$SYNAPSOR_CACHE/tools/bin/cargo-pgrx" pgrx install --release --no-default-features --features "pg$major bench" \
        --pg-config "$pg_config"
)

is_installed=yes
step "Building the extension for production and installing it into PostgreSQL $major" install_for_bench
step "Building the benchmark and the program for MySQL" cargo build --release -p synapsor-bench -p synapsor-writeback-mysql
export SYNAPSOR_PG_CONFIG=$pg_config
step "Benchmark with PostgreSQL $major" "${CARGO_TARGET_DIR:-target}/release/synapsor-bench" \
    --json "${CARGO_TARGET_DIR:-target}/bench.json" "${arguments[@]}"
