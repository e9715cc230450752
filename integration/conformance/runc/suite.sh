# shellcheck shell=bash
# runc's own suite, as Debian's source package of runc has it, on the host: in a
# root of Debian sid, as root and as the user "rootless" with the suite's
# optional features. A test is named FILE/TEST.
#
# Set by a suite that sources this: release (of Debian, default: sid), variants
# (default: root) and files (default: all).

# shellcheck source=../../sandbox.sh
source "$here/../sandbox.sh"

: "${release:=sid}" "${variants:=root}" "${files:=}"

suite_packages() { echo ca-certificates debian-archive-keyring util-linux xz-utils; }

suite_build() { suite_root=$("$here/runc/build.sh" "$release"); }

# suite_run LABEL PATH: Debian's runc is the one that the suite belongs to. crun has
# no part: it refuses the hybrid layout of the host, and the tests want runc's words.
suite_run() {
    local label=$1 runtime=$2 variant file
    [[ $label != crun ]] || return 0
    [[ $label != runc ]] || runtime=$suite_root/usr/sbin/runc
    for variant in $variants; do
        for file in $(suite_files); do printf '%s %s\n' "$variant" "$file"; done
    done | run_side_by_side "$label" "$runtime"
}

# The longest first, so that none is waited for at the end; only those that the pattern may mean.
suite_files() {
    local tests=$suite_root/suite/source/tests/integration file
    (cd "$tests" && grep -c '^@test' ./*.bats) | sed 's|^\./||; s|\.bats:| |' | sort -k2nr | cut -d' ' -f1 |
        while read -r file; do
            # shellcheck disable=SC2053 # a pattern on purpose
            [[ -n $files && " $files " != *" $file "* || $file != ${test_pattern%%/*} ]] || echo "$file"
        done
}

# What bats is to run of a file: a regular expression for the pattern of tests, where it has an
# easy one. What runs beside that is not reported.
suite_filter() {
    [[ $test_pattern == */* && $test_pattern != *[][\\]* ]] || return 0
    sed 's|^[^/]*/||; s|[.^$+(){}|]|\\&|g; s|[*]|.*|g; s|[?]|.|g; s|.*|^&$|' <<<"$test_pattern"
}

run_side_by_side() { # LABEL RUNTIME, lines "VARIANT FILE" on stdin
    local variant file running=0
    while read -r variant file; do
        if ((running >= jobs)); then
            wait -n || true
            running=$((running - 1))
        fi
        run_file "$1" "$2" "$variant" "$file" &
        running=$((running + 1))
    done
    wait
}

run_file() { # LABEL RUNTIME VARIANT FILE
    local label=$1 sandbox_name=oxrun-runc-suite-$BASHPID scratch=$work/$BASHPID log=$logs/$1-$3 status=0
    mkdir -p "$scratch" "$log"
    # "update" hands on more than half.
    local rt_runtime=50000 limit=${FILE_LIMIT:-300} filter
    filter=$(suite_filter)
    [[ $4 != update ]] || rt_runtime=700000
    (
        sandbox_enter_cgroups
        export root=$suite_root scratch runtime=$2 variant=$3 name=$4 output=$log/$4.tap limit filter
        sandbox_exec $((limit + 60)) bash "$here/runc/file.sh"
    ) >"$log/$4.err" 2>&1 || status=$?
    sandbox_clean >>"$log/$4.err" 2>&1 || true
    [[ $status == 0 ]] || echo "# the sandbox ended with status $status: $(tail -n1 "$log/$4.err")" >>"$log/$4.tap"
    rmdir "$scratch"
    report_file "$label" "$3" "$4" "$log/$4.tap"
}

# Every test of a file, also one that was not reached.
report_file() { # LABEL VARIANT FILE TAP
    local test outcome note suffix=
    [[ $2 == root || $2 == rootless ]] || suffix=" [$2]"
    while IFS=$'\t' read -r test outcome note; do
        # shellcheck disable=SC2053 # a pattern on purpose
        [[ $3/$test == $test_pattern ]] || continue
        result "$suite" "$3/$test$suffix" "$1" "$outcome" "$note"
    done < <(awk -f "$here/runc/tap.awk" "$suite_root/suite/source/tests/integration/$3.bats" "$4")
}
