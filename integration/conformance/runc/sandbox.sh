# shellcheck shell=bash
# Each file of the suite runs in new namespaces and in cgroups of its own, below
# the caller's: the suite's cgroups of fixed names are in a cgroup namespace, and
# no process, mount or cgroup survives it.

# Prints the cgroups of a sandbox, one a hierarchy.
sandbox_cgroups() { # NAME
    local id root mount type options own
    while read -r mount type options; do
        if [[ $type == cgroup2 ]]; then
            own=$(sed -n 's/^0:://p' /proc/self/cgroup)
            printf '%s/%s\n' "${mount%/}${own%/}" "$1"
            continue
        fi
        while IFS=: read -r id root own; do
            [[ $id != 0 && ",$options," == *",$root,"* ]] || continue
            printf '%s/%s\n' "${mount%/}${own%/}" "$1"
        done </proc/self/cgroup
    done < <(findmnt --raw --noheadings --types cgroup,cgroup2 --output TARGET,FSTYPE,FS-OPTIONS)
}

sandbox_enter() { # NAME
    local dir file
    while read -r dir; do
        mkdir "$dir"
        for file in cpuset.cpus cpuset.mems; do
            # An empty v1 cpuset takes no process.
            [[ ! -e $dir/$file || ! -e $dir/tasks ]] || cat "$dir/../$file" >"$dir/$file"
        done
        # By default a cgroup has no time for real-time processes; "update" hands on more than half.
        [[ ! -e $dir/cpu.rt_runtime_us ]] || echo "${rt_runtime:-50000}" >"$dir/cpu.rt_runtime_us" || true
        echo "$BASHPID" >"$dir/cgroup.procs"
    done < <(sandbox_cgroups "$1")
}

sandbox_run() { # NAME COMMAND…
    (
        sandbox_enter "$1"
        shift
        exec unshare --mount --net --pid --ipc --uts --cgroup --fork --kill-child --mount-proc \
            --propagation private "$@" </dev/null
    )
}

# Removes the cgroups; says what is left.
sandbox_clean() { # NAME
    local dir
    while read -r dir; do
        [[ -d $dir ]] || continue
        for _ in {1..50}; do
            find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null && break
            sleep 0.1
        done
        [[ ! -d $dir ]] || echo "left: $dir with processes: $(find "$dir" -name cgroup.procs -exec cat {} + | tr '\n' ' ')" >&2
    done < <(sandbox_cgroups "$1")
}
