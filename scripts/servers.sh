# Sourced by lib.sh: which server is meant, what it has, as whom it runs, and what is left of it.
# shellcheck shell=bash

# shellcheck source=scripts/pins.sh
. scripts/pins.sh

# pg_config_of MAJOR: prints the pg_config in use for it: the user's own, or the fetched one (fetched or not yet).
pg_config_of() {
    local pin
    if [ -n "${PG_CONFIG:-}" ]; then
        say "$PG_CONFIG"
    else
        pin=$(postgres_pin "$1") || die "PostgreSQL $1 is not supported" "One of: $supported_majors"
        say "$SYNAPSOR_CACHE/postgres/${pin% *}/bin/pg_config"
    fi
}

# major_of PG_CONFIG: prints the major version of that server.
major_of() {
    local version
    version=$("$1" --version) || die "cannot run $1"
    version=${version#PostgreSQL }
    say "${version%%[!0-9]*}"
}

# default_majors MAJOR...: prints the versions that a command without arguments is for.
default_majors() {
    if [ -n "${PG_CONFIG:-}" ]; then
        major_of "$PG_CONFIG"
    else
        say "$@"
    fi
}

# unwritable_path PG_CONFIG: prints what installing the extension may not write to, if anything, and fails then.
unwritable_path() {
    local path extensions
    extensions=$("$1" --sharedir)/extension
    for path in "$("$1" --pkglibdir)" "$extensions" "$extensions"/synapsor_writeback*; do
        if [ -e "$path" ] && [ ! -w "$path" ]; then
            say "$path"
            return 1
        fi
    done
}

# check_server_headers PG_CONFIG
check_server_headers() {
    [ -e "$("$1" --includedir-server)/postgres.h" ] || die "the server headers for $1 are missing" \
        "Debian and Ubuntu have them in the package postgresql-server-dev-$(major_of "$1")."
}

# as_server_user COMMAND...: runs it as the user whom servers run as.
as_server_user() {
    if is_root; then
        setpriv --reuid "$SYNAPSOR_SERVER_USER" --regid "$(id -g "$SYNAPSOR_SERVER_USER")" --init-groups -- "$@"
    else
        "$@"
    fi
}

# stop_left_over DIRECTORY...: stops what this run started and did not stop: servers whose programs lie below one of the
# directories, and programs built here. True when there was nothing. Everything that a run starts has SYNAPSOR_RUN in its
# environment.
export SYNAPSOR_RUN="${SYNAPSOR_RUN:-$$-$RANDOM}"
stop_left_over() {
    local target=${CARGO_TARGET_DIR:-$PWD/target} process processes
    # Asked twice, as root in a container may not be allowed to look at the processes of others.
    processes=$({
        bash -s "$SYNAPSOR_RUN" "$target" "$@" <scripts/left-over.sh
        (cd / && as_server_user bash -s "$SYNAPSOR_RUN" "$target" "$@") <scripts/left-over.sh
    } | sort -u)
    [ -z "$processes" ] && return 0
    for process in $processes; do
        say "left running: $process $(tr '\0' ' ' <"/proc/$process/cmdline")" >&2
    done
    # Not SIGKILL: a server would leave its shared memory behind. One that a test froze has to go on first.
    # shellcheck disable=SC2086 # one word each
    kill -QUIT $processes 2>/dev/null || true
    # shellcheck disable=SC2086
    kill -CONT $processes 2>/dev/null || true
    return 1
}

# check_left_over STATUS DIRECTORY...: as stop_left_over, at the end of tests that ended with STATUS; returns that status, or
# a failure when something had to be stopped.
check_left_over() {
    local status=$1
    shift
    if ! stop_left_over "$@"; then
        printf 'error: the tests left these processes running; they have been stopped\n' >&2
        [ "$status" -ne 0 ] || status=1
    fi
    return "$status"
}
