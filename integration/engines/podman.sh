# shellcheck shell=bash
# Podman as root: conmon drives the runtime, buildah builds images with it.

engine_start() {
    local name
    name=$(basename "$runtime")
    mkdir -p /etc/containers
    cat >/etc/containers/policy.json <<'END'
{"default": [{"type": "insecureAcceptAnything"}]}
END
    cat >/etc/containers/registries.conf <<'END'
unqualified-search-registries = ["localhost"]
END
    # /run/p: Podman wants a run root of at most 50 characters.
    cat >/etc/containers/storage.conf <<'END'
[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/p"
END
    # The limits suit a host that cannot raise them; the lists tell Podman what the
    # runtime can do (it knows runc's and crun's names only).
    cat >/etc/containers/containers.conf <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
pids_limit = 2048
[engine]
runtime = "$name"
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime_supports_json = ["$name"]
runtime_supports_nocgroup = ["$name"]
[engine.runtimes]
$name = ["$runtime"]
END
    podman load --input "$work/busybox.tar"
    podman image exists busybox
    podman network create --disable-dns cases
}

engine_stop() {
    podman network rm --force cases
    podman rmi --all --force
    # Its clean-up processes may still be at work.
    wait_for 20 bash -c '! pgrep -x "conmon|podman"'
    # Podman keeps the cgroups of conmon, of pods and of builds, and two mounts, until
    # the host goes down. Containers' own cgroups (libpod-*) are not its to remove.
    find /sys/fs/cgroup -depth -type d -path '*/libpod_parent*' -not -name 'libpod-*' -exec rmdir {} + || true
    umount -q /var/lib/containers/storage/overlay || true
    umount -q /run/netns || true
}

engine_reset() {
    podman pod rm --all --force --time 0 >/dev/null
    podman rm --all --force --time 0 >/dev/null
    podman volume rm --all --force >/dev/null
}

run_box() {
    podman run --rm --network none "$@"
}

start_box() {
    podman run --detach --network none --name box "$@" >/dev/null
}

inspect_box() {
    podman inspect --format "$1" box
}

case_runtime_is_used() {
    start_box busybox sleep 1000
    expect_equal "$(basename "$runtime")" "$(inspect_box '{{.OCIRuntime}}')" runtime
    expect_equal "$runtime" "$(podman info --format '{{.Host.OCIRuntime.Path}}')" path
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
    expect_equal 'in exec' "$(podman exec box echo in exec)" output
    expect_status 9 podman exec box sh -c 'exit 9'
    expect_status 127 podman exec box no-such-command >/dev/null
    expect_status 126 podman exec box /etc/plain-file >/dev/null
    expect_equal piped "$(echo piped | podman exec --interactive box cat)" 'standard input'
    expect_equal '1000:1000 /tmp y' "$(podman exec --user 1000:1000 --workdir /tmp --env X=y box \
        sh -c 'echo $(id -u):$(id -g) $PWD $X')" options
    podman exec --detach box sh -c 'echo done >/tmp/detached'
    wait_text 5 'done' podman exec box cat /tmp/detached
}

case_tty() {
    expect_match 'tty is /dev/pts/0' "$(on_tty 'echo tty is $(tty)\nexit\n' podman run --rm --network none -it busybox sh)" screen
    start_box busybox sleep 1000
    expect_match 'exec on /dev/pts/' "$(on_tty 'echo exec on $(tty)\nexit\n' podman exec -it box sh)" 'screen of exec'
    expect_match '33 91' "$(on_tty '' bash -c 'stty rows 33 cols 91; podman run --rm --network none -it busybox sh -c "sleep 0.5; stty size"')" size
}

case_tty_user() {
    expect_match '/dev/pts/0 1000' "$(on_tty '' podman run --rm --network none -it --user 1000 busybox sh -c \
        'echo ok >$(tty) && echo $(tty) $(stat -c %u $(tty))')" 'terminal of the user'
}

case_attach() {
    start_box --interactive busybox sh -c 'read line; echo "got $line"; sleep 1'
    expect_match 'got typed' "$(echo typed | podman attach box)" output
}

case_kill() {
    start_box busybox sh -c 'trap "exit 4" USR1; touch /ready; while :; do sleep 0.1; done'
    wait_for 5 podman exec box test -e /ready
    podman kill --signal USR1 box
    expect_equal 4 "$(podman wait box)" 'handled signal'
    podman start box
    podman kill box
    expect_equal 137 "$(podman wait box)" 'kill'
}

case_stop() {
    start_box busybox sh -c 'trap "exit 5" TERM; touch /ready; while :; do sleep 0.1; done'
    wait_for 5 podman exec box test -e /ready
    podman stop --time 10 box
    expect_equal 5 "$(inspect_box '{{.State.ExitCode}}')" 'handled TERM'
    podman run --detach --network none --name deaf busybox sh -c 'trap "" TERM; while :; do sleep 0.1; done'
    podman stop --time 1 deaf
    expect_equal 137 "$(podman inspect --format '{{.State.ExitCode}}' deaf)" 'ignored TERM'
}

case_restart_rm() {
    start_box busybox sh -c 'echo run >>/count; sleep 1000'
    podman restart --time 0 box
    expect_equal $'run\nrun' "$(podman exec box cat /count)" 'two runs'
    podman rm --force --time 0 box
    expect_status 1 podman container exists box
}

case_restart_policy() {
    start_box --restart on-failure:2 busybox sh -c 'echo run; exit 1'
    wait_text 15 $'run\nrun\nrun' podman logs box
}

case_pause() {
    start_box busybox sleep 1000
    podman pause box
    expect_equal paused "$(inspect_box '{{.State.Status}}')" status
    podman unpause box
    podman exec box true
}

case_update() {
    start_box --memory 64m --memory-swap 64m busybox sleep 1000
    podman update --memory 48m --memory-swap 48m --cpu-shares 500 box
    local dir
    dir=$(inspect_box '{{.State.CgroupPath}}')
    expect_equal 50331648 "$(cgroup_value "$dir" memory memory.limit_in_bytes memory.max)" memory
}

case_limits() {
    start_box --memory 64m --memory-swap 64m --cpus 0.5 --pids-limit 33 busybox sleep 1000
    local dir
    dir=$(inspect_box '{{.State.CgroupPath}}')
    expect_equal 67108864 "$(cgroup_value "$dir" memory memory.limit_in_bytes memory.max)" memory
    expect_equal 33 "$(cgroup_value "$dir" pids pids.max pids.max)" pids
    expect_match '^50000' "$(cgroup_value "$dir" cpu cpu.cfs_quota_us cpu.max)" cpu
}

case_pids_limit_holds() {
    expect_match "can't fork|Resource temporarily unavailable" "$(run_box --pids-limit 5 busybox sh -c '
        for i in 1 2 3 4 5 6 7; do sleep 2 & done; wait' 2>&1 || true)" 'eighth process'
}

case_oom() {
    start_box --memory 16m --memory-swap 16m busybox sh -c 'x=a; while :; do x=$x$x$x$x; done'
    expect_equal 137 "$(podman wait box)" status
}

case_stats_top() {
    start_box busybox sleep 1000
    expect_match 'box' "$(podman stats --no-stream --format '{{.Name}} {{.PIDS}} {{.MemUsage}}' box)" stats
    expect_match 'sleep' "$(podman top box)" top
}

case_logs() {
    start_box busybox sh -c 'echo one; echo two >&2'
    podman wait box
    expect_match $'one\ntwo|two\none' "$(podman logs box 2>&1)" logs
}

case_ulimit() {
    expect_equal 333 "$(run_box --ulimit nofile=333:444 --ulimit nproc=500:500 busybox sh -c 'ulimit -n')" nofile
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

case_volume_propagation() {
    mkdir -p "$scratch/shared"
    mount --bind "$scratch/shared" "$scratch/shared"
    mount --make-rshared "$scratch/shared"
    start_box --volume "$scratch/shared:/v:rslave" busybox sleep 1000
    mkdir -p "$scratch/shared/sub"
    mount -t tmpfs none "$scratch/shared/sub"
    touch "$scratch/shared/sub/seen"
    local status=0
    podman exec box test -e /v/sub/seen || status=1
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
}

case_seccomp_default() {
    expect_match 'Seccomp:.*2' "$(run_box busybox grep Seccomp: /proc/self/status)" mode
    expect_match 'Operation not permitted' "$(expect_status 1 run_box busybox unshare -m true)" 'unshare'
    expect_match 'Seccomp:.*0' "$(run_box --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status)" unconfined
    start_box busybox sleep 1000
    expect_match 'Seccomp:.*2' "$(podman exec box grep Seccomp: /proc/self/status)" 'mode of exec'
}

case_no_new_privileges() {
    expect_equal 'NoNewPrivs:	1' "$(run_box --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status)" 'flag'
}

case_read_only() {
    expect_match 'Read-only' "$(expect_status 1 run_box --read-only busybox touch /file)" 'root'
    run_box --read-only busybox touch /tmp/file
}

case_privileged() {
    run_box --privileged busybox sh -c 'mkdir /m && mount -t tmpfs none /m'
}

case_device() {
    expect_match '1, +9|1:9|crw' "$(run_box --device /dev/urandom:/dev/mine busybox ls -l /dev/mine)" node
    expect_equal 4 "$(run_box --device /dev/urandom:/dev/mine busybox sh -c 'head -c 4 /dev/mine | wc -c')" 'read'
}

case_sysctl() {
    expect_equal 4242 "$(run_box --sysctl kernel.msgmax=4242 busybox cat /proc/sys/kernel/msgmax)" msgmax
}

case_hostname_init() {
    expect_equal name "$(run_box --hostname name busybox hostname)" hostname
    expect_match 'catatonit|init' "$(run_box --init busybox sh -c 'cat /proc/1/comm')" 'pid 1'
}

case_namespaces() {
    start_box busybox sleep 1000
    expect_match 'sleep' "$(run_box --pid container:box busybox ps)" 'pid namespace'
    expect_equal "$(podman exec box readlink /proc/self/ns/ipc)" \
        "$(run_box --ipc container:box busybox readlink /proc/self/ns/ipc)" 'ipc namespace'
    expect_equal "$(readlink /proc/self/ns/uts)" "$(run_box --uts host busybox readlink /proc/self/ns/uts)" 'host uts'
    expect_equal "$(readlink /proc/self/ns/net)" "$(podman run --rm --network host busybox readlink /proc/self/ns/net)" 'host network'
}

case_userns() {
    expect_match '^ +0 +100000 +65536' "$(run_box --uidmap 0:100000:65536 busybox cat /proc/self/uid_map)" map
    expect_equal 0 "$(run_box --uidmap 0:100000:65536 busybox sh -c 'touch /x && stat -c %u /x')" owner
}

case_cgroups_disabled() {
    expect_equal ok "$(run_box --cgroups disabled busybox echo ok)" output
}

case_network() {
    podman run --detach --network cases --name box busybox sh -c 'while :; do echo answer | nc -l -p 7; done' >/dev/null
    local address
    address=$(podman inspect --format '{{.NetworkSettings.Networks.cases.IPAddress}}' box)
    wait_text 10 answer podman run --rm --network cases busybox nc -w 2 "$address" 7
}

case_health() {
    start_box --health-cmd 'test -e /healthy' --health-interval disable busybox sleep 1000
    expect_status 1 podman healthcheck run box >/dev/null
    podman exec box touch /healthy
    podman healthcheck run box
}

case_pod() {
    podman pod create --name pod --network none >/dev/null
    podman run --detach --pod pod --name one busybox sleep 1000
    podman run --detach --pod pod --name two busybox sleep 1000
    expect_equal "$(podman exec one readlink /proc/self/ns/net)" "$(podman exec two readlink /proc/self/ns/net)" 'shared network namespace'
    podman pod pause pod
    podman pod unpause pod
    podman pod stop --time 0 pod
    podman pod start pod
    expect_equal Running "$(podman pod inspect --format '{{.State}}' pod)" state
    podman pod rm --force --time 0 pod
}

case_init_container() {
    podman pod create --name pod --network none >/dev/null
    podman create --pod pod --init-ctr always --volume shared:/s busybox sh -c 'echo first >/s/file'
    podman create --pod pod --name main --volume shared:/s busybox sh -c 'cat /s/file; sleep 1000'
    podman pod start pod
    wait_text 10 first podman logs main
}

case_build() {
    mkdir -p "$scratch/build"
    cat >"$scratch/build/Containerfile" <<'END'
FROM busybox
RUN echo "built by $(id -u)" >/built && mkdir /d
WORKDIR /d
USER guest
CMD ["sh", "-c", "cat /built; pwd; id -u"]
END
    podman build --network none --isolation oci --runtime "$runtime" --tag built "$scratch/build"
    expect_equal $'built by 0\n/d\n1000' "$(run_box built)" output
    podman rmi built >/dev/null
}

case_commit_cp_diff() {
    start_box busybox sh -c 'echo changed >/file; sleep 1000'
    wait_for 5 podman exec box test -e /file
    expect_match 'A /file' "$(podman diff box)" diff
    podman cp box:/file "$scratch/copied"
    expect_equal changed "$(<"$scratch/copied")" copied
    podman commit --quiet box changed >/dev/null
    expect_equal changed "$(run_box changed cat /file)" 'image'
    podman rmi --force changed >/dev/null
}

case_kube_play() {
    cat >"$scratch/pod.yaml" <<'END'
apiVersion: v1
kind: Pod
metadata:
  name: played
spec:
  containers:
  - name: main
    image: docker.io/library/busybox:latest
    command: ["sh", "-c", "echo $GREETING; sleep 1000"]
    env: [{name: GREETING, value: hello}]
    resources: {limits: {memory: 64Mi}}
    securityContext: {readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
END
    podman kube play --network none "$scratch/pod.yaml" || podman play kube --network none "$scratch/pod.yaml"
    wait_text 10 hello podman logs played-main
    podman kube down "$scratch/pod.yaml" || podman play kube --down "$scratch/pod.yaml"
}

case_load() {
    local i
    for ((i = 0; i < 20; i++)); do
        podman run --detach --network none --name "load$i" busybox sleep 1000 >/dev/null
    done
    for ((i = 0; i < 20; i++)); do
        expect_equal "$i" "$(podman exec "load$i" echo "$i")" "exec in $i"
    done
    expect_equal 20 "$(podman ps -q | wc -l)" running
}
