# shellcheck shell=bash
# containerd, driven with ctr. Only its daemon and its shim come between.

# shellcheck source=stats.sh
source "$here/stats.sh"

image=docker.io/library/busybox:latest

# shellcheck disable=SC2034 # read in lib.sh
[[ $suite != vm ]] || engine_watch='containerd|/default|sleep|^state '

engine_start() {
    mkdir -p /etc/containerd
    # Version 2 of the file is what both containerd 1 and 2 read.
    cat >/etc/containerd/config.toml <<'END'
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
END
    start_daemon
    ctr image import "$work/busybox.tar"
}

start_daemon() {
    setsid containerd --config /etc/containerd/config.toml >>"$logs/containerd.log" 2>&1 </dev/null &
    echo $! >"$scratch/daemon.pid"
    disown
    wait_for 20 ctr version || { tail -n 20 "$logs/containerd.log"; false; }
}

engine_stop() {
    end_process "$(<"$scratch/daemon.pid")" TERM
    # containerd keeps the empty parent of its namespace's containers.
    find /sys/fs/cgroup -depth -type d -name default -exec rmdir {} +
}

engine_reset() {
    local id
    for id in $(ctr task list -q); do
        ctr task resume "$id" 2>/dev/null || true
        ctr task kill --signal KILL --all "$id" || true
        wait_for 10 task_is STOPPED "$id"
        ctr task delete "$id"
    done
    for id in $(ctr container list -q); do
        ctr container delete "$id"
    done
}

run_flags=(--runc-binary "$runtime")

# ctr_run FLAGS… ID COMMAND…: in the foreground, removed at the end.
ctr_run() {
    local flags=()
    while [[ $1 == -* ]]; do flags+=("$1"); shift; done
    ctr run --rm "${run_flags[@]}" "${flags[@]}" "$image" "$@"
}

ctr_detached() {
    local flags=()
    while [[ $1 == -* ]]; do flags+=("$1"); shift; done
    ctr run --detach "${run_flags[@]}" "${flags[@]}" "$image" "$@" </dev/null >"$scratch/detached.out" 2>&1 ||
        fail "ctr run --detach: $(<"$scratch/detached.out")"
}

task_status() {
    ctr task list | awk -v id="$1" '$1 == id { print $3 }'
}

task_is() {
    [[ $(task_status "$2") == "$1" ]]
}

case_output() {
    expect_equal 'hello from 1' "$(ctr_run out sh -c 'echo hello from $$')" output
    expect_equal 'to stderr' "$(ctr_run err sh -c 'echo to stderr >&2' 2>&1 >/dev/null)" 'standard error'
    expect_equal '' "$(ctr container list -q)" 'containers left'
}

case_exit_status() {
    expect_status 0 ctr_run zero true
    expect_status 23 ctr_run some sh -c 'exit 23'
}

case_runtime_is_used() {
    ctr_detached used sleep 1000
    # Only the runtime that made it can read its state.
    expect_equal running "$("$runtime" --root /run/containerd/runc/default state used | jq -r .status)" state
}

case_exec() {
    ctr_detached box sleep 1000
    expect_equal 'in exec' "$(ctr task exec --exec-id one box echo in exec)" output
    expect_status 9 ctr task exec --exec-id two box sh -c 'exit 9'
    expect_equal 'piped' "$(echo piped | ctr task exec --exec-id three box cat)" 'standard input'
    expect_equal '1000' "$(ctr task exec --exec-id four --user 1000 box id -u)" user
    expect_equal '/tmp' "$(ctr task exec --exec-id five --cwd /tmp box pwd)" cwd
    expect_match 'executable file not found in \$PATH' "$(expect_status 1 ctr task exec --exec-id six box no-such-command)" 'missing command'
    expect_equal RUNNING "$(task_status box)" status
}

case_exec_detached() {
    ctr_detached box sleep 1000
    ctr task exec --detach --exec-id bg box sleep 2000
    wait_for 5 bash -c 'ctr task ps box | grep -c "[0-9]" | grep -qx 2'
    ctr task kill --exec-id bg --signal KILL box
    wait_for 5 bash -c 'ctr task ps box | grep -c "[0-9]" | grep -qx 1'
}

case_tty() {
    expect_match 'tty is /dev/pts/0' "$(on_tty 'echo tty is $(tty)\nexit\n' \
        ctr run --rm --tty "${run_flags[@]}" "$image" tty sh)" screen
    ctr_detached box sleep 1000
    expect_match 'exec on /dev/pts/' "$(on_tty 'echo exec on $(tty)\nexit\n' ctr task exec --tty --exec-id t box sh)" 'screen of exec'
}

case_kill() {
    ctr_detached box sh -c 'trap "exit 4" TERM; touch /ready; while :; do sleep 0.1; done'
    wait_for 5 ctr task exec --exec-id ready box test -e /ready
    ctr task kill --signal TERM box
    wait_for 5 task_is STOPPED box
    expect_match 'exit code 4' "$(ctr task delete box 2>&1)" 'status of the handled signal'
    ctr_detached other sleep 1000
    ctr task kill --signal KILL other
    wait_for 5 task_is STOPPED other
    expect_match 'exit code 137' "$(ctr task delete other 2>&1)" 'status of the kill'
}

case_kill_all() {
    ctr_detached box sh -c 'sleep 2000 & sleep 2000 & wait'
    wait_for 5 bash -c 'ctr task ps box | grep -c "[0-9]" | grep -qx 3'
    ctr task kill --all --signal KILL box
    wait_for 5 task_is STOPPED box
}

case_pause() {
    ctr_detached box sh -c 'while :; do date +%s%N >/tick; sleep 0.05; done'
    ctr task pause box
    expect_equal PAUSED "$(task_status box)" status
    local before
    before=$(cat "/run/containerd/io.containerd.runtime.v2.task/default/box/rootfs/tick")
    sleep 0.5
    expect_equal "$before" "$(cat "/run/containerd/io.containerd.runtime.v2.task/default/box/rootfs/tick")" 'tick while paused'
    ctr task resume box
    expect_equal RUNNING "$(task_status box)" status
}

case_metrics() {
    ctr_detached --memory-limit=67108864 box sleep 1000
    local metrics
    metrics=$(ctr task metrics --format json box)
    expect_match '"limit": ?"?67108864|"usage_limit": ?"?67108864' "$metrics" 'memory limit in metrics'
    expect_match '"pids"' "$metrics" 'pids in metrics'
}

box_events() {
    "$runtime" --root /run/containerd/runc/default events --stats box
}

ctr_figures() {
    ctr task metrics --format json box |
        jq -r 'if .cpu.usage_usec
            then [.cpu.usage_usec * 1000, .memory.usage, .memory.usage_limit, .pids.current]
            else [.cpu.usage.total, .memory.usage.usage, .memory.usage.limit, .pids.current] end | join(" ")'
}

case_metrics_are_right() {
    note_calls
    ctr run --detach --runc-binary "$noting" --memory-limit=67108864 "$image" box sh -c "$burner" </dev/null >"$scratch/detached.out" 2>&1 ||
        fail "ctr run --detach: $(<"$scratch/detached.out")"
    wait_for 60 ctr task exec --exec-id ready box test -e /ready
    figures_agree ctr_figures
    asked_for_events ctr task metrics box
}

# No engine of today asks for events; containerd's library that would is asked here.
reader_figures() {
    PATH=$scratch:$PATH events-reader "$runtime" /run/containerd/runc/default box | sed -n "${line}p"
}

case_events_are_right() {
    # The VM has no compiler; it is lent the program.
    [[ $suite == vm ]] || events_reader_build "$scratch/events-reader"
    ctr_detached --memory-limit=67108864 box sh -c "$burner"
    wait_for 60 ctr task exec --exec-id ready box test -e /ready
    local line
    for line in 1 2; do
        figures_agree reader_figures
    done
}

ctr_disk_figures() {
    ctr task metrics --format json box |
        jq -r '.io.usage | [map(.rbytes // 0 | tonumber), map(.wbytes // 0 | tonumber) | add // 0] | join(" ")'
}

case_disk_metrics_are_right() {
    ctr_detached box sh -c "$writer"
    wait_for 60 ctr task exec --exec-id ready box test -e /ready
    disk_figures_agree ctr_disk_figures
}
# The sandbox on this machine has no disk.
[[ $suite == vm ]] || unset -f case_disk_metrics_are_right

# own_limit V1-CONTROLLER V1-FILE V2-FILE: the value in container box's cgroup.
own_limit() {
    cgroup_value default/box "$@"
}

case_limits() {
    ctr_detached --memory-limit=33554432 --cpus=0.5 box sleep 1000
    expect_equal 33554432 "$(own_limit memory memory.limit_in_bytes memory.max)" 'memory'
    expect_match '^50000' "$(own_limit cpu cpu.cfs_quota_us cpu.max)" 'cpu'
}

case_read_only() {
    expect_match 'Read-only file system' "$(expect_status 1 ctr_run --read-only box touch /file)" 'text'
}

case_env_cwd() {
    expect_equal 'value of x /tmp' "$(ctr_run --env='X=value of x' --cwd=/tmp box sh -c 'echo "$X $PWD"')" output
}

case_mounts() {
    mkdir -p "$scratch/volume"
    echo inside >"$scratch/volume/file"
    expect_equal inside "$(ctr_run "--mount=type=bind,src=$scratch/volume,dst=/volume,options=rbind:rw" box \
        sh -c 'cat /volume/file; echo written >/volume/new')" 'read'
    expect_equal written "$(<"$scratch/volume/new")" 'written'
    expect_match 'Read-only' "$(expect_status 1 ctr_run "--mount=type=bind,src=$scratch/volume,dst=/volume,options=rbind:ro" box \
        touch /volume/no)" 'read-only'
}

case_two_at_once() {
    ctr_detached one sleep 1000
    ctr_detached two sleep 1000
    expect_equal '1 2' "$(for id in one two; do ctr task exec --exec-id "x$id" "$id" hostname; done | wc -l | sed 's/^/1 /')" 'answers'
    ctr task kill --signal KILL one
    wait_for 5 task_is STOPPED one
    expect_equal RUNNING "$(task_status two)" 'the other'
}

case_missing_command() {
    expect_match 'executable file not found in \$PATH' "$(expect_status 1 ctr_run box no-such-command)" 'missing'
    expect_match 'no such file or directory' "$(expect_status 1 ctr_run box /no/such/command)" 'missing path'
    expect_match 'permission denied' "$(expect_status 1 ctr_run box /etc/plain-file)" 'not executable'
    expect_equal '' "$(ctr task list -q)" 'tasks left'
}

case_privileged() {
    expect_match 'CapEff:.*[0-9a-f]*f' "$(ctr_run --privileged box grep CapEff /proc/self/status)" capabilities
    ctr_run --privileged box mount -t tmpfs none /tmp
}

case_seccomp() {
    expect_match 'Operation not permitted' "$(expect_status 1 ctr_run --seccomp box unshare -m true)" 'unshare under the default profile'
    expect_match 'Seccomp:.*2' "$(ctr_run --seccomp box grep Seccomp: /proc/self/status)" 'mode'
}

case_host_network() {
    expect_same "$(readlink /proc/self/ns/net)" "$(ctr_run --net-host box readlink /proc/self/ns/net)" 'network namespace'
}

case_namespace_path() {
    ctr_detached one sleep 1000
    local pid
    pid=$(ctr task list | awk '$1 == "one" { print $2 }')
    expect_same "$(readlink "/proc/$pid/ns/net")" "$(ctr_run "--with-ns=network:/proc/$pid/ns/net" two readlink /proc/self/ns/net)" 'joined'
}

case_pid_file() {
    ctr_detached "--pid-file=$scratch/pid" box sleep 1000
    expect_same "$(ctr task list | awk '$1 == "box" { print $2 }')" "$(<"$scratch/pid")" 'pid'
}

case_seccomp_profile() {
    seccomp_profile >"$scratch/profile.json"
    expect_match 'File exists' "$(expect_status 1 ctr_run --seccomp "--seccomp-profile=$scratch/profile.json" box mkdir /x)" 'errno of the profile'
}

case_recursive_read_only() {
    mkdir -p "$scratch/rro"
    mount -t tmpfs none "$scratch/rro"
    mkdir "$scratch/rro/sub"
    mount -t tmpfs none "$scratch/rro/sub"
    local status=0
    expect_match 'Read-only' "$(ctr_run "--mount=type=bind,src=$scratch/rro,dst=/v,options=rbind:rro" box touch /v/sub/no 2>&1 || true)" 'mount below' || status=1
    umount "$scratch/rro/sub"
    umount "$scratch/rro"
    return "$status"
}

case_user_namespace() {
    expect_match '^ +0 +200000 +65536' "$(ctr_run --remap-labels=false --uidmap=0:200000:65536 --gidmap=0:200000:65536 box cat /proc/self/uid_map)" map
}

load_start() {
    ctr run --detach "${run_flags[@]}" "$image" "load$1" sleep 1000 </dev/null >"$scratch/load$1" 2>&1 || fail "load$1: $(<"$scratch/load$1")"
}

load_exec() {
    # By status: ctr now and then loses the output of a short command.
    expect_status 11 ctr task exec --exec-id e "load$1" sh -c 'exit 11'
}

load_remove() {
    ctr task kill --signal KILL "load$1" || fail "kill of $1"
    wait_for 10 task_is STOPPED "load$1"
    ctr task delete "load$1" >/dev/null 2>&1 || true # its status is the container's
    ctr container delete "load$1" || fail "removal of $1"
}

load_running() {
    ctr task list | grep -c RUNNING
}

case_load() {
    load_runs
}

case_daemon_killed() {
    in_parallel 4 20 load_start
    end_process "$(<"$scratch/daemon.pid")" KILL
    start_daemon
    expect_equal 20 "$(load_running)" 'running after the daemon came back'
    in_parallel 4 20 load_exec
    ctr task pause load3
    ctr task resume load3
    load_remove 4
    expect_equal 19 "$(load_running)" 'running at the end'
}
