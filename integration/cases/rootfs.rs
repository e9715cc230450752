//! `root`: read-only, propagation, links where the default mounts go.

use super::check::{mounts, prints, refused};
use super::seccomp_calls::guest;
use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::mountinfo::at;
use crate::need::Need;
use crate::test::Test;
use std::fs;
use std::os::unix::fs::symlink;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("rootfs/readonly", "config.md root.readonly", readonly),
    case("rootfs/path", "config.md root.path", path),
    case(
        "rootfs/not-the-host",
        "the host's root is out of sight",
        hidden,
    ),
    case(
        "rootfs/no-way-up",
        "CAP_SYS_CHROOT does not lead out of the root",
        no_way_up,
    )
    .needs(&[Need::StaticGuest]),
    case(
        "rootfs/either-way",
        "hooks, which see the host's mounts, change nothing of the container's",
        either_way,
    ),
    case(
        "rootfs/propagation",
        "config-linux.md rootfsPropagation",
        propagation,
    ),
    case(
        "rootfs/links-in-the-root",
        "mount destinations that are symlinks stay inside",
        links,
    ),
];

fn readonly(t: &Test) {
    for (value, written) in [(true, false), (false, true)] {
        t.row(&format!("readonly {value}"), || {
            let bundle = t.bundle().set("/root/readonly", value);
            let out = t.run(&bundle.clone().sh("echo x > /file"));
            assert_eq!(out.succeeded(), written, "{out}");
            assert_eq!(bundle.inside("file").exists(), written);
            let list = mounts(t, t.bundle().set("/root/readonly", value));
            assert_eq!(at(&list, "/").has("ro"), value);
        });
    }
}

fn path(t: &Test) {
    let bundle = t.bundle().sh("echo ran");
    let absolute = bundle.inside("/");
    let absolute = absolute.to_str().unwrap();
    for (label, path) in [("relative", "./rootfs/"), ("absolute", absolute)] {
        t.row(label, || {
            prints(t, &bundle.clone().set("/root/path", path), "ran")
        });
    }
    for (label, path) in [("missing", "nosuch"), ("a file", "config.json")] {
        t.row(label, || {
            refused(t, bundle.clone().set("/root/path", path), &[])
        });
    }
}

fn hidden(t: &Test) {
    let list = mounts(t, t.bundle());
    let outside: Vec<_> = list
        .iter()
        .filter(|m| m.target.contains("rootfs"))
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
    assert_eq!(
        list.iter().filter(|m| m.target == "/").count(),
        1,
        "{list:#?}"
    );
    t.row("above the root is the root", || {
        prints(t, &t.bundle().sh("cd ../../..; pwd; ls -d bin"), "/\nbin");
    });
}

/// With hooks the container's root is made among the host's mounts, without them perhaps by itself.
fn both_ways(bundle: &Bundle) -> [(&'static str, Bundle); 2] {
    let hooked = bundle.clone().hook_sh("createContainer", "true");
    [("without hooks", bundle.clone()), ("with a hook", hooked)]
}

fn no_way_up(t: &Test) {
    let climber = guest(t, &["climb", "64"]).capabilities(&["CAP_SYS_CHROOT"]);
    for (row, bundle) in both_ways(&climber) {
        t.row(row, || prints(t, &bundle, "the root"));
    }
}

fn either_way(t: &Test) {
    let source = t.new_dir("source");
    let bundle = t.bundle().bind(&source, "/bound", &["rbind", "ro"]);
    let seen = |bundle| {
        let mut list = mounts(t, bundle);
        for mount in &mut list {
            // Peer groups are numbered anew.
            let kind = |tag: &String| tag.split(':').next().unwrap_or_default().to_owned();
            mount.tags = mount.tags.iter().map(kind).collect();
        }
        list
    };
    for value in ["rprivate", "rslave", "rshared"] {
        t.row(value, || {
            let bundle = bundle.clone().set("/linux/rootfsPropagation", value);
            let [without, with] = both_ways(&bundle).map(|(_, bundle)| seen(bundle));
            assert_eq!(without, with);
        });
    }
}

fn propagation(t: &Test) {
    for (value, tag) in [
        ("private", ""),
        ("rprivate", ""),
        ("slave", ""),
        ("rslave", ""),
        ("shared", "shared:"),
        ("rshared", "shared:"),
        ("unbindable", "unbindable"),
        ("runbindable", "unbindable"),
    ] {
        t.row(value, || {
            let list = mounts(t, t.bundle().set("/linux/rootfsPropagation", value));
            let root = at(&list, "/");
            match tag {
                "" => assert!(!root.tagged("shared:"), "{root:?}"),
                tag => assert!(root.tagged(tag), "{root:?}"),
            }
        });
    }
    t.row("unknown", || {
        refused(
            t,
            t.bundle().set("/linux/rootfsPropagation", "nosuch"),
            &["propagation"],
        );
    });
}

/// A link in the root file system must be followed inside it, or be refused.
fn links(t: &Test) {
    let outside = t.new_dir("outside");
    fs::write(outside.join("canary"), "").unwrap();
    let outside = outside.to_str().unwrap();
    for dir in ["dev", "proc", "sys"] {
        for (label, target) in [
            ("inside", "/real"),
            ("outside", outside),
            ("up", "../../outside"),
        ] {
            t.row(&format!("{dir} to {label}"), || {
                let bundle = t.bundle().sh("ls / > /dev/null; echo ran");
                fs::remove_dir(bundle.inside(dir)).unwrap();
                fs::create_dir(bundle.inside("real")).unwrap();
                symlink(target, bundle.inside(dir)).unwrap();
                // Whether it runs is the runtime's choice; where it mounts is not.
                drop(t.run(&bundle));
                let names: Vec<_> = fs::read_dir(outside)
                    .unwrap()
                    .map(|e| e.unwrap().file_name())
                    .collect();
                assert_eq!(names, ["canary"], "made outside the root");
            });
        }
    }
}
