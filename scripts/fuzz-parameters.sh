#!/usr/bin/env bash
# Applies values of every kind to columns of every type, through a live server:  scripts/fuzz-parameters.sh [MAJOR]
# (default: 17). CASES says how many (default: 200000), SEED where to begin (default: anywhere; it is printed).
# Ends with a table of cases by type and outcome, and with an error when one of them broke a promise; a finding names the
# seed that has it again, alone:  SEED=… CASES=1 scripts/fuzz-parameters.sh
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

major=${1:-$(default_majors 17)}
export SYNAPSOR_PARAMETER_CASES=${CASES:-200000}
export SYNAPSOR_PARAMETER_SEED=${SEED:-$((RANDOM << 45 | RANDOM << 30 | RANDOM << 15 | RANDOM))}
scripts/setup.sh "$major"
pg_config=$(pg_config_of "$major")
programs=$("$pg_config" --bindir)
take_lock "server-$major"
clean_up() {
    local status=$?
    trap '' INT TERM HUP PIPE
    check_left_over "$status" "$programs" || status=$?
    exit "$status"
}
trap clean_up EXIT

cases() {
    SYNAPSOR_PG_CONFIG="$pg_config" cargo test --test end_to_end --no-default-features --features "pg$major" \
        parameters:: -- --nocapture
}

step "Installation into PostgreSQL $major" scripts/install-into.sh "$pg_config"
step "$SYNAPSOR_PARAMETER_CASES cases of seed $SYNAPSOR_PARAMETER_SEED" cases
