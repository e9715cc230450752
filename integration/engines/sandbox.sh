# shellcheck shell=bash
# One engine runs inside namespaces and a cgroup of its own. The PID namespace
# ends with its first process, so neither a daemon nor a container survives.

# Prints the cgroup directories of the sandbox named $sandbox_name, one a hierarchy. On v1 they are
# below the caller's own cgroups; on v2 below the root, where controllers can be
# handed down although processes live there.
sandbox_cgroups() {
    local id root mount type options own
    while read -r mount type options; do
        if [[ $type == cgroup2 ]]; then
            [[ $mount == /sys/fs/cgroup ]] && printf '%s/%s\n' "$mount" "$sandbox_name"
            continue
        fi
        while IFS=: read -r id root own; do
            [[ $id != 0 && ",$options," == *",$root,"* ]] || continue
            printf '%s/%s\n' "${mount%/}${own%/}" "$sandbox_name"
        done </proc/self/cgroup
    done < <(findmnt --raw --noheadings --types cgroup,cgroup2 --output TARGET,FSTYPE,FS-OPTIONS)
}

sandbox_enter_cgroups() {
    local dir file
    while read -r dir; do
        mkdir "$dir"
        for file in cpuset.cpus cpuset.mems; do
            # An empty v1 cpuset takes no process.
            [[ -e $dir/$file && -e $dir/tasks ]] && cat "$dir/../$file" >"$dir/$file"
        done
        echo "$BASHPID" >"$dir/cgroup.procs"
    done < <(sandbox_cgroups)
}

sandbox_run() {
    (
        sandbox_enter_cgroups
        export engine=$1 suite='' suite_root logs=$work/$1
        suite_root=$(suite_root "$1")
        if [[ -n $suite_root ]]; then
            suite=${1#*@}
            PATH=$suite_root/usr/bin:$suite_root/usr/sbin:$PATH
        fi
        mkdir -p "$logs"
        exec timeout --kill-after=5 "${ENGINE_LIMIT:-780}" \
            unshare --mount --net --pid --ipc --uts --cgroup --fork --kill-child --mount-proc \
            --propagation private bash "$here/inside.sh" </dev/null
    )
}

# Ends what runs in the sandbox, if anything does.
sandbox_end() {
    local dir
    while read -r dir; do
        [[ ! -d $dir ]] || xargs -r kill -KILL <"$dir/cgroup.procs" 2>/dev/null || true
    done < <(sandbox_cgroups)
}

# Removes the sandbox's cgroups; fails when a process is left in them, a mount of
# the sandbox shows on the host, or one cannot be removed.
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
