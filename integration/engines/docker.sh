# shellcheck shell=bash
# Docker: dockerd with the runtime as its default one, and its own containerd.

engine_start() {
    local name=runtime-under-test
    jq -n --arg name "$name" --arg path "$runtime" '{"default-runtime": $name, runtimes: {($name): {path: $path}},
        "exec-opts": ["native.cgroupdriver=cgroupfs"], "live-restore": true, "storage-driver": "overlay2",
        "default-ulimits": {nofile: {Name: "nofile", Hard: 1024, Soft: 1024}}}' >/etc/docker/daemon.json
    start_daemon
    docker load --input "$work/busybox.tar"
    docker network create cases
}

start_daemon() {
    setsid dockerd >>"$work/dockerd.log" 2>&1 </dev/null &
    echo $! >"$scratch/daemon.pid"
    disown
    wait_for 30 docker version || { tail -n 20 "$work/dockerd.log"; false; }
}

engine_stop() {
    docker network rm cases
    kill "$(<"$scratch/daemon.pid")"
    wait_for 20 bash -c "! kill -0 $(<"$scratch/daemon.pid")"
    umount -q /run/docker/netns/default || true
    # Docker keeps the empty parents of its containers.
    find /sys/fs/cgroup -depth -type d \( -path '*/docker' -o -path '*/docker/buildkit' \) -exec rmdir {} + || true
}

engine_reset() {
    local ids
    ids=$(docker ps --all --quiet)
    # shellcheck disable=SC2086 # a list of words
    [[ -z $ids ]] || docker rm --force --volumes $ids >/dev/null
    docker volume prune --force >/dev/null
}

run_box() {
    docker run --rm --network none "$@"
}

start_box() {
    docker run --detach --network none --name box "$@" >/dev/null
}

inspect_box() {
    docker inspect --format "$1" box
}

box_value() {
    cgroup_value "docker/$(inspect_box '{{.Id}}')" "$@"
}

case_runtime_is_used() {
    expect_equal runtime-under-test "$(docker info --format '{{.DefaultRuntime}}')" default
    start_box busybox sleep 1000
    expect_equal running "$("$runtime" --root /run/docker/runtime-runtime-under-test/moby state "$(inspect_box '{{.Id}}')" 2>/dev/null |
        jq -r .status || "$runtime" --root /var/run/docker/runtime-runc/moby state "$(inspect_box '{{.Id}}')" | jq -r .status)" state
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
    expect_equal 'in exec' "$(docker exec box echo in exec)" output
    expect_status 9 docker exec box sh -c 'exit 9'
    expect_status 126 docker exec box /etc/plain-file >/dev/null
    expect_status 126 docker exec box no-such-command >/dev/null
    expect_equal piped "$(echo piped | docker exec --interactive box cat)" 'standard input'
    expect_equal '1000:1000 /tmp y' "$(docker exec --user 1000:1000 --workdir /tmp --env X=y box \
        sh -c 'echo $(id -u):$(id -g) $PWD $X')" options
    docker exec --detach box sh -c 'echo finished >/tmp/detached'
    wait_text 5 finished docker exec box cat /tmp/detached
}

case_tty() {
    expect_match 'tty is /dev/pts/0' "$(on_tty 'echo tty is $(tty)\nexit\n' docker run --rm --network none -it busybox sh)" screen
    start_box busybox sleep 1000
    expect_match 'exec on /dev/pts/' "$(on_tty 'echo exec on $(tty)\nexit\n' docker exec -it box sh)" 'screen of exec'
}

case_attach() {
    start_box --interactive busybox sh -c 'read line; echo "got $line"; sleep 1'
    expect_match 'got typed' "$({ sleep 0.5; echo typed; sleep 1.5; } | docker attach box)" output
}

case_stop_kill() {
    start_box busybox sh -c 'trap "exit 5" TERM; trap "exit 6" USR1; touch /ready; while :; do sleep 0.1; done'
    wait_for 5 docker exec box test -e /ready
    docker stop --time 10 box
    expect_equal 5 "$(inspect_box '{{.State.ExitCode}}')" 'handled TERM'
    docker exec box true 2>/dev/null && fail 'exec in a stopped container'
    docker start box
    wait_for 5 docker exec box sh -c 'sleep 0.3; test -e /ready'
    docker kill --signal USR1 box
    expect_equal 6 "$(docker wait box)" 'handled USR1'
    docker start box
    docker kill box
    expect_equal 137 "$(docker wait box)" 'kill'
}

case_restart() {
    start_box --restart on-failure:2 busybox sh -c 'echo run; exit 1'
    wait_text 15 $'run\nrun\nrun' docker logs box
    docker restart --time 0 box
}

case_pause() {
    start_box busybox sleep 1000
    docker pause box
    expect_equal paused "$(inspect_box '{{.State.Status}}')" status
    docker unpause box
    docker exec box true
}

case_update() {
    start_box --memory 64m --memory-swap 64m busybox sleep 1000
    docker update --memory 48m --memory-swap 48m --pids-limit 44 --cpus 0.25 box
    expect_equal 50331648 "$(box_value memory memory.limit_in_bytes memory.max)" memory
    expect_equal 44 "$(box_value pids pids.max pids.max)" pids
    expect_match '^25000' "$(box_value cpu cpu.cfs_quota_us cpu.max)" cpu
}

case_limits() {
    start_box --memory 64m --memory-swap 64m --cpus 0.5 --pids-limit 33 busybox sleep 1000
    expect_equal 67108864 "$(box_value memory memory.limit_in_bytes memory.max)" memory
    expect_equal 33 "$(box_value pids pids.max pids.max)" pids
    expect_match '^50000' "$(box_value cpu cpu.cfs_quota_us cpu.max)" cpu
}

case_oom() {
    start_box --memory 16m --memory-swap 16m busybox sh -c 'x=a; while :; do x=$x$x$x$x; done'
    expect_equal 137 "$(docker wait box)" status
    expect_equal true "$(inspect_box '{{.State.OOMKilled}}')" 'reported'
}

case_stats_top_logs() {
    start_box busybox sh -c 'echo one; echo two >&2; sleep 1000'
    expect_match 'box' "$(docker stats --no-stream --format '{{.Name}} {{.PIDs}} {{.MemUsage}}' box)" stats
    expect_match 'sleep' "$(docker top box)" top
    expect_match $'one\ntwo|two\none' "$(docker logs box 2>&1)" logs
}

case_health() {
    start_box --health-cmd 'test -e /healthy' --health-interval 0.5s --health-retries 1 busybox sleep 1000
    wait_text 10 unhealthy docker inspect --format '{{.State.Health.Status}}' box
    docker exec box touch /healthy
    wait_text 10 healthy docker inspect --format '{{.State.Health.Status}}' box
}

case_init() {
    expect_match 'init|tini' "$(run_box --init busybox cat /proc/1/comm)" 'pid 1'
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
}

case_user_capabilities() {
    expect_equal '1000:1000' "$(run_box --user 1000:1000 busybox sh -c 'echo $(id -u):$(id -g)')" numbers
    expect_equal 'CapEff:	0000000000000000' "$(run_box --cap-drop all busybox grep CapEff /proc/self/status)" 'all dropped'
    expect_equal 'CapEff:	0000000000001000' "$(run_box --cap-drop all --cap-add net_admin busybox grep CapEff /proc/self/status)" 'one added'
}

case_seccomp() {
    expect_match 'Seccomp:.*2' "$(run_box busybox grep Seccomp: /proc/self/status)" mode
    expect_match 'Operation not permitted' "$(expect_status 1 run_box busybox unshare -m true)" 'unshare'
    expect_match 'Seccomp:.*0' "$(run_box --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status)" unconfined
    expect_equal 'NoNewPrivs:	1' "$(run_box --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status)" 'no new privileges'
}

case_read_only() {
    expect_match 'Read-only' "$(expect_status 1 run_box --read-only busybox touch /file)" 'root'
}

case_device() {
    expect_equal 4 "$(run_box --device /dev/urandom:/dev/mine busybox sh -c 'head -c 4 /dev/mine | wc -c')" 'device'
}

case_privileged() {
    need_all_capabilities
    run_box --privileged busybox sh -c 'mkdir /m && mount -t tmpfs none /m'
    start_box busybox sleep 1000
    expect_equal "$(run_box --privileged busybox grep CapEff /proc/self/status)" \
        "$(docker exec --privileged box grep CapEff /proc/self/status)" 'capabilities of exec'
}

case_ulimit_sysctl() {
    expect_equal 333 "$(run_box --ulimit nofile=333:444 busybox sh -c 'ulimit -n')" nofile
    expect_equal 4242 "$(run_box --sysctl kernel.msgmax=4242 busybox cat /proc/sys/kernel/msgmax)" msgmax
}

case_namespaces() {
    start_box --ipc shareable busybox sleep 1000
    expect_match 'sleep' "$(run_box --pid container:box busybox ps)" 'pid namespace'
    expect_equal "$(docker exec box readlink /proc/self/ns/ipc)" \
        "$(run_box --ipc container:box busybox readlink /proc/self/ns/ipc)" 'ipc namespace'
    expect_equal "$(docker exec box readlink /proc/self/ns/net)" \
        "$(docker run --rm --network container:box busybox readlink /proc/self/ns/net)" 'network namespace'
    expect_equal "$(readlink /proc/self/ns/net)" "$(docker run --rm --network host busybox readlink /proc/self/ns/net)" 'host network'
    expect_equal "$(readlink /proc/self/ns/pid)" "$(run_box --pid host busybox readlink /proc/self/ns/pid)" 'host pids'
}

case_network() {
    docker run --detach --network cases --name box --publish 127.0.0.1:8007:7 busybox \
        sh -c 'while :; do echo answer | nc -l -p 7; done' >/dev/null
    wait_text 10 answer docker run --rm --network cases busybox nc -w 2 box 7
    wait_text 10 answer timeout 3 bash -c 'cat </dev/tcp/127.0.0.1/8007'
}

case_build() {
    mkdir -p "$scratch/build"
    cat >"$scratch/build/Dockerfile" <<'END'
FROM busybox
RUN echo "built by $(id -u)" >/built && mkdir /d
WORKDIR /d
USER guest
CMD ["sh", "-c", "cat /built; pwd; id -u"]
END
    docker build --network none --tag built "$scratch/build"
    expect_equal $'built by 0\n/d\n1000' "$(run_box built)" output
    docker save built | docker load
    docker rmi built >/dev/null
}

case_commit_cp() {
    start_box busybox sh -c 'echo changed >/file; sleep 1000'
    wait_for 5 docker exec box test -e /file
    docker cp box:/file "$scratch/copied"
    expect_equal changed "$(<"$scratch/copied")" copied
    docker commit box changed >/dev/null
    expect_equal changed "$(run_box changed cat /file)" 'image'
    docker rmi --force changed >/dev/null
}

case_daemon_killed() {
    local i
    for ((i = 0; i < 20; i++)); do
        docker run --detach --network none --name "live$i" busybox sleep 1000 >/dev/null
    done
    kill -KILL "$(<"$scratch/daemon.pid")"
    # dockerd cannot start beside the file of the one that was killed.
    rm -f /run/docker.pid
    start_daemon
    expect_equal 20 "$(docker ps --quiet | wc -l)" 'running after the daemon came back'
    expect_equal alive "$(docker exec live7 echo alive)" exec
    docker kill live3
    expect_equal 137 "$(docker wait live3)" kill
}

case_load() {
    local i
    for ((i = 0; i < 20; i++)); do
        docker run --detach --network none --name "load$i" busybox sleep 1000 >/dev/null
    done
    for ((i = 0; i < 20; i++)); do
        expect_equal "$i" "$(docker exec "load$i" echo "$i")" "exec in $i"
    done
    expect_equal 20 "$(docker ps --quiet | wc -l)" running
}
