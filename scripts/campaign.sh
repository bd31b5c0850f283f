#!/usr/bin/env bash
# The crash campaign, with fresh seeds:  scripts/campaign.sh [MAJOR | mariadb]...   (default: 15 18 mariadb)
# MINUTES (30 unless set) are shared out among the servers. Prints a table of everything that was done to them. A violation is
# told with its seed; SEED=n, and EPISODES=n for more than one, run that again.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/mysql-servers.sh
. scripts/mysql-servers.sh

# shellcheck disable=SC2046 # a list
[ "$#" -gt 0 ] || set -- $(default_majors 15 18) mariadb
minutes=${MINUTES:-30}
[[ $minutes =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "MINUTES=$minutes is no number"

if [ -n "${SEED:-}" ]; then
    extent=(--seed "$SEED" --episodes "${EPISODES:-1}")
else
    extent=(--minutes "$(awk -v all="$minutes" -v servers=$# 'BEGIN { print all / servers }')")
fi

results=$(mktemp -d)
directories=()
armed=
clean_up() {
    local status=$?
    trap '' INT TERM HUP PIPE
    disarm || status=1
    check_left_over "$status" "${directories[@]}" || status=$?
    rm -rf "$results"
    exit "$status"
}
trap clean_up EXIT

# Nobody is to find a library with crash points in his server.
disarm() {
    [ -z "$armed" ] || scripts/install-into.sh "$armed" 9>&- || return
    armed=
}

# campaign postgres|mysql
campaign() {
    cargo run --quiet -p synapsor-campaign -- "$1" "${extent[@]}" --tally "$results/tally"
}

step "Setup" scripts/setup.sh "$@"
for server in "$@"; do
    if [ "$server" = mariadb ]; then
        use_mysql_servers
        directories+=("${mysql_directories[@]}")
        take_lock server-mysql
        build_armed_program
        step "Campaign on $(mysql_version mariadb)" campaign mysql
    else
        pg_config=$(pg_config_of "$server")
        directories+=("$("$pg_config" --bindir)")
        take_lock "server-$server"
        armed=$pg_config
        step "Installation into PostgreSQL $server, with crash points" scripts/install-into.sh "$pg_config" crash_points
        export SYNAPSOR_PG_CONFIG=$pg_config
        step "Campaign on PostgreSQL $server" campaign postgres
        step "Installation into PostgreSQL $server, without" disarm
    fi
done
