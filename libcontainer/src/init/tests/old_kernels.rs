//! Each thing that an older kernel does not have, refused by a filter.

use std::fs;

use super::*;
use crate::plan::step::DeviceStep;
use crate::sys::mount::{self as mount_calls, attr};
use crate::sys::{Call, testing};

const fn attributes(set: u64) -> Attributes {
    Attributes {
        set,
        clear: 0,
        may_stay: 0,
        set_recursive: 0,
        clear_recursive: 0,
        propagation: 0,
        propagation_recursive: 0,
    }
}

#[test]
fn without_mount_setattr_mounts_are_remounted() {
    on_stage("mount_setattr", |mut stage| {
        let before = Attributes {
            propagation: libc::MS_SHARED,
            ..attributes(attr::NOSUID)
        };
        let mut step = mount(tmpfs(), "/new");
        step.attributes = before;
        testing::refuse(&[libc::SYS_mount_setattr], libc::ENOSYS);
        stage.must(Step::Mount(step));
        assert!(has(&stage.path("new"), "nosuid"));
        let lines = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(
            lines
                .lines()
                .any(|line| line.contains("/new ") && line.contains(" shared:"))
        );

        let source = text(stage.path("new").to_str().unwrap());
        for (name, source) in [("/dir", &*source), ("/file", c"/dev/null")] {
            let mut step = mount(host(source), name);
            step.attributes = attributes(attr::RDONLY | attr::NOEXEC);
            stage.must(Step::Mount(step));
            for option in ["ro", "noexec"] {
                assert!(has(&stage.path(&name[1..]), option), "{name} {option}");
            }
        }
        assert!(has(&stage.path("dir"), "nosuid"));

        let mut step = mount(host(c"/dev/null"), "/file");
        step.attributes.set_recursive = attr::RDONLY;
        let fault = stage.perform(Step::Mount(step)).unwrap_err();
        assert_eq!(fault.call, Call::RecursiveAttributes);
        true
    });
}

#[test]
fn without_mount_setattr_paths_and_root_become_read_only() {
    on_stage("read-only", |mut stage| {
        fs::write(stage.path("file"), "").unwrap();
        fs::create_dir(stage.path("dir")).unwrap();
        testing::refuse(&[libc::SYS_mount_setattr], libc::ENOSYS);
        for path in ["/file", "/dir"] {
            stage.must(Step::ReadonlyPath { path: text(path) });
        }
        fs::write(stage.path("file"), "x").unwrap_err();
        fs::write(stage.path("dir/x"), "x").unwrap_err();
        fs::write(stage.path("new"), "x").unwrap();
        stage.must(Step::ReadonlyRoot);
        fs::write(stage.path("other"), "x").unwrap_err();
        true
    });
}

#[test]
fn without_openat2_steps_work_and_stay_inside() {
    on_stage("openat2", |mut stage| {
        testing::refuse(&[libc::SYS_openat2], libc::ENOSYS);
        std::os::unix::fs::symlink("/etc", stage.path("link")).unwrap();
        stage.must(Step::Mount(mount(tmpfs(), "/link/inside")));
        assert!(has(&stage.path("etc/inside"), "rw"));
        let value = b"oxrun-name".to_vec();
        let alternatives = vec![c"self/absent".into(), c"self/comm".into()];
        stage.must(Step::WriteProc {
            alternatives,
            value,
        });
        fs::read_to_string("/proc/self/comm").unwrap() == "oxrun-name\n"
    });
}

#[test]
fn without_close_range_descriptors_are_closed_one_by_one() {
    on_stage("close_range", |mut stage| {
        testing::refuse(&[libc::SYS_close_range], libc::ENOSYS);
        closes_from(&mut stage)
    });
    on_stage("close_range", |mut stage| closes_from(&mut stage));
}

fn closes_from(stage: &mut Stage) -> bool {
    let dup = || nix::unistd::dup(std::io::stderr()).unwrap().into_raw_fd();
    let low: Vec<_> = (0..50).map(|_| dup()).collect();
    stage.child.gate = Some(descriptor::inherited(dup()).unwrap());
    let high: Vec<_> = (0..150).map(|_| dup()).collect();
    stage.must(Step::CloseFrom {
        first: low[25].unsigned_abs(),
    });
    let is_open = |number: &i32| descriptor::is_open(number.unsigned_abs());
    assert!(low[..25].iter().all(is_open));
    assert!(!low[25..].iter().chain(&high).any(is_open));
    assert!(stage.child.proc().is_err() && stage.child.host_pid().is_ok());
    is_open(&std::os::fd::AsRawFd::as_raw_fd(&stage.child.gate.unwrap()))
}

#[test]
fn without_faccessat2_a_program_is_found() {
    on_stage("faccessat2", |mut stage| {
        testing::refuse(&[libc::SYS_faccessat2], libc::ENOSYS);
        stage.child.image.candidates = vec![c"/proc/self/status".into(), c"/proc/self/exe".into()];
        stage.must(Step::FindProgram);
        stage.child.program == Some(1)
    });
}

/// A root with file systems of its own, as a container has it, by the shortest way that the kernel
/// offers, and by the others.
#[test]
fn without_newer_calls_the_root_is_made_the_same() {
    let refusals: [&[core::ffi::c_long]; 5] = [
        &[],
        &[mount_calls::SYS_OPEN_TREE_ATTR],
        &[libc::SYS_statx],
        &[libc::SYS_openat2],
        &[mount_calls::SYS_OPEN_TREE_ATTR, libc::SYS_mount_setattr],
    ];
    for refused in refusals {
        on_stage("own file systems", |mut stage| {
            testing::refuse(refused, libc::ENOSYS);
            make_root(&mut stage);
            masks_hold();
            is_made_alike()
        });
    }
}

fn make_root(stage: &mut Stage) {
    let new = |kind: &str, target: &str| {
        let mut step = mount(
            Source::Filesystem {
                fstype: text(kind),
                params: Vec::new(),
                fallback: None,
            },
            target,
        );
        step.strict_target = matches!(kind, "proc" | "sysfs");
        step.target_kind = TargetKind::Directory;
        Step::Mount(step)
    };
    let device = |path: &str, minor| {
        Step::Device(DeviceStep {
            path: text(path),
            mode: libc::S_IFCHR | 0o666,
            device: libc::makedev(1, minor),
            uid: 0,
            gid: 0,
            bind: None,
            listed: false,
        })
    };
    let mut steps = vec![
        Step::MaskSource {
            source: host(c"/dev/null"),
        },
        new("proc", "/proc"),
        new("tmpfs", "/dev"),
        new("tmpfs", "/dev/shm"),
        Step::Mount(mount(host(c"/etc/hostname"), "/dev/file")),
        Step::Mount(mount(host(c"/etc"), "/dev/dir")),
        new("sysfs", "/sys"),
        device("/dev/null", 3),
        device("/dev/zero", 5),
        Step::PivotRoot,
        Step::ReopenNull,
    ];
    for path in ["/proc/bus", "/proc/absent"] {
        steps.push(Step::ReadonlyPath { path: text(path) });
    }
    for path in [
        "/proc/absent",
        "/proc/fs",
        "/proc/keys",
        "/proc/timer_list",
        "/proc/irq",
        "/proc/net",
        "/sys/firmware",
    ] {
        steps.push(Step::MaskPath { path: text(path) });
    }
    for step in steps {
        stage.must(step);
    }
}

#[track_caller]
fn masks_hold() {
    assert!(has(Path::new("/proc/bus"), "ro"));
    for file in ["/proc/keys", "/proc/timer_list"] {
        assert_eq!(fs::read(file).unwrap(), b"", "{file}");
    }
    for directory in ["/proc/fs", "/proc/irq", "/proc/net", "/sys/firmware"] {
        let entries = fs::read_dir(directory).unwrap();
        assert_eq!(entries.count(), 0, "{directory}");
        fs::create_dir(format!("{directory}/new")).unwrap_err();
    }
    fs::read("/proc/uptime").unwrap();
}

fn is_made_alike() -> bool {
    // The standard library's own way is among the refused calls.
    let stat = |path: &str| nix::sys::stat::stat(path);
    for (name, minor) in [("null", 3), ("zero", 5)] {
        let node = stat(&format!("/dev/{name}")).unwrap();
        assert_eq!((node.st_uid, node.st_gid), (0, 0), "{name}");
        assert_eq!(node.st_rdev, libc::makedev(1, minor), "{name}");
    }
    assert!(options(Path::new("/dev/shm")).is_some());
    assert!(options(Path::new("/dev/file")).is_some());
    stat("/dev/dir/passwd").is_ok()
}
