# shellcheck shell=bash
# Runs the suite in the VM (../../vm): a machine for each variant, in which the
# files run one after the other. Overrides what suite.sh has for the host.

suite_build() {
    suite_root=$("$here/runc/build.sh" "$release")
    "$here/../vm/build"
}

suite_run() { # LABEL PATH
    local label=$1 runtime=$2 variant running=0
    [[ $label != crun ]] || return 0
    [[ $label != runc ]] || runtime=$suite_root/usr/sbin/runc
    for variant in $variants; do
        if ((running >= jobs)); then
            wait -n || true
            running=$((running - 1))
        fi
        vm_variant "$label" "$runtime" "$variant" &
        running=$((running + 1))
    done
    wait
}

vm_variant() { # LABEL RUNTIME VARIANT
    local log=$logs/$1-$3 share=$work/vm-$BASHPID file status=0
    mkdir -p "$log" "$share"
    cp "$2" "$share/runc"
    suite_files >"$share/files"
    "$here/../vm/run" --timeout "${VM_LIMIT:-3000}" --memory 4096 --share "$suite_root:/mnt/suite:ro" \
        --share "$here/runc:/mnt/runner:ro" --share "$share:/mnt/run:ro" --share "$log:/mnt/out" \
        --env "variant=$3" --env "limit=${FILE_LIMIT:-900}" --env "filter=$(suite_filter)" -- bash /mnt/runner/inside-vm.sh || status=$?
    ((status == 0)) || progress "the machine ended with status $status"
    while read -r file; do
        report_file "$1" "$3" "$file" "$log/$file.tap"
    done <"$share/files"
}
