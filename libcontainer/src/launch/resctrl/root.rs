//! Where the `resctrl` file system is.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{FsType, statfs};
use procfs::FromBufRead;
use procfs::process::MountInfos;

use crate::error::{Error, ErrorKind, Result};

/// The directory that the kernel makes for it where the machine has the technology.
const USUAL: &str = "/sys/fs/resctrl";
/// `RDTGROUP_SUPER_MAGIC` (linux/magic.h).
const MAGIC: FsType = FsType(0x0765_5821);
const MOUNTS: &str = "/proc/thread-self/mountinfo";

/// The mount point in the runtime's mount namespace.
pub(super) fn find() -> Result<PathBuf> {
    if statfs(USUAL).is_ok_and(|filesystem| filesystem.filesystem_type() == MAGIC) {
        return Ok(USUAL.into());
    }
    let mounts = File::open(MOUNTS).map_err(|error| Error::system(MOUNTS, "open", error))?;
    first_in(BufReader::new(mounts))
}

/// The first mount of the type in a file of the form of mountinfo.
fn first_in(mountinfo: impl std::io::BufRead) -> Result<PathBuf> {
    let mounts = MountInfos::from_buf_read(mountinfo)
        .map_err(|error| Error::new(ErrorKind::System, format!("{MOUNTS}: {error}")))?;
    mounts
        .into_iter()
        .find(|mount| mount.fs_type == "resctrl")
        .map(|mount| mount.mount_point)
        .ok_or_else(|| Error::config("linux.intelRdt", "no resctrl file system is mounted"))
}

/// Whether the tree has what the root of a `resctrl` file system has.
pub(super) fn check(root: &Path) -> Result<()> {
    for name in ["info", "schemata"] {
        let path = root.join(name);
        std::fs::metadata(&path).map_err(|error| Error::system(path.display(), "stat", error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_type_counts() {
        let mounts = "22 27 0:21 / /sys/fs/resctrl rw - tmpfs resctrl rw\n\
                      23 27 0:22 / /mnt/rdt rw,relatime - resctrl resctrl rw,mba_MBps\n";
        let found = first_in(mounts.as_bytes()).unwrap();
        assert_eq!(found, Path::new("/mnt/rdt"));
    }

    #[test]
    fn none_is_an_error_that_names_the_field() {
        let mounts = "22 27 0:21 / /proc rw - proc proc rw\n";
        let error = first_in(mounts.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "linux.intelRdt: no resctrl file system is mounted"
        );
    }
}
