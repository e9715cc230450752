# shellcheck shell=bash
# Which Debian packages each engine needs, and where they come from. ENGINE is what
# this machine's Debian has; ENGINE@SUITE is that suite's, unpacked into the cache
# and run from there: the machine's own packages and apt's settings stay as they are.

# What is installed for every engine, and beside the engine itself.
declare -A tool_packages=(
    [common]='busybox-static jq util-linux procps iproute2'
    [rootfs]='mmdebstrap'
    [containerd]='golang-go golang-github-containerd-go-runc-dev'
    [podman]='iptables docker-registry'
    [docker]='iptables docker-registry'
    [cri]='python3-grpcio python3-protobuf python3-websocket protobuf-compiler containernetworking-plugins iptables'
)
# The engine, installed.
declare -A engine_packages=(
    [rootfs]=''
    [containerd]='containerd'
    [podman]='podman buildah conmon netavark aardvark-dns catatonit uidmap'
    [docker]='docker.io containerd tini'
    [cri]='containerd'
)
# The engine, unpacked: programs that need no library but the C library's.
declare -A suite_packages=(
    [containerd]='containerd'
    [docker]='docker.io docker-cli docker-buildx containerd tini-static'
    [cri]='containerd golang-k8s-cri-api-dev'
)

# Prints those of an engine's packages that are not installed.
packages_missing() {
    local package packages=${tool_packages[${1%@*}]-}
    # The VM has its own; this one is lent to it.
    [[ $1 != podman@vm && $1 != rootless@vm ]] || packages=docker-registry
    [[ $1 != containerd@vm ]] || packages+=" ${engine_packages[containerd]}"
    [[ $1 == *@* || $1 == common ]] || packages+=" ${engine_packages[$1]}"
    for package in $packages; do
        [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == 'install ok installed' ]] ||
            printf '%s ' "$package"
    done
}

# Installs what the named engines lack. RUNLEVEL=1 keeps package scripts from
# starting the engines' own services on the host.
packages_install() {
    local engine missing=''
    for engine in common "$@"; do
        missing+=$(packages_missing "$engine")' '
    done
    [[ -n ${missing// /} ]] || return 0
    command -v apt-get >/dev/null || { echo 'no apt-get: cannot install packages' >&2; return 1; }
    echo "installing $missing"
    # shellcheck disable=SC2086 # a list of words
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive bash -ec '
        apt-get update -qq
        apt-get install -y -qq -o DPkg::Lock::Timeout=300 --no-install-recommends "$@"' _ $missing >"$work/apt.log" 2>&1 ||
        { tail -n 20 "$work/apt.log" >&2; return 1; }
}

# The directory that holds ENGINE@SUITE; none for an installed engine.
suite_root() {
    [[ $1 != *@* || $1 == *@vm ]] || printf '%s/engines/%s\n' "$cache" "$1"
}

# Unpacks ENGINE@SUITE, once; made under another name first, so that an interrupted
# run leaves no half engine behind.
suite_unpack() {
    local suite=${1#*@} root new lock
    root=$(suite_root "$1")
    [[ -n $root && ! -d $root ]] || return 0
    mkdir -p "${root%/*}"
    # Two engines may need the same at the same time.
    exec {lock}>"$root.lock"
    flock "$lock"
    suite_unpack_locked "$1" || { exec {lock}>&-; return 1; }
    exec {lock}>&-
}

suite_unpack_locked() {
    [[ ! -d $root ]] || return 0
    echo "unpacking $1"
    new=$(mktemp -d "$work/unpack.XXXXXX")
    # shellcheck disable=SC2086 # a list of words
    suite_download "$suite" "$new" ${suite_packages[${1%@*}]} >"$work/suite.log" 2>&1 ||
        { tail -n 20 "$work/suite.log" >&2; return 1; }
    mv "$new/root" "$root"
    rm -r "$new"
}

# suite_download SUITE DIRECTORY PACKAGE…: the packages of that suite, from the same
# mirror as this machine's, with lists of its own; unpacked in DIRECTORY/root.
suite_download() {
    local suite=$1 dir=$2 mirror package
    shift 2
    # Lists of other origins hold more lines than a pipe: no head, which would end early.
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | sort -u | sed -n 1p)
    [[ -n $mirror ]] || { echo 'apt has no Debian mirror' >&2; return 1; }
    mkdir -p "$dir"/{lists,cache,debs,root}
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg check-valid-until=no] $mirror $suite main" >"$dir/sources.list"
    cat >"$dir/apt.conf" <<END
Dir::Etc::SourceList "$dir/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$dir/lists";
Dir::Cache "$dir/cache";
APT::Sandbox::User "root";
END
    APT_CONFIG=$dir/apt.conf apt-get update -qq
    (cd "$dir/debs" && APT_CONFIG=$dir/apt.conf apt-get download -qq "$@")
    for package in "$dir"/debs/*.deb; do dpkg-deb --extract "$package" "$dir/root"; done
}
