# shellcheck shell=bash
# Podman's cases for a machine with systemd and cgroup v2: the VM.

case_systemd_scope() {
    start_box busybox sleep 1000
    expect_equal active "$(systemctl "${user_flag[@]}" is-active "libpod-$(inspect_box '{{.Id}}').scope")" 'scope of the container'
}

# In the host's cgroup namespace a container finds its own cgroup by the path that it
# reads in /proc; in one of its own it finds nothing of the host's.
case_cgroup_tree() {
    # shellcheck disable=SC2016
    run_box --cgroupns host busybox sh -c 'test -e /sys/fs/cgroup/$(cut -d: -f3 /proc/self/cgroup)/cgroup.procs'
    expect_match 'Read-only' "$(expect_status 1 run_box --cgroupns host busybox mkdir /sys/fs/cgroup/x)" 'the tree of the host'
    expect_status 1 run_box --cgroupns private busybox ls -d /sys/fs/cgroup/user.slice
}

client_disk_figures() {
    podman stats --no-stream --format '{{.ContainerStats.BlockInput}} {{.ContainerStats.BlockOutput}}' box
}

case_disk_stats_are_right() {
    start_box busybox sh -c "$writer"
    wait_for 60 in_box test -e /ready
    disk_figures_agree client_disk_figures
}

case_quadlet() {
    mkdir -p "$units/containers/systemd"
    cat >"$units/containers/systemd/box.container" <<'END'
# Podman 5 waits for a network, which neither the VM nor the container has.
[Quadlet]
DefaultDependencies=false
[Container]
Image=docker.io/library/busybox:latest
ContainerName=box
Network=none
Exec=sleep 1000
END
    systemctl "${user_flag[@]}" daemon-reload
    systemctl "${user_flag[@]}" start box.service
    expect_equal active "$(systemctl "${user_flag[@]}" is-active box.service)" 'the unit'
    expect_equal inside "$(in_box echo inside)" exec
    systemctl "${user_flag[@]}" stop box.service
    expect_status 1 podman container exists box
    rm "$units/containers/systemd/box.container"
    systemctl "${user_flag[@]}" daemon-reload
}

case_generated_unit() {
    local dir=$units/systemd/system
    ((${#user_flag[@]} == 0)) || dir=$units/systemd/user
    mkdir -p "$dir"
    podman create --network none --name box busybox sleep 1000
    (cd "$dir" && podman generate systemd --new --name --files --restart-policy always --restart-sec 0 box)
    podman rm box
    systemctl "${user_flag[@]}" daemon-reload
    systemctl "${user_flag[@]}" start container-box.service
    local first
    first=$(inspect_box '{{.State.Pid}}')
    kill -KILL "$first"
    wait_for 20 started_anew "$first"
    systemctl "${user_flag[@]}" stop container-box.service
    expect_status 1 podman container exists box
    rm "$dir/container-box.service"
}

started_anew() {
    local now
    now=$(inspect_box '{{.State.Pid}}') && [[ $now != "$1" && $now != 0 ]]
}

case_health_timer() {
    start_box --health-cmd 'test -e /healthy' --health-interval 1s --health-retries 1 busybox sleep 1000
    wait_text 20 unhealthy podman inspect --format '{{.State.Health.Status}}' box
    in_box touch /healthy
    wait_text 20 healthy podman inspect --format '{{.State.Health.Status}}' box
}

if ((EUID == 0)); then
    case_published_port() {
        skip "the VM's kernel has no packet filter; rootless@vm and podman publish a port"
    }
fi
