# shellcheck shell=bash
# Docker: dockerd with the runtime as its default one, and its own containerd.

client=docker
# Docker 20 gives 126 where later ones give 127.
missing_in_exec=127
[[ -n $suite ]] || missing_in_exec=126
build_flags=()
remove_flags=(--force)
# shellcheck source=client.sh
source "$here/client.sh"

engine_start() {
    # The limit on open files suits a host that cannot raise it.
    docs_block docker /etc/docker/daemon.json | jq '. * {"live-restore": true, "storage-driver": "overlay2",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "default-ulimits": {nofile: {Name: "nofile", Hard: 1024, Soft: 1024}}}' >"$scratch/daemon.json"
    mv "$scratch/daemon.json" /etc/docker/daemon.json
    find_plugins
    start_daemon
    docker load --input "$work/busybox.tar"
    docker network create cases
}

# The build plugin of an unpacked docker is not where docker looks. An installed docker borrows it:
# older suites have none.
find_plugins() {
    mkdir -p "$HOME/.docker"
    jq -n --arg dir "${suite_root:-$cache/engines/docker@sid}/usr/libexec/docker/cli-plugins" '{cliPluginsExtraDirs: [$dir]}' >"$HOME/.docker/config.json"
}

# BuildKit does not ask for the default runtime: it takes what this variable says; Docker 20, which
# does not know it, the first program of runc's name.
start_daemon() {
    local runc=$scratch/buildkit/runc
    mkdir -p "${runc%/*}"
    printf '#!/bin/sh\necho >>%q\nexec %q "$@"\n' "$scratch/buildkit.used" "$runtime" >"$runc"
    chmod +x "$runc"
    [[ -n $suite ]] || PATH=${runc%/*}:$PATH
    DOCKER_BUILDKIT_RUNC_COMMAND=$runc setsid dockerd >>"$logs/dockerd.log" 2>&1 </dev/null &
    echo $! >"$scratch/daemon.pid"
    disown
    wait_for 30 docker version || { tail -n 20 "$logs/dockerd.log"; false; }
}

engine_stop() {
    docker network rm cases
    end_process "$(<"$scratch/daemon.pid")" TERM
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

box_cgroup() {
    echo "docker/$(inspect_box '{{.Id}}')"
}

has_controller() {
    true
}

runtime_state() {
    local root
    for root in /run/docker/runtime-oxrun/moby /var/run/docker/runtime-runc/moby; do
        "$runtime" --root "$root" state "$1" 2>/dev/null && return
    done
    fail "the runtime does not know $1"
}

box_events() {
    local id root
    id=$(inspect_box '{{.Id}}')
    for root in /run/docker/runtime-oxrun/moby /var/run/docker/runtime-runc/moby; do
        "$runtime" --root "$root" events --stats "$id" 2>/dev/null && return
    done
    fail "the runtime does not know $id"
}

# The figures as the daemon hands them out, not rounded.
client_figures() {
    # The connection must stay open until the answer is there.
    { printf 'GET /containers/box/stats?stream=false&one-shot=true HTTP/1.0\r\nHost: docker\r\n\r\n'; sleep 3; } |
        docker system dial-stdio | grep '^{' | jq -r '[.cpu_stats.cpu_usage.total_usage, .memory_stats.usage, .memory_stats.limit, .pids_stats.current] | join(" ")'
}

case_runtime_is_used() {
    expect_equal oxrun "$(docker info --format '{{.DefaultRuntime}}')" default
    start_box busybox sleep 1000
    expect_equal running "$(runtime_state "$(inspect_box '{{.Id}}')" | jq -r .status)" state
}

case_info_features() {
    local found
    found=$(docker info --format '{{json .Runtimes}}' | jq -r '.oxrun.status["org.opencontainers.runtime-spec.features"] // ""')
    [[ -n $found ]] || skip 'this docker does not show what a runtime can do'
    # Docker drops what its own version of the specification does not have.
    expect_equal true "$("$runtime" features | jq --argjson found "$found" 'contains($found)')" 'what docker read is what the runtime says'
    expect_match mountExtensions "$found" 'mount extensions'
}

case_update() {
    start_box --memory 64m --memory-swap 64m busybox sleep 1000
    docker update --memory 48m --memory-swap 48m --pids-limit 44 --cpus 0.25 box
    expect_equal 50331648 "$(box_value memory memory.limit_in_bytes memory.max)" memory
    expect_equal 44 "$(box_value pids pids.max pids.max)" pids
    expect_match '^25000' "$(box_value cpu cpu.cfs_quota_us cpu.max)" cpu
}

case_health() {
    start_box --health-cmd 'test -e /healthy' --health-interval 0.5s --health-retries 1 busybox sleep 1000
    wait_text 10 unhealthy docker inspect --format '{{.State.Health.Status}}' box
    docker exec box touch /healthy
    wait_text 10 healthy docker inspect --format '{{.State.Health.Status}}' box
}

case_build_buildkit() {
    docker buildx version
    build_context
    rm -f "$scratch/buildkit.used"
    DOCKER_BUILDKIT=1 docker build --network none --tag built --file "$scratch/build/Dockerfile" "$scratch/build"
    [[ -s $scratch/buildkit.used ]] || fail 'BuildKit ran something else'
    build_check built
    docker rmi built >/dev/null
}

case_recursive_read_only() {
    docker info --format '{{json .Runtimes}}' | grep -q runtime-spec.features || skip 'this docker has no recursive read-only mounts'
    mkdir -p "$scratch/rro"
    mount -t tmpfs none "$scratch/rro"
    mkdir "$scratch/rro/sub"
    mount -t tmpfs none "$scratch/rro/sub"
    local status=0
    expect_match 'Read-only' "$(run_box --mount "type=bind,src=$scratch/rro,dst=/v,readonly,bind-propagation=rprivate,bind-recursive=readonly" \
        busybox touch /v/sub/no 2>&1 || true)" 'mount below' || status=1
    umount "$scratch/rro/sub"
    umount "$scratch/rro"
    return "$status"
}

# A second daemon with a user namespace for every container.
remapped() {
    docker --host "unix://$scratch/remap.sock" "$@"
}

case_userns_remap() {
    grep -q '^dockremap:' /etc/passwd || {
        echo 'dockremap:x:990:990::/:/bin/false' >>/etc/passwd
        echo 'dockremap:x:990:' >>/etc/group
        echo 'dockremap:200000:65536' | tee -a /etc/subuid >>/etc/subgid
    }
    setsid dockerd --userns-remap default --data-root /run/remap-data --exec-root /run/remap --pidfile /run/remap.pid \
        --host "unix://$scratch/remap.sock" --bridge none --iptables=false --ip6tables=false >"$logs/remap.log" 2>&1 </dev/null &
    # shellcheck disable=SC2064 # its number now
    trap "remapped rm --force --volumes box || true; end_process $! TERM; umount -q /run/remap-data/* || true" EXIT
    wait_for 30 remapped version
    remapped load --input "$work/busybox.tar"
    expect_match '^ +0 +200000 +65536' "$(remapped run --rm --network none busybox cat /proc/self/uid_map)" map
    remapped run --detach --network none --name box --volume named:/data busybox sleep 1000
    expect_match '^Uid:.200000' "$(grep Uid: "/proc/$(remapped inspect --format '{{.State.Pid}}' box)/status")" 'user on the host'
    expect_equal 0 "$(remapped exec box sh -c 'touch /data/x && stat -c %u /data/x')" 'owner inside'
    echo secret >"$scratch/secret"
    chmod 600 "$scratch/secret"
    expect_match 'Permission denied' "$(expect_status 1 remapped run --rm --network none --volume "$scratch/secret:/secret" busybox cat /secret)" 'a file of the real root'
    expect_same "$(readlink /proc/self/ns/user)" "$(remapped run --rm --network none --userns host busybox readlink /proc/self/ns/user)" 'without'
}

case_daemon_killed() {
    in_parallel 4 20 load_start
    end_process "$(<"$scratch/daemon.pid")" KILL
    # dockerd cannot start beside the file of the one that was killed.
    rm -f /run/docker.pid
    start_daemon
    expect_equal 20 "$(docker ps --quiet | wc -l)" 'running after the daemon came back'
    in_parallel 4 20 load_exec
    docker kill load3
    expect_equal 137 "$(docker wait load3)" kill
    docker pause load4
    docker unpause load4
    docker update --memory 48m --memory-swap 48m load4
    docker restart --time 0 load4
    docker exec load4 true
    docker stop --time 0 load5
    expect_equal 18 "$(docker ps --quiet | wc -l)" 'running at the end'
}
