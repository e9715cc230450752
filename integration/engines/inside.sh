#!/usr/bin/env bash
# First process of the sandbox: makes its mounts, starts the engine, runs the
# cases one by one with a time limit each, and looks for what they left behind.
set -euo pipefail

# shellcheck source=mounts.sh
source "$here/mounts.sh"
# shellcheck source=lib.sh
source "$here/lib.sh"
# shellcheck source=/dev/null
source "$here/${engine%@*}.sh"

# What runs the engine and its cases.
shell=(bash)
[[ $engine != rootless@* ]] || shell=(as-user bash)

# report LINE [TEXT]: the line, which counts, with a text below it; whole, though
# other engines report at the same time.
report() {
    local shown=$1 copy=/dev/null
    [[ -z ${2:-} ]] || shown+=$'\n'"    | ${2//$'\n'/$'\n'    | }"
    [[ $1 != FAIL\ * ]] || copy=$work/failures
    {
        flock 9
        echo "$1" >>"$work/results"
        tee -a "$copy" <<<"$shown"
    } 9>>"$work/results.lock"
}

keep_log() {
    [[ -n ${ENGINE_LOGS:-} ]] || return 0
    mkdir -p "$ENGINE_LOGS"
    cp "$1" "$ENGINE_LOGS/$(basename "$runtime")-$engine-$2.log"
}

run_case() {
    local name=$1 log=$logs/case.log status=0 from=$EPOCHSECONDS
    timeout --kill-after=5 "${ENGINE_CASE_LIMIT:-300}" "${shell[@]}" "$here/case.sh" "$name" </dev/null >"$log" 2>&1 || status=$?
    case $status in
    0) report "PASS $engine/$name ($((EPOCHSECONDS - from)) s)" "$(grep '^measured: ' "$log" || true)" ;;
    77) report "SKIP $engine/$name: $(tail -n1 "$log")" ;;
    *) report "FAIL $engine/$name (status $status)" "$(tail -n 25 "$log")" ;;
    esac
    keep_log "$log" "$name"
    timeout --kill-after=5 60 "${shell[@]}" "$here/case.sh" --reset </dev/null >"$log" 2>&1 ||
        report "FAIL $engine/$name: clean-up after it failed" "$(tail -n 10 "$log")"
}

[[ $suite == vm ]] || mounts_make
mkdir -p "$scratch"
cd "$scratch"
before=$(leftovers_snapshot)
if ! "${shell[@]}" "$here/case.sh" --start >"$logs/start.log" 2>&1; then
    report "FAIL $engine/start" "$(tail -n 40 "$logs/start.log")"
    exit 0
fi
while read -r name; do
    # shellcheck disable=SC2053 # a pattern on purpose
    [[ $name == $case_pattern ]] && run_case "$name"
done < <(compgen -A function case_ | sed 's/^case_//')
"${shell[@]}" "$here/case.sh" --stop >"$logs/stop.log" 2>&1 || report "FAIL $engine/stop" "$(tail -n 5 "$logs/stop.log")"
leftovers_check "$before"
