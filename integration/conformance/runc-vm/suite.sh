# shellcheck shell=bash
# runc's own suite on cgroup v2, in the VM: as root with either cgroup manager,
# and as an ordinary user with that user's systemd.

variants='root root-systemd rootless-idmap-systemd'
# shellcheck source=../runc/suite.sh
source "$here/runc/suite.sh"
# shellcheck source=../runc/vm.sh
source "$here/runc/vm.sh"
