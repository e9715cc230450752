# shellcheck shell=bash
# containerd's CRI plugin, as the kubelet drives it. The client is cri-client.

image=docker.io/library/busybox:latest
pause=localhost/pause:latest
export CRI_SOCKET=/run/containerd/containerd.sock CRI_DESCRIPTORS=$logs/cri.pb

# The definitions of the interface are of another suite than an installed containerd.
cri_definitions() {
    local root=${suite_root:-$cache/engines/cri@sid}
    # An option for logging that older compilers do not know.
    sed 's/ *\[debug_redact = true\]//' "$root/usr/share/gocode/src/k8s.io/cri-api/pkg/apis/runtime/v1/api.proto" >"$scratch/api.proto"
    protoc --include_imports --descriptor_set_out="$CRI_DESCRIPTORS" --proto_path="$scratch" api.proto
}

# The page's block, and what this sandbox needs beside it: no systemd, no raising of
# OOM scores, images and networks of its own.
engine_start() {
    local major=${suite:+2}
    {
        docs_block kubernetes /etc/containerd/config.toml "containerd ${major:-1}.x" | sed 's/SystemdCgroup = true/SystemdCgroup = false/'
        "containerd_settings_${major:-1}"
    } | tee /etc/containerd/config.toml
    mkdir -p /etc/cni/net.d
    cat >/etc/cni/net.d/10-cases.conflist <<'END'
{"cniVersion": "1.0.0", "name": "cases", "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.99.0.0/16"}]]}}]}
END
    cri_definitions
    start_daemon
    ctr --namespace k8s.io image import "$work/busybox.tar"
    ctr --namespace k8s.io image import "$work/pause.tar"
    wait_for 20 ready
}

containerd_settings_1() {
    cat <<END
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause"
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "oxrun"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "/etc/cni/net.d"
END
}

containerd_settings_2() {
    cat <<END
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "$pause"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "oxrun"
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "/etc/cni/net.d"
END
}

start_daemon() {
    setsid containerd --config /etc/containerd/config.toml >>"$logs/containerd.log" 2>&1 </dev/null &
    echo $! >"$scratch/daemon.pid"
    disown
    wait_for 20 cri Version || { tail -n 20 "$logs/containerd.log"; false; }
}

ready() {
    cri Status | jq -e '[.status.conditions[].status] | all'
}

engine_stop() {
    end_process "$(<"$scratch/daemon.pid")" TERM
    ip link delete cni0 || true
    umount -q /run/netns || true
    # containerd keeps the empty parent of its namespace's containers.
    find /sys/fs/cgroup -depth -type d \( -name k8s.io -o -name cases \) -exec rmdir {} + || true
}

engine_reset() {
    local pod
    for pod in $(cri ListPodSandbox | jq -r '.items[]?.id'); do remove_pod "$pod"; done
}

remove_pod() {
    cri StopPodSandbox "{\"podSandboxId\": \"$1\"}" >/dev/null
    cri RemovePodSandbox "{\"podSandboxId\": \"$1\"}" >/dev/null
}

cri() {
    "$here/cri-client" call "$@"
}

# pod_config NAME [JQ-FILTER]
pod_config() {
    jq -n --arg name "$1" --arg logs "$scratch/pods/$1" "{
        metadata: {name: \$name, uid: \$name, namespace: \"default\"}, hostname: \$name, log_directory: \$logs,
        linux: {cgroup_parent: \"/cases\", security_context: {namespace_options: {}}}} | ${2:-.}"
}

# start_pod NAME [JQ-FILTER]: sets $pod, $pod_config
start_pod() {
    mkdir -p "$scratch/pods/$1"
    pod_config=$(pod_config "$@")
    pod=$(cri RunPodSandbox "{\"config\": $pod_config}" | jq -r .podSandboxId)
}

# create_container NAME JQ-FILTER COMMAND…: in the latest pod; sets $container
create_container() {
    local name=$1 filter=$2 config
    shift 2
    config=$(jq -n --arg name "$name" --arg image "$image" "{metadata: {name: \$name}, image: {image: \$image},
        command: \$ARGS.positional, log_path: \"\(\$name).log\", linux: {security_context: {}}} | $filter" --args -- "$@")
    container=$(cri CreateContainer "{\"podSandboxId\": \"$pod\", \"config\": $config, \"sandboxConfig\": $pod_config}" | jq -r .containerId)
}

start_container() {
    create_container "$@"
    cri StartContainer "{\"containerId\": \"$container\"}" >/dev/null
}

# start_box [JQ-FILTER]: a container that stays, in a pod of its own
start_box() {
    [[ -n ${pod:-} ]] || start_pod box
    start_container "box$RANDOM" "${1:-.}" sleep 1000
}

in_container() {
    "$here/cri-client" exec "$@"
}

in_box() {
    in_container "$container" "$@" </dev/null
}

status_of() {
    cri ContainerStatus "{\"containerId\": \"$1\"}" | jq -r ".status.$2"
}

exec_sync() {
    local id=$1
    shift
    cri ExecSync "$(jq -n --arg id "$id" '{containerId: $id, cmd: $ARGS.positional, timeout: 10}' --args -- "$@")" |
        jq -r '(.stdout // "" | @base64d) + (if .exitCode then "status \(.exitCode)" else "" end)'
}

case_runtime_is_used() {
    start_box
    expect_equal running "$("$runtime" --root /run/containerd/runc/k8s.io state "$container" | jq -r .status)" state
}

case_pod_of_several() {
    start_pod several
    start_container one . sh -c 'hostname; echo shared >/dev/shm/x; nc -l -p 7 -e echo answer'
    local one=$container
    start_container two . sleep 1000
    local kind
    for kind in net ipc uts; do
        expect_same "$(in_container "$one" readlink "/proc/self/ns/$kind" </dev/null)" "$(in_box readlink "/proc/self/ns/$kind")" "$kind shared"
    done
    expect_equal several "$(in_box hostname)" 'host name'
    expect_equal shared "$(in_box cat /dev/shm/x)" 'shared memory'
    expect_equal answer "$(in_box nc -w 2 127.0.0.1 7)" 'by loopback'
    expect_equal 1 "$(in_box sh -c 'ls -d /proc/[0-9]* | grep -c "^/proc/1$"')" 'own processes'
    [[ $(in_container "$one" readlink /proc/self/ns/pid </dev/null) != $(in_box readlink /proc/self/ns/pid) ]] || fail 'one PID namespace'
}

case_shared_process_namespace() {
    start_pod shared '.linux.security_context.namespace_options.pid = "POD"'
    start_container one '.linux.security_context.namespace_options.pid = "POD"' sleep 1111
    start_container two '.linux.security_context.namespace_options.pid = "POD"' sleep 2222
    expect_match 'sleep 1111.*sleep 2222' "$(in_box ps | tr '\n' ' ')" processes
    start_container three '.linux.security_context.namespace_options = {pid: "TARGET", target_id: "'"$container"'"}' sleep 3333
    expect_match 'sleep 2222' "$(in_box ps)" 'of the target'
}

case_host_namespaces() {
    local kind all='{network: "NODE", pid: "NODE", ipc: "NODE"}'
    start_pod host ".hostname = \"\" | .linux.security_context.namespace_options = $all"
    start_container one ".linux.security_context.namespace_options = $all" sleep 1000
    for kind in net pid ipc; do
        expect_same "$(readlink "/proc/self/ns/$kind")" "$(in_box readlink "/proc/self/ns/$kind")" "$kind"
    done
}

case_exec_sync() {
    start_box
    expect_equal 'in exec' "$(exec_sync "$container" echo in exec)" output
    expect_equal 'status 9' "$(exec_sync "$container" sh -c 'exit 9')" status
    expect_match 'executable file not found in \$PATH' "$(exec_sync "$container" no-such-command 2>&1 || true)" 'missing'
    local from=$SECONDS
    expect_match 'DEADLINE_EXCEEDED|timeout' "$(cri ExecSync '{"containerId": "'"$container"'", "cmd": ["sleep", "2000"], "timeout": 1}' 2>&1 || true)" 'time limit'
    ((SECONDS - from < 10)) || fail 'the limit is not held'
    wait_text 5 '' in_box sh -c 'ps | grep "[s]leep 2000" || true'
}

case_exec_stream() {
    start_box
    expect_equal 'streamed' "$(in_box echo streamed)" output
    expect_status 7 in_box sh -c 'exit 7'
    expect_equal 'PIPED' "$(echo piped | in_container "$container" sh -c 'read x; echo $x | tr a-z A-Z')" 'standard input'
}

case_exec_probes() {
    start_box
    "$here/cri-client" probe "$container" "${ENGINE_PROBE_SECONDS:-60}" 10 sh -c 'test -e /etc/passwd'
    wait_text 10 2 in_box sh -c 'ps | grep -c -v -e PID -e "ps$" -e grep'
}

case_port_forward() {
    start_pod forward
    start_container server . sh -c 'while :; do nc -l -p 80 -e sh -c "read x; echo got \$x"; done'
    wait_text 10 'got this' sh -c "echo this | '$here/cri-client' forward '$pod' 80"
}

case_logs_rotated() {
    start_pod logs
    start_container main . sh -c 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done'
    local log=$scratch/pods/logs/main.log
    wait_for 5 grep -q 'stdout F line 3' "$log"
    mv "$log" "$log.1"
    cri ReopenContainerLog "{\"containerId\": \"$container\"}"
    wait_for 5 grep -q 'stdout F line' "$log"
    local last
    last=$(tail -n1 "$log.1" | awk '{ print $NF }')
    expect_match "line $((last + 1))\$" "$(head -n1 "$log")" 'first line after the rotation'
}

case_exit_and_stop() {
    start_pod stop
    start_container ends . sh -c 'exit 3'
    wait_text 5 CONTAINER_EXITED status_of "$container" state
    expect_equal 3 "$(status_of "$container" exitCode)" status
    start_container handles . sh -c 'trap "exit 4" TERM; while :; do sleep 0.1; done'
    sleep 0.3
    cri StopContainer "{\"containerId\": \"$container\", \"timeout\": 10}" >/dev/null
    expect_equal 4 "$(status_of "$container" exitCode)" 'handled TERM'
    start_container deaf . sh -c 'trap "" TERM; while :; do sleep 0.1; done'
    sleep 0.3
    cri StopContainer "{\"containerId\": \"$container\", \"timeout\": 1}" >/dev/null
    expect_equal 137 "$(status_of "$container" exitCode)" 'ignored TERM'
    cri RemoveContainer "{\"containerId\": \"$container\"}" >/dev/null
}

case_oom_killed() {
    start_pod oom
    start_container oom '.linux.resources = {memory_limit_in_bytes: 16777216, memory_swap_limit_in_bytes: 16777216}' \
        sh -c 'x=a; while :; do x=$x$x$x$x; done'
    wait_text 10 CONTAINER_EXITED status_of "$container" state
    expect_equal 137 "$(status_of "$container" exitCode)" status
    # containerd learns of the one by another way than of the other, and not always first.
    wait_text 20 OOMKilled status_of "$container" reason
}

case_run_as() {
    start_box '.linux.security_context += {run_as_user: {value: 1000}, run_as_group: {value: 1000}, supplemental_groups: [29]}'
    expect_equal '1000 1000 1000 29' "$(in_box sh -c 'echo $(id -u) $(id -g) $(id -G)')" 'numbers and groups'
    start_box '.linux.security_context += {run_as_username: "guest"}'
    expect_equal guest "$(in_box whoami)" name
}

case_read_only_root() {
    start_box '.linux.security_context.readonly_rootfs = true'
    expect_match 'Read-only' "$(expect_status 1 in_box touch /file)" root
}

case_capabilities() {
    start_box '.linux.security_context.capabilities = {drop_capabilities: ["ALL"]}'
    expect_equal 'CapEff:	0000000000000000' "$(in_box grep CapEff /proc/self/status)" 'all dropped'
    start_box '.linux.security_context.capabilities = {drop_capabilities: ["ALL"], add_capabilities: ["NET_ADMIN"]}'
    expect_equal 'CapEff:	0000000000001000' "$(in_box grep CapEff /proc/self/status)" 'one added'
}

case_seccomp() {
    start_box '.linux.security_context.seccomp = {profile_type: "RuntimeDefault"}'
    expect_match 'Seccomp:.*2' "$(in_box grep Seccomp: /proc/self/status)" mode
    expect_match 'Operation not permitted' "$(expect_status 1 in_box unshare -m true)" 'unshare'
    start_box '.linux.security_context.seccomp = {profile_type: "Unconfined"}'
    expect_match 'Seccomp:.*0' "$(in_box grep Seccomp: /proc/self/status)" unconfined
    seccomp_profile >"$scratch/profile.json"
    start_box '.linux.security_context.seccomp = {profile_type: "Localhost", localhost_ref: "'"$scratch/profile.json"'"}'
    expect_match 'File exists' "$(expect_status 1 in_box mkdir /x)" 'errno of the profile'
}

case_no_new_privileges() {
    start_box '.linux.security_context.no_new_privs = true'
    expect_equal 'NoNewPrivs:	1' "$(in_box grep NoNewPrivs /proc/self/status)" flag
}

case_masked_paths() {
    start_box '.linux.security_context += {masked_paths: ["/etc/group", "/proc/scsi"], readonly_paths: ["/home"]}'
    expect_equal '' "$(in_box cat /etc/group)" 'masked file'
    expect_match 'Read-only' "$(expect_status 1 in_box touch /home/x)" 'read-only path'
}

case_privileged() {
    need_all_capabilities
    start_pod box '.linux.security_context.privileged = true'
    start_box '.linux.security_context.privileged = true'
    in_box mount -t tmpfs none /mnt
}

case_mounts() {
    mkdir -p "$scratch/v/sub"
    echo inside >"$scratch/v/file"
    start_box ".mounts = [{container_path: \"/v\", host_path: \"$scratch/v\"}, {container_path: \"/ro\", host_path: \"$scratch/v\", readonly: true}]"
    expect_equal inside "$(in_box sh -c 'cat /v/file; echo new >/v/new')" read
    expect_equal new "$(<"$scratch/v/new")" written
    expect_match 'Read-only' "$(expect_status 1 in_box touch /ro/no)" 'read-only'
}

# The features of the engine's handler for the runtime, as it read them.
handler_has() {
    cri Status | jq -e --arg name "$1" '.runtimeHandlers[]? | select(.name == "oxrun") | .features[$name]' >/dev/null
}

case_recursive_read_only() {
    [[ -n $suite ]] || skip 'containerd 1 has none'
    handler_has recursiveReadOnlyMounts || fail "not offered: $(cri Status | jq -c .runtimeHandlers)"
    mkdir -p "$scratch/rro"
    mount -t tmpfs none "$scratch/rro"
    mkdir "$scratch/rro/sub"
    mount -t tmpfs none "$scratch/rro/sub"
    trap 'umount "$scratch/rro/sub" "$scratch/rro"' EXIT
    start_box ".mounts = [{container_path: \"/v\", host_path: \"$scratch/rro\", readonly: true, recursive_read_only: true, propagation: \"PROPAGATION_PRIVATE\"}]"
    expect_match 'Read-only' "$(expect_status 1 in_box touch /v/sub/no)" 'mount below'
}

case_user_namespace() {
    [[ -n $suite ]] || skip 'containerd 1 has none'
    handler_has userNamespaces || fail "not offered: $(cri Status | jq -c .runtimeHandlers)"
    local users='{mode: "POD", uids: [{host_id: 200000, length: 65536}], gids: [{host_id: 200000, length: 65536}]}'
    start_pod users ".linux.security_context.namespace_options.userns_options = $users"
    mkdir -p "$scratch/idmap"
    echo kept >"$scratch/idmap/file"
    chmod 600 "$scratch/idmap/file"
    start_container one ".linux.security_context.namespace_options.userns_options = $users |
        .mounts = [{container_path: \"/v\", host_path: \"$scratch/idmap\", uidMappings: [{host_id: 200000, length: 65536}], gidMappings: [{host_id: 200000, length: 65536}]}]" sleep 1000
    expect_match '^ +0 +200000 +65536' "$(in_box cat /proc/self/uid_map)" map
    expect_equal '0 kept' "$(in_box sh -c 'echo $(stat -c %u /v/file) $(cat /v/file); touch /v/new')" 'mapped volume'
    expect_equal 0 "$(stat -c %u "$scratch/idmap/new")" 'owner on the host'
    expect_equal 0 "$(in_box stat -c %u /bin/busybox)" 'owner of the root file system'
    local one=$container
    start_container two ".linux.security_context.namespace_options.userns_options = $users" sleep 1000
    expect_same "$(in_container "$one" readlink /proc/self/ns/user </dev/null)" "$(in_box readlink /proc/self/ns/user)" 'one user namespace for the pod'
}

case_update_resources() {
    start_pod update
    start_container box '.linux.resources = {memory_limit_in_bytes: 67108864, cpu_period: 100000, cpu_quota: 50000, cpu_shares: 512}' sleep 1000
    expect_equal 67108864 "$(box_value memory memory.limit_in_bytes memory.max)" memory
    expect_match '^50000' "$(box_value cpu cpu.cfs_quota_us cpu.max)" cpu
    cri UpdateContainerResources "{\"containerId\": \"$container\", \"linux\": {\"memoryLimitInBytes\": 50331648, \"cpuPeriod\": 100000, \"cpuQuota\": 25000, \"cpusetCpus\": \"0\"}}"
    expect_equal 50331648 "$(box_value memory memory.limit_in_bytes memory.max)" 'memory afterwards'
    expect_match '^25000' "$(box_value cpu cpu.cfs_quota_us cpu.max)" 'cpu afterwards'
    expect_equal 0 "$(box_value cpuset cpuset.cpus cpuset.cpus)" 'cpuset afterwards'
    expect_equal CONTAINER_RUNNING "$(status_of "$container" state)" 'still running'
    expect_match '"value"' "$(cri ContainerStats "{\"containerId\": \"$container\"}" | jq -c .stats.memory)" stats
}

box_value() {
    cgroup_value "cases/$container" "$@"
}

# Containers of the load are spread over five pods.
load_pods() {
    local i
    for ((i = 0; i < 5; i++)); do
        start_pod "load$i"
        pods+=("$pod")
    done
    export CRI_POD=$pod_config
}

load_each() {
    "$here/cri-client" load "${1#load_}" "$2" "${pods[@]}"
}

load_running() {
    cri ListContainers '{"filter": {"state": {"state": "CONTAINER_RUNNING"}}}' | jq '.containers | length'
}

case_load() {
    pods=()
    load_pods
    load_runs
}

case_daemon_killed() {
    pods=()
    load_pods
    load_each load_start 20
    end_process "$(<"$scratch/daemon.pid")" KILL
    start_daemon
    wait_for 20 ready
    expect_equal 20 "$(load_running)" 'running after the daemon came back'
    load_each load_exec 20
    load_each load_remove 10
    expect_equal 10 "$(load_running)" 'running at the end'
    pod=${pods[0]}
    start_container more . sleep 1000
    expect_equal new "$(in_box echo new)" 'a new container in an old pod'
}
