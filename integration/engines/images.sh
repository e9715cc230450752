# shellcheck shell=bash
# Root file systems and images made on this machine; nothing is downloaded but
# Debian's own packages (for the Debian root file system, once, into the cache).

# A root file system of busybox-static with its applets as links.
image_busybox_rootfs() {
    local root=$1 applet
    mkdir -p "$root"/{bin,dev,etc,proc,root,run,sys,tmp,var,home/guest}
    cp /bin/busybox "$root/bin/busybox"
    while read -r applet; do
        [[ $applet == busybox ]] || ln -s busybox "$root/bin/$applet"
    done < <(/bin/busybox --list)
    printf 'root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/home/guest:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\naudio:x:29:guest\nguest:x:1000:\n' >"$root/etc/group"
    printf 'NAME=busybox\n' >"$root/etc/os-release"
    echo 'not executable' >"$root/etc/plain-file"
    chmod 1777 "$root/tmp"
    chown 1000:1000 "$root/home/guest"
}

# image_archive ROOT NAME ARCHIVE COMMAND…: packs ROOT as a docker archive (one
# layer) that ctr, podman and docker load.
image_archive() {
    local root=$1 name=$2 archive=$3 dir diff_id config
    shift 3
    dir=$(mktemp -d "$work/image.XXXXXX")
    tar --numeric-owner --sort=name --mtime=@0 -C "$root" -cf "$dir/layer.tar" .
    diff_id=$(sha256sum "$dir/layer.tar" | cut -d' ' -f1)
    jq -n --arg diff "sha256:$diff_id" '{
        architecture: "amd64", os: "linux", created: "2020-01-01T00:00:00Z",
        config: {Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], Cmd: $ARGS.positional},
        rootfs: {type: "layers", diff_ids: [$diff]},
        history: [{created: "2020-01-01T00:00:00Z", created_by: "integration/engines"}]
    } | .architecture = $arch' --arg arch "$(dpkg --print-architecture)" --args -- "$@" >"$dir/config.json"
    config=$(sha256sum "$dir/config.json" | cut -d' ' -f1).json
    mv "$dir/config.json" "$dir/$config"
    jq -n --arg config "$config" --arg name "$name" \
        '[{Config: $config, RepoTags: [$name], Layers: ["layer.tar"]}]' >"$dir/manifest.json"
    tar -C "$dir" -cf "$archive" manifest.json "$config" layer.tar
    rm -r "$dir"
}

# A Debian minbase tar in the cache; made under another name first, so that an
# interrupted run leaves no half archive behind.
image_debian_tar() {
    local tar=$cache/debian-minbase.tar
    [[ -s $tar ]] && return
    mkdir -p "$cache"
    echo "making a Debian root file system in $tar"
    if ! mmdebstrap --variant=minbase --quiet bookworm "$tar.$$.tar" >"$work/mmdebstrap.log" 2>&1; then
        rm -f "$tar.$$.tar"
        tail -n 20 "$work/mmdebstrap.log" >&2
        return 1
    fi
    mv "$tar.$$.tar" "$tar"
}

images_build() {
    image_busybox_rootfs "$work/busybox"
    image_archive "$work/busybox" docker.io/library/busybox:latest "$work/busybox.tar" sh
    # What holds a pod's namespaces open.
    image_archive "$work/busybox" localhost/pause:latest "$work/pause.tar" sleep 1000000
    if [[ " ${engines[*]} " == *' rootfs '* ]]; then
        # Without the archive the Debian cases skip and say why.
        image_debian_tar || true
    fi
}
