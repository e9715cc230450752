#!/usr/bin/env bash
# First process of the sandbox: makes its mounts, starts the engine, runs the
# cases one by one with a time limit each, and looks for what they left behind.
set -euo pipefail

# shellcheck source=mounts.sh
source "$here/mounts.sh"
# shellcheck source=lib.sh
source "$here/lib.sh"
# shellcheck source=/dev/null
source "$here/$engine.sh"

report() {
    echo "$*" | tee -a "$work/results"
}

keep_log() {
    [[ -n ${ENGINE_LOGS:-} ]] || return 0
    mkdir -p "$ENGINE_LOGS"
    cp "$1" "$ENGINE_LOGS/$(basename "$runtime")-$engine-$2.log"
}

run_case() {
    local name=$1 log=$work/case.log status=0
    timeout --kill-after=5 "${ENGINE_CASE_LIMIT:-90}" bash "$here/case.sh" "$name" </dev/null >"$log" 2>&1 || status=$?
    case $status in
    0) report "PASS $engine/$name" ;;
    77) report "SKIP $engine/$name: $(tail -n1 "$log")" ;;
    *)
        report "FAIL $engine/$name (status $status)"
        tail -n 25 "$log" | sed 's/^/    | /'
        ;;
    esac
    keep_log "$log" "$name"
    timeout --kill-after=5 60 bash "$here/case.sh" --reset </dev/null >"$log" 2>&1 || {
        report "FAIL $engine/$name: clean-up after it failed"
        tail -n 10 "$log" | sed 's/^/    | /'
    }
}

mounts_make
mkdir -p "$scratch"
cd "$scratch"
before=$(leftovers_snapshot)
if ! engine_start >"$work/start.log" 2>&1; then
    report "FAIL $engine/start"
    tail -n 40 "$work/start.log" | sed 's/^/    | /'
    exit 0
fi
while read -r name; do
    # shellcheck disable=SC2053 # a pattern on purpose
    [[ $name == $case_pattern ]] && run_case "$name"
done < <(sed -n 's/^case_\([a-z0-9_]*\)() .*/\1/p' "$here/$engine.sh")
engine_stop >"$work/stop.log" 2>&1 || report "FAIL $engine/stop: $(tail -n1 "$work/stop.log")"
leftovers_check "$before"
