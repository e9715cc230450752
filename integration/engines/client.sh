# shellcheck shell=bash
# Cases for clients that speak docker's command line. The engine's file sets
# $client and what differs: $missing_in_exec, $build_flags, $remove_flags, and defines box_cgroup.

# shellcheck source=stats.sh
source "$here/stats.sh"

run_box() {
    "$client" run --rm --network none "$@"
}

start_box() {
    "$client" run --detach --network none --name box "$@" >/dev/null
}

inspect_box() {
    "$client" inspect --format "$1" box
}

in_box() {
    "$client" exec box "$@"
}

# box_value V1-CONTROLLER V1-FILE V2-FILE: what the file in box's cgroup holds.
box_value() {
    cgroup_value "$(box_cgroup)" "$@"
}

# until_ready: until box has made /ready.
until_ready() {
    wait_for 10 in_box test -e /ready
}

case_output() {
    expect_equal 'hello from 1' "$(run_box busybox sh -c 'echo hello from $$')" output
    expect_equal 'to stderr' "$(run_box busybox sh -c 'echo to stderr >&2' 2>&1 >/dev/null)" 'standard error'
    expect_equal 3 "$(printf 'a\nb\nc\n' | run_box --interactive busybox wc -l)" 'standard input'
}

case_exit_codes() {
    expect_status 0 run_box busybox true
    expect_status 23 run_box busybox sh -c 'exit 23'
    expect_status 125 run_box --no-such-flag busybox true >/dev/null
    expect_status 126 run_box busybox /etc/plain-file >/dev/null
    expect_status 126 run_box busybox /etc >/dev/null
    expect_status 127 run_box busybox no-such-command >/dev/null
    expect_status 127 run_box busybox /no/such/command >/dev/null
}

case_exec() {
    start_box busybox sleep 1000
    expect_equal 'in exec' "$(in_box echo in exec)" output
    expect_status 9 in_box sh -c 'exit 9'
    expect_status 126 in_box /etc/plain-file >/dev/null
    expect_status "$missing_in_exec" in_box no-such-command >/dev/null
    expect_equal piped "$(echo piped | "$client" exec --interactive box cat)" 'standard input'
    expect_equal '1000:1000 /tmp y' "$("$client" exec --user 1000:1000 --workdir /tmp --env X=y box \
        sh -c 'echo $(id -u):$(id -g) $PWD $X')" options
    "$client" exec --detach box sh -c 'echo finished >/tmp/detached'
    wait_text 5 finished in_box cat /tmp/detached
}

case_tty() {
    expect_match 'tty is /dev/pts/0' "$(on_tty 'echo tty is $(tty)\nexit\n' "$client" run --rm --network none -it busybox sh)" screen
    start_box busybox sleep 1000
    expect_match 'exec on /dev/pts/' "$(on_tty 'echo exec on $(tty)\nexit\n' "$client" exec -it box sh)" 'screen of exec'
    expect_match '33 91' "$(on_tty '' bash -c "stty rows 33 cols 91; $client run --rm --network none -it busybox sh -c 'sleep 0.5; stty size'")" size
}

case_tty_user() {
    expect_match '/dev/pts/0 1000' "$(on_tty '' "$client" run --rm --network none -it --user 1000 busybox sh -c \
        'echo ok >$(tty) && echo $(tty) $(stat -c %u $(tty))')" 'terminal of the user'
}

case_attach() {
    start_box --interactive busybox sh -c 'read line; echo "got $line"; sleep 1'
    expect_match 'got typed' "$({ sleep 0.5; echo typed; sleep 1.5; } | "$client" attach box)" output
}

case_stop() {
    start_box busybox sh -c 'trap "exit 5" TERM; touch /ready; while :; do sleep 0.1; done'
    until_ready
    "$client" stop --time 10 box
    expect_equal 5 "$(inspect_box '{{.State.ExitCode}}')" 'handled TERM'
    in_box true 2>/dev/null && fail 'exec in a stopped container'
    "$client" run --detach --network none --name deaf busybox sh -c 'trap "" TERM; while :; do sleep 0.1; done'
    "$client" stop --time 1 deaf
    expect_equal 137 "$("$client" inspect --format '{{.State.ExitCode}}' deaf)" 'ignored TERM'
    "$client" run --detach --network none --name other --stop-signal USR2 busybox \
        sh -c 'trap "exit 8" USR2; touch /ready; while :; do sleep 0.1; done'
    wait_for 5 "$client" exec other test -e /ready
    "$client" stop --time 10 other
    expect_equal 8 "$("$client" inspect --format '{{.State.ExitCode}}' other)" 'the stop signal that was asked for'
}

case_kill() {
    start_box busybox sh -c 'rm -f /ready; trap "exit 4" USR1; touch /ready; while :; do sleep 0.1; done'
    until_ready
    "$client" kill --signal USR1 box
    expect_equal 4 "$("$client" wait box)" 'handled signal'
    "$client" start box
    "$client" kill box
    expect_equal 137 "$("$client" wait box)" 'kill'
}

case_restart_rm() {
    start_box busybox sh -c 'echo run >>/count; sleep 1000'
    wait_for 5 in_box test -e /count
    "$client" restart --time 0 box
    wait_text 5 $'run\nrun' in_box cat /count
    "$client" rm "${remove_flags[@]}" box
    if "$client" inspect --type container box 2>/dev/null; then fail 'still there'; fi
}

case_restart_policy() {
    start_box --restart on-failure:2 busybox sh -c 'echo run; exit 1'
    wait_text 20 $'run\nrun\nrun' "$client" logs box
    "$client" run --detach --network none --name always --restart always busybox sh -c 'echo run >>/count; sleep 1000'
    wait_for 5 "$client" exec always test -e /count
    kill -KILL "$("$client" inspect --format '{{.State.Pid}}' always)"
    wait_text 20 $'run\nrun' "$client" exec always cat /count
}

case_pause() {
    start_box busybox sh -c 'while :; do date +%s%N >/tick; touch /ready; sleep 0.05; done'
    until_ready
    "$client" pause box
    expect_equal paused "$(inspect_box '{{.State.Status}}')" status
    local tick before
    tick=/proc/$(inspect_box '{{.State.Pid}}')/root/tick
    before=$(<"$tick")
    sleep 0.3
    expect_equal "$before" "$(<"$tick")" 'tick while paused'
    "$client" unpause box
    in_box true
}

case_limits() {
    local cpuset=()
    ! has_controller cpuset || cpuset=(--cpuset-cpus 0)
    start_box --memory 64m --memory-swap 64m --cpus 0.5 --pids-limit 33 "${cpuset[@]}" busybox sleep 1000
    expect_equal 67108864 "$(box_value memory memory.limit_in_bytes memory.max)" memory
    expect_equal 33 "$(box_value pids pids.max pids.max)" pids
    expect_match '^50000' "$(box_value cpu cpu.cfs_quota_us cpu.max)" cpu
    ((${#cpuset[@]} == 0)) || expect_equal 0 "$(box_value cpuset cpuset.cpus cpuset.cpus)" cpuset
}

case_pids_limit_holds() {
    expect_match "can't fork|Resource temporarily unavailable" "$(run_box --pids-limit 5 busybox sh -c '
        for i in 1 2 3 4 5 6 7; do sleep 2 & done; wait' 2>&1 || true)" 'eighth process'
}

case_oom() {
    start_box --memory 16m --memory-swap 16m busybox sh -c 'x=a; while :; do x=$x$x$x$x; done'
    expect_equal 137 "$("$client" wait box)" status
    [[ $client == podman ]] || expect_equal true "$(inspect_box '{{.State.OOMKilled}}')" 'reported'
}

case_stats_top() {
    start_box busybox sleep 1000
    expect_match '^box [1-9]' "$("$client" stats --no-stream --format '{{.Name}} {{.PIDs}} {{.MemUsage}}' box)" stats
    expect_match 'sleep' "$("$client" top box)" top
}

case_stats_are_right() {
    start_box --memory 64m busybox sh -c "$burner"
    wait_for 60 in_box test -e /ready
    figures_agree client_figures
    # What people see is the same, rounded; Docker leaves out what it could write back.
    expect_match '^3[0-9.]+Mi?B / (64MiB|67.11MB) 4$' "$("$client" stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' box)" 'the line of stats'
}

case_logs() {
    start_box busybox sh -c 'echo one; echo two >&2; touch /ready; sleep 1000'
    until_ready
    expect_match $'one\ntwo|two\none' "$("$client" logs box 2>&1)" logs
    expect_equal two "$("$client" logs box 2>&1 >/dev/null)" 'standard error of logs'
}

case_init() {
    expect_match 'init|tini|catatonit' "$(run_box --init busybox cat /proc/1/comm)" 'pid 1'
    # An orphan is reaped by it.
    start_box --init busybox sh -c 'sh -c "sleep 0.1 &"; sleep 0.5; touch /ready; sleep 1000'
    until_ready
    expect_equal '' "$(in_box ps | grep -F '[' || true)" 'zombies'
}

case_hostname_env() {
    expect_equal 'name y' "$(run_box --hostname name --env X=y busybox sh -c 'echo $(hostname) $X')" 'host name and environment'
    expect_match '1.2.3.4[[:space:]]+far' "$("$client" run --rm --add-host far:1.2.3.4 busybox cat /etc/hosts)" 'hosts'
}

case_volumes() {
    mkdir -p "$scratch/v"
    echo inside >"$scratch/v/file"
    expect_equal inside "$(run_box --volume "$scratch/v:/v" busybox sh -c 'cat /v/file; echo new >/v/new')" bind
    expect_equal new "$(<"$scratch/v/new")" written
    expect_match 'Read-only' "$(expect_status 1 run_box --volume "$scratch/v:/v:ro" busybox touch /v/no)" 'read-only'
    run_box --volume named:/data busybox sh -c 'echo kept >/data/file'
    expect_equal kept "$(run_box --volume named:/data busybox cat /data/file)" named
    expect_match 'tmpfs /t tmpfs .*size=1024k' "$(run_box --tmpfs /t:size=1m busybox cat /proc/mounts)" tmpfs
    start_box --volume named:/data busybox sleep 1000
    expect_equal kept "$(run_box --volumes-from box busybox cat /data/file)" 'volumes from another'
}

case_volume_propagation() {
    mkdir -p "$scratch/shared"
    mount --bind "$scratch/shared" "$scratch/shared"
    mount --make-rshared "$scratch/shared"
    start_box --volume "$scratch/shared:/v:rslave" busybox sleep 1000
    mkdir -p "$scratch/shared/sub"
    mount -t tmpfs none "$scratch/shared/sub"
    touch "$scratch/shared/sub/seen"
    local status=0
    in_box test -e /v/sub/seen || status=1
    umount "$scratch/shared/sub"
    umount "$scratch/shared"
    ((status == 0)) || fail 'a mount made later on the host is not seen'
}

case_user() {
    expect_equal '1000:1000' "$(run_box --user 1000:1000 busybox sh -c 'echo $(id -u):$(id -g)')" numbers
    expect_equal 'guest' "$(run_box --user guest busybox whoami)" name
    expect_match '29' "$(run_box --user guest --group-add audio busybox id -G)" group
}

case_capabilities() {
    expect_equal 'CapEff:	0000000000000000' "$(run_box --cap-drop all busybox grep CapEff /proc/self/status)" 'all dropped'
    expect_equal 'CapEff:	0000000000001000' "$(run_box --cap-drop all --cap-add net_admin busybox grep CapEff /proc/self/status)" 'one added'
    expect_equal 'CapBnd:	0000000000001000' "$(run_box --cap-drop all --cap-add net_admin --user 1000 busybox grep CapBnd /proc/self/status)" 'bounding set of a user'
}

case_seccomp() {
    expect_match 'Seccomp:.*2' "$(run_box busybox grep Seccomp: /proc/self/status)" mode
    expect_match 'Operation not permitted' "$(expect_status 1 run_box busybox unshare -m true)" 'unshare'
    expect_match 'Seccomp:.*0' "$(run_box --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status)" unconfined
    start_box busybox sleep 1000
    expect_match 'Seccomp:.*2' "$(in_box grep Seccomp: /proc/self/status)" 'mode of exec'
}

case_seccomp_profile() {
    seccomp_profile >"$scratch/profile.json"
    expect_match "File exists" "$(expect_status 1 run_box --security-opt "seccomp=$scratch/profile.json" busybox mkdir /x)" 'errno of the profile'
}

case_security_opt() {
    expect_equal 'NoNewPrivs:	1' "$(run_box --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status)" 'no new privileges'
    expect_equal '' "$(run_box busybox cat /proc/kcore 2>/dev/null | head -c 1)" 'masked path'
    expect_match 'Read-only' "$(expect_status 1 run_box busybox sh -c 'echo 1 >/proc/sys/kernel/domainname')" 'read-only path'
}

case_read_only() {
    expect_match 'Read-only' "$(expect_status 1 run_box --read-only busybox touch /file)" 'root'
    run_box --read-only --tmpfs /tmp busybox touch /tmp/file
}

case_device() {
    expect_equal 4 "$(run_box --device /dev/urandom:/dev/mine busybox sh -c 'head -c 4 /dev/mine | wc -c')" 'read'
    # The rule has no w, so the kernel refuses to open the node for writing.
    [[ ! -c /dev/fuse ]] || expect_match 'Operation not permitted' \
        "$(expect_status 1 run_box --device /dev/fuse:/dev/mine:r busybox sh -c 'echo x >/dev/mine')" 'access'
    expect_match 'Operation not permitted' "$(run_box --cap-add mknod busybox sh -c 'mknod /x b 7 0 && cat /x' 2>&1 || true)" 'a device that was not given'
}

case_privileged() {
    [[ $client == podman ]] || need_all_capabilities
    run_box --privileged busybox sh -c 'mkdir /m && mount -t tmpfs none /m'
    start_box busybox sleep 1000
    expect_same "$(run_box --privileged busybox grep CapEff /proc/self/status)" \
        "$("$client" exec --privileged box grep CapEff /proc/self/status)" 'capabilities of exec'
}

case_ulimit_sysctl() {
    expect_match '^333 500 +500' "$(run_box --ulimit nofile=333:444 --ulimit nproc=500:500 busybox sh -c 'ulimit -n; sed -n "s/Max processes *//p" /proc/self/limits' | xargs echo)" limits
    expect_equal 4242 "$(run_box --sysctl kernel.msgmax=4242 busybox cat /proc/sys/kernel/msgmax)" msgmax
    expect_equal 77 "$(run_box --sysctl net.ipv4.ip_default_ttl=77 busybox cat /proc/sys/net/ipv4/ip_default_ttl)" ttl
}

case_namespaces() {
    start_box --ipc shareable busybox sleep 1000
    local kind
    expect_match 'sleep' "$(run_box --pid container:box busybox ps)" 'pid namespace'
    for kind in ipc pid; do
        expect_same "$(in_box readlink "/proc/self/ns/$kind")" \
            "$(run_box "--$kind" container:box busybox readlink "/proc/self/ns/$kind")" "$kind of the other container"
        expect_same "$(readlink "/proc/self/ns/$kind")" \
            "$(run_box "--$kind" host busybox readlink "/proc/self/ns/$kind")" "$kind of the host"
    done
    expect_same "$(in_box readlink /proc/self/ns/net)" \
        "$("$client" run --rm --network container:box busybox readlink /proc/self/ns/net)" 'network of the other container'
    expect_same "$(readlink /proc/self/ns/net)" "$("$client" run --rm --network host busybox readlink /proc/self/ns/net)" 'host network'
    expect_same "$(readlink /proc/self/ns/uts)" "$(run_box --uts host busybox readlink /proc/self/ns/uts)" 'host name of the host'
}

case_cgroupns() {
    expect_same "$(readlink /proc/self/ns/cgroup)" "$(run_box --cgroupns host busybox readlink /proc/self/ns/cgroup)" host
    expect_equal 1 "$(run_box --cgroupns private busybox sh -c 'cut -d: -f3 /proc/self/cgroup | sort -u' | grep -cx /)" 'private shows /'
}

case_network() {
    answer_on_network
    wait_text 20 answer "$client" run --rm --network cases busybox nc -w 2 box 7
    expect_equal lo "$(run_box busybox ls /sys/class/net)" 'interfaces without a network'
}

case_published_port() {
    answer_on_network --publish 127.0.0.1:8007:7
    wait_text 20 answer timeout 3 bash -c 'cat </dev/tcp/127.0.0.1/8007'
}

answer_on_network() {
    "$client" run --detach --network cases --name box "$@" busybox \
        sh -c 'while :; do echo answer | nc -l -p 7; done' >/dev/null
}

case_build() {
    build_context
    DOCKER_BUILDKIT=0 "$client" build "${build_flags[@]}" --network none --tag built --file "$scratch/build/Dockerfile" "$scratch/build"
    build_check built
    "$client" rmi built >/dev/null
}

build_context() {
    mkdir -p "$scratch/build"
    echo 'from the context' >"$scratch/build/file"
    cat >"$scratch/build/Dockerfile" <<'END'
FROM busybox
COPY file /file
RUN echo "built by $(id -u)" >/built && mkdir /d
WORKDIR /d
USER guest
CMD ["sh", "-c", "cat /built /file; pwd; id -u"]
END
}

build_check() {
    expect_equal $'built by 0\nfrom the context\n/d\n1000' "$(run_box "$1")" 'output of what was built'
}

case_save_load_import() {
    "$client" tag busybox saved
    "$client" save --output "$scratch/saved.tar" saved
    "$client" rmi saved >/dev/null
    "$client" load --input "$scratch/saved.tar"
    expect_equal ok "$(run_box saved echo ok)" 'loaded image'
    "$client" rmi saved >/dev/null
    start_box busybox sh -c 'echo kept >/file; touch /ready; sleep 1000'
    until_ready
    "$client" export --output "$scratch/exported.tar" box
    "$client" import "$scratch/exported.tar" imported >/dev/null
    expect_equal kept "$(run_box imported cat /file)" 'imported file system'
    "$client" rmi imported >/dev/null
}

case_commit_cp_diff() {
    start_box busybox sh -c 'echo changed >/file; touch /ready; sleep 1000'
    until_ready
    expect_match 'A /file' "$("$client" diff box)" diff
    "$client" cp box:/file "$scratch/copied"
    expect_equal changed "$(<"$scratch/copied")" 'copied out'
    echo in >"$scratch/copied"
    "$client" cp "$scratch/copied" box:/copied
    expect_equal in "$(in_box cat /copied)" 'copied in'
    "$client" commit box changed >/dev/null
    expect_equal changed "$(run_box changed cat /file)" 'image'
    "$client" rmi --force changed >/dev/null
}

case_registry() {
    command -v docker-registry >/dev/null || skip 'docker-registry is not installed'
    cat >"$scratch/registry.yml" <<END
version: 0.1
storage: {filesystem: {rootdirectory: $scratch/registry}}
http: {addr: 127.0.0.1:5000}
END
    docker-registry serve "$scratch/registry.yml" >"$scratch/registry.log" 2>&1 &
    # shellcheck disable=SC2064 # its number now
    trap "kill $!" EXIT
    wait_for 10 bash -c '</dev/tcp/127.0.0.1/5000'
    "$client" tag busybox 127.0.0.1:5000/pushed
    "$client" push 127.0.0.1:5000/pushed
    "$client" rmi 127.0.0.1:5000/pushed
    "$client" pull 127.0.0.1:5000/pushed
    expect_equal pulled "$(run_box 127.0.0.1:5000/pushed echo pulled)" output
    "$client" rmi 127.0.0.1:5000/pushed
}

load_start() {
    "$client" run --detach --network none --name "load$1" busybox sleep 1000 >/dev/null || fail "start of $1"
}

load_exec() {
    expect_equal "$1" "$("$client" exec "load$1" echo "$1")" "exec in $1"
}

load_remove() {
    "$client" rm "${remove_flags[@]}" "load$1" >/dev/null || fail "removal of $1"
}

load_running() {
    "$client" ps --quiet | wc -l
}

case_load() {
    load_runs
}
