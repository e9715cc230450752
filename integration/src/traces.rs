//! What a failed call must not leave behind.

use crate::manager::Manager;
use crate::{cgroup, mountinfo};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// State directories, cgroups, mounts and processes that exist at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    /// Everything that a runtime or container can leave, as text.
    pub found: BTreeSet<String>,
}

impl Traces {
    /// Looks around.
    #[must_use]
    pub fn take(root: &Path, cgroup: &str) -> Self {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            // A directory whose name no container can have is the runtime's own.
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                found.insert(format!("state {name}"));
            }
        }
        // The case's own cgroup, which its containers' are in, is the harness's to remove.
        let own = cgroup.trim_start_matches('/');
        for dir in cgroup::existing(cgroup)
            .iter()
            .filter(|dir| !dir.ends_with(own))
        {
            found.insert(format!("cgroup {}", dir.display()));
        }
        for mount in mountinfo::of_this_process() {
            found.insert(format!("mount {} on {}", mount.fstype, mount.target));
        }
        for (pid, name) in processes() {
            found.insert(format!("process {pid} {name}"));
        }
        Self { found }
    }

    /// Asserts that nothing was added since `before`; the kernel may need a
    /// moment to take processes away.
    ///
    /// # Panics
    /// When there is more.
    #[track_caller]
    pub fn assert_none_since(before: &Self, root: &Path, cgroup: &str) {
        let added = || -> Vec<String> {
            Self::take(root, cgroup)
                .found
                .difference(&before.found)
                .cloned()
                .collect()
        };
        for _ in 0..50 {
            if added().is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("left behind: {:#?}", added());
    }
}

/// Without a PID namespace of the case's own: what descends from the reaper, which
/// is this process's parent.
fn our_processes() -> Option<BTreeSet<u32>> {
    if Manager::under_test().own_pid_namespace() {
        return None;
    }
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents: BTreeMap<u32, u32> = entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?;
            Some((pid, parent.parse().ok()?))
        })
        .collect();
    let reaper = std::os::unix::process::parent_id();
    let descends = |pid: &u32| {
        let mut chain = std::iter::successors(Some(*pid), |pid| parents.get(pid).copied());
        chain.any(|pid| pid == reaper)
    };
    Some(parents.keys().copied().filter(descends).collect())
}

/// The processes of the case's PID namespace by number and name.
fn processes() -> Vec<(u32, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let ours = our_processes();
    let pids = pids.filter(|pid| ours.as_ref().is_none_or(|ours| ours.contains(pid)));
    pids.filter_map(|pid: u32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some((pid, name.trim().to_owned()))
    })
    .collect()
}
