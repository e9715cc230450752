# shellcheck shell=bash
# What the suites share: packages, sources, progress and results.

fatal() {
    printf 'conformance: %s\n' "$*" >&2
    exit 1
}

progress() { printf '%(%T)T %s: %s\n' -1 "${suite:-conformance}" "$*"; }

# result SUITE TEST RUNTIME pass|fail|skip [NOTE]
result() {
    local note=${5:-}
    note=${note//[$'\t\n\r']/ }
    printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "${note:0:300}" >>"$results"
    printf '%(%T)T %s %s/%s: %s%s\n' -1 "${4^^}" "$3" "$2" "$1" "${note:+: ${note:0:160}}"
}

# A table of what has run, and how many passed.
results_print() {
    awk -F '\t' '
        /^#/ { next }
        !($3 in column) { column[$3] = ++columns; label[columns] = $3 }
        { test = $1 "/" $2 }
        !(test in line) { line[test] = ++lines; name[lines] = test }
        { cell[line[test], column[$3]] = $4; count[column[$3], $4]++ }
        END {
            printf "\n%-56s", "test"
            for (c = 1; c <= columns; c++) printf " %-6s", label[c]
            print ""
            for (l = 1; l <= lines; l++) {
                printf "%-56s", name[l]
                for (c = 1; c <= columns; c++) printf " %-6s", cell[l, c]
                print ""
            }
            for (c = 1; c <= columns; c++)
                printf "%s: %d passed, %d failed, %d skipped\n", label[c],
                    count[c, "pass"], count[c, "fail"], count[c, "skip"]
        }' "$results"
}

# tap_judge LOG STATUS: prints "pass", "fail NOTE" or "skip NOTE" for a program that
# wrote TAP, perhaps several streams of it. Read strictly: status 0, nothing that is
# not ok, as many results as are planned, and no error that belongs to no result. A
# program may have nothing to report but its status.
tap_judge() {
    awk -v status="$2" '
        function bad(text) { if (note == "") note = text }
        function stream_ends() {
            if (planned && plan && count != plan) bad(count " results where " plan " are planned")
            planned = plan = count = 0
        }
        /^TAP version/ { stream_ends() }
        /^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; planned = 1 }
        /^(not )?ok([ \t]|$)/ {
            count++; all++
            if (/^ok/ && toupper($0) ~ /# *SKIP/) { skipped++; reason = $0; sub(/.*# *[Ss][Kk][Ii][Pp] */, "", reason) }
            if (/^not ok/ && toupper($0) !~ /# *TODO/) bad($0)
        }
        /^ *"error": *"/ && !count { bad($0) }
        END {
            stream_ends()
            if (status == 124 || status == 137) print "fail over its time limit"
            else if (note != "") print "fail " note
            else if (status != 0) print "fail status " status
            else if (all && skipped == all) print "skip " reason
            else print "pass"
        }' "$1"
}

cgroup_layout() {
    if [[ $(stat -f -c %T /sys/fs/cgroup) == cgroup2fs ]]; then echo v2; else echo v1; fi
}

# The first word that a runtime prints of its version.
runtime_label() { "$1" --version | awk 'NR == 1 { print $1 }'; }

newest_oxrun() {
    local found
    found=$(find "${CARGO_TARGET_DIR:-$here/../../target}" -maxdepth 3 -path '*release/oxrun' -type f \
        -printf '%T@ %p\n' 2>/dev/null | sort -rn | head -n1 | cut -d' ' -f2-)
    [[ -n $found ]] || fatal "no runtime: build it with 'cargo build --release -p oxrun' or give --runtime PATH"
    readlink -f "$found"
}

packages_install() { # PACKAGE…
    local package missing=()
    for package; do
        [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == 'install ok installed' ]] ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || fatal "no apt-get: cannot install ${missing[*]}"
    progress "installing ${missing[*]}"
    # RUNLEVEL=1 keeps package scripts from starting services on the host.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive bash -ec '
        mkdir -p /run/lock
        exec 9>/run/lock/oxrun-conformance.apt
        flock 9
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "$@"' _ "${missing[@]}" >"$work/apt.log" 2>&1 || {
        tail -n 20 "$work/apt.log" >&2
        fatal 'packages could not be installed'
    }
}

# The mirror from which this machine has Debian's packages.
debian_mirror() {
    # The line of the release, not that of updates or of another archive.
    apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL) $(COMPONENT)' 'Created-By: Packages' |
        awk '$2 == "Debian" && $3 == "Debian" && $4 == "main" { print $1; exit }'
}

# source_fetch RELEASE PACKAGE DIRECTORY: leaves the upstream archive of a source
# package in the directory, by lists of its own: the system's configuration of
# apt stays as it is.
source_fetch() {
    local release=$1 package=$2 into=$3 mirror apt=$work/apt-$1
    packages_install ca-certificates debian-archive-keyring
    mirror=$(debian_mirror)
    [[ -n $mirror ]] || fatal "no Debian mirror in apt's sources"
    mkdir -p "$apt/lists/partial" "$into"
    printf 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
        "$mirror" "$release" >"$apt/sources.list"
    local options=(-qq -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=-
        -o "Dir::State::lists=$apt/lists" -o APT::Sandbox::User=root)
    progress "fetching the source of $package ($release)"
    [[ -e $apt/done ]] || apt-get "${options[@]}" update
    touch "$apt/done"
    (cd "$into" && apt-get "${options[@]}" source --tar-only "$package")
}
