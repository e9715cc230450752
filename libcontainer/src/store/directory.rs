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

use super::{Record, check_id};
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
    /// Its configuration, where it was read with the record.
    pub(crate) config: Option<Vec<u8>>,
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
        let bytes = match read_at(directory.as_fd(), name, |text| text.contains(&b'\n')) {
            // It is being written.
            Ok(bytes) if name == CREATING && !bytes.contains(&b'\n') => return Err(not_found()),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == IoKind::NotFound => continue,
            Err(error) => return Err(Error::system(path.join(name).display(), "read", error)),
        };
        let (line, config) = split(&bytes);
        let record = Record::parse(line).map_err(|problem| {
            let message = format!("{}: {problem}", path.join(name).display());
            Error::new(ErrorKind::System, message)
        })?;
        let is_whole = config.len() == record.config_length;
        return Ok(Stored {
            config: is_whole.then(|| config.to_owned()),
            directory,
            record,
            creating: name == CREATING,
        });
    }
    Err(not_found())
}

/// Reads the configuration of a container by its open directory.
pub(crate) fn read_config(directory: impl AsFd, record: &Record) -> Result<Vec<u8>> {
    let enough = |text: &[u8]| {
        let (line, config) = split(text);
        line.len() < text.len() && config.len() == record.config_length
    };
    let mut bytes = read_at(directory.as_fd(), STATE, enough)
        .map_err(|error| Error::system(STATE, "read", error))?;
    let line = split(&bytes).0.len();
    Ok(bytes.split_off(bytes.len().min(line + 1)))
}

/// The record's line, and what comes behind it.
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| *byte == b'\n');
    let end = end.unwrap_or(text.len());
    (
        text.get(..end).unwrap_or_default(),
        text.get(end + 1..).unwrap_or_default(),
    )
}

fn serialised(record: &Record, config: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(record)
        .map_err(|error| Error::system(STATE, "serialise", std::io::Error::other(error)))?;
    bytes.push(b'\n');
    bytes.extend_from_slice(config);
    Ok(bytes)
}

fn open_directory(path: &Path) -> Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match nix::fcntl::open(path, flags, Mode::empty()) {
        Ok(directory) => Ok(File::from(directory)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Err(not_found()),
        Err(errno) => Err(Error::system(path.display(), "open", errno)),
    }
}

/// Reads a file until what was read is enough, or to its end.
fn read_at(
    directory: BorrowedFd<'_>,
    name: &str,
    enough: impl Fn(&[u8]) -> bool,
) -> std::io::Result<Vec<u8>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(directory, name, flags, Mode::empty())?);
    let (mut bytes, mut length) = (vec![0; USUAL], 0);
    while length < LONGEST {
        if length == bytes.len() {
            bytes.resize(length * 2, 0);
        }
        let read = match file.read(bytes.get_mut(length..).unwrap_or_default()) {
            Err(error) if error.kind() == IoKind::Interrupted => continue,
            read => read?,
        };
        length += read;
        if read == 0 || enough(bytes.get(..length).unwrap_or_default()) {
            break;
        }
    }
    bytes.truncate(length);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of a container that has nothing, with a configuration of this length.
    fn record(config_length: usize) -> Record {
        let record = serde_json::json!({
            "format": crate::store::FORMAT, "id": "c", "oci_version": "1.3.0", "bundle": "/b",
            "config_length": config_length, "rootfs": "/b/rootfs", "created": "2026-11-26T20:00:00Z",
            "owner": 0, "init_process_pid": 1, "init_process_start": 1, "rootless": false,
            "own_pid_namespace": true,
            "cgroup": {"manager": "disabled", "layout": "v1", "members": []},
        });
        serde_json::from_value(record).expect("a record")
    }

    #[test]
    fn the_configuration_comes_back_as_it_was() {
        let long = b"{\n}\n".repeat(USUAL);
        for (config, is_read_at_once) in [(b"{\n}\n".as_slice(), true), (b"", true), (&long, false)]
        {
            let root = tempfile::tempdir().expect("a temporary directory");
            let directory = Directory::create(root.path(), "c").expect("a new directory");
            let record = record(config.len());
            directory.write_record(&record, config).expect("written");
            assert!(read(root.path(), "c").expect("a record").creating);
            directory.rewrite_record(&record, config).expect("written");
            directory.created().expect("renamed");
            let stored = read(root.path(), "c").expect("a record");
            assert!(!stored.creating);
            assert_eq!(stored.config.is_some(), is_read_at_once);
            if let Some(read) = stored.config {
                assert_eq!(read, config);
            }
            let read = read_config(&stored.directory, &stored.record).expect("a configuration");
            assert_eq!(read, config);
        }
    }

    #[test]
    fn a_record_that_is_being_written_is_not_there_yet() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let directory = Directory::create(root.path(), "c").expect("a new directory");
        for text in ["", "{\"format\":"] {
            directory.write(CREATING, text.as_bytes()).expect("written");
            let error = read(root.path(), "c").expect_err("no record");
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
    }
}
