#!/usr/bin/env bash
# Removes what setup fetched, and nothing else, from the cache directory.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ -d "$SYNAPSOR_CACHE" ] || exit 0
take_lock setup
for name in downloads libclang libclang.part mariadb mysql pgrx postgres tools locks; do
    rm -rf "${SYNAPSOR_CACHE:?}/$name"
done
rmdir "$SYNAPSOR_CACHE" 2>/dev/null || true
