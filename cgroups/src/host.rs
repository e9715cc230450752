//! Facts about the host that decide where a cgroup goes.

mod parse;

use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::PathBuf;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use serde::{Deserialize, Serialize};

use crate::dir::{read_record, read_to_end};
use crate::error::Error;
pub use parse::{Mount, OwnCgroup, mounts, own_cgroups};

/// Where a unified hierarchy is mounted unless something unusual was done.
const UNIFIED: &str = "/sys/fs/cgroup";

/// Which hierarchies the host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Version 1 hierarchies only.
    V1,
    /// Version 1 hierarchies with the controllers, and a version 2 hierarchy beside them.
    Hybrid,
    /// One version 2 hierarchy.
    V2,
}

/// A mounted cgroup hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// What is mounted there: `/`, or a cgroup for a bind mount or a cgroup namespace.
    pub root: String,
    /// The controllers of a version 1 hierarchy (`cpu`, `name=systemd`, …); empty on version 2.
    pub controllers: Vec<String>,
    /// The cgroup of the present process, as in `/proc/self/cgroup`.
    pub own: String,
}

impl Hierarchy {
    /// The directory of the own cgroup.
    pub fn own_directory(&self) -> PathBuf {
        self.mount_point.join(self.own_relative())
    }

    /// The own cgroup, relative to the mount point.
    pub(crate) fn own_relative(&self) -> String {
        let own = self.own.trim_matches('/');
        let root = self.root.trim_matches('/');
        let below = match own.strip_prefix(root) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') || root.is_empty() => rest,
            _ => own,
        };
        below.trim_matches('/').to_owned()
    }
}

/// Facts about the host, gathered once. Plain data: planning reads nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Which hierarchies there are.
    pub layout: Layout,
    /// The version 1 hierarchies.
    pub v1: Vec<Hierarchy>,
    /// The version 2 hierarchy: the only one, or the one beside version 1.
    pub v2: Option<Hierarchy>,
    /// Whether systemd is the service manager (`sd_booted(3)`).
    pub systemd: bool,
    /// The effective user id of the present process.
    pub euid: u32,
}

/// What [`Host::probe_for`] is to find out beside the hierarchies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The caller's own cgroup: for a path that is relative to it, and for a caller who may get none of
    /// its own making. It is `/` where it is not wanted and not known.
    pub own: bool,
    /// Whether systemd is the service manager; `false` where it is not wanted.
    pub systemd: bool,
}

impl Host {
    /// Looks at the host.
    ///
    /// # Errors
    /// When no cgroup file system is mounted, or a file cannot be read.
    pub fn probe() -> Result<Host, Error> {
        Self::probe_for(Wanted {
            own: true,
            systemd: true,
        })
    }

    /// Looks at the host as far as is wanted.
    ///
    /// On version 2 this is one statfs(2), and where they are wanted `/proc/self/cgroup` and a stat of
    /// systemd's directory; otherwise `/proc/self/mountinfo` is read as well.
    ///
    /// # Errors
    /// When no cgroup file system is mounted, or a file cannot be read.
    pub fn probe_for(wanted: Wanted) -> Result<Host, Error> {
        let unified =
            statfs(UNIFIED).is_ok_and(|statfs| statfs.filesystem_type() == CGROUP2_SUPER_MAGIC);
        // On version 1 it also names the hierarchies.
        let own = if wanted.own || !unified {
            own_cgroups(&read("/proc/self/cgroup", read_record)?)
        } else {
            Vec::new()
        };
        let mounts = if unified {
            vec![Mount {
                root: "/".into(),
                mount_point: UNIFIED.into(),
                controllers: None,
            }]
        } else {
            mounts(&read("/proc/self/mountinfo", read_to_end)?)
        };
        let systemd = wanted.systemd
            && nix::sys::stat::stat("/run/systemd/system")
                .is_ok_and(|found| found.st_mode & libc::S_IFMT == libc::S_IFDIR);
        let euid = nix::unistd::geteuid().as_raw();
        Host::assemble(&mounts, &own, systemd, euid)
    }

    /// Puts the facts together. Pure.
    ///
    /// # Errors
    /// When there is no cgroup mount at all.
    pub fn assemble(
        mounts: &[Mount],
        own: &[OwnCgroup],
        systemd: bool,
        euid: u32,
    ) -> Result<Host, Error> {
        let mut v1: Vec<Hierarchy> = Vec::new();
        let mut v2 = None;
        for mount in mounts {
            let (own, controllers) = match &mount.controllers {
                None if v2.is_some() => continue,
                None => (
                    own.iter().find(|own| own.controllers.is_empty()),
                    Vec::new(),
                ),
                // The mount options hold more than controllers (`rw`, `xattr`,
                // `release_agent=…`): the hierarchy is the one that /proc/self/cgroup has.
                Some(options) => {
                    let own = own.iter().find(|own| {
                        own.controllers
                            .iter()
                            .any(|controller| options.contains(controller))
                    });
                    let Some(own) = own else { continue };
                    if v1.iter().any(|seen| seen.controllers == own.controllers) {
                        continue;
                    }
                    (Some(own), own.controllers.clone())
                }
            };
            let hierarchy = Hierarchy {
                mount_point: mount.mount_point.clone(),
                root: mount.root.clone(),
                controllers,
                own: own.map_or_else(|| "/".to_owned(), |own| own.path.clone()),
            };
            match mount.controllers {
                None => v2 = Some(hierarchy),
                Some(_) => v1.push(hierarchy),
            }
        }
        let layout = match (v1.is_empty(), v2.is_some()) {
            (true, true) => Layout::V2,
            (false, true) => Layout::Hybrid,
            (false, false) => Layout::V1,
            (true, false) => {
                return Err(Error::Parse {
                    path: "/proc/self/mountinfo".into(),
                    text: "no cgroup file system is mounted".into(),
                });
            }
        };
        Ok(Host {
            layout,
            v1,
            v2,
            systemd,
            euid,
        })
    }
}

type Read = fn(BorrowedFd<'_>, usize) -> Result<Vec<u8>, nix::Error>;

fn read(path: &str, all: Read) -> Result<String, Error> {
    let failed = |errno| Error::io("read", path, errno);
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let file = nix::fcntl::open(path, flags, Mode::empty()).map_err(failed)?;
    let bytes = all(file.as_fd(), 4096).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
