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

use crate::error::{Error, ErrorKind, Result};
use crate::sys;

/// Inode number of a procfs root (`PROC_ROOT_INO`).
const ROOT_INODE: u64 = 1;
/// Most files of a process are shorter than this.
const USUAL: usize = 1 << 10;

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

    /// Whether this process is in the namespace of a kind that has this inode: the kernel gives those
    /// that it starts with fixed ones.
    pub(crate) fn is_first_namespace(&self, name: &str, inode: u32) -> bool {
        let path = format!("self/ns/{name}");
        nix::fcntl::readlinkat(&self.0, path.as_str())
            .is_ok_and(|link| link.to_str() == Some(&format!("{name}:[{inode}]")))
    }

    /// The text of a file below the root that is made as a whole, which those of several lines with a
    /// length of their own are not.
    pub(crate) fn read(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let file = self.open_file(path, OFlag::O_RDONLY).ok()?;
        sys::file::read_whole(file.as_fd(), USUAL).ok()
    }

    /// The descriptor.
    pub(crate) fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// As [`Self::start_time`]; returns the file beside, for the caller to close.
    pub(crate) fn start_time_and_file(&self, pid: i32) -> (Option<u64>, Option<OwnedFd>) {
        let file = self.open_file(format!("{pid}/stat"), OFlag::O_RDONLY).ok();
        let text = file
            .as_ref()
            .and_then(|file| sys::file::read_whole(file.as_fd(), USUAL).ok());
        (
            text.and_then(|text| start_time(&text)),
            file.map(OwnedFd::from),
        )
    }

    /// When the process began, in clock ticks since the boot, unless it is gone or a zombie.
    pub(crate) fn start_time(&self, pid: i32) -> Option<u64> {
        start_time(&self.read(format!("{pid}/stat"))?)
    }
}

/// The fields of `/proc/PID/stat` behind the program's name, which may hold anything.
fn start_time(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let text = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = text.split_ascii_whitespace();
    // Field 3 is the state, field 22 the start.
    let state = fields.next()?;
    (!matches!(state, "Z" | "X" | "x")).then(|| fields.nth(18)?.parse().ok())?
}

impl AsFd for Proc {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_found_behind_any_name() {
        let stat = |name: &str, state: &str| {
            format!("7 ({name}) {state} 1 7 7 0 -1 4194560 9 0 0 0 1 2 3 4 20 0 1 0 4711 8 9\n")
        };
        assert_eq!(start_time(stat("sh", "S").as_bytes()), Some(4711));
        assert_eq!(start_time(stat("a) Z 1 (b", "R").as_bytes()), Some(4711));
        assert_eq!(start_time(stat("sh", "Z").as_bytes()), None);
        assert_eq!(start_time(b"7 (sh) S 1"), None);
        assert_eq!(start_time(b""), None);
        let own = Proc::open()
            .unwrap()
            .start_time(std::process::id().cast_signed());
        assert!(own.is_some());
    }
}
