//! One container's directory.

#![forbid(unsafe_code)]

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind as IoKind, Write};
use std::ops::Range;
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
use crate::sys;

const STATE: &str = "state.json";
/// The record of a container that is being created.
const CREATING: &str = "creating.json";
const CREATING_NEW: &str = "creating.json.new";

/// Most records with a configuration are shorter.
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

/// A configuration as it was at `create`, in the text that it was read with.
#[derive(Debug)]
pub(crate) struct Config {
    text: Vec<u8>,
    place: Range<usize>,
}

impl Config {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.text.get(self.place.clone()).unwrap_or_default()
    }
}

impl From<Vec<u8>> for Config {
    fn from(text: Vec<u8>) -> Self {
        let place = 0..text.len();
        Self { text, place }
    }
}

/// What is read of a container.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Its open directory.
    pub(crate) directory: File,
    pub(crate) record: Record,
    pub(crate) config: Config,
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
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = match openat(&directory, name, flags, Mode::empty()) {
            Err(Errno::ENOENT) => continue,
            opened => opened.map_err(|e| Error::system(path.join(name).display(), "open", e))?,
        };
        let mut text = sys::file::read_whole(file.as_fd(), USUAL)
            .map_err(|fault| Error::fault(path.join(name).display(), fault))?;
        let creating = name == CREATING;
        let problem = match Record::parse(&mut text) {
            Ok((record, place)) => {
                return Ok(Stored {
                    directory,
                    record,
                    config: Config { text, place },
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
