# shellcheck shell=bash
# Figures: a container that has used a known amount, what the engine says of it, and what
# the runtime's `events --stats` says before and after. None of these engines asks the
# runtime: they, or containerd's shim, read the cgroup. The figures must be the same.
#
# The engine's file defines box_events, which prints that event for container box.

# Holds 32 MiB, four processes, and has used a second of processor time once /ready is there. The
# memory is tail's own, which waits for the end: on version 2 Podman counts no other.
# shellcheck disable=SC2034 # the engines use it
burner='{ head -c 33554432 /dev/zero; touch /held; exec sleep 1000; } | tail -c 33554432 >/dev/null &
    sleep 1000 &
    while read -r _ _ _ _ _ _ _ _ _ _ _ _ _ user system _ </proc/self/stat; [ $((user + system)) -lt 100 ]; do :; done
    until [ -e /held ]; do :; done
    touch /ready
    wait'

# expect_between LEAST FOUND MOST WHAT
expect_between() {
    [[ $2 =~ ^[0-9]+$ ]] || fail "$4: '$2' is no number"
    (($1 <= $2 && $2 <= $3)) || fail "$4: $2, not between $1 and $3"
}

# figures_agree COMMAND: it prints the engine's "PROCESSOR-NANOSECONDS MEMORY-BYTES MEMORY-LIMIT PROCESSES" of box.
figures_agree() {
    local before after cpu memory limit pids usage
    before=$(box_events)
    read -r cpu memory limit pids < <("$1")
    after=$(box_events)
    echo "measured: the engine says cpu $cpu ns, memory $memory of $limit bytes, $pids processes;" \
        "events --stats $(jq -c '[.data.cpu.usage.total, .data.memory.usage.usage, .data.memory.usage.limit, .data.pids.current]' <<<"$after")"
    # What is known of the container.
    expect_between 900000000 "$cpu" 60000000000 'processor time'
    expect_between 33554432 "$memory" 50331648 'memory'
    expect_equal 67108864 "$limit" 'memory limit'
    expect_equal 4 "$pids" processes
    # What the runtime says; processor time only grows.
    expect_between "$(jq .data.cpu.usage.total <<<"$before")" "$cpu" "$(jq .data.cpu.usage.total <<<"$after")" \
        'processor time between those of events --stats'
    usage=$(jq .data.memory.usage.usage <<<"$after")
    expect_between $((usage - 2097152)) "$memory" $((usage + 2097152)) 'memory and that of events --stats'
    expect_equal "$limit" "$(jq .data.memory.usage.limit <<<"$after")" 'limit of events --stats'
    expect_equal "$pids" "$(jq .data.pids.current <<<"$after")" 'processes of events --stats'
}

# Writes 8 MiB to the disk below the container's file system before /ready is there.
# shellcheck disable=SC2034 # the engines use it
writer='dd if=/dev/zero of=/written bs=1048576 count=8 conv=fsync 2>/dev/null; touch /ready; exec sleep 1000'

# disk_figures_agree COMMAND: it prints the engine's "BYTES-READ BYTES-WRITTEN" of box.
disk_figures_agree() {
    local before after bytes_read bytes_written
    before=$(box_disk_events)
    read -r bytes_read bytes_written < <("$1")
    after=$(box_disk_events)
    echo "measured: the engine says $bytes_read bytes read, $bytes_written written; events --stats $after"
    expect_between 8388608 "$bytes_written" 16777216 'bytes written'
    expect_between "${before#* }" "$bytes_written" "${after#* }" 'bytes written between those of events --stats'
    expect_between "${before% *}" "$bytes_read" "${after% *}" 'bytes read between those of events --stats'
}

box_disk_events() {
    box_events | jq -r '.data.blkio.ioServiceBytesRecursive | [("read", "write") as $op
        | [.[] | select(.op | ascii_downcase == $op) | .value] | add // 0] | join(" ")'
}

# events_reader_build FILE: a program that reads figures with containerd's library.
events_reader_build() {
    GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$work/go HOME=$work CGO_ENABLED=0 \
        go build -o "$1" "$here/events-reader.go"
}

# A runtime that notes what it is asked: sets $noting to its path.
note_calls() {
    noting=$scratch/noting-runtime
    printf '#!/bin/sh\necho "$*" >>%q\nexec %q "$@"\n' "$scratch/calls" "$runtime" >"$noting"
    chmod +x "$noting"
    : >"$scratch/calls"
}

# asked_for_events COMMAND…: says whether the command made the engine call the runtime's events.
asked_for_events() {
    grep -qw create "$scratch/calls" || fail 'the noting runtime was not used'
    : >"$scratch/calls"
    "$@" >/dev/null
    if grep -qw events "$scratch/calls"; then
        echo "measured: '$*' calls the runtime's events"
    else
        echo "measured: '$*' reads the cgroup and does not call the runtime's events"
    fi
}
