# Waits until the process that started it is gone, however it ended; then stops the servers in directory $1, and removes it.
trap '' HUP INT TERM
while read -r _; do :; done

# A Postgres is asked to stop, as it has shared memory to remove.
for data in "$1"/*/data; do
    pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null) || continue
    # A number in a file that was left behind may be another process by now.
    [ "$(readlink "/proc/$pid/cwd")" = "$data" ] || continue
    kill -QUIT "$pid"
    tries=0
    while [ -e "$data/postmaster.pid" ] && [ "$tries" -lt 200 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
done

# Whatever else works there has nothing to remove, and may be frozen.
working_there() {
    # shellcheck disable=SC2012 # the names are numbers
    ls -ld /proc/[0-9]*/cwd 2>/dev/null | sed -n "s|.* /proc/\([0-9]*\)/cwd -> $1/.*|\1|p"
}
tries=0
while pids=$(working_there "$1") && [ -n "$pids" ] && [ "$tries" -lt 200 ]; do
    # shellcheck disable=SC2086 # one word each
    kill -KILL $pids
    sleep 0.05
    tries=$((tries + 1))
done
rm -rf "$1"
