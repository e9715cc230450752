#!/usr/bin/env bash
# Runs one program of runtime-tools inside the namespaces that suite.sh made. What
# the program and the runtime write goes to memory; the host's files are read-only.
set -euo pipefail

programs=$1 name=$2
# shellcheck source=../../engines/mounts.sh
source "$(dirname "$0")/../../engines/mounts.sh"

mounts_cgroup "$(mounts_hierarchies | sed "s|^$more_hierarchies/|/sys/fs/cgroup/|")"
# A runtime takes the first mount of a controller that it finds.
[[ ! -d $more_hierarchies ]] || umount "$more_hierarchies"/*
mount -o remount,bind,ro /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/tmp
export TMPDIR=/run/tmp
unset XDG_RUNTIME_DIR
cd "$programs"
exec "./$name.t"
