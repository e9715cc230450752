# shellcheck shell=bash disable=SC2154 # what sources this sets $sandbox_name and $work
# Namespaces and cgroups of its own for what tests a runtime on the host: an engine,
# a file of a suite, one of runtime-tools' programs. The PID namespace ends with its
# first process, so neither a daemon nor a container survives, and cgroups of fixed
# names are below the sandbox's. $sandbox_name names it.

# Prints the cgroup directories of the sandbox, one a hierarchy: below the caller's
# own cgroups, but on a unified v2 below the root, where controllers can be handed
# down although processes live there.
sandbox_cgroups() {
    local id root mount type options own
    while read -r mount type options; do
        if [[ $type == cgroup2 ]]; then
            own=
            [[ $mount == /sys/fs/cgroup ]] || own=$(sed -n 's/^0:://p' /proc/self/cgroup)
            printf '%s/%s\n' "${mount%/}${own%/}" "$sandbox_name"
            continue
        fi
        while IFS=: read -r id root own; do
            [[ $id != 0 && ",$options," == *",$root,"* ]] || continue
            printf '%s/%s\n' "${mount%/}${own%/}" "$sandbox_name"
        done </proc/self/cgroup
    done < <(findmnt --raw --noheadings --types cgroup,cgroup2 --output TARGET,FSTYPE,FS-OPTIONS)
}

# Makes the cgroups and enters them. $rt_runtime is the time for real-time processes
# (microseconds a period), of which a new v1 cgroup has none.
sandbox_enter_cgroups() {
    local dir file
    while read -r dir; do
        mkdir "$dir"
        for file in cpuset.cpus cpuset.mems; do
            # An empty v1 cpuset takes no process.
            [[ ! -e $dir/$file || ! -e $dir/tasks ]] || cat "$dir/../$file" >"$dir/$file"
        done
        [[ -z ${rt_runtime:-} || ! -e $dir/cpu.rt_runtime_us ]] || echo "$rt_runtime" >"$dir/cpu.rt_runtime_us" || true
        echo "$BASHPID" >"$dir/cgroup.procs"
    done < <(sandbox_cgroups)
}

# sandbox_exec SECONDS COMMAND…: becomes the command, in new namespaces, ended after so long.
sandbox_exec() {
    exec timeout --kill-after=5 "$1" unshare --mount --net --pid --ipc --uts --cgroup --fork --kill-child \
        --mount-proc --propagation private "${@:2}" </dev/null
}

# Ends what runs in the sandbox, if anything does.
sandbox_end() {
    local dir
    while read -r dir; do
        [[ ! -d $dir ]] || xargs -r kill -KILL <"$dir/cgroup.procs" 2>/dev/null || true
    done < <(sandbox_cgroups)
}

# Removes the sandbox's cgroups; fails when a process is left in them, a mount of
# the sandbox (below $work) shows on the host, or one cannot be removed.
sandbox_clean() {
    local dir left=0
    while read -r dir; do
        [[ -d $dir ]] || continue
        for _ in {1..50}; do
            find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null && break
            sleep 0.1
        done
        if [[ -d $dir ]]; then
            printf 'left: %s with processes: %s\n' "$dir" \
                "$(find "$dir" -name cgroup.procs -exec cat {} + | tr '\n' ' ')" >&2
            left=1
        fi
    done < <(sandbox_cgroups)
    if findmnt --raw --noheadings --output TARGET | grep -F "$work"; then left=1; fi
    return "$left"
}
