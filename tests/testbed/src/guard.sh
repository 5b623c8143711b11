# Runs COMMAND until it ends or standard input is closed, whichever is first.
# Arguments: PIDFILE GRACE COMMAND...   (GRACE in tenths of a second)
#
# The owner holds the other end of standard input. The kernel closes it when the
# owner ends, however it ends: that is what makes children end with their owner
# without prctl(PR_SET_PDEATHSIG), which would need unsafe code.
pidfile=$1
grace=$2
shift 2

# An asynchronous command gets /dev/null as its input; 3 keeps the real one.
exec 3<&0

"$@" </dev/null >&2 3<&- &
component=$!
echo "$component" >"$pidfile"

(
    while read -r _; do :; done
    kill -TERM "$component"
    while [ "$grace" -gt 0 ]; do
        kill -0 "$component" || exit 0
        sleep 0.1
        grace=$((grace - 1))
    done
    kill -KILL "$component"
) <&3 3<&- >/dev/null 2>&1 &
watcher=$!

exec 3<&-
wait "$component"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
