//! The host's procfs, opened once and verified, and what is read from it.
//!
//! Everything the runtime reads or writes below `/proc` goes through this descriptor: a path can be
//! covered by a mount of whoever prepared the mount namespace, a descriptor of procfs's own root
//! cannot (CVE-2025-52881 and its kin). The child inherits it too; `self` in it is the child.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use procfs::FromRead;
use procfs::process::Stat;

use crate::error::{Error, ErrorKind, Result};

/// Inode number of a procfs root (`PROC_ROOT_INO`).
const ROOT_INODE: u64 = 1;

/// A verified procfs root.
#[derive(Debug)]
pub(crate) struct Proc(OwnedFd);

impl Proc {
    /// Opens `/proc` and verifies that it is the root of a procfs.
    pub(crate) fn open() -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let root = nix::fcntl::open("/proc", flags, Mode::empty())
            .map_err(|errno| Error::system("/proc", "open", errno))?;
        let is_procfs = fstatfs(&root).is_ok_and(|fs| fs.filesystem_type() == PROC_SUPER_MAGIC)
            && fstat(&root).is_ok_and(|stat| stat.st_ino == ROOT_INODE);
        if !is_procfs {
            return Err(Error::new(
                ErrorKind::System,
                "/proc is not the root of a procfs",
            ));
        }
        Ok(Self(root))
    }

    /// Opens a file below the root; a mount on the way is refused.
    pub(crate) fn open_file(&self, path: impl AsRef<Path>, flags: OFlag) -> nix::Result<File> {
        let flags = flags | OFlag::O_CLOEXEC;
        let how = OpenHow::new().flags(flags).resolve(
            ResolveFlag::RESOLVE_BENEATH
                | ResolveFlag::RESOLVE_NO_XDEV
                | ResolveFlag::RESOLVE_NO_MAGICLINKS,
        );
        match openat2(&self.0, path.as_ref(), how) {
            // Kernels before 5.6, and filters that refuse what they do not know.
            Err(Errno::ENOSYS | Errno::EPERM) => {
                let file = openat(
                    &self.0,
                    path.as_ref(),
                    flags | OFlag::O_NOFOLLOW,
                    Mode::empty(),
                )?;
                match fstatfs(&file)?.filesystem_type() {
                    PROC_SUPER_MAGIC => Ok(file),
                    _ => Err(Errno::EXDEV),
                }
            }
            result => result,
        }
        .map(File::from)
    }

    /// Opens a namespace file of a process. It is a magic link, which only its owner's directory
    /// leads to.
    pub(crate) fn open_namespace(&self, pid: i32, name: &str) -> nix::Result<OwnedFd> {
        let path = format!("{pid}/ns/{name}");
        openat(
            &self.0,
            path.as_str(),
            OFlag::O_RDONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
    }

    /// When the process began, in clock ticks since the boot, unless it is gone or a zombie.
    pub(crate) fn start_time(&self, pid: i32) -> Option<u64> {
        let file = self
            .open_file(format!("{pid}/stat"), OFlag::O_RDONLY)
            .ok()?;
        let stat = Stat::from_read(file).ok()?;
        (!matches!(stat.state, 'Z' | 'X' | 'x')).then_some(stat.starttime)
    }
}

impl AsFd for Proc {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
