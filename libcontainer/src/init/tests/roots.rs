//! Changing the root.

use std::fs;

use super::*;
use crate::sys::mount::attr;

/// No mount of the host is left.
fn host_is_gone() -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().all(|line| {
        let place = line.split(' ').nth(4).unwrap();
        ["/", "/proc", "/after"].contains(&place)
    })
}

#[test]
fn pivot_leaves_only_the_containers_mounts() {
    on_stage("pivot", |mut stage| {
        stage.must(Step::Mount(mount(host(c"/proc"), "/proc")));
        stage.must(Step::PivotRoot);
        assert_eq!(std::env::current_dir().unwrap(), Path::new("/"));
        assert!(host_is_gone());
        stage.must(Step::Mount(mount(tmpfs(), "/after")));
        stage.must(Step::RootPropagation {
            flags: libc::MS_SHARED | libc::MS_REC,
        });
        stage.must(Step::ReadonlyRoot);
        assert!(has(Path::new("/"), "ro") && has(Path::new("/after"), "rw"));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        mounts.lines().all(|line| line.contains(" shared:")) && host_is_gone()
    });
}

#[test]
fn the_root_is_attached_and_told_to_nobody() {
    on_stage("root", |mut stage| {
        let flags = libc::MS_REC | libc::MS_SHARED;
        stage.must(Step::Propagation { flags });
        let before = mounts_of_a_peer(|| {
            let path = text(stage.root.to_str().unwrap());
            let attributes = Attributes {
                set: attr::NODEV,
                ..Attributes::default()
            };
            let source = Source::HostPath {
                path: path.clone(),
                recursive: true,
            };
            stage.must(Step::Root {
                source,
                path,
                attributes,
            });
        });
        assert_eq!(before.0, before.1, "the mount reached another namespace");
        assert!(has(&stage.root, "nodev"));
        stage.must(Step::Mount(mount(host(c"/proc"), "/proc")));
        stage.must(Step::PivotRoot);
        host_is_gone()
    });
}

/// How many mounts a namespace has, which is a copy of this one made before, before and after
/// `action`.
fn mounts_of_a_peer(action: impl FnOnce()) -> (usize, usize) {
    use std::os::fd::AsFd;
    let (go, wait) = (descriptor::pipe().unwrap(), descriptor::pipe().unwrap());
    let count = || {
        fs::read_to_string("/proc/self/mountinfo")
            .unwrap()
            .lines()
            .count()
    };
    let peer = process::clone(u64::from(libc::CLONE_NEWNS.unsigned_abs()), None, || {
        let before = count();
        let mut byte = [0];
        crate::sys::file::write(wait.1.as_fd(), &byte).unwrap();
        crate::sys::file::read(go.0.as_fd(), &mut byte).unwrap();
        i32::try_from(count() - before).unwrap()
    })
    .unwrap();
    let mut byte = [0];
    crate::sys::file::read(wait.0.as_fd(), &mut byte).unwrap();
    action();
    crate::sys::file::write(go.1.as_fd(), &byte).unwrap();
    let status = process::wait(peer.pidfd.as_fd()).unwrap();
    (0, usize::try_from(status).unwrap())
}

#[test]
fn a_moved_root_hides_the_hosts_procfs() {
    on_stage("moved root", |mut stage| {
        stage.must(Step::Mount(mount(host(c"/proc"), "/proc")));
        stage.must(Step::MoveRoot {
            detach: vec![c"/proc".into(), c"/sys".into()],
        });
        assert_eq!(std::env::current_dir().unwrap(), Path::new("/"));
        assert!(Path::new("/proc/self").exists());
        stage.must(Step::Mount(mount(tmpfs(), "/after")));
        !Path::new("/usr").exists()
    });
}

#[test]
fn chroot_enters_the_directory() {
    on_stage("chroot", |mut stage| {
        fs::write(stage.path("inside"), "").unwrap();
        let path = text(stage.root.to_str().unwrap());
        stage.must(Step::OpenRoot { path });
        stage.must(Step::Chroot);
        Path::new("/inside").exists() && std::env::current_dir().unwrap() == Path::new("/")
    });
}
