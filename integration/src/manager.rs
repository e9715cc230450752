//! Which cgroup manager the runtime under test is asked to use.

use crate::{cgroup, sys};
use std::fs;
use std::process::{Command, Stdio};

/// Who makes the containers' cgroups: `OXRUN_TEST_CGROUP_MANAGER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// The runtime itself.
    Cgroupfs,
    /// systemd (`--systemd-cgroup`): root's, or for an ordinary user their own.
    Systemd,
}

impl Manager {
    /// The one under test.
    ///
    /// # Panics
    /// When the variable holds something else.
    #[must_use]
    pub fn under_test() -> Self {
        match std::env::var("OXRUN_TEST_CGROUP_MANAGER").as_deref() {
            Err(_) | Ok("" | "cgroupfs") => Self::Cgroupfs,
            Ok("systemd") => Self::Systemd,
            Ok(other) => panic!("OXRUN_TEST_CGROUP_MANAGER: {other:?}: cgroupfs or systemd"),
        }
    }

    /// Whether a case has a PID namespace of its own. systemd is told of processes
    /// by number, so that they must be those of its PID namespace.
    pub(crate) fn own_pid_namespace(self) -> bool {
        sys::is_root() && self == Self::Cgroupfs
    }

    /// The cgroup below which the caller may make others: the root of the tree for
    /// root, what is delegated to an ordinary user, none where nothing is.
    #[must_use]
    pub fn base(self) -> Option<String> {
        if sys::is_root() {
            return Some(String::new());
        }
        if !cgroup::is_v2() {
            return None;
        }
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
        let end = match self {
            // Beside the own cgroup: it has processes, so that it can have no cgroups
            // with controllers below it.
            Self::Cgroupfs => own.rfind('/')?,
            Self::Systemd => own.find(".service/")? + ".service".len(),
        };
        let base = &own[..end];
        let procs = cgroup::directory("", base).join("cgroup.procs");
        let writable = nix::unistd::access(&procs, nix::unistd::AccessFlags::W_OK).is_ok();
        writable.then(|| base.to_owned())
    }

    /// The cgroup of a round or a case below another: the path, with slices for systemd.
    #[must_use]
    pub fn below(self, parent: &str, name: &str) -> String {
        match self {
            Self::Cgroupfs => format!("{parent}/{name}"),
            Self::Systemd => {
                let safe: String = name
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
                    .collect();
                match slice_of(parent).strip_suffix(".slice") {
                    Some(outer) => format!("{parent}/{outer}-{safe}.slice"),
                    None => format!("{parent}/{safe}.slice"),
                }
            }
        }
    }

    /// `linux.cgroupsPath` for a container in the cgroup of its case.
    #[must_use]
    pub fn cgroups_path(self, case: &str, id: &str) -> String {
        match self {
            Self::Cgroupfs => format!("{case}/{id}"),
            Self::Systemd => {
                let slice = slice_of(case);
                format!("{slice}:{}:{id}", stem(slice))
            }
        }
    }

    /// The cgroup that a container with that path has.
    #[must_use]
    pub fn cgroup(self, case: &str, id: &str) -> String {
        match self {
            Self::Cgroupfs => format!("{case}/{id}"),
            Self::Systemd => format!("{case}/{}-{id}.scope", stem(slice_of(case))),
        }
    }

    /// Stops the slice of a case, which systemd keeps when it is empty.
    pub(crate) fn stop(self, case: &str) {
        if self == Self::Systemd {
            drop(systemctl(&["stop", slice_of(case)]));
        }
    }
}

fn slice_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Names of units are systemd's, not the slice's: a scope is named for its case.
fn stem(slice: &str) -> &str {
    slice.strip_suffix(".slice").unwrap_or(slice)
}

/// What `systemctl` prints, of the instance that makes the caller's containers.
#[must_use]
pub fn systemctl(arguments: &[&str]) -> String {
    let mut command = Command::new("systemctl");
    if !sys::is_root() {
        command.arg("--user");
    }
    let output = command.args(arguments).stdin(Stdio::null()).output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}
