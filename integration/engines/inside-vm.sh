#!/usr/bin/env bash
# What runs in the VM: installs the runtime as the pages in docs/ say, and goes on
# as in a sandbox. The engine "rootless" and its cases run as an unprivileged user.
set -euo pipefail

case ${runtime##*/} in
# The guest's own: programs of another suite may miss their libraries here.
runc | crun) runtime=$(command -v "${runtime##*/}") ;;
*)
    install -m 755 "$runtime" /usr/local/sbin/oxrun
    runtime=/usr/local/sbin/oxrun
    ;;
esac
# As the rule of udev has it, which the VM lacks: an ordinary user's pasta opens it.
chmod 666 /dev/net/tun
# The image has no generators of units, for a quick boot; Podman's is wanted here.
rm -f /etc/systemd/system-generators/podman-system-generator
install "/shared/$engine/lent/"* /usr/local/bin/
export here=/oxrun/integration/engines work=/shared logs=/shared/$engine cache=/nonexistent
export runtime suite=vm suite_root=
if [[ $engine == rootless@vm ]]; then
    export scratch=/home/user/scratch
    install -d -o user -g user "$scratch"
else
    export scratch=/run/scratch
    mkdir "$scratch"
fi
exec bash "$here/inside.sh"
