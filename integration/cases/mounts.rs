//! `mounts`: every option read back from inside, and where destinations lead.

use super::check::{mounts, prints, refused};
use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::mountinfo::at;
use crate::need::Need;
use crate::test::Test;
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("mounts/flags", "config.md Linux mount options", flags),
    case(
        "mounts/flags-of-binds",
        "config.md Linux mount options: bind",
        bind_flags,
    ),
    case(
        "mounts/recursive-flags",
        "config.md Linux mount options: r…",
        recursive,
    )
    .needs(&[Need::Kernel(5, 12)]),
    case(
        "mounts/propagation",
        "config.md Linux mount options: propagation",
        propagation,
    ),
    case("mounts/data", "config.md mounts.options: data", data),
    case("mounts/binds", "config.md mounts: bind and rbind", binds),
    case(
        "mounts/on-the-root",
        "a mount on / is the root",
        on_the_root,
    ),
    case(
        "mounts/order",
        "config.md mounts: the listed order is that of mountinfo",
        order,
    ),
    case(
        "mounts/tmpcopyup",
        "config.md Linux mount options: tmpcopyup",
        tmpcopyup,
    ),
    case(
        "mounts/idmapped-bind",
        "config.md idmap: maps of a mount",
        idmapped_bind,
    )
    .needs(&[Need::Kernel(5, 12)]),
    case(
        "mounts/idmapped-tmpfs",
        "config.md idmap: source on tmpfs",
        idmapped_tmpfs,
    )
    .needs(&[Need::Kernel(6, 3)]),
    case(
        "mounts/destinations",
        "config.md mounts.destination",
        destinations,
    ),
    case(
        "mounts/links",
        "mount destinations stay inside the root",
        links,
    ),
    case("mounts/refused", "config.md mounts: errors", bad),
    case("mounts/procfs-is-guarded", "mounts below /proc", procfs),
];

fn flags(t: &Test) {
    for (option, shown) in [
        ("ro", "ro"),
        ("rw", "rw"),
        ("nosuid", "nosuid"),
        ("nodev", "nodev"),
        ("noexec", "noexec"),
        ("noatime", "noatime"),
        ("nodiratime", "nodiratime"),
        ("relatime", "relatime"),
        ("nosymfollow", "nosymfollow"),
    ] {
        t.row(option, || {
            let list = mounts(t, t.bundle().mount("/mnt", "tmpfs", "tmpfs", &[option]));
            assert!(at(&list, "/mnt").has(shown), "{:?}", at(&list, "/mnt"));
        });
    }
    for (option, undone) in [
        ("suid", "nosuid"),
        ("dev", "nodev"),
        ("exec", "noexec"),
        ("atime", "noatime"),
        ("diratime", "nodiratime"),
        ("rw", "ro"),
        ("defaults", "ro"),
        ("norelatime", "relatime"),
        ("strictatime", "relatime"),
    ] {
        t.row(option, || {
            let options = if option == "defaults" {
                vec![option]
            } else {
                vec![undone, option]
            };
            let list = mounts(t, t.bundle().mount("/mnt", "tmpfs", "tmpfs", &options));
            let mount = at(&list, "/mnt");
            // Without a flag the kernel chooses relatime itself.
            assert!(!mount.has(undone) || option == "norelatime", "{mount:?}");
        });
    }
    for option in ["sync", "dirsync", "mand", "lazytime", "iversion"] {
        t.row(option, || {
            let list = mounts(t, t.bundle().mount("/mnt", "tmpfs", "tmpfs", &[option]));
            let mount = at(&list, "/mnt");
            // The kernel has dropped mand and hides iversion.
            let hidden = ["mand", "iversion"].contains(&option);
            assert!(mount.has_super(option) || hidden, "{mount:?}");
        });
    }
    for option in [
        "async",
        "nomand",
        "nolazytime",
        "noiversion",
        "loud",
        "silent",
        "symfollow",
    ] {
        t.row(option, || {
            let list = mounts(t, t.bundle().mount("/mnt", "tmpfs", "tmpfs", &[option]));
            assert_eq!(at(&list, "/mnt").fstype, "tmpfs");
        });
    }
}

fn bind_flags(t: &Test) {
    let source = t.new_dir("source");
    for option in [
        "ro",
        "nosuid",
        "nodev",
        "noexec",
        "noatime",
        "nodiratime",
        "nosymfollow",
    ] {
        t.row(option, || {
            let list = mounts(t, t.bundle().bind(&source, "/mnt", &["bind", option]));
            assert!(at(&list, "/mnt").has(option), "{:?}", at(&list, "/mnt"));
        });
    }
    t.row("the source stays as it is", || {
        let bundle = t.bundle().bind(&source, "/mnt", &["bind", "ro"]);
        t.run(&bundle.sh("echo x > /mnt/file"))
            .failure(&["read-only"]);
        fs::write(source.join("host"), "").unwrap();
    });
    t.row("the type may be none", || {
        let path = source.to_str().unwrap();
        let bundle = t.bundle().mount("/mnt", "none", path, &["bind", "rw"]);
        prints(
            t,
            &bundle.sh("echo x > /mnt/written; cat /mnt/written"),
            "x",
        );
        assert!(source.join("written").exists());
    });
}

fn tmpfs_at(target: &Path) {
    let kind = Some("tmpfs");
    nix::mount::mount(
        kind,
        target,
        kind,
        nix::mount::MsFlags::empty(),
        None::<&str>,
    )
    .unwrap();
}

fn recursive(t: &Test) {
    let source = t.new_dir("source");
    tmpfs_at(&t.new_dir("source/below"));
    for (option, shown) in [
        ("rro", "ro"),
        ("rnosuid", "nosuid"),
        ("rnodev", "nodev"),
        ("rnoexec", "noexec"),
        ("rnoatime", "noatime"),
        ("rnodiratime", "nodiratime"),
        ("rnosymfollow", "nosymfollow"),
    ] {
        t.row(option, || {
            let list = mounts(t, t.bundle().bind(&source, "/mnt", &["rbind", option]));
            for target in ["/mnt", "/mnt/below"] {
                assert!(at(&list, target).has(shown), "{:?}", at(&list, target));
            }
        });
    }
    t.row("the others reach the top alone", || {
        let list = mounts(t, t.bundle().bind(&source, "/mnt", &["rbind", "ro"]));
        assert!(at(&list, "/mnt").has("ro") && at(&list, "/mnt/below").has("rw"));
    });
    t.row("bind takes the top alone", || {
        let list = mounts(t, t.bundle().bind(&source, "/mnt", &["bind"]));
        assert!(!list.iter().any(|m| m.target == "/mnt/below"));
    });
}

fn propagation(t: &Test) {
    let source = t.new_dir("source");
    for (option, tag) in [
        ("shared", "shared:"),
        ("rshared", "shared:"),
        ("unbindable", "unbindable"),
        ("runbindable", "unbindable"),
        ("private", ""),
        ("rprivate", ""),
        ("slave", ""),
        ("rslave", ""),
    ] {
        t.row(option, || {
            let list = mounts(t, t.bundle().bind(&source, "/mnt", &["rbind", option]));
            let mount = at(&list, "/mnt");
            match tag {
                "" => assert!(
                    mount.tags.iter().all(|tag| tag.starts_with("master:")),
                    "{mount:?}"
                ),
                tag => assert!(mount.tagged(tag), "{mount:?}"),
            }
        });
    }
}

fn data(t: &Test) {
    let options = [
        "size=64k",
        "mode=750",
        "uid=1000",
        "gid=2000",
        "nr_inodes=9",
    ];
    let bundle = t.bundle().mount("/mnt", "tmpfs", "name", &options);
    t.row("seen inside", || {
        prints(
            t,
            &bundle.clone().sh("stat -c '%a %u %g' /mnt"),
            "750 1000 2000",
        );
    });
    t.row("in mountinfo", || {
        let list = mounts(t, bundle.clone());
        let mount = at(&list, "/mnt");
        assert!(
            mount.has_super("size=64k") && mount.has_super("nr_inodes=9"),
            "{mount:?}"
        );
        assert_eq!(mount.source, "name");
    });
    t.row("unknown to the file system", || {
        refused(
            t,
            t.bundle()
                .mount("/mnt", "tmpfs", "tmpfs", &["nosuchoption"]),
            &[],
        );
    });
}

fn binds(t: &Test) {
    let dir = t.new_dir("source");
    let file = t.new_file("source/file", "content\n");
    symlink("file", dir.join("link")).unwrap();
    for (label, source, dest, script, expected) in [
        ("directory", &dir, "/mnt", "cat /mnt/file", "content"),
        ("made directory", &dir, "/a/b", "cat /a/b/file", "content"),
        (
            "file on a file",
            &file,
            "/etc/passwd",
            "cat /etc/passwd",
            "content",
        ),
        ("made file", &file, "/a/file", "cat /a/file", "content"),
        (
            "a link is followed",
            &dir.join("link"),
            "/a/file",
            "cat /a/file",
            "content",
        ),
    ] {
        t.row(label, || {
            prints(
                t,
                &t.bundle().bind(source, dest, &["bind"]).sh(script),
                expected,
            )
        });
    }
    t.row("relative to the bundle", || {
        let bundle = t.bundle();
        fs::create_dir(bundle.dir.join("beside")).unwrap();
        fs::write(bundle.dir.join("beside/file"), "beside").unwrap();
        let bundle = bundle.mount("/mnt", "bind", "beside", &["bind"]);
        prints(t, &bundle.sh("cat /mnt/file"), "beside");
    });
    t.row("in the order given", || {
        let bundle = t.bundle().mount("/mnt", "tmpfs", "tmpfs", &[]);
        let bundle = bundle.bind(&dir, "/mnt/in", &["bind"]);
        prints(t, &bundle.sh("cat /mnt/in/file"), "content");
    });
}

fn on_the_root(t: &Test) {
    let root = t.bundle();
    fs::write(root.inside("mark"), "the mount").unwrap();
    let bind = |options: &[&str]| {
        let bundle = t.bundle();
        fs::write(bundle.inside("mark"), "root.path").unwrap();
        let mut mounts = vec![json!({
            "destination": "/", "type": "bind", "source": root.inside(""), "options": options
        })];
        mounts.extend(bundle.config["mounts"].as_array().unwrap().iter().cloned());
        bundle
            .set("/mounts", mounts)
            .writable()
            .sh("cat /mark; echo; echo $$; echo > /made && echo made")
    };
    t.row("below the others", || {
        prints(t, &bind(&["rbind"]), "the mount\n1\nmade");
    });
    t.row("read-only", || {
        let out = t.run(&bind(&["rbind", "ro"]));
        assert_eq!(out.lines(), ["the mount", "1"], "{out}");
    });
}

/// Since Linux 6.8 mountinfo lists mounts by when they were made, before by when they were attached:
/// either is the order of the configuration.
fn order(t: &Test) {
    let source = t.new_dir("source");
    for (row, kinds) in [
        ("binds behind", "ffbbb"),
        ("binds before", "bbff"),
        ("in turn", "bfbfbbfb"),
    ] {
        t.row(row, || {
            let mut bundle = t.bundle();
            let mut expected = Vec::new();
            for (index, kind) in kinds.chars().enumerate() {
                let target = format!("/mnt{index}");
                fs::create_dir(bundle.inside(&target)).unwrap();
                bundle = match kind {
                    'b' => bundle.bind(&source, &target, &["bind"]),
                    _ => bundle.mount(&target, "tmpfs", "tmpfs", &[]),
                };
                expected.push(target);
            }
            let list = mounts(t, bundle);
            let targets = list.iter().map(|mount| mount.target.clone());
            let found: Vec<_> = targets.filter(|target| expected.contains(target)).collect();
            assert_eq!(found, expected);
        });
    }
}

fn tmpcopyup(t: &Test) {
    let bundle = t.bundle();
    fs::create_dir_all(bundle.inside("data/sub")).unwrap();
    fs::write(bundle.inside("data/sub/file"), "copied").unwrap();
    symlink("sub/file", bundle.inside("data/link")).unwrap();
    nix::unistd::chown(&bundle.inside("data/sub"), Some(7.into()), Some(8.into())).unwrap();
    let bundle = bundle.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup", "mode=755"]);
    t.row("copied", || {
        let script = "cat /data/link; echo; readlink /data/link; stat -c '%u %g' /data/sub";
        prints(t, &bundle.clone().sh(script), "copied\nsub/file\n7 8");
    });
    t.row("a copy", || {
        prints(
            t,
            &bundle
                .clone()
                .sh("echo -n new > /data/sub/file; cat /data/link"),
            "new",
        );
        assert_eq!(
            fs::read_to_string(bundle.inside("data/sub/file")).unwrap(),
            "copied"
        );
    });
}

fn idmap(bundle: Bundle, options: &[&str]) -> Bundle {
    let map = json!([{"containerID": 1000, "hostID": 7000, "size": 10}]);
    let source = bundle.dir.parent().unwrap().join("source");
    bundle.push(
        "/mounts",
        json!({
            "destination": "/mnt", "type": "bind", "source": source, "options": options,
            "uidMappings": map, "gidMappings": map,
        }),
    )
}

/// `containerID` is what the file system holds, `hostID` is what the container sees.
fn idmapped_bind(t: &Test) {
    let dir = t.new_dir("source");
    let file = t.new_file("source/file", "");
    nix::unistd::chown(&file, Some(1000.into()), Some(1001.into())).unwrap();
    for options in [
        &["bind"][..],
        &["rbind"],
        &["bind", "idmap"],
        &["rbind", "ridmap"],
    ] {
        t.row(&options.join(","), || {
            let bundle = idmap(t.bundle(), options).sh("stat -c '%u %g' /mnt/file");
            prints(t, &bundle, "7000 7001");
        });
    }
    t.row("writing", || {
        let bundle =
            idmap(t.bundle(), &["bind"]).set("/process/user", json!({"uid": 7002, "gid": 7002}));
        nix::unistd::chown(&dir, Some(1002.into()), Some(1002.into())).unwrap();
        t.run(&bundle.sh("touch /mnt/new")).ok();
        assert_eq!(fs::metadata(dir.join("new")).unwrap().uid(), 1002);
    });
}

fn idmapped_tmpfs(t: &Test) {
    tmpfs_at(&t.new_dir("source/below"));
    let file = t.new_file("source/below/file", "");
    nix::unistd::chown(&file, Some(1000.into()), Some(1000.into())).unwrap();
    for (options, expected) in [
        (&["rbind", "ridmap"][..], "7000 7000"),
        (&["rbind", "idmap"], "1000 1000"),
    ] {
        t.row(&options.join(","), || {
            let bundle = idmap(t.bundle(), options).sh("stat -c '%u %g' /mnt/below/file");
            prints(t, &bundle, expected);
        });
    }
}

fn destinations(t: &Test) {
    let source = t.new_dir("source");
    fs::write(source.join("file"), "content").unwrap();
    for (label, dest) in [
        ("missing", "/made/deep/down"),
        ("not clean", "//mnt/.//../mnt/"),
        ("above the root", "/../../../mnt"),
        ("below another mount", "/dev/shm/made"),
    ] {
        t.row(label, || {
            let bundle = t.bundle().bind(&source, dest, &["bind"]);
            prints(t, &bundle.sh(&format!("cat {dest}/file")), "content");
        });
    }
    t.row("relative", || {
        let bundle = t.bundle().bind(&source, "mnt/made", &["bind"]);
        prints(t, &bundle.sh("cat /mnt/made/file"), "content");
    });
    t.row("the root itself", || {
        let other = t.bundle().inside("/");
        fs::write(other.join("other"), "").unwrap();
        let bundle = t.bundle().set("/mounts", json!([]));
        let bundle = bundle
            .bind(&other, "/", &["rbind"])
            .mount("/proc", "proc", "proc", &[]);
        prints(t, &bundle.sh("ls /other; ls -d /proc/1"), "/other\n/proc/1");
    });
    t.row("in a read-only root", || {
        let bundle = t
            .bundle()
            .set("/root/readonly", true)
            .bind(&source, "/made", &["bind"]);
        prints(t, &bundle.sh("cat /made/file"), "content");
    });
}

fn links(t: &Test) {
    let source = t.new_dir("source");
    fs::write(source.join("file"), "content").unwrap();
    let outside = t.new_dir("outside");
    for (label, target, expected) in [
        ("absolute", "/home", "/home/file"),
        ("relative", "home", "/home/file"),
        ("up", "../../../../home", "/home/file"),
        ("to what is missing", "/made/here", "/made/here/file"),
        (
            "to the host's path",
            outside.to_str().unwrap(),
            "/link/file",
        ),
    ] {
        t.row(label, || {
            let bundle = t.bundle();
            symlink(target, bundle.inside("link")).unwrap();
            let bundle = bundle.bind(&source, "/link", &["bind"]);
            prints(t, &bundle.sh(&format!("cat {expected}")), "content");
            assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        });
    }
    t.row("below a link", || {
        let bundle = t.bundle();
        symlink(&outside, bundle.inside("link")).unwrap();
        let bundle = bundle.bind(&source, "/link/made", &["bind"]);
        prints(t, &bundle.sh("cat /link/made/file"), "content");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    });
    t.row("in a circle", || {
        let bundle = t.bundle();
        symlink("/link", bundle.inside("link")).unwrap();
        refused(t, bundle.bind(&source, "/link", &["bind"]), &[]);
    });
}

fn bad(t: &Test) {
    let source = t.new_dir("source");
    let file = t.new_file("file", "");
    for (label, bundle, phrases) in [
        (
            "missing source",
            t.bundle()
                .mount("/mnt", "bind", "/no/such/source", &["bind"]),
            &["no such file or directory"][..],
        ),
        (
            "directory on a file",
            t.bundle().bind(&source, "/etc/passwd", &["bind"]),
            &["not a directory"],
        ),
        (
            "file on a directory",
            t.bundle().bind(&file, "/home", &["bind"]),
            &[],
        ),
        (
            "unknown type",
            t.bundle().mount("/mnt", "nosuchfs", "x", &[]),
            &["no such device"],
        ),
        (
            "below a file",
            t.bundle().bind(&source, "/etc/passwd/x", &["bind"]),
            &["not a directory"],
        ),
    ] {
        t.row(label, || refused(t, bundle, phrases));
    }
}

fn procfs(t: &Test) {
    let source = t.new_dir("source");
    let file = t.new_file("file", "fake\n");
    for dest in [
        "/proc/sys",
        "/proc/self",
        "/proc/1",
        "/proc/self/attr",
        "/proc/kernel",
    ] {
        t.row(dest, || {
            refused(t, t.bundle().bind(&source, dest, &["bind"]), &["proc"])
        });
    }
    for dest in ["/proc/uptime", "/proc/meminfo", "/proc/stat"] {
        t.row(dest, || {
            let bundle = t.bundle().bind(&file, dest, &["bind"]);
            prints(t, &bundle.args(["cat", dest]), "fake");
        });
    }
    t.row("through a link", || {
        let bundle = t.bundle();
        symlink("/proc/self", bundle.inside("link")).unwrap();
        refused(t, bundle.bind(&source, "/link/attr", &["bind"]), &["proc"]);
    });
}
