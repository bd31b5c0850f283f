#!/usr/bin/env bash
# Gets everything that building and testing needs:  scripts/setup.sh [MAJOR...]
# Done in a second when it is all there. Two runs at once wait for each other.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

take_lock setup
scripts/setup-tools.sh 9>&-
scripts/setup-postgres.sh "$@" 9>&-
