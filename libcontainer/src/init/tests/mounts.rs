//! Mounts, masks and copies.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::sys::Call;
use crate::sys::mount::attr;

#[test]
fn a_mount_makes_its_target_and_has_its_attributes() {
    on_stage("mounts", |mut stage| {
        let mut step = mount(tmpfs(), "/a/b");
        step.attributes.set = attr::NOSUID | attr::NODEV | attr::RDONLY | attr::NOATIME;
        step.attributes.clear = attr::ATIME;
        stage.must(Step::Mount(step));
        for option in ["ro", "nosuid", "nodev", "noatime"] {
            assert!(has(&stage.path("a/b"), option), "{option}");
        }
        assert_eq!(
            fs::metadata(stage.path("a")).unwrap().mode() & 0o7777,
            0o755
        );
        stage.must(Step::Mount(mount(tmpfs(), "relative")));
        assert!(has(&stage.path("relative"), "rw"));
        stage.must(Step::Mount(mount(host(c"/dev/null"), "/dev/new")));
        assert!(
            fs::metadata(stage.path("dev/new"))
                .unwrap()
                .file_type()
                .is_char_device()
        );
        true
    });
}

#[test]
fn links_of_the_root_lead_a_mount_nowhere_else() {
    on_stage("links", |mut stage| {
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), stage.path("link")).unwrap();
        symlink("../../../../..", stage.path("up")).unwrap();
        stage.must(Step::Mount(mount(tmpfs(), "/link/inside")));
        stage.must(Step::Mount(mount(tmpfs(), "/up/other")));
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        let inside = outside.path().strip_prefix("/").unwrap().join("inside");
        assert!(has(&stage.root.join(inside), "rw"));
        assert!(has(&stage.path("other"), "rw"));

        let mut strict = mount(tmpfs(), "/link");
        strict.strict_target = true;
        assert_eq!(
            stage.perform(Step::Mount(strict)).unwrap_err().errno,
            libc::ELOOP
        );
        fs::write(stage.path("file"), "").unwrap();
        let mut strict = mount(tmpfs(), "/file");
        strict.strict_target = true;
        assert_eq!(
            stage.perform(Step::Mount(strict)).unwrap_err().errno,
            libc::ENOTDIR
        );
        true
    });
}

#[test]
fn only_what_may_covers_procfs() {
    on_stage("procfs", |mut stage| {
        stage.must(Step::Mount(mount(host(c"/proc"), "/proc")));
        let step = mount(tmpfs(), "/proc/sys");
        let fault = stage.perform(Step::Mount(step)).unwrap_err();
        assert_eq!(fault.call, Call::TargetOnProcfs);
        let mut step = mount(tmpfs(), "/proc/sys");
        step.may_cover_proc = true;
        stage.must(Step::Mount(step));
        assert!(has(&stage.path("proc/sys"), "rw"));

        for source in [host(c"/proc/sys"), tmpfs()] {
            let mut step = mount(source, "/elsewhere");
            step.procfs_only = true;
            let fault = stage.perform(Step::Mount(step)).unwrap_err();
            assert_eq!(fault.call, Call::VerifyProcfs);
        }
        let mut step = mount(host(c"/proc"), "/elsewhere");
        step.procfs_only = true;
        stage.must(Step::Mount(step));
        true
    });
}

#[test]
fn a_mount_on_the_root_is_the_root() {
    on_stage("root mount", |mut stage| {
        fs::write(stage.path("below"), "").unwrap();
        stage.must(Step::Mount(mount(tmpfs(), "/")));
        stage.must(Step::Mount(mount(tmpfs(), "/new")));
        // `stage.root` is looked up from the host's root and meets the mount on top.
        assert!(!stage.path("below").exists());
        assert!(has(&stage.path("new"), "rw"));
        stage.must(Step::PivotRoot);
        Path::new("/new").exists() && !Path::new("/below").exists()
    });
}

#[test]
fn a_file_system_that_is_refused_is_replaced() {
    on_stage("fallback", |mut stage| {
        // Without a network namespace of its own a user namespace may not mount sysfs.
        nix::sched::unshare(
            nix::sched::CloneFlags::CLONE_NEWUSER | nix::sched::CloneFlags::CLONE_NEWNS,
        )
        .unwrap();
        let sysfs = |fallback| Source::Filesystem {
            fstype: c"sysfs".into(),
            params: Vec::new(),
            fallback,
        };
        let fault = stage
            .perform(Step::Mount(mount(sysfs(None), "/")))
            .unwrap_err();
        assert!(
            matches!(fault.errno, libc::EPERM | libc::EACCES),
            "{fault:?}"
        );
        // Its replacement is a clone of what is shared, and yet no peer of it.
        let shared = nix::mount::MsFlags::MS_SHARED;
        nix::mount::mount(None::<&str>, "/sys", None::<&str>, shared, None::<&str>).unwrap();
        let source = sysfs(Some(Box::new(host_tree(c"/sys"))));
        let tree = stage.child.tree(&source, &Attributes::default()).unwrap();
        let place = fs::File::open(&stage.root).unwrap();
        crate::sys::mount::attach(tree.fd, place.as_fd()).unwrap();
        let peers = |path: &Path| {
            let all = procfs::process::Process::myself().unwrap().mountinfo();
            let of_path = all
                .unwrap()
                .0
                .into_iter()
                .rfind(|one| one.mount_point == path);
            format!("{:?}", of_path.unwrap().opt_fields)
        };
        assert!(peers(Path::new("/sys")).contains("Shared"));
        let inside = peers(&stage.root);
        inside.contains("Master") && !inside.contains("Shared")
    });
}

fn host_tree(path: &CStr) -> Source {
    Source::HostPath {
        path: path.into(),
        recursive: true,
    }
}

#[test]
fn a_parameter_that_is_wrong_is_named() {
    on_stage("parameter", |mut stage| {
        let param = |key: &CStr, value: &CStr| Param::Text {
            key: key.into(),
            value: value.into(),
        };
        let source = Source::Filesystem {
            fstype: c"tmpfs".into(),
            params: vec![param(c"mode", c"0755"), param(c"size", c"many")],
            fallback: None,
        };
        let fault = stage.perform(Step::Mount(mount(source, "/x"))).unwrap_err();
        assert_eq!(
            (fault.call, fault.errno, fault.detail),
            (Call::Fsconfig, libc::EINVAL, 1)
        );
        true
    });
}

#[test]
fn attributes_of_trees_and_propagation_are_set() {
    on_stage("attributes", |mut stage| {
        stage.must(Step::Mount(mount(tmpfs(), "/a")));
        stage.must(Step::Mount(mount(tmpfs(), "/a/b")));
        let attributes = Attributes {
            set_recursive: attr::RDONLY,
            propagation_recursive: libc::MS_SHARED,
            propagation: libc::MS_PRIVATE,
            ..Attributes::default()
        };
        let target = text("/a");
        stage.must(Step::SetAttributes { target, attributes });
        assert!(has(&stage.path("a"), "ro") && has(&stage.path("a/b"), "ro"));
        let lines = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = |end: &str| {
            lines
                .lines()
                .find(|line| line.contains(end))
                .unwrap()
                .to_owned()
        };
        assert!(line("/a/b ").contains(" shared:"));
        assert!(!line("/a ").contains(" shared:"));
        true
    });
}

#[test]
fn tmpcopyup_copies_everything_that_the_directory_holds() {
    on_stage("tmpcopyup", |mut stage| {
        let dir = stage.path("etc");
        fs::create_dir_all(dir.join("sub/deeper")).unwrap();
        fs::write(dir.join("sub/file"), vec![b'x'; 20_000]).unwrap();
        fs::set_permissions(dir.join("sub/file"), fs::Permissions::from_mode(0o4750)).unwrap();
        std::os::unix::fs::chown(dir.join("sub/deeper"), Some(7), Some(8)).unwrap();
        symlink("/dangling", dir.join("link")).unwrap();
        std::os::unix::fs::lchown(dir.join("link"), Some(5), Some(6)).unwrap();
        nix::unistd::mkfifo(
            &dir.join("fifo"),
            nix::sys::stat::Mode::from_bits_truncate(0o620),
        )
        .unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o2701)).unwrap();
        std::os::unix::fs::chown(&dir, Some(3), Some(4)).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o2701)).unwrap();

        let mut step = mount(tmpfs(), "/etc");
        step.copy_up = true;
        step.inherit_mode = true;
        stage.must(Step::Mount(step));

        assert!(options(&dir).is_some());
        let top = fs::metadata(&dir).unwrap();
        assert_eq!((top.mode() & 0o7777, top.uid(), top.gid()), (0o2701, 3, 4));
        let copied = fs::metadata(dir.join("sub/file")).unwrap();
        assert_eq!((copied.mode() & 0o7777, copied.len()), (0o4750, 20_000));
        let deeper = fs::metadata(dir.join("sub/deeper")).unwrap();
        assert_eq!((deeper.uid(), deeper.gid()), (7, 8));
        assert_eq!(
            fs::read_link(dir.join("link")).unwrap().to_str(),
            Some("/dangling")
        );
        assert_eq!(fs::symlink_metadata(dir.join("link")).unwrap().uid(), 5);
        let fifo = fs::metadata(dir.join("fifo")).unwrap();
        assert!(fifo.file_type().is_fifo() && fifo.mode() & 0o777 == 0o620);
        true
    });
}

#[test]
fn a_new_directory_gives_a_tmpfs_no_mode() {
    on_stage("inherit", |mut stage| {
        let mut step = mount(tmpfs(), "/fresh");
        step.inherit_mode = true;
        stage.must(Step::Mount(step));
        fs::metadata(stage.path("fresh")).unwrap().mode() & 0o7777 == 0o711
    });
}

#[test]
fn masks_cover_files_and_directories_and_ignore_what_is_not_there() {
    on_stage("masks", |mut stage| {
        for name in ["one", "two", "three"] {
            fs::write(stage.path(name), "secret").unwrap();
            fs::create_dir(stage.path(&format!("dir-{name}"))).unwrap();
            fs::write(stage.path(&format!("dir-{name}/inner")), "secret").unwrap();
        }
        // What the root says about /dev/null does not matter.
        fs::create_dir(stage.path("dev")).unwrap();
        symlink("/one", stage.path("dev/null")).unwrap();
        stage.must(Step::MaskSource {
            source: host(c"/dev/null"),
        });
        let mask = |path: &str| Step::MaskPath { path: text(path) };
        for path in [
            "/one",
            "/two",
            "/three",
            "/dir-one",
            "/dir-two",
            "/dir-three",
            "/absent",
            "/one/x",
        ] {
            stage.must(mask(path));
        }
        for name in ["one", "two", "three"] {
            assert_eq!(fs::read(stage.path(name)).unwrap(), b"");
            let dir = stage.path(&format!("dir-{name}"));
            assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
            assert!(has(&dir, "ro"));
            fs::write(dir.join("x"), "").unwrap_err();
        }
        // One tmpfs for all of them.
        let device = |name| fs::metadata(stage.path(name)).unwrap().dev();
        device("dir-one") == device("dir-three")
    });
}

#[test]
fn a_null_device_that_is_none_masks_nothing() {
    on_stage("null", |mut stage| {
        for wrong in [c"/dev/zero", c"/proc/self/status", c"/proc"] {
            let fault = stage
                .perform(Step::MaskSource {
                    source: host(wrong),
                })
                .unwrap_err();
            assert_eq!(fault.call, Call::VerifyNull, "{wrong:?}");
        }
        fs::write(stage.path("file"), "").unwrap();
        stage
            .perform(Step::MaskPath {
                path: text("/file"),
            })
            .unwrap_err();
        true
    });
}

#[test]
fn a_read_only_path_keeps_its_other_attributes() {
    on_stage("read-only", |mut stage| {
        let mut step = mount(tmpfs(), "/a");
        step.attributes.set = attr::NOSUID;
        stage.must(Step::Mount(step));
        fs::write(stage.path("a/file"), "").unwrap();
        for path in ["/a", "/a/file", "/absent"] {
            stage.must(Step::ReadonlyPath { path: text(path) });
        }
        assert!(has(&stage.path("a/file"), "ro") && has(&stage.path("a/file"), "nosuid"));
        fs::write(stage.path("a/file"), "x").unwrap_err();
        fs::write(stage.path("a/new"), "x").unwrap_err();
        true
    });
}

/// With and without close_range(2): many mounts leave few descriptors open, and what later steps use
/// among them.
#[test]
fn what_was_left_open_is_closed_when_it_is_much() {
    for refused in [&[][..], &[libc::SYS_close_range]] {
        on_stage("descriptors", |mut stage| {
            testing::refuse(refused, libc::ENOSYS);
            let next = std::fs::File::open("/").unwrap();
            let next = std::os::fd::IntoRawFd::into_raw_fd(next);
            stage.child.first_own = next;
            stage.child.last_left.set(next);
            let again = std::fs::File::open(&stage.root).unwrap();
            stage.child.root = Some(leak(again.into()));
            let open = || fs::read_dir("/proc/self/fd").unwrap().count();
            let before = open();
            for number in 0..200 {
                let source = if number % 2 == 0 {
                    tmpfs()
                } else {
                    host(c"/dev/null")
                };
                stage.must(Step::Mount(mount(source, &format!("/m/{number}"))));
                stage.child.tidy().unwrap();
                assert!(open() < before + 300, "{number}");
            }
            assert!(stage.path("m/199").exists());
            true
        });
    }
}

/// What mount(2) would take apart wrongly, or not say enough about, takes the long way.
#[test]
fn options_reach_the_file_system_as_they_are() {
    let with = |key: &CStr, value: &CStr| Source::Filesystem {
        fstype: c"tmpfs".into(),
        params: vec![
            Param::Text {
                key: c"source".into(),
                value: c"a,b".into(),
            },
            Param::Text {
                key: key.into(),
                value: value.into(),
            },
        ],
        fallback: None,
    };
    on_stage("options", |mut stage| {
        stage.must(Step::Mount(mount(with(c"size", c"64k"), "/short")));
        let line = |path: &str| {
            let lines = fs::read_to_string("/proc/self/mountinfo").unwrap();
            let line = lines.lines().find(|line| line.contains(path));
            line.unwrap().to_owned()
        };
        assert!(line("/short ").contains(" - tmpfs a,b rw,size=64k"));
        // The second option is the text of the first one's value: tmpfs refuses it.
        let step = mount(with(c"mode", c"755,size=4k"), "/long");
        let fault = stage.perform(Step::Mount(step)).unwrap_err();
        assert_eq!((fault.call, fault.detail), (Call::Fsconfig, 1));
        let mut step = mount(tmpfs(), "/read-only");
        step.attributes.set = crate::sys::mount::attr::RDONLY;
        stage.must(Step::Mount(step));
        let line = line("/read-only ");
        let (mount, instance) = line.split_once(" - ").unwrap();
        assert!(mount.contains(" ro,"), "{line}");
        assert!(instance.contains(" rw,"), "{line}");
        true
    });
}
