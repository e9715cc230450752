//! `linux.namespaces`: new ones, joined ones, wrong ones; clock offsets.

use super::check::{prints, refused};
use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::need::Need;
use crate::runtime::Kind;
use crate::test::Test;
use serde_json::json;
use std::fs;
use std::path::Path;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("namespaces/new", "config-linux.md namespaces", new),
    case(
        "namespaces/inherited",
        "config-linux.md namespaces: not listed",
        inherited,
    ),
    case(
        "namespaces/joined",
        "config-linux.md namespaces: path",
        joined,
    ),
    case(
        "namespaces/refused",
        "config-linux.md namespaces: errors",
        bad,
    ),
    case(
        "namespaces/first-process",
        "process 1 of a PID namespace",
        first_process,
    ),
    case(
        "namespaces/loopback",
        "a new network namespace has lo up",
        loopback,
    ),
    case("namespaces/time", "config-linux.md time offsets", time)
        .needs(&[Need::Path("/proc/self/ns/time")]),
];

/// Type in the configuration and name below /proc/PID/ns.
const KINDS: &[(&str, &str)] = &[
    ("pid", "pid"),
    ("network", "net"),
    ("mount", "mnt"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

fn own(file: &str) -> String {
    let link = fs::read_link(format!("/proc/self/ns/{file}")).unwrap();
    link.to_string_lossy().into_owned()
}

fn shows(bundle: Bundle, file: &str) -> Bundle {
    bundle.args(["readlink", &format!("/proc/self/ns/{file}")])
}

fn new(t: &Test) {
    for (kind, file) in KINDS {
        t.row(kind, || {
            let out = t
                .run(&shows(t.bundle().namespace(kind, None), file))
                .success();
            assert!(out.text().starts_with(&format!("{file}:[")), "{out}");
            assert_ne!(out.text(), own(file));
        });
    }
}

fn inherited(t: &Test) {
    for (kind, file) in KINDS.iter().filter(|(kind, _)| *kind != "mount") {
        t.row(kind, || {
            let bundle = t.bundle().without_namespace(kind).remove("/hostname");
            // What would be a mount of a namespace that the container does not own.
            let bundle = bundle
                .without_mount("/dev/mqueue")
                .without_mount("/sys/fs/cgroup");
            let bundle = bundle.without_mount("/sys");
            prints(t, &shows(bundle, file), &own(file));
        });
    }
    t.row("mount", || {
        let bundle = t.bundle().without_namespace("mount");
        let bundle = bundle
            .remove("/linux/maskedPaths")
            .remove("/linux/readonlyPaths")
            .sh("test -c /dev/null || exit 9; touch /file; test -e /file && echo writable || echo read-only");
        // The mounts are the caller's: they go with its namespace.
        let call = t.run_call(&bundle, &[]).under(["unshare", "--mount"]);
        let out = call.run().success();
        // runc leaves the root writable, although the specification has it that it must not be.
        if t.runtime.kind == Kind::Oxrun {
            assert_eq!(out.text(), "read-only", "{out}");
        }
    });
}

fn joined(t: &Test) {
    let first = KINDS
        .iter()
        .fold(t.bundle().idle(), |b, (kind, _)| b.namespace(kind, None));
    let other = t.start(&first.set("/hostname", "other"));
    for (kind, file) in KINDS.iter().filter(|(kind, _)| *kind != "mount") {
        t.row(kind, || {
            let path = format!("/proc/{}/ns/{file}", other.pid());
            let expected = fs::read_link(&path).unwrap();
            let bundle = t.bundle().remove("/hostname").namespace(kind, Some(&path));
            prints(t, &shows(bundle, file), expected.to_str().unwrap());
        });
    }
    t.row("hostname of the other", || {
        let path = format!("/proc/{}/ns/uts", other.pid());
        let bundle = t.bundle().remove("/hostname").namespace("uts", Some(&path));
        prints(t, &bundle.args(["hostname"]), "other");
    });
    t.row("processes of the other", || {
        let path = format!("/proc/{}/ns/pid", other.pid());
        let out = t
            .run(&t.bundle().namespace("pid", Some(&path)).args(["ps"]))
            .success();
        assert!(out.text().contains("sleep 1000"), "{out}");
    });
    assert_eq!(other.status(), "running");
}

fn bad(t: &Test) {
    for (label, kind, path) in [
        ("wrong type", "network", "/proc/self/ns/uts"),
        ("no namespace", "network", "/etc/passwd"),
        ("missing", "ipc", "/no/such/namespace"),
        ("relative", "ipc", "proc/self/ns/ipc"),
    ] {
        t.row(label, || {
            refused(t, t.bundle().namespace(kind, Some(path)), &[])
        });
    }
    for kind in ["pid", "network", "mount", "uts", "ipc"] {
        t.row(&format!("{kind} twice"), || {
            let entry = json!({"type": kind});
            refused(
                t,
                t.bundle().push("/linux/namespaces", entry),
                // runc's words are "duplicated ns".
                &["namespace", "duplicated ns"],
            );
        });
    }
    t.row("unknown type", || {
        let entry = json!({"type": "nosuch"});
        refused(t, t.bundle().push("/linux/namespaces", entry), &["nosuch"]);
    });
}

fn first_process(t: &Test) {
    prints(
        t,
        &t.bundle().sh("echo $$; cut -d' ' -f1,4 /proc/1/stat"),
        "1\n1 0",
    );
}

fn loopback(t: &Test) {
    let bundle = t.bundle().sh("ls /sys/class/net; ip addr show lo");
    let out = t.run(&bundle).success();
    assert!(out.text().starts_with("lo"), "{out}");
    assert!(
        out.text().contains("127.0.0.1/8") && out.text().contains("UP"),
        "{out}"
    );
}

fn time(t: &Test) {
    let offsets =
        json!({"monotonic": {"secs": 3600, "nanosecs": 5}, "boottime": {"secs": 100_000}});
    let bundle = t
        .bundle()
        .namespace("time", None)
        .set("/linux/timeOffsets", offsets.clone());
    t.row("offsets", || {
        let show = bundle
            .clone()
            .sh("cat /proc/self/timens_offsets | tr -s ' \\t' ' '");
        let out = t.run(&show).success();
        let lines: Vec<String> = out.lines().iter().map(|l| l.trim().to_owned()).collect();
        assert_eq!(lines, ["monotonic 3600 5", "boottime 100000 0"]);
    });
    t.row("uptime", || {
        let text = fs::read_to_string("/proc/uptime").unwrap();
        let host: f64 = text.split(' ').next().unwrap().parse().unwrap();
        let out = t
            .run(&bundle.clone().args(["cat", "/proc/uptime"]))
            .success();
        let inside: f64 = out.text().split(' ').next().unwrap().parse().unwrap();
        assert!(
            (100_000.0..100_020.0).contains(&(inside - host)),
            "{inside} {host}"
        );
    });
    t.row("offsets need the namespace", || {
        refused(t, t.bundle().set("/linux/timeOffsets", offsets), &["time"]);
    });
    assert!(Path::new("/proc/self/timens_offsets").exists());
}
