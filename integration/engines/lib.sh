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

# Everything of the sandbox that a container could leave behind: mounts, cgroups,
# network namespaces and processes.
leftovers_snapshot() {
    findmnt --raw --noheadings --output TARGET | sed 's/^/mount /'
    find /sys/fs/cgroup -mindepth 2 -type d -not -path '/sys/fs/cgroup/engine' | sed 's/^/cgroup /'
    lsns --type net --noheadings --output NS | sed 's/^ */netns /'
    # A container or a daemon that outlives its parent is adopted by process 1.
    ps --ppid 1 -o args= | awk '!/inside.sh|^comm / { print "process", $0 }'
}

leftovers_check() {
    local before=$1 left
    for _ in {1..30}; do
        left=$(comm -13 <(sort <<<"$before") <(leftovers_snapshot | sort))
        [[ -n $left ]] || break
        sleep 0.2
    done
    if [[ -z $left ]]; then
        report "PASS $engine/nothing-left"
    else
        report "FAIL $engine/nothing-left"
        head -n 20 <<<"$left" | sed 's/^/    | /'
    fi
}
