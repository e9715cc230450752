//! Finding, reading and removing the cgroups of a case.

use crate::mountinfo::{self, Mount};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where a v1 controller (or `name=…` hierarchy) is mounted.
#[must_use]
pub fn v1_root(controller: &str) -> Option<PathBuf> {
    let named = format!("name={controller}");
    mountinfo::of_this_process()
        .into_iter()
        .find(|m| m.fstype == "cgroup" && m.has_super(controller) | m.has_super(&named))
        .map(|m| PathBuf::from(m.target))
}

/// Whether the root of the cgroup tree is a cgroup2 file system.
#[must_use]
pub fn is_v2() -> bool {
    top_mount("/sys/fs/cgroup").is_some_and(|m| m.fstype == "cgroup2")
}

/// The cgroup2 tree beside v1 hierarchies that systemd calls hybrid.
#[must_use]
pub fn hybrid_root() -> Option<&'static str> {
    let path = "/sys/fs/cgroup/unified";
    top_mount(path)
        .filter(|m| m.fstype == "cgroup2")
        .map(|_| path)
}

fn top_mount(target: &str) -> Option<Mount> {
    mountinfo::of_this_process()
        .into_iter()
        .rfind(|m| m.target == target)
}

/// All mounted cgroup trees.
#[must_use]
pub fn roots() -> BTreeSet<PathBuf> {
    mountinfo::of_this_process()
        .into_iter()
        .filter(|m| m.fstype.starts_with("cgroup"))
        .map(|m| PathBuf::from(m.target))
        .collect()
}

/// The directory of a cgroup: `controller`'s hierarchy on v1, the one tree on v2.
///
/// # Panics
/// When the controller is not mounted.
#[must_use]
pub fn directory(controller: &str, path: &str) -> PathBuf {
    let root = if is_v2() {
        PathBuf::from("/sys/fs/cgroup")
    } else {
        v1_root(controller).unwrap_or_else(|| panic!("no cgroup controller {controller}"))
    };
    root.join(path.trim_start_matches('/'))
}

/// The trimmed content of a cgroup file.
///
/// # Panics
/// When it cannot be read.
#[track_caller]
#[must_use]
pub fn read(controller: &str, path: &str, file: &str) -> String {
    let file = directory(controller, path).join(file);
    let text = fs::read_to_string(&file);
    text.unwrap_or_else(|err| panic!("{}: {err}", file.display()))
        .trim()
        .to_owned()
}

/// Every existing cgroup directory at or below `path`, in all trees.
#[must_use]
pub fn existing(path: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for root in roots() {
        collect(&root.join(path.trim_start_matches('/')), &mut found);
    }
    found
}

/// Adds `dir` and everything below it, parents first.
fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    found.push(dir.to_owned());
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found);
        }
    }
}

/// Thaws everything at and below `path`: a frozen process cannot be killed on v1.
pub fn thaw(path: &str) {
    for dir in existing(path) {
        // Most trees have neither file.
        drop(fs::write(dir.join("freezer.state"), "THAWED"));
        if dir.join("cgroup.freeze").exists() {
            drop(fs::write(dir.join("cgroup.freeze"), "0"));
        }
    }
}

/// Removes the cgroups at and below `path`; what is left after two seconds is returned.
#[must_use]
pub fn remove(path: &str) -> Vec<PathBuf> {
    let end = Instant::now() + Duration::from_secs(2);
    loop {
        let found = existing(path);
        for dir in found.iter().rev() {
            drop(fs::remove_dir(dir));
        }
        let left = existing(path);
        if left.is_empty() || Instant::now() > end {
            return left;
        }
        // Dying processes keep a cgroup busy; nothing tells when they are gone.
        std::thread::sleep(Duration::from_millis(10));
    }
}
