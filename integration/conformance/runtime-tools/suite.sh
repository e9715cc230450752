# shellcheck shell=bash
# OCI runtime-tools' validation programs, from trixie's source package.

# These race for every runtime: each runs while nothing else does, and once
# again when it failed; the result says so.
rt_racy=' killsig pidfile poststart '
# These run alone too, because they change what the machine has mounted.
rt_alone=' linux_cgroups_network linux_cgroups_relative_network '
rt_limit=60

suite_packages() {
    echo golang-go make xz-utils util-linux \
        golang-github-google-uuid-dev golang-github-opencontainers-specs-dev \
        golang-github-hashicorp-go-multierror-dev golang-golang-x-sys-dev \
        golang-github-mrunalp-fileutils-dev golang-github-sirupsen-logrus-dev \
        golang-github-opencontainers-selinux-dev golang-github-urfave-cli-dev \
        golang-gocapability-dev golang-github-blang-semver-dev golang-github-xeipuuv-gojsonschema-dev
}

# Builds as Debian does without modules; only tap-go is missing there, so ours
# stands in. What is built is named by what it is built from.
suite_build() {
    local source tag
    tag=$({ declare -f suite_packages suite_build; cat "$here/runtime-tools/tap-go/tap.go"; } | sha256sum | cut -c1-12)
    rt_programs=$cache/runtime-tools-$tag
    [[ ! -e $rt_programs/done ]] || return 0
    rm -rf "$rt_programs" "$work/go"
    source_fetch trixie golang-github-opencontainers-runtime-tools "$work"
    source=$work/go/src/github.com/opencontainers/runtime-tools
    mkdir -p "$source" "$work/shim/src/github.com/mndrix" "$rt_programs"
    tar -xf "$work"/golang-github-opencontainers-runtime-tools_*.orig.tar.* --strip-components=1 -C "$source"
    cp -r "$here/runtime-tools/tap-go" "$work/shim/src/github.com/mndrix/"
    progress 'compiling the programs (two minutes)'
    GO111MODULE=off CGO_ENABLED=0 GOPATH=$work/go:$work/shim:/usr/share/gocode GOFLAGS='' GOCACHE=$work/go-build \
        make --silent --directory "$source" --jobs "$jobs" runtimetest validation-executables
    cp "$source"/runtimetest "$source"/rootfs-*.tar.gz "$rt_programs"
    find "$source/validation" -name '*.t' -exec cp {} "$rt_programs" \;
    local programs=("$rt_programs"/*.t)
    ((${#programs[@]} == 58)) || fatal "${#programs[@]} programs, not 58: another version of the source?"
    touch "$rt_programs/done"
}

suite_run() {
    local label=$1 runtime=$2 program name running=0
    local names=()
    for program in "$rt_programs"/*.t; do
        name=$(basename "$program" .t)
        # shellcheck disable=SC2053 # a pattern on purpose
        [[ $name != $test_pattern ]] || names+=("$name")
    done
    for name in "${names[@]}"; do
        [[ "$rt_racy$rt_alone" != *" $name "* ]] || continue
        ((running < jobs)) || { wait -n; running=$((running - 1)); }
        rt_program "$label" "$runtime" "$name" &
        running=$((running + 1))
    done
    wait
    for name in "${names[@]}"; do
        [[ "$rt_racy$rt_alone" != *" $name "* ]] || rt_program "$label" "$runtime" "$name"
    done
}

# One program, and a second try of a racy one.
rt_program() {
    local label=$1 runtime=$2 name=$3 said again=''
    said=$(rt_try "$@")
    if [[ $said != pass && $rt_racy == *" $name "* ]]; then
        said=$(rt_try "$@")
        [[ $said != pass ]] || again='on the second try'
    fi
    local note=${said#* }
    [[ $note != "$said" ]] || note=$again
    result runtime-tools "$name" "$label" "${said%% *}" "$note"
}

# Runs a program; prints what it comes to.
rt_try() (
    label=$1 runtime=$2 name=$3 status=0
    # shellcheck disable=SC2031 # run sets it, before any subshell
    log=$logs/runtime-tools.$label.$name.log
    RUNTIME=$runtime sandbox_name=oxrun-conformance-$BASHPID unshare --mount --propagation private \
        bash "$here/runtime-tools/sandboxed.sh" "$rt_limit" "$rt_programs" "$name" \
        </dev/null >"$log" 2>"$log.err" || status=$?
    tap_judge "$log" "$status"
)
