//! What the runtimes see: private mount namespaces, with one cgroup layout.

use crate::launch::Failure;
use integration::{cgroup, mountinfo};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::path::{Path, PathBuf};

/// Which version of cgroups the runtimes find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Version 1 hierarchies and nothing else.
    V1,
    /// The one tree of version 2.
    V2,
}

impl Layout {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }

    /// The layout of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::V1, Self::V2].into_iter().find(|l| l.name() == name)
    }
}

const CGROUPS: &str = "/sys/fs/cgroup";
const NONE: Option<&str> = None;

/// Makes a mount namespace for this process from which nothing spreads, with /proc
/// of this process's PID namespace, and the layout in place of the host's.
///
/// # Errors
/// When the host has no such hierarchies, or a mount fails.
pub fn enter(layout: Layout) -> Result<(), Failure> {
    let failed = |err| format!("cannot make the mount namespace: {err}");
    unshare(CloneFlags::CLONE_NEWNS).map_err(failed)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).map_err(failed)?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), NONE).map_err(failed)?;
    match layout {
        Layout::V1 if cgroup::is_v2() => return Err("this host has no cgroup v1".to_owned()),
        Layout::V1 => {
            // crun works on pure layouts only.
            if let Some(hybrid) = cgroup::hybrid_root() {
                umount2(hybrid, MntFlags::MNT_DETACH).map_err(failed)?;
            }
        }
        Layout::V2 if cgroup::is_v2() => {}
        Layout::V2 => {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            mount(Some("cgroup2"), CGROUPS, Some("cgroup2"), flags, NONE).map_err(failed)?;
        }
    }
    Ok(())
}

/// The mount points of the cgroup hierarchies that show.
#[must_use]
pub fn trees() -> Vec<PathBuf> {
    if cgroup::is_v2() {
        return vec![PathBuf::from(CGROUPS)];
    }
    let mounts = mountinfo::of_this_process().into_iter();
    let mut trees: Vec<_> = mounts
        .filter(|mount| mount.fstype == "cgroup")
        .map(|mount| PathBuf::from(mount.target))
        .collect();
    trees.sort();
    trees.dedup();
    trees
}

/// Makes the cgroup below which all containers are, in every hierarchy, and hands
/// it what its parent has.
///
/// # Errors
/// When it cannot be made.
pub fn make_parent(path: &str) -> Result<(), Failure> {
    for tree in trees() {
        let dir = tree.join(path.trim_start_matches('/'));
        fs::create_dir(&dir).map_err(|err| format!("{}: {err}", dir.display()))?;
        for file in ["cpuset.cpus", "cpuset.mems"] {
            // Only the cpuset of version 1 is empty at first; version 2 inherits.
            if let Ok(text) = fs::read_to_string(tree.join(file))
                && !cgroup::is_v2()
            {
                fs::write(dir.join(file), text).map_err(|err| format!("{file}: {err}"))?;
            }
        }
        if cgroup::is_v2() {
            enable_controllers(&tree, &dir);
        }
    }
    Ok(())
}

/// Hands on what controllers there are; some cannot be, and are then missing for all runtimes.
fn enable_controllers(tree: &Path, dir: &Path) {
    let available = fs::read_to_string(tree.join("cgroup.controllers")).unwrap_or_default();
    for controller in available.split_whitespace() {
        for parent in [tree, dir] {
            drop(fs::write(
                parent.join("cgroup.subtree_control"),
                format!("+{controller}"),
            ));
        }
    }
}

/// Makes a mount namespace for this thread alone and `count` more mounts in it.
///
/// # Errors
/// When a mount fails.
pub fn enter_crowded(dir: &Path, count: usize) -> Result<(), Failure> {
    let failed = |err: &dyn std::fmt::Display| format!("cannot make {count} mounts: {err}");
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).map_err(|err| failed(&err))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).map_err(|err| failed(&err))?;
    let source = dir.join("crowd");
    fs::create_dir_all(&source).map_err(|err| failed(&err))?;
    for index in 0..count {
        let target = source.join(index.to_string());
        fs::create_dir_all(&target).map_err(|err| failed(&err))?;
        mount(Some(&target), &target, NONE, MsFlags::MS_BIND, NONE).map_err(|err| failed(&err))?;
    }
    Ok(())
}

/// Leaves of this mount namespace only what a runtime needs, so that what it reads of
/// its mount table does not depend on the machine.
///
/// # Errors
/// When a mount fails.
#[allow(clippy::disallowed_methods)] // this program's working directory is its own
pub fn reduce(dir: &Path) -> Result<(), Failure> {
    let failed = |err: &dyn std::fmt::Display| format!("cannot reduce the mounts: {err}");
    let root = dir.join("root");
    fs::create_dir(&root).map_err(|err| failed(&err))?;
    let mounts = mountinfo::of_this_process();
    bind(Path::new("/"), &root)?;
    let mut done = Vec::new();
    for mounted in mounts {
        let target = PathBuf::from(&mounted.target);
        let named = ["/usr", "/proc", "/sys", "/dev", CGROUPS]
            .iter()
            .any(|name| target == Path::new(name));
        // The version 1 mounts below a version 2 mount are hidden.
        let tree = mounted.fstype == "cgroup" && !cgroup::is_v2();
        let wanted = named || tree || target == dir;
        if wanted && !done.contains(&target) {
            let inside = target.strip_prefix("/").unwrap_or(&target);
            if target == dir {
                fs::create_dir_all(root.join(inside)).map_err(|err| failed(&err))?;
            }
            bind(&target, &root.join(inside))?;
            done.push(target);
        }
    }
    std::env::set_current_dir(&root).map_err(|err| failed(&err))?;
    nix::unistd::pivot_root(".", ".").map_err(|err| failed(&err))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(|err| failed(&err))?;
    std::env::set_current_dir("/").map_err(|err| failed(&err))
}

fn bind(from: &Path, to: &Path) -> Result<(), Failure> {
    mount(Some(from), to, NONE, MsFlags::MS_BIND, NONE)
        .map_err(|err| format!("bind {} to {}: {err}", from.display(), to.display()))
}
