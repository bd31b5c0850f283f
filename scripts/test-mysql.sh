#!/usr/bin/env bash
# The tests that need MariaDB and MySQL:  scripts/test-mysql.sh
# They start servers of their own, each in a directory of its own.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/mysql-servers.sh
. scripts/mysql-servers.sh

use_mysql_servers
take_lock server-mysql
clean_up() {
    local status=$?
    trap '' INT TERM HUP PIPE
    check_left_over "$status" "${mysql_directories[@]}" || status=$?
    exit "$status"
}
trap clean_up EXIT

step "Tests with $(mysql_version mariadb) and $(mysql_version mysql)" \
    cargo test --no-fail-fast -p synapsor-mysql-testbed -p synapsor-writeback-mysql

crash_campaign() {
    build_armed_program && cargo test -p synapsor-campaign --test mysql
}
step "Crash campaign with $(mysql_version mariadb)" crash_campaign
