#!/usr/bin/env bash
# Runs one file of the suite as first process of new namespaces (see ../../sandbox.sh):
# makes a root of its own over the one that build.sh made, so that neither the
# host's files nor its mounts can be reached, and writes bats' output to a file.
#
# From the environment: root (what build.sh made), scratch (a directory of this
# run), runtime, variant, name (of the file), output, limit (seconds), filter (of
# tests, or nothing) and machine=vm where the whole machine is there for this (see inside-vm.sh).
set -euo pipefail

say() { echo "runc suite: $*" >&2; }

make_dev() { # DIR
    local node
    mount -t tmpfs -o mode=755,size=16m dev "$1"
    mknod -m 666 "$1/null" c 1 3
    mknod -m 666 "$1/zero" c 1 5
    mknod -m 666 "$1/full" c 1 7
    mknod -m 666 "$1/random" c 1 8
    mknod -m 666 "$1/urandom" c 1 9
    mknod -m 666 "$1/tty" c 5 0
    mknod -m 644 "$1/kmsg" c 1 11
    mknod -m 666 "$1/fuse" c 10 229
    mknod -m 660 "$1/loop-control" c 10 237
    for node in {0..7}; do mknod -m 660 "$1/loop$node" b 7 "$node"; done
    mkdir "$1"/{net,pts,shm,mqueue}
    mknod -m 666 "$1/net/tun" c 10 200
    mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$1/pts"
    ln -s pts/ptmx "$1/ptmx"
    ln -s /proc/self/fd "$1/fd"
    mount -t tmpfs -o mode=1777 shm "$1/shm"
    mount -t mqueue mqueue "$1/mqueue"
}

# The hierarchies of the host, seen from the cgroup namespace of the sandbox.
make_cgroups() { # DIR
    local type target options name
    if [[ $(stat -fc %T /sys/fs/cgroup) == cgroup2fs ]]; then
        mount -t cgroup2 cgroup2 "$1"
        return
    fi
    mount -t tmpfs -o mode=755 cgroup "$1"
    while read -r type target options; do
        mkdir -p "$1/${target##*/}"
        if [[ $type == cgroup2 ]]; then
            mount -t cgroup2 cgroup2 "$1/${target##*/}"
            continue
        fi
        name=$(tr , '\n' <<<"$options" | grep -vxE 'rw|ro|xattr|clone_children|release_agent=.*' | paste -sd,)
        mount -t cgroup -o "${name/#name=/none,name=}" cgroup "$1/${target##*/}"
    done < <(findmnt --raw --noheadings --types cgroup,cgroup2 --output FSTYPE,TARGET,FS-OPTIONS)
}

make_root() {
    local new=$scratch/root
    mount -t tmpfs -o mode=755,size=75% scratch "$scratch"
    mkdir -p "$new" "$scratch"/{upper,work}
    mount -t overlay -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$new"
    mount -t proc proc "$new/proc"
    make_dev "$new/dev"
    if [[ ${machine-} == vm ]]; then
        mount --rbind /sys "$new/sys"
        mount --rbind /run "$new/run" # where systemd listens
    else
        mount -t sysfs sysfs "$new/sys"
        make_cgroups "$new/sys/fs/cgroup"
        mount -t tmpfs -o mode=755 run "$new/run"
    fi
    mount -t tmpfs -o mode=1777,size=75% tmp "$new/tmp"
    mkdir -p "$new/mnt" "$new/suite/runtime" "$new/suite/out"
    # Called by the name of the program whose place it takes. A copy: runc seals itself by an overlay
    # on its directory, which would not show a file that is mounted there.
    cp "$runtime" "$new/suite/runtime/runc"
    mount --bind "$(dirname "$output")" "$new/suite/out"
    cd "$new"
    pivot_root . mnt
    umount --lazy /mnt
    cd /
}

# What tests/rootless.sh of the suite does for its features "idmap" and "cgroup".
enable_idmap() {
    export ROOTLESS_UIDMAP_START=100000 ROOTLESS_UIDMAP_LENGTH=65536
    export ROOTLESS_GIDMAP_START=200000 ROOTLESS_GIDMAP_LENGTH=65536
    echo "rootless:$ROOTLESS_UIDMAP_START:$ROOTLESS_UIDMAP_LENGTH" >/etc/subuid
    echo "rootless:$ROOTLESS_GIDMAP_START:$ROOTLESS_GIDMAP_LENGTH" >/etc/subgid
    # 1000 is the container's first additional id, 1024 the test's.
    export ROOTLESS_AUX_UID=1024 ROOTLESS_AUX_DIR
    ROOTLESS_AUX_DIR=$(mktemp -d)
    chown "$((ROOTLESS_UIDMAP_START - 1000 + ROOTLESS_AUX_UID))" "$ROOTLESS_AUX_DIR"
}

disable_idmap() {
    rm -f /etc/subuid /etc/subgid
    chmod a-x /usr/bin/new{u,g}idmap
}

enable_cgroup() {
    local dir=/sys/fs/cgroup path=runc-cgroups-integration-test group file
    if [[ -e $dir/cgroup.controllers ]]; then
        for group in $(<"$dir/cgroup.controllers"); do echo "+$group" >"$dir/cgroup.subtree_control"; done
        mkdir -p "$dir/$path"
        for file in "$dir/$path" "$dir/$path/cgroup."{subtree_control,procs} "$dir/cgroup.procs"; do
            chown root:rootless "$file"
            chmod g+rwX "$file"
        done
        return
    fi
    for group in "$dir"/*/; do
        mountpoint -q "$group" || continue
        mkdir -p "$group$path"
        for file in "$group$path" "$group$path"/{cgroup.procs,tasks}; do
            [[ -e $file ]] || continue
            chown root:rootless "$file"
            chmod g+rwX "$file"
        done
        for file in "$group$path"/{cpuset.cpus,cpuset.mems,cpu.rt_period_us,cpu.rt_runtime_us}; do
            [[ ! -e $file ]] || chown rootless:rootless "$file"
        done
    done
}

run_bats() {
    local as=() features=${variant#rootless}
    features=${features%-systemd}
    export RUNC=/suite/runtime/runc TMPDIR=/tmp HOME=/root
    # systemctl, asked from the suite's root for what the machine's systemd says.
    [[ $variant != *systemd* ]] || export RUNC_USE_SYSTEMD=yes SYSTEMD_IGNORE_CHROOT=1
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    unset XDG_RUNTIME_DIR
    if [[ $variant == rootless* ]]; then
        export ROOTLESS_FEATURES=${features#-}
        if [[ $features == *idmap* ]]; then enable_idmap; else disable_idmap; fi
        [[ $features != *cgroup* ]] || enable_cgroup
        export HOME=/home/rootless
        [[ $variant != *systemd* ]] || export XDG_RUNTIME_DIR=/run/user/1000 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus
        as=(setpriv --reuid rootless --regid rootless --init-groups --inh-caps=-all)
    fi
    cd /suite/source/tests/integration
    # On a terminal, which runc's foreground wants.
    local command
    printf -v command '%q ' "${as[@]}" bats --tap ${filter:+--filter "$filter"} "$name.bats"
    timeout --kill-after=5 "$limit" script --quiet --return --command "$command </dev/null >/suite/out/$name.tap 2>&1" /dev/null \
        </dev/null >/dev/null 2>&1 || echo "# bats ended with status $?" >>"/suite/out/$name.tap"
}

make_root
hostname runc-suite
ip link set lo up
run_bats
