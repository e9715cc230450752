#!/usr/bin/env bash
# What runs in the VM: installs the runtime as the pages in docs/ say, and goes on
# as in a sandbox. The engine "rootless" and its cases run as an unprivileged user.
set -euo pipefail

install -m 755 "$runtime" /usr/local/sbin/oxrun
export here=/oxrun/integration/engines work=/shared logs=/shared/$engine cache=/nonexistent
export runtime=/usr/local/sbin/oxrun suite=vm suite_root=
if [[ $engine == rootless@vm ]]; then
    export scratch=/home/user/scratch
    install -d -o user -g user "$scratch"
else
    export scratch=/run/scratch
    mkdir "$scratch"
fi
exec bash "$here/inside.sh"
