# shellcheck shell=bash
# ENGINE@vm runs in a VM with cgroup v2, systemd and AppArmor (../vm).

# shellcheck source=stats.sh
source "$here/stats.sh"

# Programs of this machine that the VM lacks.
vm_lend() { # ENGINE DIRECTORY
    local programs=(docker-registry)
    if [[ $1 == containerd@* ]]; then
        programs=(containerd containerd-shim-runc-v2 ctr)
        events_reader_build "$2/events-reader" || return
    fi
    local program
    for program in "${programs[@]}"; do
        cp "$(command -v "$program")" "$2/" || return
    done
}

vm_run() {
    "$here/../vm/build" || return
    local limit=${ENGINE_LIMIT:-1500}
    mkdir -p "$logs/lent"
    vm_lend "$1" "$logs/lent" || return
    timeout --kill-after=5 "$limit" "$here/../vm/run" --timeout "$limit" \
        --share "$(readlink -f "$here/../..")":/oxrun:ro --share "$work:/shared" --share "${runtime%/*}:/runtime:ro" \
        --env "engine=$1" --env "case_pattern=$case_pattern" --env "runtime=/runtime/${runtime##*/}" \
        --env ENGINE_CASE_LIMIT="${ENGINE_CASE_LIMIT:-600}" --env ENGINE_LOAD="${ENGINE_LOAD:-20}" --env ENGINE_LOAD_RUNS="${ENGINE_LOAD_RUNS:-3}" \
        --cwd / -- bash /oxrun/integration/engines/inside-vm.sh
}
