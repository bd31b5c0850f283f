#!/usr/bin/env bash
# The tests that need a server, for one major version:  scripts/test-server.sh MAJOR
# First the tests that run inside a backend (#[pg_test]), then a linter for the SQL that is installed, then the end-to-end
# tests in tests/, which start clusters of their own, then a short crash campaign on a build with crash points. All install into the server's tree, so only one run
# at a time may use it.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

major=${1:?usage: scripts/test-server.sh MAJOR}
pg_config=$(pg_config_of "$major")
programs=$("$pg_config" --bindir)
take_lock "server-$major"

# Where the servers' user can enter, whatever TMPDIR is; short, as sockets lie in it.
data=$(mktemp -d /tmp/synapsor-test.XXXXXX)
is_armed=no
clean_up() {
    local status=$?
    trap '' INT TERM HUP PIPE
    # Nobody is to find a library with crash points in his server.
    [ "$is_armed" = no ] || scripts/install-into.sh "$pg_config" 9>&- || status=1
    check_left_over "$status" "$programs" || status=$?
    rm -rf "$data"
    exit "$status"
}
trap clean_up EXIT

# What `cargo pgrx test` does, for the library alone: it would run the end-to-end tests too, before the extension
# that they test is installed.
backend_tests() (
    export CARGO_PGRX="$SYNAPSOR_CACHE/tools/bin/cargo-pgrx" CARGO_PGRX_TEST_PGDATA="$data"
    export PGRX_FEATURES="pg$major pg_test" PGRX_NO_DEFAULT_FEATURES=true PGRX_BUILD_PROFILE=dev
    if is_root; then
        chown "$SYNAPSOR_SERVER_USER" "$data"
        export CARGO_PGRX_TEST_RUNAS="$SYNAPSOR_SERVER_USER" PATH="$PWD/scripts/as-root:$PATH"
    fi
    cargo test --lib --no-default-features --features "pg$major pg_test"
)

end_to_end_tests() {
    SYNAPSOR_PG_CONFIG="$pg_config" cargo test --no-fail-fast --test '*' --no-default-features --features "pg$major"
}

crash_campaign() {
    is_armed=yes
    scripts/install-into.sh "$pg_config" crash_points &&
        SYNAPSOR_PG_CONFIG="$pg_config" cargo test -p synapsor-campaign --test postgres
}

step "Tests inside PostgreSQL $major" backend_tests
step "Installation into PostgreSQL $major" scripts/install-into.sh "$pg_config"
step "Security of the extension's SQL" scripts/check-sql.sh "$pg_config"
step "End-to-end tests with PostgreSQL $major" end_to_end_tests
step "Crash campaign with PostgreSQL $major" crash_campaign
