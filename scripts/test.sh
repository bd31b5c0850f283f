#!/usr/bin/env bash
# Everything that must hold before a change is taken:  scripts/test.sh [MAJOR...]   (default: 15 17)
# That includes MariaDB and MySQL. Ends with the number of tests that ran, added up from the test runners' own result
# lines.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/mysql-servers.sh
. scripts/mysql-servers.sh

# shellcheck disable=SC2046 # a list
[ "$#" -gt 0 ] || set -- $(default_majors 15 17)

log=$(mktemp)
started=$SECONDS

# counted COMMAND...: keeps a copy of what it prints. Does not wait for a process that it leaves behind.
# On an interrupt the copying goes on, as cleaning up has something to say too.
counted() {
    local status=0 tee output
    exec {output}> >(
        trap '' INT TERM HUP
        exec tee -a "$log"
    )
    tee=$!
    "$@" >&"$output" 2>&1 {output}>&- || status=$?
    exec {output}>&-
    timeout 10 tail --pid "$tee" --sleep-interval 0.1 --follow /dev/null || true
    return "$status"
}

summary() {
    local status=$? counts
    # An interrupt may come with any status.
    [ "$all_done" = yes ] || [ "$status" -ne 0 ] || status=130
    counts=$(sed 's/\x1b\[[0-9;]*m//g' "$log" | awk '
        /^test result:/ { for (i = 1; i < NF; i++) { if ($(i + 1) ~ /^passed/) passed += $i; if ($(i + 1) ~ /^failed/) failed += $i } }
        END { printf "%d passed, %d failed", passed, failed }')
    rm -f "$log"
    say
    say "PostgreSQL $majors$others, $((SECONDS - started)) s"
    if [ "$status" -eq 0 ]; then
        say "$counts"
    else
        say "FAILED (see the error above); of the tests that ran: $counts"
    fi
    exit "$status"
}
majors=$*
others=
all_done=no
trap summary EXIT

step "Setup" scripts/setup.sh "$@" mariadb mysql
others=", $(mysql_version mariadb), $(mysql_version mysql)"
scripts/lint.sh "$@"
step "Tests without a server" counted cargo test --no-fail-fast --workspace \
    --exclude synapsor_writeback --exclude synapsor-mysql-testbed --exclude synapsor-writeback-mysql --exclude synapsor-campaign
step "Tests of crash points and the campaign's checker" counted cargo test --bins --lib \
    -p synapsor-campaign -p synapsor-crash-points --features synapsor-crash-points/armed
counted scripts/test-mysql.sh
for major in "$@"; do
    # pg_upgrade is tried from the one before, where that is older; else from a server to its like.
    if [ "${older:-99}" -lt "$major" ]; then
        SYNAPSOR_OLD_PG_CONFIG=$(pg_config_of "$older")
        export SYNAPSOR_OLD_PG_CONFIG
    fi
    counted scripts/test-server.sh "$major"
    older=$major
done
all_done=yes
