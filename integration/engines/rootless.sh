# shellcheck shell=bash
# Podman as an unprivileged user with cgroup v2 and the user's own systemd: root's
# cases, and what only root can do left out.

# shellcheck source=podman.sh
source "$here/podman.sh"
configuration=$HOME/.config/containers
user_flag=(--user)
units=$HOME/.config

case_userns() {
    # Seen from the user's own namespace, in which the numbers begin anew.
    expect_match '^ +0 +1 +5000' "$(run_box --uidmap 0:1:5000 busybox cat /proc/self/uid_map)" map
    expect_equal 0 "$(run_box --uidmap 0:1:5000 busybox sh -c 'touch /x && stat -c %u /x')" owner
}

case_userns_auto() {
    expect_match '^ +0 +[1-9][0-9]* +1024' "$(run_box --userns auto:size=1024 busybox cat /proc/self/uid_map)" map
}

case_userns_keep_id() {
    mkdir -p "$scratch/kept"
    expect_equal '1000 1000' "$(run_box --userns keep-id --volume "$scratch/kept:/v" busybox sh -c 'touch /v/file; echo $(id -u) $(stat -c %u /v/file)')" 'inside'
    expect_equal "$(id -u)" "$(stat -c %u "$scratch/kept/file")" 'outside'
}

case_unprivileged() {
    expect_same "$(id -u)" "$(start_box busybox sleep 1000; stat -c %u "/proc/$(inspect_box '{{.State.Pid}}')")" 'owner of the process'
    expect_match 'user.slice/user-1000.slice' "$(inspect_box '{{.State.CgroupPath}}')" cgroup
}

unset -f case_volume_propagation case_idmapped_volume case_device
