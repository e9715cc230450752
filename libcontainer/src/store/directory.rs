//! One container's directory.

#![forbid(unsafe_code)]

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind as IoKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::check_id;
use super::record::{Problem, Record};
use crate::error::{Error, ErrorKind, Result};

const STATE: &str = "state.json";
/// The record of a container that is being created.
const CREATING: &str = "creating.json";
const CREATING_NEW: &str = "creating.json.new";

/// The longest file that is read: a configuration has no more than 16 MiB.
const LONGEST: usize = 32 << 20;
/// Most are shorter.
const USUAL: usize = 8 << 10;

/// An open container directory, locked against other operations until it is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    handle: Arc<File>,
    is_locked: bool,
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
        // Should another operation remove it before it is locked, nothing can be made in it.
        Self::lock(path)
    }

    /// Opens the directory of an existing container and waits until no other operation holds it.
    pub(crate) fn open(root: &Path, id: &str) -> Result<Self> {
        check_id(id)?;
        Self::open_at(root.join(id))
    }

    /// Opens the directory at a path that was found by its id before.
    pub(crate) fn open_at(path: PathBuf) -> Result<Self> {
        let directory = Self::lock(path)?;
        still_there(&directory.path, &directory.handle)?;
        Ok(directory)
    }

    fn lock(path: PathBuf) -> Result<Self> {
        let handle = Arc::new(open_directory(&path)?);
        wait_for_lock(&path, &handle)?;
        Ok(Self {
            path,
            handle,
            is_locked: true,
        })
    }

    /// Lets other operations go on and keeps the directory open.
    pub(crate) fn into_unlocked(mut self) -> Result<Arc<File>> {
        self.is_locked = false;
        self.handle
            .unlock()
            .map_err(|error| Error::system(self.path.display(), "flock", error))?;
        Ok(Arc::clone(&self.handle))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the record of a container that is being created, and its configuration. Returns the
    /// file, for the caller to close.
    pub(crate) fn write_record(&self, record: &Record, config: &[u8]) -> Result<OwnedFd> {
        self.write(CREATING, &serialised(record, config)?)
    }

    /// Writes them anew; a reader sees the old ones or the new ones.
    pub(crate) fn rewrite_record(&self, record: &Record, config: &[u8]) -> Result<()> {
        self.write(CREATING_NEW, &serialised(record, config)?)?;
        self.rename(CREATING_NEW, CREATING)
    }

    /// The container is created: its record gets the name that stays.
    pub(crate) fn created(&self) -> Result<()> {
        self.rename(CREATING, STATE)
    }

    /// Removes the directory with all that it holds.
    pub(crate) fn remove(&self) -> Result<()> {
        remove(&self.path, &self.handle)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        renameat(self.as_fd(), from, self.as_fd(), to)
            .map_err(|errno| self.failed(to, "rename", errno))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<OwnedFd> {
        let flags = OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = openat(
            self.as_fd(),
            name,
            flags | OFlag::O_NOFOLLOW,
            Mode::from_bits_truncate(0o600),
        )
        .map_err(|errno| self.failed(name, "open", errno))?;
        let mut file = File::from(file);
        file.write_all(bytes)
            .map_err(|error| self.failed(name, "write", error))?;
        Ok(file.into())
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

impl Drop for Directory {
    fn drop(&mut self) {
        // A process that was cloned meanwhile may hold the same open file a moment longer.
        if self.is_locked {
            let _ = self.handle.unlock();
        }
    }
}

/// Waits until no other operation holds a container's open directory.
pub(crate) fn wait_for_lock(path: &Path, directory: &File) -> Result<()> {
    directory
        .lock()
        .map_err(|error| Error::system(path.display(), "flock", error))
}

/// Whether the directory was not removed by the operation that was waited for.
pub(crate) fn still_there(path: &Path, directory: &File) -> Result<()> {
    match nix::sys::stat::fstat(directory) {
        Ok(stat) if stat.st_nlink == 0 => Err(not_found()),
        Ok(_) => Ok(()),
        Err(errno) => Err(Error::system(path.display(), "fstat", errno)),
    }
}

/// Removes a container's directory with all that it holds.
pub(crate) fn remove(path: &Path, directory: &File) -> Result<()> {
    // What is still there is found below.
    let _ = unlinkat(directory, STATE, UnlinkatFlags::NoRemoveDir);
    if unlinkat(AT_FDCWD, path, UnlinkatFlags::RemoveDir).is_ok() {
        return Ok(());
    }
    std::fs::remove_dir_all(path).or_else(|error| match error.kind() {
        IoKind::NotFound => Ok(()),
        _ => Err(Error::system(path.display(), "remove", error)),
    })
}

/// Whether a container is still being created, by its open directory.
pub(crate) fn is_creating(directory: &File) -> bool {
    let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
    nix::sys::stat::fstatat(directory, CREATING, flags).is_ok()
}

/// What is read of a container.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Its open directory.
    pub(crate) directory: File,
    pub(crate) record: Record,
    /// Its configuration, as it was at `create`.
    pub(crate) config: Vec<u8>,
    /// Whether it is being created.
    pub(crate) creating: bool,
}

/// Reads a container without waiting for other operations.
pub(crate) fn read(root: &Path, id: &str) -> Result<Stored> {
    check_id(id)?;
    let path = root.join(id);
    let directory = open_directory(&path)?;
    // It may get its last name between the first look and the second.
    for name in [STATE, CREATING, STATE] {
        let bytes = match read_at(directory.as_fd(), name) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == IoKind::NotFound => continue,
            Err(error) => return Err(Error::system(path.join(name).display(), "read", error)),
        };
        let creating = name == CREATING;
        let problem = match Record::parse(bytes) {
            Ok((record, config)) => {
                return Ok(Stored {
                    directory,
                    record,
                    config,
                    creating,
                });
            }
            // It is being written.
            Err(Problem::CutOff) if creating => return Err(not_found()),
            Err(Problem::CutOff) => "it ends too early".to_owned(),
            Err(Problem::Wrong(problem)) => problem,
        };
        let message = format!("{}: {problem}", path.join(name).display());
        return Err(Error::new(ErrorKind::System, message));
    }
    Err(not_found())
}

fn serialised(record: &Record, config: &[u8]) -> Result<Vec<u8>> {
    record
        .with_config(config)
        .map_err(|error| Error::system(STATE, "serialise", std::io::Error::other(error)))
}

fn open_directory(path: &Path) -> Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match nix::fcntl::open(path, flags, Mode::empty()) {
        Ok(directory) => Ok(File::from(directory)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Err(not_found()),
        Err(errno) => Err(Error::system(path.display(), "open", errno)),
    }
}

/// Reads a file to its end: a regular one gives less than was asked for only there.
fn read_at(directory: BorrowedFd<'_>, name: &str) -> std::io::Result<Vec<u8>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(directory, name, flags, Mode::empty())?);
    let (mut bytes, mut length) = (vec![0; USUAL], 0);
    while length < LONGEST {
        match file.read(bytes.get_mut(length..).unwrap_or_default()) {
            Err(error) if error.kind() == IoKind::Interrupted => continue,
            read => length += read?,
        }
        if length < bytes.len() {
            break;
        }
        bytes.resize(length * 2, 0);
    }
    bytes.truncate(length);
    Ok(bytes)
}

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
