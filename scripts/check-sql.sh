#!/usr/bin/env bash
# Looks for what a hostile user could get hold of in the SQL that CREATE EXTENSION runs, as it is installed:
#   scripts/check-sql.sh PG_CONFIG
# Fetches the linter on the first run. Every finding is an error.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

pg_config=${1:?usage: scripts/check-sql.sh PG_CONFIG}
requirements=$PWD/scripts/pgspot.txt
linter=$SYNAPSOR_CACHE/tools/pgspot

install_linter() {
    cmp --quiet "$requirements" "$linter/requirements" && return
    say "Installing pgspot"
    rm -rf "$linter" "$linter.part"
    python3 -m pip install --quiet --disable-pip-version-check --no-input --no-cache-dir --no-deps --only-binary=:all: --root-user-action=ignore \
        --require-hashes --requirement "$requirements" --target "$linter.part" ||
        die "could not install pgspot with pip (see above)" "It needs Python 3.10 or newer, and the network."
    cp "$requirements" "$linter.part/requirements"
    mv "$linter.part" "$linter"
}

# scripts_of SCRIPT: prints it, after the script of the version that it leads on from, if it is an update: what that has made may be
# replaced.
scripts_of() {
    local name=${1##*/synapsor_writeback--}
    [[ $name != *--* ]] || say "${1%/*}/synapsor_writeback--${name%%--*}.sql"
    say "$1"
}

take_lock pgspot
install_linter
found=0
for script in "$("$pg_config" --sharedir)"/extension/synapsor_writeback--*.sql; do
    mapfile -t scripts < <(scripts_of "$script")
    said=$(PYTHONPATH=$linter python3 -m pgspot --append "${scripts[@]}" 2>&1) || found=1
    # It also says what it could not read, and ends well then.
    ! grep -qvE '^$|\.sql: ?$|Errors: 0 Warnings: 0 Unknown: 0' <<<"$said" || found=1
    [ "$(grep -c 'Errors: 0 Warnings: 0 Unknown: 0' <<<"$said")" -ge "${#scripts[@]}" ] || found=1
    say "$(basename "$script"):" "$said"
done
exit "$found"
