# shellcheck shell=bash
# No engine: real root file systems as bundles, driven by hand with the runtime.

engine_start() {
    mkdir -p "$scratch/debian"
    if [[ -s $cache/debian-minbase.tar ]]; then
        tar -C "$scratch/debian" --numeric-owner -xf "$cache/debian-minbase.tar" --exclude='./dev/*'
    fi
}

engine_stop() {
    "$runtime" --root "$scratch/state" list
}

engine_reset() {
    local id
    for id in $(run_runtime list -q); do
        run_runtime delete --force "$id"
    done
    rm -rf "$scratch"/bundle.*
}

run_runtime() {
    "$runtime" --root "$scratch/state" "$@"
}

# bundle busybox|debian JQ-FILTER: prints the path of a new bundle whose
# configuration is the runtime's own `spec`, changed by the filter.
bundle() {
    local dir root=$work/busybox
    if [[ $1 == debian ]]; then
        root=$scratch/debian
        [[ -d $root/usr ]] || return 77
    fi
    dir=$(mktemp -d "$scratch/bundle.XXXXXX")
    chmod 755 "$dir"
    "$runtime" spec --bundle "$dir"
    jq --arg root "$root" --arg cgroup "/$(basename "$dir")" \
        ".root.path = \$root | .linux.cgroupsPath = \$cgroup | .process.terminal = false | $2" \
        "$dir/config.json" >"$dir/new.json"
    mv "$dir/new.json" "$dir/config.json"
    printf '%s\n' "$dir"
}

# shell_bundle busybox|debian SCRIPT [JQ-FILTER]: a bundle that runs the script.
shell_bundle() {
    bundle "$1" ".process.args = [\"/bin/sh\", \"-c\", $(jq -Rs . <<<"$2")] | ${3:-.}"
}

status_of() {
    run_runtime state "$1" | jq -r .status
}

is_status() {
    [[ $(status_of "$2") == "$1" ]]
}

need_debian() {
    [[ -d $scratch/debian/usr ]] || skip 'no Debian root file system (mmdebstrap failed)'
}

lifecycle() {
    local dir pid
    dir=$(shell_bundle "$1" 'echo started; trap "echo ended; exit 3" TERM; while :; do sleep 0.1; done')
    run_runtime create --bundle "$dir" --pid-file "$dir/pid" life >"$dir/out" 2>&1 </dev/null
    expect_equal created "$(status_of life)" 'status after create'
    pid=$(<"$dir/pid")
    expect_equal "$pid" "$(run_runtime state life | jq .pid)" 'pid in state and pid file'
    expect_equal '' "$(<"$dir/out")" 'output before start'
    run_runtime start life
    wait_text 5 started cat "$dir/out"
    expect_equal running "$(status_of life)" 'status after start'
    expect_match 'life +[0-9]+ +running' "$(run_runtime list)" 'list'
    expect_equal 'from exec' "$(run_runtime exec life echo 'from exec')" 'output of exec'
    expect_status 7 run_runtime exec life sh -c 'exit 7'
    expect_match 'sleep 0.1' "$(run_runtime ps life)" 'ps'
    expect_match "(^|[^0-9])$pid([^0-9]|$)" "$(run_runtime ps -f json life)" 'ps in JSON'
    expect_match 'cannot delete container life that is not stopped' \
        "$(expect_status 1 run_runtime delete life)" 'delete of a running container'
    run_runtime kill life TERM
    wait_for 5 is_status stopped life
    expect_match 'ended' "$(<"$dir/out")" 'output after the signal'
    run_runtime delete life
    expect_match 'does not exist' "$(expect_status 1 run_runtime state life)" 'state after delete'
    [[ -z $(find /sys/fs/cgroup -name "$(basename "$dir")") ]] || fail 'a cgroup is left'
}

case_busybox_lifecycle() { lifecycle busybox; }
case_debian_lifecycle() { need_debian; lifecycle debian; }

case_busybox_run() {
    local dir
    dir=$(shell_bundle busybox 'echo "$$ $(id -u) $(hostname) $PWD"; exit 5')
    expect_equal '1 0 runc / ' "$(expect_status 5 run_runtime run --bundle "$dir" run | sed 's/oxrun\|crun/runc/') " output
    expect_match 'does not exist' "$(expect_status 1 run_runtime state run)" 'state after run'
}

case_busybox_run_tty() {
    local dir
    dir=$(bundle busybox '.process.terminal = true | .process.args = ["sh"]')
    expect_match 'tty is /dev/pts/0' "$(
        on_tty 'echo tty is $(tty)\nexit\n' "$runtime" --root "$scratch/state" run --bundle "$dir" tty)" 'screen'
    expect_match 'done: 4' "$(on_tty 'exit 4\n' bash -c "'$runtime' --root '$scratch/state' run --bundle $dir tty; echo done: \$?")" \
        'exit status'
}

case_busybox_tty_size() {
    local dir
    dir=$(bundle busybox '.process.terminal = true | .process.args = ["stty", "size"]')
    expect_match '31 97' "$(on_tty '' bash -c "stty rows 31 cols 97; '$runtime' --root '$scratch/state' run --bundle $dir size")" 'size'
}

case_busybox_detached() {
    local dir
    dir=$(shell_bundle busybox 'exec sleep 1000')
    run_runtime run --detach --bundle "$dir" --pid-file "$dir/pid" detached </dev/null >"$dir/out" 2>&1
    expect_equal running "$(status_of detached)" status
    kill -KILL "$(<"$dir/pid")"
    wait_for 5 is_status stopped detached
    run_runtime delete detached
}

case_busybox_exec() {
    local dir
    dir=$(shell_bundle busybox 'exec sleep 1000')
    run_runtime run --detach --bundle "$dir" box </dev/null >"$dir/out" 2>&1
    expect_equal '/tmp 1000:1000 two words' "$(run_runtime exec --cwd /tmp --user 1000:1000 --env 'A=two words' box \
        sh -c 'echo "$PWD $(id -u):$(id -g) $A"')" 'exec with options'
    expect_equal '1000 29' "$(run_runtime exec --user 1000 --additional-gids 29 box sh -c 'echo $(id -u) $(id -G | cut -d" " -f2)')" groups
    expect_match '/dev/pts/0' "$(on_tty '' "$runtime" --root "$scratch/state" exec -t box tty)" 'tty of exec'
    expect_equal piped "$(echo piped | run_runtime exec box cat)" 'standard input'
    jq '.process | .args = ["sh", "-c", "echo $X"] | .env = ["PATH=/bin", "X=file"]' "$dir/config.json" >"$dir/process.json"
    expect_equal file "$(run_runtime exec --process "$dir/process.json" box)" 'process file'
    run_runtime exec --detach --pid-file "$dir/exec.pid" box sleep 500
    expect_match 'sleep.500' "$(tr '\0' . <"/proc/$(<"$dir/exec.pid")/cmdline")" 'detached exec'
    expect_match 'executable file not found in \$PATH' "$(expect_status 255 run_runtime exec box no-such-command)" 'missing command'
    run_runtime kill box KILL
    wait_for 5 is_status stopped box
    [[ ! -d /proc/$(<"$dir/exec.pid") ]] || fail 'the detached exec lives on'
}

case_busybox_pause() {
    local dir
    dir=$(shell_bundle busybox 'exec sleep 1000')
    run_runtime run --detach --bundle "$dir" box </dev/null >"$dir/out" 2>&1
    run_runtime pause box
    expect_equal paused "$(status_of box)" 'status after pause'
    expect_match 'paused' "$(expect_status 255 run_runtime exec box true)" 'exec in a paused container'
    run_runtime resume box
    expect_equal running "$(status_of box)" 'status after resume'
    run_runtime exec box true
    run_runtime pause box
    run_runtime delete --force box
}

case_busybox_update() {
    local dir
    dir=$(shell_bundle busybox 'exec sleep 1000')
    run_runtime run --detach --bundle "$dir" box </dev/null >"$dir/out" 2>&1
    run_runtime update --memory 67108864 --pids-limit 20 --cpu-period 100000 --cpu-quota 30000 box
    expect_equal 67108864 "$(cgroup_value "$(basename "$dir")" memory memory.limit_in_bytes memory.max)" 'memory limit'
    expect_equal 20 "$(cgroup_value "$(basename "$dir")" pids pids.max pids.max)" 'pids limit'
    expect_equal 67108864 "$(run_runtime events --stats box | jq .data.memory.usage.limit)" 'limit in events'
    expect_match '^[1-9]' "$(run_runtime events --stats box | jq .data.pids.current)" 'pids in events'
}

case_busybox_missing_command() {
    local dir
    dir=$(bundle busybox '.process.args = ["no-such-command"]')
    expect_match 'executable file not found in \$PATH' "$(expect_status 1 run_runtime --log "$dir/log" --log-format json \
        create --bundle "$dir" missing)" 'text'
    expect_match 'executable file not found in \$PATH' "$(jq -r 'select(.level == "error") | .msg' "$dir/log")" 'log'
    expect_match 'does not exist' "$(expect_status 1 run_runtime state missing)" 'state after the failure'
    [[ -z $(find /sys/fs/cgroup -name "$(basename "$dir")") ]] || fail 'a cgroup is left'
}

case_busybox_default_mounts() {
    local dir
    dir=$(shell_bundle busybox 'cat /proc/mounts; ls /dev; echo x >/file; true')
    local out line
    out=$(run_runtime run --bundle "$dir" mounts 2>&1)
    for line in 'proc /proc proc rw' 'tmpfs /dev tmpfs rw,nosuid' 'devpts /dev/pts devpts rw,nosuid,noexec' \
        'mqueue /dev/mqueue mqueue rw' 'sysfs /sys sysfs ro' 'proc /proc/sys proc ro' ' /proc/keys '; do
        [[ $out == *"$line"* ]] || fail "no '$line' in $out"
    done
    expect_match 'Read-only file system' "$out" 'write to the read-only root'
    for line in fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero; do
        grep -qx "$line" <<<"$out" || fail "no /dev/$line"
    done
}

case_busybox_limits() {
    local dir out
    dir=$(shell_bundle busybox 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max 2>/dev/null ||
        cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max; ulimit -n; grep -E "CapEff|NoNewPrivs" /proc/self/status' \
        '.linux.resources = {devices: [{allow: false, access: "rwm"}], memory: {limit: 33554432}, pids: {limit: 30}} |
        .process.rlimits = [{type: "RLIMIT_NOFILE", soft: 100, hard: 200}] |
        .mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"]}]')
    out=$(run_runtime run --bundle "$dir" limits)
    expect_equal $'33554432\n30\n100\nCapEff:\t0000000020000420\nNoNewPrivs:\t1' "$out" limits
}

case_busybox_user_namespace() {
    local dir
    dir=$(shell_bundle busybox 'id -u; cat /proc/self/uid_map; touch /tmp/x && stat -c %u /tmp/x' '.linux.namespaces += [{type: "user"}] |
        .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings |
        .mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs"}]')
    expect_match $'^0\n +0 +100000 +65536\n0$' "$(run_runtime run --bundle "$dir" userns)" 'uid map'
}

case_busybox_seccomp() {
    local dir
    dir=$(shell_bundle busybox 'mkdir /tmp/d; echo "status $?"' '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
        architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"],
        syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 38}]} |
        .mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs"}]')
    expect_match 'Function not implemented.*status 1' "$(run_runtime run --bundle "$dir" seccomp 2>&1 | tr '\n' ' ')" 'mkdir'
}

case_busybox_hooks() {
    local dir
    dir=$(bundle busybox '.process.args = ["true"]')
    cat >"$dir/hook" <<END
#!/bin/sh
echo "\$1 \$(jq -r '.id + " " + .status')" >>$dir/hooks
END
    chmod +x "$dir/hook"
    jq --arg hook "$dir/hook" --arg path "PATH=$PATH" 'def hook(name): [{path: $hook, args: ["hook", name], env: [$path]}];
        .hooks = {prestart: hook("prestart"), createRuntime: hook("createRuntime"),
        poststart: hook("poststart"), poststop: hook("poststop")}' "$dir/config.json" >"$dir/new.json"
    mv "$dir/new.json" "$dir/config.json"
    run_runtime run --bundle "$dir" hooks
    expect_match $'^prestart hooks creat(ing|ed)\ncreateRuntime hooks creat(ing|ed)\npoststart hooks (created|running|stopped)\npoststop hooks stopped$' \
        "$(<"$dir/hooks")" hooks
}

case_busybox_failing_hook() {
    local dir
    dir=$(bundle busybox '.process.args = ["sleep", "1000"] | .hooks = {poststart: [{path: "/bin/false"}]}')
    expect_match 'hook' "$(expect_status 1 run_runtime run --bundle "$dir" hooks)" 'text'
    expect_match 'does not exist' "$(expect_status 1 run_runtime state hooks)" 'state after the failure'
    [[ -z $(find /sys/fs/cgroup -name "$(basename "$dir")") ]] || fail 'a cgroup is left'
}

case_busybox_console_socket() {
    command -v python3 >/dev/null || skip 'needs python3 to receive a descriptor'
    local dir
    dir=$(bundle busybox '.process.terminal = true | .process.args = ["sh", "-c", "tty; stty size; exit 6"] |
        .process.consoleSize = {height: 21, width: 73}')
    python3 - "$dir" >"$dir/screen" <<'END' &
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1] + "/console")
listener.listen(1)
peer, _ = listener.accept()
_, fds, _, _ = socket.recv_fds(peer, 4096, 1)
try:
    while data := os.read(fds[0], 4096):
        sys.stdout.write(data.decode().replace("\r", ""))
        sys.stdout.flush()
except OSError:
    pass
END
    wait_for 5 test -S "$dir/console"
    run_runtime create --bundle "$dir" --console-socket "$dir/console" console
    run_runtime start console
    wait_text 5 $'/dev/pts/0\n21 73' cat "$dir/screen"
}

case_busybox_two_at_once() {
    local dir id
    dir=$(shell_bundle busybox 'exec sleep 1000' 'del(.linux.cgroupsPath)')
    for id in one two three; do
        run_runtime run --detach --bundle "$dir" "$id" </dev/null >"$dir/$id" 2>&1 &
    done
    wait
    expect_equal 3 "$(run_runtime list -q | wc -l)" 'containers'
    expect_match 'already (exists|in use)' "$(expect_status 1 run_runtime create --bundle "$dir" two)" 'the same id again'
    for id in one two three; do
        run_runtime delete --force "$id" &
    done
    wait
    expect_equal 0 "$(run_runtime list -q | wc -l)" 'containers after delete'
}

case_debian_tools() {
    need_debian
    local dir out
    dir=$(shell_bundle debian 'apt-get --version | head -n1; dpkg --version | head -n1; id; dpkg-query -W libc6 >/dev/null && echo query' \
        '.root.readonly = false')
    out=$(run_runtime run --bundle "$dir" tools)
    expect_match 'apt [0-9.]+ \(.*dpkg.* version.*uid=0\(root\) gid=0\(root\).*query' "$(tr '\n' ' ' <<<"$out")" 'tools'
}

case_debian_bash_tty() {
    need_debian
    local dir
    dir=$(bundle debian '.process.terminal = true | .process.args = ["bash", "--norc"]')
    expect_match 'answer 42' "$(on_tty 'echo answer $((6*7))\nexit\n' "$runtime" --root "$scratch/state" run --bundle "$dir" tty)" screen
}

case_debian_user() {
    need_debian
    local dir
    dir=$(shell_bundle debian 'id -un; id -G; umask; grep CapEff /proc/self/status; cat /proc/self/oom_score_adj' \
        '.process.user = {uid: 33, gid: 33, additionalGids: [4, 27], umask: 23} | .process.oomScoreAdj = 500')
    expect_equal $'www-data\n33 4 27\n0027\nCapEff:\t0000000000000000\n500' "$(run_runtime run --bundle "$dir" user)" user
}
