# Removes what a node leaves outside its own mount and PID namespaces, which end with it.
# Arguments: FOLDER (its name is also that of the cgroups, its end that of the bridge)
name=${1##*/}

if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    set -- /sys/fs/cgroup
else
    set -- /sys/fs/cgroup/*
fi

# The containers were killed with their namespace, but the kernel takes a moment.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    left=
    for hierarchy; do
        [ -d "$hierarchy/$name" ] || continue
        find "$hierarchy/$name" -depth -type d -exec rmdir {} + 2>/dev/null || left=$hierarchy
    done
    [ -n "$left" ] || break
    sleep 0.2
done
[ -z "$left" ] || echo "testbed: $left/$name could not be removed" >&2

bridge=psb-${name##*-}
! ip link show "$bridge" >/dev/null 2>&1 || ip link delete "$bridge" ||
    echo "testbed: the bridge $bridge could not be removed" >&2
