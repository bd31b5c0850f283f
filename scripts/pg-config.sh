#!/usr/bin/env bash
# Prints the path of the pg_config that is used for a major version:  scripts/pg-config.sh 17
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
pg_config_of "${1:?usage: scripts/pg-config.sh MAJOR}"
