# The first process of the node's mount and PID namespaces: when it ends, the kernel ends
# every container, and with them their mounts and network namespaces.
# Arguments: CGROUP FOLDER
set -e

# A container can mount something for kubelet and for other containers only where mounts are shared. They are
# shared inside of this namespace, and not with that of the machine.
mount --make-rshared /

# Places that containerd, CNI, kubelet and pods write to whatever their settings say, so that two nodes can
# run at a time.
for folder in /run /var/lib/cni /var/lib/kubelet /var/log/containers; do
    mkdir -p "$folder"
    mount -t tmpfs tmpfs "$folder"
done

if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir "/sys/fs/cgroup/$1"
else
    for hierarchy in /sys/fs/cgroup/*; do
        mkdir "$hierarchy/$1"
    done
fi

: >"$2/namespaces-ready"
# Sleeps for ever; each turn takes leave of the processes that were left to the first one.
while :; do
    sleep 1
done
