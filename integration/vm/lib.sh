# shellcheck shell=bash disable=SC2034 # what sources this uses it
# What build and run share: where images are, and which of them is this tree's.

vm_dir=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
vm_cache=${OXRUN_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/oxrun-tests/vm}
# Which Debian suites the root file system and the kernels come from. The
# kernel of User Mode Linux has time namespaces in sid only.
vm_suite=trixie
declare -A vm_kernels=([uml]=sid [qemu]=trixie)

say() { echo "vm: $*" >&2; }
die() { say "$*"; exit 125; }

# An image is named for everything that it is made from.
vm_key=$(cd "$vm_dir" && cat lib.sh build packages guest/* | sha256sum)
vm_image=$vm_cache/${vm_key:0:16}
