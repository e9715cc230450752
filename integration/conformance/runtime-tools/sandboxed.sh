#!/usr/bin/env bash
# Runs one of runtime-tools' programs in namespaces and in cgroups of its own, the
# root of what it sees. First process of a mount namespace (see suite.sh).
#
#   sandboxed.sh SECONDS PROGRAMS NAME     environment: RUNTIME, sandbox_name, work
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=../../sandbox.sh
source "$here/../../sandbox.sh"

# Controllers that few machines have mounted: a hierarchy of each is there while
# the program runs. From its own cgroup namespace none could be made.
mount_network_controllers() {
    local controller
    [[ $(stat -f -c %T /sys/fs/cgroup) != cgroup2fs ]] || return 0
    for controller in net_cls net_prio; do
        grep -q "^$controller"$'\t' /proc/cgroups || continue
        ! findmnt --raw --noheadings --types cgroup --output FS-OPTIONS | grep -qw "$controller" || continue
        mkdir -p "$more_hierarchies/$controller"
        mount -t cgroup -o "$controller" cgroup "$more_hierarchies/$controller" || true
    done
}

# A hierarchy goes with its last mount, but stays when a cgroup in it has not quite gone.
unmount_network_controllers() {
    local dir controller
    while read -r dir; do
        [[ $dir != "$more_hierarchies"/* ]] || find "$dir" -depth -type d -exec rmdir {} + || true
    done < <(sandbox_cgroups)
    for dir in "$more_hierarchies"/*; do
        controller=${dir##*/}
        umount "$dir"
        for _ in {1..20}; do
            sleep 0.2
            ! grep -q "^$controller"$'\t'0$'\t' /proc/cgroups || break
            mount -t cgroup -o "$controller" cgroup "$dir"
            umount "$dir"
        done
        rmdir "$dir"
    done
    rmdir "$more_hierarchies"
}

export more_hierarchies=$work/$sandbox_name.cgroup
[[ $3 != *network ]] || mount_network_controllers
status=0
(
    sandbox_enter_cgroups
    exec timeout --kill-after=5 "$1" unshare --mount --pid --cgroup --fork --kill-child \
        --mount-proc --propagation private bash "$here/inside.sh" "$2" "$3"
) || status=$?
[[ ! -d $more_hierarchies ]] || unmount_network_controllers
sandbox_clean || status=1
exit "$status"
