//! `maskedPaths` and `readonlyPaths`.

use super::check::{mounts, prints};
use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::mountinfo::at;
use crate::test::Test;
use serde_json::json;
use std::fs;
use std::path::Path;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("masks/masked", "config-linux.md maskedPaths", masked),
    case("masks/readonly", "config-linux.md readonlyPaths", readonly),
    case(
        "masks/defaults",
        "the paths of the default configuration",
        defaults,
    ),
];

fn tree(t: &Test) -> Bundle {
    let bundle = t.bundle().writable();
    fs::create_dir(bundle.inside("dir")).unwrap();
    fs::write(bundle.inside("dir/secret"), "secret\n").unwrap();
    fs::write(bundle.inside("file"), "secret\n").unwrap();
    bundle
}

fn masked(t: &Test) {
    let bundle = tree(t).set("/linux/maskedPaths", json!(["/dir", "/file", "/missing"]));
    t.row("directory", || {
        prints(t, &bundle.clone().sh("ls -A /dir; echo end"), "end")
    });
    t.row("file", || {
        prints(t, &bundle.clone().sh("cat /file; echo end"), "end")
    });
    t.row("directory cannot be written", || {
        t.run(&bundle.clone().sh("echo x > /dir/new"))
            .failure(&["read-only"]);
    });
    t.row("mounts", || {
        let list = mounts(t, bundle.clone());
        assert_eq!(at(&list, "/dir").fstype, "tmpfs");
        assert!(at(&list, "/dir").has("ro"));
        assert_eq!(at(&list, "/file").root, "/null");
    });
    t.row("missing stays missing", || {
        assert!(!bundle.inside("missing").exists());
    });
}

fn readonly(t: &Test) {
    let bundle = tree(t).set("/linux/readonlyPaths", json!(["/dir", "/file", "/missing"]));
    for (label, script) in [
        ("directory", "echo x > /dir/new"),
        ("file in the directory", "echo x > /dir/secret"),
        ("file", "echo x > /file"),
    ] {
        t.row(label, || {
            t.run(&bundle.clone().sh(script)).failure(&["read-only"]);
        });
    }
    t.row("can be read", || {
        prints(
            t,
            &bundle.clone().sh("cat /dir/secret /file"),
            "secret\nsecret",
        );
    });
    t.row("beside", || {
        prints(t, &bundle.clone().sh("echo x > /new; cat /new"), "x")
    });
    t.row("flags of the mount below stay", || {
        let bundle = t
            .bundle()
            .mount("/mnt", "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec"]);
        let list = mounts(t, bundle.set("/linux/readonlyPaths", json!(["/mnt"])));
        let mount = at(&list, "/mnt");
        for option in ["ro", "nosuid", "nodev", "noexec"] {
            assert!(mount.has(option), "{option}: {mount:?}");
        }
    });
}

fn defaults(t: &Test) {
    for (path, script) in [
        ("/proc/sys/kernel", "echo 1 > /proc/sys/kernel/panic"),
        ("/proc/sysrq-trigger", "echo h > /proc/sysrq-trigger"),
        (
            "/proc/irq/default_smp_affinity",
            "f=/proc/irq/default_smp_affinity; v=$(cat $f); echo $v > $f",
        ),
        ("/sys", "mkdir /sys/x"),
    ] {
        if !Path::new(path).exists() {
            continue;
        }
        t.row(path, || {
            t.run(&t.bundle().sh(script)).failure(&["read-only"]);
        });
    }
    for file in ["/proc/keys", "/proc/timer_list", "/proc/kcore"] {
        t.row(file, || {
            prints(t, &t.bundle().sh(&format!("cat {file} | wc -c")), "0")
        });
    }
    t.row("/sys/firmware", || {
        prints(t, &t.bundle().sh("ls -A /sys/firmware | wc -l"), "0")
    });
}
