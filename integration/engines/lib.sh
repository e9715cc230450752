# shellcheck shell=bash
# What cases are written with.

fail() {
    printf 'FAILED: %s\n' "$*"
    exit 1
}

# Ends the case: what it needs is not there. The text is shown as the reason.
skip() {
    printf '%s\n' "$*"
    exit 77
}

# expect_equal WANTED FOUND WHAT
expect_equal() {
    [[ $1 == "$2" ]] || fail "$3: wanted '$1', found '$2'"
}

# expect_same WANTED FOUND WHAT: two texts that were both found, of which neither may be empty.
expect_same() {
    [[ -n $1 ]] || fail "$3: nothing to compare with"
    expect_equal "$@"
}

# expect_match EXTENDED-REGEX FOUND WHAT
expect_match() {
    [[ $2 =~ $1 ]] || fail "$3: wanted a match of '$1', found '$2'"
}

# expect_status STATUS COMMAND…: prints the command's output (both streams).
expect_status() {
    local wanted=$1 status=0
    shift
    "$@" 2>&1 || status=$?
    [[ $status == "$wanted" ]] || fail "status of '$*': wanted $wanted, found $status"
}

# wait_for SECONDS COMMAND…: until the command succeeds.
wait_for() {
    local limit=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < limit)) || fail "still not true: $*"
        sleep 0.1
    done
}

# wait_text SECONDS WANTED COMMAND…: until the command prints exactly that.
wait_text() {
    local limit=$((SECONDS + $1)) wanted=$2 found=''
    shift 2
    until found=$("$@" 2>&1) && [[ $found == "$wanted" ]]; do
        ((SECONDS < limit)) || fail "'$*' still prints '$found', not '$wanted'"
        sleep 0.1
    done
}

# end_process NUMBER SIGNAL: sends it and waits until the process is gone.
end_process() {
    kill -s "$2" "$1"
    wait_for 20 process_gone "$1"
}

process_gone() {
    ! kill -0 "$1" 2>/dev/null || [[ $(ps -o state= -p "$1") == Z ]]
}

# Docker asks for every capability that the kernel knows, whether the host has it or not.
need_all_capabilities() {
    local last bounding
    last=$(</proc/sys/kernel/cap_last_cap)
    bounding=$(awk '/^CapBnd/ { print $2 }' /proc/self/status)
    ((0x$bounding == (1 << (last + 1)) - 1)) || skip "this host's root lacks a capability ($bounding)"
}

# cgroup_value DIRECTORY V1-CONTROLLER V1-FILE V2-FILE: what the file holds.
cgroup_value() {
    if [[ -d /sys/fs/cgroup/$2/$1 ]]; then cat "/sys/fs/cgroup/$2/$1/$3"; else cat "/sys/fs/cgroup/$1/$4"; fi
}

# on_tty INPUT COMMAND…: runs the command on a new terminal with that typed into
# it; prints what the terminal showed, without carriage returns.
on_tty() {
    local input=$1
    shift
    { sleep 0.5; printf '%b' "$input"; sleep 1; } | script --quiet --return --command "${*@Q}" /dev/null | tr -d '\r'
}

# A seccomp profile that refuses mkdir with EEXIST and has a filter flag.
seccomp_profile() {
    jq -n '{defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_FILTER_FLAG_LOG"],
        syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 17}]}'
}

# Everything of the sandbox that a container could leave behind: mounts, cgroups,
# network namespaces, processes, and the runtimes' state.
leftovers_snapshot() {
    local users
    mapfile -t users < <(compgen -G '/run/user/*')
    findmnt --raw --noheadings --output TARGET | sed 's/^/mount /'
    find /sys/fs/cgroup -mindepth 2 -type d -not -path '/sys/fs/cgroup/engine' | sed 's/^/cgroup /'
    lsns --type net --noheadings --output NS | sed 's/^ */netns /'
    # A container or a daemon that outlives its parent is adopted by process 1.
    ps --ppid 1 -o args= | awk '!/inside.sh|^comm / { print "process", $0 }'
    # Not everything there is readable for an ordinary user.
    { find /run "${users[@]}" -xdev -path "$scratch" -prune -o \( -name state.json -o -name exec.fifo -o -name status \) -print 2>/dev/null || true; } |
        sed 's/^/state /'
}

# What is there now and was not in the snapshot BEFORE, nor matches what the engine
# keeps ($engine_keeps), on a machine with other work only what matches $engine_watch; what is on its way out gets six seconds.
leftovers_since() {
    local left
    for _ in {1..30}; do
        left=$(comm -13 <(sort <<<"$1") <(leftovers_snapshot | grep -E "${engine_watch:-}" | grep -vE "${engine_keeps:-^$}" | sort))
        [[ -n $left ]] || break
        sleep 0.2
    done
    printf '%s' "$left"
}

leftovers_check() {
    local left
    left=$(leftovers_since "$1")
    if [[ -z $left ]]; then
        report "PASS $engine/nothing-left"
    else
        report "FAIL $engine/nothing-left" "$(head -n 20 <<<"$left")"
    fi
}

# in_parallel WORKERS COUNT COMMAND…: runs "COMMAND… 0" to "COMMAND… COUNT-1".
in_parallel() {
    local workers=$1 count=$2 worker i pids=() failed=0
    shift 2
    for ((worker = 0; worker < workers; worker++)); do
        (
            for ((i = worker; i < count; i += workers)); do "$@" "$i"; done
        ) &
        pids+=($!)
    done
    for worker in "${pids[@]}"; do
        wait "$worker" || failed=1
    done
    ((failed == 0)) || fail "one of $count: $*"
}

# timed COMMAND…: runs it and sets $took to the seconds, with a decimal.
timed() {
    local from=${EPOCHREALTIME/./}
    "$@"
    took=$(((${EPOCHREALTIME/./} - from) / 100000))
    took=$((took / 10)).$((took % 10))
}

# load_each COMMAND COUNT: the command with each number, some at a time.
load_each() {
    in_parallel 8 "$2" "$1"
}

# Starts $ENGINE_LOAD containers as fast as the engine can, runs a command in each
# and removes them, $ENGINE_LOAD_RUNS times; nothing may be left after each run. The
# engine's file says how: load_start, load_exec and load_remove with a number, load_running.
load_runs() {
    local run count=${ENGINE_LOAD:-100} before line
    # What an engine keeps for all of its containers is not a leftover.
    load_each load_start 1
    load_each load_remove 1
    before=$(leftovers_snapshot)
    for ((run = 1; run <= ${ENGINE_LOAD_RUNS:-3}; run++)); do
        timed load_each load_start "$count"
        line="$count started in $took s"
        expect_equal "$count" "$(load_running)" 'containers running'
        timed load_each load_exec "$count"
        line+=", exec in each $took s"
        timed load_each load_remove "$count"
        echo "measured: $line, removed in $took s"
        expect_equal '' "$(leftovers_since "$before")" "left after run $run"
    done
}

# docs_block PAGE FILE [HEADING]: the fenced block that follows the words "In `FILE`"
# (below that heading) on that page of docs/, with the runtime under test in the place of oxrun's path.
# So the pages hold what was tested.
docs_block() {
    awk -v file="\`$2\`" -v heading="${3:+## $3}" '
        heading == "" || $0 == heading { below = 1 }
        below && index($0, file) && /^(In|As) / { found = 1 }
        found && /^```/ { if (inside) exit; inside = 1; next }
        inside { print }' "$here/../../docs/$1.md" | sed "s|/usr/local/sbin/oxrun|$runtime|" | grep . ||
        fail "docs/$1.md has no block for $2"
}
