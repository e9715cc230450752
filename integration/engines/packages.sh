# shellcheck shell=bash
# Which Debian packages each engine needs, and their installation.

declare -A engine_packages=(
    [common]='busybox-static jq util-linux'
    [rootfs]='mmdebstrap'
    [containerd]='containerd'
    [podman]='podman buildah conmon netavark aardvark-dns catatonit iptables'
    [docker]='docker.io containerd iptables tini docker-registry'
    [cri]='containerd containernetworking-plugins iptables'
)

# Prints those of an engine's packages that are not installed.
packages_missing() {
    local package
    for package in ${engine_packages[$1]}; do
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
        apt-get install -y -qq --no-install-recommends "$@"' _ $missing >"$work/apt.log" 2>&1 ||
        { tail -n 20 "$work/apt.log" >&2; return 1; }
}
