//! Each thing that an older kernel does not have, refused by a filter.

use std::fs;

use super::*;
use crate::sys::mount::attr;
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
        for (name, source) in [("/dir", source.as_c_str()), ("/file", c"/dev/null")] {
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
        let alternatives = vec![c"self/absent".to_owned(), c"self/comm".to_owned()];
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
        stage.child.image.candidates = vec![
            c"/proc/self/status".to_owned(),
            c"/proc/self/exe".to_owned(),
        ];
        stage.must(Step::FindProgram);
        stage.child.program == Some(1)
    });
}
