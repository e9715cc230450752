# shellcheck shell=bash
# runc's own suite on cgroup v2, in the VM: as root with either cgroup manager,
# and as an ordinary user with that user's systemd. Only the files for which the
# cgroup layout or systemd makes a difference: in the VM a test takes ten seconds.

files='cgroup_delegation cgroups cpu_affinity create delete dev events exec kill pause run update'
variants=${VARIANTS:-root root-systemd rootless-idmap-systemd}
# shellcheck source=../runc/suite.sh
source "$here/runc/suite.sh"
# shellcheck source=../runc/vm.sh
source "$here/runc/vm.sh"
