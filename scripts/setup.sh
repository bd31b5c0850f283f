#!/usr/bin/env bash
# Gets everything that building and testing needs:  scripts/setup.sh [MAJOR | mariadb | mysql]...
# For MariaDB or MySQL alone that is less: what the extension is built with is left away.
# Done in a second when it is all there. Two runs at once wait for each other.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

majors=()
mysql=()
for server in "$@"; do
    case $server in
    mariadb | mysql) mysql+=("$server") ;;
    *) majors+=("$server") ;;
    esac
done

take_lock setup
if [ "${#mysql[@]}" -gt 0 ] && [ "${#majors[@]}" -eq 0 ] && [ -z "${PG_CONFIG:-}" ]; then
    scripts/setup-tools.sh --without-pgrx 9>&-
else
    scripts/setup-tools.sh 9>&-
    scripts/setup-postgres.sh "${majors[@]}" 9>&-
fi
if [ "${#mysql[@]}" -gt 0 ]; then
    scripts/setup-mysql.sh "${mysql[@]}" 9>&-
fi
