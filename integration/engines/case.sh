#!/usr/bin/env bash
# Runs one case of an engine, or one of its --start, --stop and --reset (what ends
# every container of it), in a shell of its own: a case may fail anywhere, and its
# exit status tells.
set -euo pipefail
# shellcheck source=lib.sh
source "$here/lib.sh"
# shellcheck source=/dev/null
source "$here/${engine%@*}.sh"
cd "$scratch"
name=$1
trap 'echo "$name: line $LINENO: $BASH_COMMAND" >&2' ERR
set -E
case $name in
--*) "engine_${name#--}" ;;
*) "case_$name" ;;
esac
