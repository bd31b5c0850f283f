# Run by stop_left_over in servers.sh, from standard input, since the servers' user may not be able to read the checkout:
#   bash -s RUN DIRECTORY... <scripts/left-over.sh
# Prints the ids of the processes that belong to run RUN and execute a program from one of the directories.
# shellcheck shell=bash
run=$1
shift
for process in /proc/[0-9]*; do
    program=$(readlink "$process/exe") || continue
    for directory in "$@"; do
        if [[ $program = "$directory"/* ]] && grep -qz "^SYNAPSOR_RUN=$run\$" "$process/environ"; then
            echo "${process#/proc/}"
        fi
    done
done 2>/dev/null
