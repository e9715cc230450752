# shellcheck shell=bash
# Podman: conmon drives the runtime, buildah builds images with it.

client=podman
missing_in_exec=127
build_flags=(--isolation oci --runtime "$runtime")
remove_flags=(--force --time 0)
# Podman mounts it for as long as it thinks that it needs it.
# shellcheck disable=SC2034 # read in lib.sh
[[ $suite != vm ]] || engine_watch='libpod-|conmon|sleep|^state '
# shellcheck disable=SC2034
engine_keeps='^mount /var/lib/containers/storage/overlay$'
# shellcheck source=client.sh
source "$here/client.sh"

# shellcheck source=podman-systemd.sh
[[ $suite != vm ]] || source "$here/podman-systemd.sh"

# Where Podman looks for its files, and units for theirs; rootless.sh has others.
configuration=/etc/containers
units=/etc
user_flag=()

engine_start() {
    mkdir -p "$configuration/containers.conf.d"
    cat >"$configuration/policy.json" <<'END'
{"default": [{"type": "insecureAcceptAnything"}]}
END
    cat >"$configuration/registries.conf" <<'END'
unqualified-search-registries = ["localhost"]
[[registry]]
location = "127.0.0.1:5000"
insecure = true
END
    docs_block podman /etc/containers/containers.conf >"$configuration/containers.conf"
    if [[ $suite == vm ]]; then vm_settings; else sandbox_settings; fi
    # For --userns=auto; an ordinary user has some.
    ((EUID != 0)) || echo 'containers:200000:1000000' | tee -a /etc/subuid >>/etc/subgid
    podman load --input "$work/busybox.tar"
    podman image exists busybox
    podman network create cases
}

# What a sandbox without systemd needs. /run/p: Podman wants a run root of at most 50 characters.
sandbox_settings() {
    cat >/etc/containers/storage.conf <<'END'
[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/p"
END
    docs_block podman /etc/containers/containers.conf.d/limits.conf >"$configuration/containers.conf.d/limits.conf"
    cat >/etc/containers/containers.conf.d/test.conf <<'END'
[containers]
pids_limit = 2048
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
END
}

# The kernel of User Mode Linux has no packet filter.
vm_settings() {
    printf '[network]\nfirewall_driver = "none"\n' >"$configuration/containers.conf.d/vm.conf"
}

engine_stop() {
    podman network rm --force cases
    podman rmi --all --force
    # Its clean-up processes may still be at work.
    wait_for 20 bash -c '! pgrep -x "conmon|podman"'
    # Podman keeps the cgroups of conmon, of pods and of builds, and two mounts, until
    # the host goes down. Containers' own cgroups (libpod-*) are not its to remove.
    [[ $suite != vm ]] || return 0
    find /sys/fs/cgroup -depth -type d -path '*/libpod_parent*' -not -name 'libpod-*' -exec rmdir {} + || true
    umount -q /var/lib/containers/storage/overlay || true
    umount -q /run/netns || true
}

engine_reset() {
    podman pod rm --all --force --time 0 >/dev/null
    # A clean-up process that is at work on the same container makes it fail now and then.
    podman rm --all --force --time 0 >/dev/null || podman rm --all --force --time 0 >/dev/null
    podman volume rm --all --force >/dev/null
}

case_runtime_is_used() {
    start_box busybox sleep 1000
    expect_equal oxrun "$(inspect_box '{{.OCIRuntime}}')" runtime
    expect_equal "$runtime" "$(podman info --format '{{.Host.OCIRuntime.Path}}')" path
}

box_cgroup() {
    inspect_box '{{.State.CgroupPath}}'
}

box_events() {
    "$runtime" events --stats "$(inspect_box '{{.Id}}')"
}

client_figures() {
    podman stats --no-stream --format '{{.ContainerStats.CPUNano}} {{.ContainerStats.MemUsage}} {{.ContainerStats.MemLimit}} {{.ContainerStats.PIDs}}' box
}

case_who_reads_figures() {
    note_calls
    podman --runtime "$noting" run --detach --network none --name box busybox sleep 1000 >/dev/null
    asked_for_events podman stats --no-stream box
}

case_update() {
    start_box --memory 64m --memory-swap 64m busybox sleep 1000
    podman update --memory 48m --memory-swap 48m --cpu-shares 500 box
    expect_equal 50331648 "$(box_value memory memory.limit_in_bytes memory.max)" memory
}

case_userns() {
    expect_match '^ +0 +100000 +65536' "$(run_box --uidmap 0:100000:65536 busybox cat /proc/self/uid_map)" map
    expect_equal 0 "$(run_box --uidmap 0:100000:65536 busybox sh -c 'touch /x && stat -c %u /x')" owner
}

case_userns_auto() {
    expect_match '^ +0 +200000 +1024' "$(run_box --userns auto:size=1024 busybox cat /proc/self/uid_map)" map
    start_box --userns auto busybox sleep 1000
    expect_match '^ +0 +20[0-9]{4} ' "$(in_box cat /proc/self/uid_map)" 'map of the first'
    [[ $(in_box cat /proc/self/uid_map) != "$(run_box --userns auto busybox cat /proc/self/uid_map)" ]] || fail 'two containers with the same users'
}

case_idmapped_volume() {
    mkdir -p "$scratch/idmap"
    echo kept >"$scratch/idmap/file"
    chmod 600 "$scratch/idmap/file"
    expect_equal '0 kept' "$(run_box --userns auto --volume "$scratch/idmap:/v:idmap" busybox sh -c 'echo $(stat -c %u /v/file) $(cat /v/file); touch /v/new')" 'owner inside'
    expect_equal 0 "$(stat -c %u "$scratch/idmap/new")" 'owner on the host'
}

case_cgroups_disabled() {
    expect_equal ok "$(run_box --cgroups disabled busybox echo ok)" output
}

case_health() {
    start_box --health-cmd 'test -e /healthy' --health-interval disable busybox sleep 1000
    expect_status 1 podman healthcheck run box >/dev/null
    podman exec box touch /healthy
    podman healthcheck run box
}

# Kernels of virtual machines may lack some.
has_controller() {
    [[ $suite != vm ]] || grep -qw "$1" /sys/fs/cgroup/cgroup.controllers
}

case_pod() {
    podman pod create --name pod --network none >/dev/null
    podman run --detach --pod pod --name one busybox sleep 1000
    podman run --detach --pod pod --name two busybox sleep 1000
    expect_same "$(podman exec one readlink /proc/self/ns/net)" "$(podman exec two readlink /proc/self/ns/net)" 'shared network namespace'
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

# A client that is killed leaves conmon with the container; a conmon that is killed
# leaves the container alone, and Podman still has to get at it.
case_clients_killed() {
    local i clients=()
    for ((i = 0; i < 20; i++)); do
        podman run --network none --name "load$i" busybox sleep 1000 >/dev/null 2>&1 &
        clients+=($!)
    done
    wait_text 120 20 load_running
    kill -KILL "${clients[@]}"
    expect_equal 20 "$(load_running)" 'running without their clients'
    in_parallel 4 20 load_exec
    podman stop --time 0 load3
    expect_equal 137 "$(podman inspect --format '{{.State.ExitCode}}' load3)" 'status of one that was stopped'
    podman pause load4
    podman unpause load4
    podman restart --time 0 load4
    podman exec load4 true
    kill -KILL "$(podman inspect --format '{{.State.ConmonPid}}' load5)"
    podman exec load5 true
    local id
    id=$(podman inspect --format '{{.Id}}' load5)
    # Podman 5 says first that conmon is gone.
    podman rm --force --time 0 load5 || podman rm --force --time 0 load5
    # Without conmon Podman 4 forgets, with every runtime, to have the container deleted.
    "$runtime" delete --force "$id" || true
    expect_equal 18 "$(load_running)" 'running at the end'
}
