# Waits until the process that started it is gone, however it ended; then stops the servers in directory $1, and removes it.
trap '' HUP INT TERM
while read -r _; do :; done
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
rm -rf "$1"
