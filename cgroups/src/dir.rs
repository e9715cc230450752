//! One cgroup directory: files read and written relative to a descriptor.

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, read, unlinkat, write};

use crate::error::Error;

/// No control file is larger; what is beyond it is not read.
const MAX_FILE: usize = 16 << 20;

/// A cgroup's directory.
///
/// The descriptor is close-on-exec: a leaked cgroup directory is a way out of a
/// container (CVE-2024-21626).
#[derive(Debug)]
pub(crate) struct Dir {
    /// `None` of a version 1 directory that was just made: the few files that are written there then
    /// are opened by their paths, in which nobody but the kernel makes entries.
    fd: Option<OwnedFd>,
    path: PathBuf,
    /// What was used and is open still, to be closed in one call with the directory.
    used: RefCell<Vec<OwnedFd>>,
}

impl Dir {
    fn new(fd: Option<OwnedFd>, path: PathBuf) -> Dir {
        let used = RefCell::default();
        Dir { fd, path, used }
    }

    pub(crate) fn open(path: &Path) -> Result<Dir, Error> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(AT_FDCWD, path, flags, Mode::empty())
            .map_err(|errno| Error::io("openat", path, errno))?;
        Ok(Dir::new(Some(fd), path.to_owned()))
    }

    /// The directory at an absolute path, without opening it.
    pub(crate) fn by_path(path: &Path) -> Dir {
        Dir::new(None, path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The open directory, and what was kept open beside it.
    pub(crate) fn into_parts(self) -> (Option<OwnedFd>, Vec<OwnedFd>) {
        (self.fd, self.used.into_inner())
    }

    /// Leaves this open as long as the directory.
    pub(crate) fn keep(&self, used: OwnedFd) {
        self.used.borrow_mut().push(used);
    }

    /// The open directory.
    pub(crate) fn descriptor(&self) -> Result<BorrowedFd<'_>, Errno> {
        self.fd.as_ref().map(AsFd::as_fd).ok_or(Errno::EBADF)
    }

    /// Opens a control file. `file` must be a single name.
    pub(crate) fn file(&self, file: &str, access: OFlag) -> Result<OwnedFd, Errno> {
        let flags = access | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match &self.fd {
            Some(fd) => openat(fd, file, flags, Mode::empty()),
            None => openat(AT_FDCWD, &self.path.join(file), flags, Mode::empty()),
        }
    }

    /// The text of a control file.
    pub(crate) fn read(&self, file: &str) -> Result<String, Error> {
        self.try_read(file)
            .map_err(|errno| Error::io("read", self.path.join(file), errno))
    }

    /// The text of a control file, or nothing where the kernel has no such file.
    pub(crate) fn read_if_present(&self, file: &str) -> Result<Option<String>, Error> {
        match self.try_read(file) {
            Ok(text) => Ok(Some(text)),
            Err(Errno::ENOENT | Errno::EOPNOTSUPP | Errno::ENODEV) => Ok(None),
            Err(errno) => Err(Error::io("read", self.path.join(file), errno)),
        }
    }

    pub(crate) fn try_read(&self, file: &str) -> Result<String, Errno> {
        let opened = self.file(file, OFlag::O_RDONLY)?;
        let bytes = match file {
            // One entry a process, as many as fit at a time.
            "cgroup.procs" | "tasks" => read_to_end(opened.as_fd(), 256)?,
            _ => read_record(opened.as_fd(), 256)?,
        };
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The text of a control file of one line, which the kernel gives out whole: a read
    /// that does not fill the buffer was the last. The file stays open with the directory.
    pub(crate) fn read_line(&self, file: &str) -> Result<String, Error> {
        let failed = |errno| Error::io("read", self.path.join(file), errno);
        let fd = self.file(file, OFlag::O_RDONLY).map_err(failed)?;
        let mut bytes = [0; 512];
        match read(&fd, &mut bytes) {
            Ok(length) if length < bytes.len() => {
                self.keep(fd);
                Ok(String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned())
            }
            Ok(_) | Err(Errno::EINTR) => self.read(file),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Writes a control file in one write(2), as the kernel wants it.
    pub(crate) fn write(&self, file: &str, value: &str) -> Result<(), Errno> {
        write_all(self.file(file, OFlag::O_WRONLY)?.as_fd(), value)
    }

    /// Gives the cgroup, or a file of it, to a user.
    pub(crate) fn chown(&self, file: &str, uid: u32) -> Result<(), Errno> {
        let flags = AtFlags::AT_EMPTY_PATH | AtFlags::AT_SYMLINK_NOFOLLOW;
        fchownat(
            self.descriptor()?,
            file,
            Some(Uid::from_raw(uid)),
            None::<Gid>,
            flags,
        )
    }

    /// Opens a directory below this one (or `..`).
    pub(crate) fn child(&self, name: &str) -> Result<Dir, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(self.descriptor()?, name, flags, Mode::empty())?;
        let path = match name {
            ".." => self.path.parent().unwrap_or(&self.path).to_owned(),
            name => self.path.join(name),
        };
        Ok(Dir::new(Some(fd), path))
    }

    pub(crate) fn rmdir(&self, name: &str) -> Result<(), Errno> {
        unlinkat(self.descriptor()?, name, UnlinkatFlags::RemoveDir)
    }

    /// The names of the cgroups directly below.
    pub(crate) fn children(&self) -> Result<Vec<String>, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut listing = nix::dir::Dir::openat(self.descriptor()?, ".", flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in listing.iter() {
            let entry = entry?;
            if entry.file_type() != Some(nix::dir::Type::Directory) {
                continue;
            }
            match entry.file_name().to_str() {
                Ok("." | "..") => {}
                Ok(name) => names.push(name.to_owned()),
                // The kernel takes any byte; this crate makes no such name, but a
                // container that may create cgroups could.
                Err(_) => return Err(Errno::EILSEQ),
            }
        }
        Ok(names)
    }
}

/// Reads a file to its end, by two calls where it is not longer than usual.
pub(crate) fn read_to_end(fd: BorrowedFd<'_>, usual: usize) -> Result<Vec<u8>, Errno> {
    read_until(fd, usual, |_| false)
}

/// Reads a file that the kernel shows as one record, by one call where it is not longer than usual:
/// what is less than was asked for is all that is left (seq_file's `single_open`).
pub(crate) fn read_record(fd: BorrowedFd<'_>, usual: usize) -> Result<Vec<u8>, Errno> {
    read_until(fd, usual, |is_short| is_short)
}

fn read_until(
    fd: BorrowedFd<'_>,
    usual: usize,
    is_all: impl Fn(bool) -> bool,
) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    let mut length = 0;
    while length < MAX_FILE {
        if length == bytes.len() {
            bytes.resize(length + length.max(usual), 0);
        }
        match read(fd, bytes.get_mut(length..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(read) => {
                length += read;
                if is_all(length < bytes.len()) {
                    break;
                }
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// One write(2); a short one is an error, because a control file takes a value whole.
pub(crate) fn write_all(fd: BorrowedFd<'_>, value: &str) -> Result<(), Errno> {
    loop {
        match write(fd, value.as_bytes()) {
            Ok(length) if length == value.len() => return Ok(()),
            Ok(_) => return Err(Errno::EIO),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Makes a cgroup directory. The path is absolute.
pub(crate) fn mkdir(path: &Path) -> Result<(), Errno> {
    mkdirat(AT_FDCWD, path, Mode::from_bits_truncate(0o755))
}

/// Removes an empty cgroup directory. The path is absolute.
pub(crate) fn rmdir(path: &Path) -> Result<(), Errno> {
    unlinkat(AT_FDCWD, path, UnlinkatFlags::RemoveDir)
}

/// Opens a file by absolute path for writing.
pub(crate) fn open_for_writing(path: &Path) -> Result<OwnedFd, Errno> {
    openat(
        AT_FDCWD,
        path,
        OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
}
