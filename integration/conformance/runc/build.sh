#!/usr/bin/env bash
# Builds what runc's own suite needs, from Debian's packages alone: a root of a
# release of Debian with the suite in /suite, its helpers, the images its
# containers use, and that release's runc.
#
#   build.sh sid|bookworm    prints the root's path; progress goes to stderr
#
# Nothing of this system is changed: apt works with lists of its own, and the
# packages of the release, Go among them, are unpacked into that root. A root
# that this script made is kept.
set -euo pipefail
umask 022

suite=${1:?which release of Debian?}
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/oxrun-tests/runc-suite-$suite
root=$cache/root
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# A small system, which is the image "debian" too.
base=(
    base-files base-passwd bash bsdutils coreutils dash findutils gawk grep hostname libc-bin
    libpam-runtime login mount passwd procps sed tar util-linux
)
# What the suite's tests call, and what its helpers are built with.
tools=(
    bats busybox-static criu gcc golang-go iproute2 jq kmod libc6-dev libseccomp-dev pkgconf
    psmisc runc systemd uidmap xz-utils
    golang-github-opencontainers-runc-dev golang-github-seccomp-libseccomp-golang-dev
    golang-github-urfave-cli-dev
)

say() { printf '%(%T)T runc suite (%s): %s\n' -1 "$suite" "$*" >&2; }

# apt with lists, a cache and a (blank) status of its own.
prepare_apt() {
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL) $(COMPONENT)' 'Created-By: Packages' |
        awk '$2 == "Debian" && $3 == "Debian" && $4 == "main" { print $1; exit }')
    mkdir -p "$cache/apt/"{lists,archives}/partial
    : >"$cache/apt/status"
    printf 'deb%s [signed-by=%s] %s %s main\n' '' "$keyring" "${mirror:-http://deb.debian.org/debian}" "$suite" \
        -src "$keyring" "${mirror:-http://deb.debian.org/debian}" "$suite" >"$cache/apt/sources.list"
    apt=(
        apt-get -qq -o "Dir::Etc::sourcelist=$cache/apt/sources.list" -o Dir::Etc::sourceparts=-
        -o "Dir::State::lists=$cache/apt/lists" -o "Dir::State::status=$cache/apt/status"
        -o "Dir::Cache=$cache/apt" -o APT::Sandbox::User=root -o Acquire::Languages=none
        -o Acquire::Check-Valid-Until=false -o APT::Install-Recommends=false
        -o APT::Architecture="$(dpkg --print-architecture)" -o Debug::NoLocking=1
    )
    say "reading the package lists of Debian $suite"
    "${apt[@]}" update >&2
}

# Unpacks packages with all that they depend on, without running anything of theirs.
unpack() { # TARGET PACKAGE…
    local target=$1 name archives
    shift
    "${apt[@]}" install --download-only --yes "$@" >&2
    archives=$("${apt[@]}" install --print-uris --yes --reinstall "$@" -o Dir::Cache::archives=/nonexistent/ | awk '{ print $2 }')
    # Which only an installer does, before trixie.
    for name in bin sbin lib lib64; do
        mkdir -p "$target/usr/$name"
        ln -s "usr/$name" "$target/$name"
    done
    for name in $archives; do
        dpkg-deb --fsys-tarfile "$cache/apt/archives/$name" |
            tar -x -C "$target" --keep-directory-symlink --exclude='./usr/share/doc/*' \
                --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./usr/share/info/*'
    done
    # What the packages' scripts would do, as far as it matters here.
    cp "$target/usr/share/base-passwd/passwd.master" "$target/etc/passwd"
    cp "$target/usr/share/base-passwd/group.master" "$target/etc/group"
    ln -sf gawk "$target/usr/bin/awk"
    mkdir -p "$target/root"
}

fetch_source() {
    local version
    version=$(basename "$cache"/apt/archives/runc_*.deb | cut -d_ -f2)
    version=${version//%3a/:}
    say "fetching the source of runc $version"
    mkdir -p "$1"
    (cd "$1" && "${apt[@]}" source --tar-only --download-only "runc=$version" >&2)
    mkdir -p "$1/go/src/github.com/opencontainers/runc"
    tar -xf "$1"/runc_*.orig.tar.* -C "$1/go/src/github.com/opencontainers/runc" --strip-components=1
    rm "$1"/runc_*
    ln -s go/src/github.com/opencontainers/runc "$1/source"
    printf '%s\n' "$version" >"$1/version"
}

# Debian's libraries are no modules: Go's older mode, in which they are found by path.
# The helpers' place is another one since runc 1.2.
build_helpers() { # ROOT
    # shellcheck disable=SC2016 # the inner shells' words
    unshare --mount --pid --fork --kill-child --propagation private bash -ec '
        mount -t proc proc "$1/proc"
        mount -t tmpfs tmp "$1/tmp"
        mount --bind /dev "$1/dev"
        exec chroot "$1" bash -ec "
            export HOME=/root PATH=/usr/sbin:/usr/bin TMPDIR=/tmp CGO_ENABLED=1 GOCACHE=/tmp/go-cache
            export GO111MODULE=off GOFLAGS= GOPATH=/suite/go:/usr/share/gocode GOTOOLCHAIN=local
            cd /suite/go/src/github.com/opencontainers/runc
            shopt -s nullglob
            for helper in tests/cmd/[!_]*/ contrib/cmd/{recvtty,sd-helper,seccompagent}/; do
                name=\$(basename \$helper) to=tests/cmd/_bin
                [ -d \$helper ] || continue
                case \$helper in contrib/*) to=\$helper ;; esac
                mkdir -p \$to
                echo \"runc suite: building \$name\" >&2
                go build -tags \"seccomp netgo osusergo\" -ldflags \"-extldflags -static\" \
                    -o \$to/\$name ./\$helper >&2
            done"' _ "$1"
}

# No /proc and no /sys: tests make symbolic links of these names.
make_busybox() { # ROOT
    local dir=$cache/new/busybox applet
    mkdir -p "$dir"/{bin,dev,etc,home,root,tmp,usr/sbin,sbin,var/spool,var/www}
    chmod 1777 "$dir/tmp"
    cp "$1/usr/bin/busybox" "$dir/bin/busybox"
    for applet in $("$1/usr/bin/busybox" --list); do
        [[ $applet == busybox ]] || ln "$dir/bin/busybox" "$dir/bin/$applet"
    done
    printf '%s\n' root:x:0:0:root:/root:/bin/sh daemon:x:1:1:daemon:/usr/sbin:/bin/false \
        nobody:x:65534:65534:nobody:/home:/bin/false >"$dir/etc/passwd"
    printf '%s\n' root:x:0: daemon:x:1: users:x:100: nogroup:x:65534: >"$dir/etc/group"
    tar -C "$dir" -cf "$1/suite/busybox.tar" .
}

key=$({ cat "$0"; echo "$suite"; } | sha256sum | head -c 16)
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [[ $(cat "$root/suite/key" 2>/dev/null) == "$key" ]]; then
    printf '%s\n' "$root"
    exit 0
fi
rm -rf --one-file-system "$cache/new"
new=$cache/new/root
prepare_apt
say "unpacking (about 220 MB of packages)"
unpack "$cache/new/debian" "${base[@]}"
unpack "$new" "${base[@]}" "${tools[@]}"
fetch_source "$new/suite"
build_helpers "$new"
say 'making the images'
tar -C "$cache/new/debian" -cf "$new/suite/debian.tar" .
make_busybox "$new"
# The suite downloads its images; these are the same in all that it looks at.
printf '%s\n' '#!/bin/sh' 'echo BUSYBOX_IMAGE=/suite/busybox.tar DEBIAN_IMAGE=/suite/debian.tar' \
    >"$new/suite/source/tests/integration/get-images.sh"
# The helpers are started in the background, and nobody waits until they listen.
cat >>"$new/suite/source/tests/integration/helpers.bash" <<'WAIT'

eval "suite_$(declare -f setup_recvtty)"
eval "suite_$(declare -f setup_seccompagent)"
wait_for_socket() {
	for _ in {1..100}; do
		[ ! -S "$1" ] || return 0
		sleep 0.1
	done
}
setup_recvtty() { suite_setup_recvtty "$@" && wait_for_socket "$CONSOLE_SOCKET"; }
setup_seccompagent() { suite_setup_seccompagent "$@" && wait_for_socket "$SECCCOMP_AGENT_SOCKET"; }
WAIT
# "Add new values above this line", the test says of the flags that it meets in `features`. This one
# has no effect, and is left out, where no call waits for an agent.
sed -i "s|^.*XXX: add new values above this line.*|\t\t['\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"']=0\n&|" \
    "$new/suite/source/tests/integration/seccomp.bats"
echo 'rootless:x:1000:1000::/home/rootless:/bin/bash' >>"$new/etc/passwd"
echo 'rootless:x:1000:' >>"$new/etc/group"
install -d -o 1000 -g 1000 "$new/home/rootless"
: >"$new/etc/subuid"
: >"$new/etc/subgid"
echo "$key" >"$new/suite/key"
rm -rf --one-file-system "$root"
mv "$new" "$root"
rm -rf --one-file-system "$cache/new" "$cache/apt/archives"
say "built the suite of runc $(cat "$root/suite/version")"
printf '%s\n' "$root"
