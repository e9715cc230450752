# shellcheck shell=bash
# runc's own suite as an ordinary user: without and with subordinate ids and
# cgroups of its own (what tests/rootless.sh of the suite calls its features).

variants=${VARIANTS:-rootless rootless-idmap-cgroup}
# shellcheck source=../runc/suite.sh
source "$here/runc/suite.sh"
