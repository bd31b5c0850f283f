# Sourced: which MariaDB and which MySQL are meant, where they are, and how they are run.
# shellcheck shell=bash

# mysql_own_program mariadb|mysql: prints the path of the user's own server, if he named one.
mysql_own_program() {
    local variable=MYSQLD program
    [ "$1" = mysql ] || variable=MARIADBD
    [ -n "${!variable:-}" ] || return 0
    program=$(command -v "${!variable}") || die "$variable=${!variable} is no program"
    realpath "$program"
}

# mysql_tree mariadb|mysql: prints the directory of the fetched server (fetched or not yet).
mysql_tree() {
    local pin
    pin=$(mysql_pin "$1") || die "there is no server named $1" "One of: mariadb mysql"
    say "$SYNAPSOR_CACHE/$1/${pin%% *}"
}

# mysql_version mariadb|mysql: prints its name and version, for people.
mysql_version() {
    local own name=MySQL
    own=$(mysql_own_program "$1")
    [ "$1" = mysql ] || name=MariaDB
    if [ -n "$own" ]; then
        say "$name in $own"
    else
        say "$name $(cat "$(mysql_tree "$1")/version")"
    fi
}

# run_mysql_tree TREE ARGUMENT...: runs the server in a tree, through the tree's own loader and with its own C library.
run_mysql_tree() {
    local tree=$1 libraries=$1/usr/lib/x86_64-linux-gnu
    shift
    as_server_user "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$tree"/usr/sbin/m*d "$@"
}

# use_mysql_servers: tells tests and demo where the servers are (a tree, or the user's own program), and leaves in
# $mysql_directories where the programs of their processes lie, for stop_left_over.
use_mysql_servers() {
    local server own
    mysql_directories=()
    for server in mariadb mysql; do
        own=$(mysql_own_program "$server")
        mysql_directories+=("$(if [ -n "$own" ]; then dirname "$own"; else mysql_tree "$server"; fi)")
        export "SYNAPSOR_${server^^}=${own:-$(mysql_tree "$server")}"
    done
}

# build_armed_program: builds the companion program with crash points, apart from the one without, and names it to the campaign.
build_armed_program() {
    local target=${CARGO_TARGET_DIR:-$PWD/target}
    cargo build -p synapsor-writeback-mysql --features crash_points || return
    mkdir -p "$target/armed" || return
    cp "$target/debug/synapsor-writeback-mysql" "$target/armed/" || return
    export SYNAPSOR_MYSQL_PROGRAM="$target/armed/synapsor-writeback-mysql"
}
