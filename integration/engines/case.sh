#!/usr/bin/env bash
# Runs one case of an engine, or with --reset what ends every container of it, in
# a shell of its own: a case may fail anywhere, and its exit status tells.
set -euo pipefail
# shellcheck source=lib.sh
source "$here/lib.sh"
# shellcheck source=/dev/null
source "$here/$engine.sh"
cd "$scratch"
if [[ $1 == --reset ]]; then
    engine_reset
    exit
fi
name=$1
trap 'echo "case $name: line $LINENO: $BASH_COMMAND" >&2' ERR
set -E
"case_$name"
