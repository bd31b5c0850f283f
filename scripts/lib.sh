# Sourced, not run: what the scripts here share. Sets the environment (env.sh) and goes to the checkout's root.
# shellcheck shell=bash

set -euo pipefail
# Servers run as another user when this is root: what is installed must be readable by all.
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
. scripts/env.sh
# shellcheck source=scripts/pins.sh
. scripts/pins.sh
# Not for cargo: it would look for a job server that make keeps to itself.
unset MAKEFLAGS MFLAGS MAKELEVEL

say() { printf '%s\n' "$*"; }

heading() { printf '\n==> %s\n' "$*"; }

die() {
    printf 'error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# need_package WHAT PACKAGE...: installs Debian packages when that is possible, else says what to install.
need_package() {
    local what=$1
    shift
    if is_root && command -v apt-get >/dev/null; then
        say "$what is missing: installing $* with apt-get"
        DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null ||
            die "apt-get update failed; $what is missing" "Install it by hand (Debian's package: $*) and run this again."
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
            die "apt-get could not install $*" "Install it by hand and run this again."
    else
        die "$what is missing" "Have an administrator install it, on Debian or Ubuntu with:" "    apt-get install $*"
    fi
}

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

# take_lock NAME: waits until no other run holds the lock of that name, and holds it until this script ends.
# What the script starts is given `9>&-`, so that a process that outlives it does not keep the lock.
take_lock() {
    mkdir -p "$SYNAPSOR_CACHE/locks" || die "cannot write to $SYNAPSOR_CACHE" "Name another directory in SYNAPSOR_CACHE."
    command -v flock >/dev/null || need_package flock util-linux
    exec 9>"$SYNAPSOR_CACHE/locks/$1"
    if ! flock --nonblock 9; then
        say "Waiting for another run, which holds $SYNAPSOR_CACHE/locks/$1"
        flock 9
    fi
}

# step TITLE COMMAND...: runs it under a heading and says how long it took; a failure ends the script.
step() {
    local title=$1 start=$SECONDS
    shift
    heading "$title"
    "$@" 9>&- || die "failed: $title"
    say "    $title: $((SECONDS - start)) s"
}

# fetch_wheel NAME VERSION SHA256: downloads a wheel into the cache, unless it is there; leaves its path in $wheel.
fetch_wheel() {
    local name=$1 version=$2 sha256=$3 work
    wheel=$SYNAPSOR_CACHE/downloads/$name-$version.whl
    if [ -e "$wheel" ] && printf '%s  %s\n' "$sha256" "$wheel" | sha256sum --check --status; then
        return
    fi
    say "Downloading $name $version"
    work=$SYNAPSOR_CACHE/downloads/$name-$version.part
    rm -rf "$work"
    mkdir -p "$work"
    printf '%s==%s --hash=sha256:%s\n' "$name" "$version" "$sha256" >"$work/requirement"
    python3 -m pip download --quiet --disable-pip-version-check --no-input --no-cache-dir \
        --no-deps --only-binary=:all: --python-version 3.12 --require-hashes \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform manylinux2010_x86_64 \
        --dest "$work" --requirement "$work/requirement" ||
        die "could not download $name $version with pip" "Check the network, and pip's own configuration (python3 -m pip config list)."
    mv "$work"/*.whl "$wheel"
    rm -rf "$work"
}

# as_server_user COMMAND...: runs it as the user whom servers run as.
as_server_user() {
    if is_root; then
        setpriv --reuid "$SYNAPSOR_SERVER_USER" --regid "$(id -g "$SYNAPSOR_SERVER_USER")" --init-groups -- "$@"
    else
        "$@"
    fi
}

# stop_left_over PG_CONFIG: stops what this run started and did not stop: servers of that tree, programs built here.
# True when there was nothing. Everything that a run starts has SYNAPSOR_RUN in its environment.
export SYNAPSOR_RUN="${SYNAPSOR_RUN:-$$-$RANDOM}"
stop_left_over() {
    local bin target=${CARGO_TARGET_DIR:-$PWD/target} process processes
    bin=$("$1" --bindir)
    # Asked twice, as root in a container may not be allowed to look at the processes of others.
    processes=$({
        bash -s "$SYNAPSOR_RUN" "$bin" "$target" <scripts/left-over.sh
        (cd / && as_server_user bash -s "$SYNAPSOR_RUN" "$bin" "$target") <scripts/left-over.sh
    } | sort -u)
    [ -z "$processes" ] && return 0
    for process in $processes; do
        say "left running: $process $(tr '\0' ' ' <"/proc/$process/cmdline")" >&2
    done
    # Not SIGKILL: a server would leave its shared memory behind.
    # shellcheck disable=SC2086 # one word each
    kill -QUIT $processes 2>/dev/null || true
    return 1
}
