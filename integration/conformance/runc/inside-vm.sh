#!/usr/bin/env bash
# In the VM: runs the suite's files one after the other (see vm.sh), each in a
# mount namespace of its own. Process numbers and cgroups are the machine's:
# systemd knows no others.
#
# From the environment: variant, limit and filter (see file.sh).
set -euo pipefail

export root=/mnt/suite runtime=/mnt/run/runc machine=vm variant limit filter name output scratch
mkdir -p /mnt/local
mount -t tmpfs -o size=75% local /mnt/local
while read -r name <&3; do
    output=/mnt/out/$name.tap scratch=/mnt/local/$name
    mkdir -p "$scratch"
    unshare --mount --uts --fork --propagation private bash /mnt/runner/file.sh >"/mnt/out/$name.err" 2>&1 ||
        echo "# ended with status $?: $(tail -n1 "/mnt/out/$name.err")" >>"$output"
    printf '%(%T)T %s %s: %s of %s ok\n' -1 "$variant" "$name" \
        "$(grep -c '^ok' "$output" || true)" "$(sed -n 's/^1\.\.//p' "$output")"
    rmdir "$scratch"
done 3</mnt/run/files
