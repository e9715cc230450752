# shellcheck shell=bash
# The sandbox's own view of the machine: whatever engines write goes to memory.

# New instances of the cgroup file systems, so that the root that engines see is
# the sandbox's own cgroup. The v2 part of a hybrid layout is left out.
mounts_cgroup_v1() {
    local mount options name
    mount -t tmpfs -o mode=755 tmpfs "$1"
    while read -r mount options; do
        name=${mount#/sys/fs/cgroup/}
        options=$(tr ',' '\n' <<<"$options" | grep -Evx 'rw|ro|xattr|release_agent=.*|clone_children' | paste -sd,)
        [[ $options == name=* ]] && options="none,$options"
        mkdir -p "$1/$name"
        mount -t cgroup -o "$options" cgroup "$1/$name"
    done <<<"$2"
}

# On v2 processes move to a leaf, or no controller could be handed to containers.
mounts_cgroup_v2() {
    local controller
    mount -t cgroup2 cgroup2 "$1"
    mkdir "$1/engine"
    echo 0 >"$1/engine/cgroup.procs"
    for controller in $(<"$1/cgroup.controllers"); do
        echo "+$controller" >"$1/cgroup.subtree_control"
    done
}

# `hierarchies` are those of the host, found before /sys is mounted anew.
mounts_cgroup() {
    local hierarchies=${1-$(mounts_hierarchies)}
    if [[ -n $hierarchies ]]; then
        mounts_cgroup_v1 /sys/fs/cgroup "$hierarchies"
    else
        mounts_cgroup_v2 /sys/fs/cgroup
    fi
}

mounts_hierarchies() { findmnt --raw --noheadings --types cgroup --output TARGET,FS-OPTIONS || true; }

mounts_make() {
    local hierarchies dir upper=/run/upper
    hierarchies=$(mounts_hierarchies)
    # Podman unmounts, by its path, whatever its mount table shows there.
    findmnt --raw --noheadings --output TARGET | { grep '^/sys/kernel/' || true; } | tac | xargs -r umount
    mount -t sysfs sysfs /sys
    mount -t securityfs securityfs /sys/kernel/security 2>/dev/null || true
    mounts_cgroup "$hierarchies"

    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p "$upper" /run/lock /run/home
    for dir in etc var; do
        mkdir "$upper/$dir" "$upper/$dir.work"
        mount -t overlay overlay -o "lowerdir=/$dir,upperdir=$upper/$dir,workdir=$upper/$dir.work" "/$dir"
    done
    # Overlay file systems cannot be stacked: image stores need a plain one.
    for dir in /var/lib/{containers,docker,containerd} /etc/{containers,docker,containerd,cni}; do
        mkdir -p "$dir"
        mount -t tmpfs -o mode=755 tmpfs "$dir"
    done
    rm -f /etc/resolv.conf
    echo 'nameserver 127.0.0.1' >/etc/resolv.conf
    hostname engines
    ip link set lo up
    export HOME=/run/home TMPDIR=/run scratch=/run/scratch
    unset XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_DATA_HOME
}
