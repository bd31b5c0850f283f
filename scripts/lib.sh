# Sourced, not run: what the scripts here share. Sets the environment (env.sh) and goes to the checkout's root.
# shellcheck shell=bash

set -euo pipefail
# Servers run as another user when this is root: what is installed must be readable by all.
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")/.."
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

if [ -n "${PG_CONFIG:-}" ]; then
    pg_config=$(command -v "$PG_CONFIG") || die "PG_CONFIG=$PG_CONFIG is no program"
    PG_CONFIG=$pg_config
fi
# shellcheck source=scripts/env.sh
. scripts/env.sh
# shellcheck source=scripts/servers.sh
. scripts/servers.sh

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
