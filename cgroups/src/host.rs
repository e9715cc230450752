//! Facts about the host that decide where a cgroup goes.

mod parse;

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use rustix::fs::{AtFlags, StatxFlags};
use serde::{Deserialize, Serialize};

use crate::dir::read_record;
use crate::error::Error;
pub use parse::{Mount, OwnCgroup, mounts, own_cgroups};

/// Where a unified hierarchy is mounted unless something unusual was done.
const UNIFIED: &str = "/sys/fs/cgroup";
/// Where it is mounted beside those of version 1.
const BESIDE_V1: &str = "/sys/fs/cgroup/unified";
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// How much of the mount table is read at once: the kernel makes no more lines than are asked for.
const AT_ONCE: usize = 2 << 10;
/// How much is read before a first look at it: less than one read gives of a long one.
const BEGINNING: usize = AT_ONCE - 256;
/// No table is longer; what is beyond it is not read.
const LONGEST_TABLE: usize = 64 << 20;

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
            own_cgroups(&read("/proc/self/cgroup")?)
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
            cgroup_mounts(&own)?
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

/// The cgroup mounts, of a long table without reading it to its end. Each line costs the kernel a walk
/// through the tree, and machines full of containers have thousands; those of cgroups come early.
fn cgroup_mounts(own: &[OwnCgroup]) -> Result<Vec<Mount>, Error> {
    let failed = |errno| Error::io("read", MOUNTINFO, errno);
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let file = nix::fcntl::open(MOUNTINFO, flags, Mode::empty()).map_err(failed)?;
    let mut bytes = Vec::new();
    let mut chunk = [0; AT_ONCE];
    let mut tried = BEGINNING;
    loop {
        let length = match nix::unistd::read(&file, &mut chunk) {
            Err(Errno::EINTR) => continue,
            length => length.map_err(failed)?,
        };
        bytes.extend_from_slice(chunk.get(..length).unwrap_or_default());
        if length == 0 || bytes.len() > LONGEST_TABLE {
            return Ok(mounts(&String::from_utf8_lossy(&bytes)));
        }
        if bytes.len() >= tried {
            if let Some(mounts) = reachable_in(&String::from_utf8_lossy(&bytes), own) {
                return Ok(mounts);
            }
            tried *= 2;
        }
    }
}

/// The hierarchies, where the beginning of the table has all, and their paths lead to these very
/// mounts. (A kernel before 5.8 does not tell, and something may lie over one.)
fn reachable_in(beginning: &str, own: &[OwnCgroup]) -> Option<Vec<Mount>> {
    let is_unified = |fs: nix::sys::statfs::Statfs| fs.filesystem_type() == CGROUP2_SUPER_MAGIC;
    let with_unified = statfs(BESIDE_V1).is_ok_and(is_unified);
    let first = parse::first_of_each(beginning, own, with_unified)?;
    let leads_there = |(id, mount): &(u32, Mount)| mount_id(&mount.mount_point) == Some(*id);
    let all = first.iter().all(leads_there);
    all.then(|| first.into_iter().map(|(_, mount)| mount).collect())
}

/// The id of the mount that a path leads to (statx(2)).
fn mount_id(path: &Path) -> Option<u32> {
    let (wanted, flags) = (StatxFlags::MNT_ID, AtFlags::SYMLINK_NOFOLLOW);
    let found = rustix::fs::statx(rustix::fs::CWD, path, flags, wanted).ok()?;
    let told = found.stx_mask & wanted.bits() != 0;
    told.then(|| u32::try_from(found.stx_mnt_id).ok())?
}

fn read(path: &str) -> Result<String, Error> {
    let failed = |errno| Error::io("read", path, errno);
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let file = nix::fcntl::open(path, flags, Mode::empty()).map_err(failed)?;
    let bytes = read_record(file.as_fd(), 4096).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::print_stdout)] // that it is skipped
    fn the_beginning_of_the_table_says_what_the_whole_says() {
        let own = own_cgroups(&read("/proc/self/cgroup").unwrap());
        let table = std::fs::read_to_string(MOUNTINFO).unwrap();
        let whole = mounts(&table);
        if whole.iter().all(|mount| mount.controllers.is_none()) {
            println!("SKIPPED: no hierarchies of version 1");
            return;
        }
        let found =
            reachable_in(&table, &own).expect("every hierarchy, on a kernel with mount ids");
        let found = Host::assemble(&found, &own, false, 0).unwrap();
        assert_eq!(found, Host::assemble(&whole, &own, false, 0).unwrap());
        // A path that leads to another mount than the one in the line is not taken.
        let mut elsewhere = String::new();
        for line in table.lines() {
            let (id, rest) = line.split_once(' ').unwrap();
            let id = id.parse::<u32>().unwrap() + u32::from(line.contains(" - cgroup "));
            elsewhere += &format!("{id} {rest}\n");
        }
        assert_eq!(reachable_in(&elsewhere, &own), None);
    }
}
