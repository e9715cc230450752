//! One container's directory.

#![forbid(unsafe_code)]

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind as IoKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, Flock, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{Record, check_id};
use crate::error::{Error, ErrorKind, Result};

const STATE: &str = "state.json";
const STATE_NEW: &str = "state.json.new";
const CONFIG: &str = "config.json";

/// An open container directory, locked against other operations until it is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    handle: Flock<File>,
}

impl Directory {
    /// Makes the directory of a new container.
    pub(crate) fn create(root: &Path, id: &str) -> Result<Self> {
        check_id(id)?;
        let path = root.join(id);
        match DirBuilder::new().mode(0o711).create(&path) {
            Err(error) if error.kind() == IoKind::NotFound => {
                make_root(root)?;
                DirBuilder::new().mode(0o711).create(&path)
            }
            result => result,
        }
        .map_err(|error| match error.kind() {
            IoKind::AlreadyExists => Error::new(
                ErrorKind::AlreadyExists,
                "container with given ID already exists",
            ),
            _ => Error::system(path.display(), "mkdir", error),
        })?;
        Self::open_at(path)
    }

    /// Opens the directory of an existing container and waits until no other operation holds it.
    pub(crate) fn open(root: &Path, id: &str) -> Result<Self> {
        check_id(id)?;
        Self::open_at(root.join(id))
    }

    /// Opens the directory at a path that was found by its id before.
    pub(crate) fn open_at(path: PathBuf) -> Result<Self> {
        let directory = open_directory(&path)?;
        let handle = Flock::lock(directory, FlockArg::LockExclusive)
            .map_err(|(_, errno)| Error::system(path.display(), "flock", errno))?;
        // Another operation may have removed it while this one waited.
        match nix::sys::stat::fstat(handle.as_fd()) {
            Ok(stat) if stat.st_nlink == 0 => Err(not_found()),
            Ok(_) => Ok(Self { path, handle }),
            Err(errno) => Err(Error::system(path.display(), "fstat", errno)),
        }
    }

    /// Lets other operations go on and keeps the directory open.
    pub(crate) fn into_unlocked(self) -> Result<OwnedFd> {
        match self.handle.unlock() {
            Ok(file) => Ok(file.into()),
            Err((handle, errno)) => {
                drop(handle);
                Err(Error::system(self.path.display(), "flock", errno))
            }
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the record; a reader sees the old one or the new one.
    pub(crate) fn write_record(&self, record: &Record) -> Result<()> {
        let bytes = serde_json::to_vec(record)
            .map_err(|error| Error::system(STATE, "serialise", std::io::Error::other(error)))?;
        self.write(STATE_NEW, &bytes)?;
        renameat(self.as_fd(), STATE_NEW, self.as_fd(), STATE)
            .map_err(|errno| self.failed(STATE, "rename", errno))
    }

    /// Keeps the configuration.
    pub(crate) fn write_config(&self, config: &[u8]) -> Result<()> {
        self.write(CONFIG, config)
    }

    /// Removes the directory with all that it holds.
    pub(crate) fn remove(&self) -> Result<()> {
        for name in [STATE, CONFIG] {
            // What is still there is found below.
            let _ = unlinkat(self.as_fd(), name, UnlinkatFlags::NoRemoveDir);
        }
        if unlinkat(AT_FDCWD, &self.path, UnlinkatFlags::RemoveDir).is_ok() {
            return Ok(());
        }
        std::fs::remove_dir_all(&self.path).or_else(|error| match error.kind() {
            IoKind::NotFound => Ok(()),
            _ => Err(Error::system(self.path.display(), "remove", error)),
        })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let flags = OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = openat(
            self.as_fd(),
            name,
            flags | OFlag::O_NOFOLLOW,
            Mode::from_bits_truncate(0o600),
        )
        .map_err(|errno| self.failed(name, "open", errno))?;
        File::from(file)
            .write_all(bytes)
            .map_err(|error| self.failed(name, "write", error))
    }

    pub(super) fn unlink(&self, name: &str) -> Result<()> {
        unlinkat(self.as_fd(), name, UnlinkatFlags::NoRemoveDir)
            .map_err(|errno| self.failed(name, "unlink", errno))
    }

    pub(super) fn failed(&self, name: &str, call: &str, error: impl Into<std::io::Error>) -> Error {
        Error::system(self.path.join(name).display(), call, error)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// The record of a container, read without waiting for other operations.
pub(crate) fn read_record(root: &Path, id: &str) -> Result<(OwnedFd, Record)> {
    check_id(id)?;
    let path = root.join(id);
    let directory = open_directory(&path)?;
    let bytes = read_at(directory.as_fd(), STATE).map_err(|error| match error.kind() {
        IoKind::NotFound => not_found(),
        _ => Error::system(path.join(STATE).display(), "read", error),
    })?;
    let record = Record::parse(&bytes).map_err(|problem| {
        let message = format!("{}: {problem}", path.join(STATE).display());
        Error::new(ErrorKind::System, message)
    })?;
    Ok((directory.into(), record))
}

fn open_directory(path: &Path) -> Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match nix::fcntl::open(path, flags, Mode::empty()) {
        Ok(directory) => Ok(File::from(directory)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Err(not_found()),
        Err(errno) => Err(Error::system(path.display(), "open", errno)),
    }
}

fn read_at(directory: BorrowedFd<'_>, name: &str) -> std::io::Result<Vec<u8>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut bytes = Vec::with_capacity(4096);
    File::from(openat(directory, name, flags, Mode::empty())?).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Engines look for these words.
fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "container does not exist")
}

/// Makes the root with its parents; the sticky bit, as the XDG base directory specification has it,
/// keeps clean-up services from removing it.
fn make_root(root: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(root)
        .map_err(|error| Error::system(root.display(), "mkdir", error))
}
