# Sourced, not run: the environment in which cargo and cargo-pgrx are called here.
#
#   . scripts/env.sh && cargo pgrx install --pg-config "$(scripts/pg-config.sh 17)"
#
# Everything that is fetched lives in one cache directory outside the checkout, so that checkouts share it and so
# that servers, which never run as root, can read it even when the checkout is somewhere below /root.
# These values are part of what cargo and pgrx's build script compare to decide what is stale: a call with others
# builds pgrx anew, so scripts and people use this same file.
# shellcheck shell=sh

if [ -z "${SYNAPSOR_CACHE:-}" ]; then
    if [ "$(id -u)" -eq 0 ]; then
        SYNAPSOR_CACHE=/var/cache/synapsor_writeback
    else
        SYNAPSOR_CACHE=${XDG_CACHE_HOME:-${HOME:?}/.cache}/synapsor_writeback
    fi
fi
export SYNAPSOR_CACHE

case ":$PATH:" in
*":$SYNAPSOR_CACHE/tools/bin:"*) ;;
*) PATH=$SYNAPSOR_CACHE/tools/bin:$PATH ;;
esac
export PATH

# Holds config.toml, which names the pg_config of each fetched server.
export PGRX_HOME="$SYNAPSOR_CACHE/pgrx"

# pgrx reads Postgres's headers with libclang. Setup fetches one, so that every machine generates the same bindings.
if [ -z "${LIBCLANG_PATH:-}" ] && [ "$(uname -s -m)" = "Linux x86_64" ]; then
    export LIBCLANG_PATH="$SYNAPSOR_CACHE/libclang/lib"
fi

# cargo pgrx install and cargo test then share what they compile, instead of building every dependency twice:
# - `--examples` (there are none) makes cargo choose the dependencies' features as for tests;
# - cargo-pgrx would pass linker flags by RUSTFLAGS, to guard against linkers that drop the section in which pgrx keeps
#   its SQL entities; those for x86_64 keep it, and where one does not, cargo pgrx install says so and fails.
export PGRX_BUILD_FLAGS=--examples
if [ "$(uname -m)" = x86_64 ]; then
    export CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND=1
fi

# A server of the user's own instead of a fetched one.
if [ -n "${PG_CONFIG:-}" ]; then
    export PG_CONFIG PGRX_PG_CONFIG_PATH="$PG_CONFIG"
fi

# pgrx-tests connects as $USER, which containers and cron leave unset, and su may leave to be another's.
USER=$(id -un)
export USER

# As root, servers are run as this user instead.
if [ "$(id -u)" -eq 0 ] && [ -z "${SYNAPSOR_SERVER_USER:-}" ]; then
    if id -u postgres >/dev/null 2>&1; then
        SYNAPSOR_SERVER_USER=postgres
    else
        SYNAPSOR_SERVER_USER=nobody
    fi
    export SYNAPSOR_SERVER_USER
fi
