//! Device files: the default ones, the listed ones, the links, the access rules.

use super::check::{mounts, prints, refused};
use crate::case::{Case, case};
use crate::mountinfo::at;
use crate::need::Need;
use crate::test::Test;
use serde_json::json;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case(
        "devices/default",
        "config-linux.md default devices",
        default,
    ),
    case(
        "devices/links",
        "runtime-linux.md dev symbolic links",
        links,
    ),
    case("devices/listed", "config-linux.md devices", listed),
    case("devices/refused", "config-linux.md devices: errors", bad),
    case("devices/rules", "config-linux.md resources.devices", rules)
        .needs(&[Need::CgroupV1("devices")]),
    case(
        "devices/bound-dev",
        "a /dev that is bound from the host",
        bound,
    ),
];

fn default(t: &Test) {
    for (name, number) in [
        ("null", "1:3"),
        ("zero", "1:5"),
        ("full", "1:7"),
        ("random", "1:8"),
        ("urandom", "1:9"),
        ("tty", "5:0"),
    ] {
        t.row(name, || {
            let script = format!("stat -c '%F %t:%T %a %u %g' /dev/{name}");
            let bundle = t.bundle().sh(&script);
            prints(
                t,
                &bundle,
                &format!("character special file {number} 666 0 0"),
            );
        });
    }
    t.row("null can be used", || {
        prints(t, &t.bundle().sh("echo x > /dev/null; cat /dev/null"), "")
    });
    t.row("zero can be read", || {
        prints(
            t,
            &t.bundle().sh("head -c 3 /dev/zero | od -An -tx1"),
            "00 00 00",
        );
    });
    t.row("full is full", || {
        t.run(&t.bundle().sh("echo x > /dev/full"))
            .failure(&["no space"]);
    });
}

fn links(t: &Test) {
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        t.row(name, || {
            let path = format!("/dev/{name}");
            prints(t, &t.bundle().args(["readlink", &path]), target);
        });
    }
}

fn listed(t: &Test) {
    for (label, device, expected) in [
        (
            "character",
            json!({"type": "c", "path": "/dev/fuse-like", "major": 10, "minor": 229,
                   "fileMode": 0o640, "uid": 1000, "gid": 2000}),
            "character special file a:e5 640 1000 2000",
        ),
        (
            "unbuffered",
            json!({"type": "u", "path": "/dev/made", "major": 1, "minor": 3, "fileMode": 0o600}),
            "character special file 1:3 600 0 0",
        ),
        (
            "block",
            json!({"type": "b", "path": "/dev/made", "major": 7, "minor": 3, "fileMode": 0o660}),
            "block special file 7:3 660 0 0",
        ),
        (
            "fifo",
            json!({"type": "p", "path": "/dev/made", "fileMode": 0o600}),
            "fifo 0:0 600 0 0",
        ),
        (
            "deep",
            json!({"type": "c", "path": "/dev/a/b/c", "major": 1, "minor": 5, "fileMode": 0o666}),
            "character special file 1:5 666 0 0",
        ),
        (
            "instead of a default one",
            json!({"type": "c", "path": "/dev/null", "major": 1, "minor": 3,
                   "fileMode": 0o600, "uid": 7, "gid": 8}),
            "character special file 1:3 600 7 8",
        ),
    ] {
        t.row(label, || {
            let path = device["path"].as_str().unwrap().to_owned();
            let bundle = t.bundle().push("/linux/devices", device);
            let script = format!("stat -c '%F %t:%T %a %u %g' {path}");
            prints(t, &bundle.sh(&script), expected);
        });
    }
    t.row("outside of /dev", || {
        let device = json!({"type": "c", "path": "/made", "major": 1, "minor": 5, "fileMode": 438});
        let bundle = t.bundle().writable().push("/linux/devices", device);
        prints(t, &bundle.sh("stat -c %t:%T /made"), "1:5");
    });
}

fn bad(t: &Test) {
    for (label, device) in [
        (
            "type",
            json!({"type": "x", "path": "/dev/made", "major": 1, "minor": 3}),
        ),
        ("no path", json!({"type": "c", "major": 1, "minor": 3})),
    ] {
        t.row(label, || {
            refused(t, t.bundle().push("/linux/devices", device), &[])
        });
    }
}

/// No driver has this number: what the rules let pass fails with another error.
fn rules(t: &Test) {
    let device =
        json!({"type": "c", "path": "/dev/made", "major": 240, "minor": 9, "fileMode": 438});
    let rule = |allow: bool, access: &str| json!({"allow": allow, "type": "c", "major": 240, "minor": 9, "access": access});
    let bundle = t
        .bundle()
        .push("/linux/devices", device)
        .sh("exec 3< /dev/made");
    for (label, rules, phrase) in [
        ("denied by default", vec![], "not permitted"),
        ("allowed", vec![rule(true, "rw")], "no such device"),
        ("write only", vec![rule(true, "w")], "not permitted"),
        (
            "a later rule denies",
            vec![rule(true, "rw"), rule(false, "r")],
            "not permitted",
        ),
        (
            "a later rule allows",
            vec![rule(false, "rwm"), rule(true, "r")],
            "no such device",
        ),
    ] {
        t.row(label, || {
            let bundle = rules.into_iter().fold(bundle.clone(), |bundle, rule| {
                bundle.push("/linux/resources/devices", rule)
            });
            t.run(&bundle).failure(&[phrase]);
        });
    }
    t.row("mknod of a default device", || {
        let bundle = t.bundle().capabilities(&["CAP_MKNOD"]);
        prints(t, &bundle.sh("mknod /dev/new c 1 3 && echo made"), "made");
    });
}

fn bound(t: &Test) {
    let before = std::fs::read_dir("/dev").unwrap().count();
    let bundle = t.bundle().without_mount("/dev").without_mount("/dev/pts");
    let bundle = bundle
        .without_mount("/dev/shm")
        .without_mount("/dev/mqueue");
    let list = mounts(t, bundle.bind("/dev".as_ref(), "/dev", &["rbind", "rw"]));
    assert_ne!(at(&list, "/dev").root, "");
    assert_eq!(
        std::fs::read_dir("/dev").unwrap().count(),
        before,
        "host's /dev was changed"
    );
}
