//! Finding and making files inside a root directory by descriptors.
//!
//! The root's contents are hostile and may change while they are looked at. A path is therefore
//! walked once, links and `..` never lead out of the root, magic links of procfs are not followed,
//! and what comes out is a descriptor, not another path. The kernel does it where it can
//! (`openat2(RESOLVE_IN_ROOT)`), [`walk`] where it is older than 5.6, a filter refuses the call or
//! something has to be made.
//!
//! For both parent and child: no heap, no lock, no panic.

#![forbid(unsafe_code)]

pub(crate) mod text;
mod walk;

use core::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::sys::{Call, Fault, Result, file};
use text::{NameText, PathText};

/// How often openat2(2) is asked again when something was renamed meanwhile.
const RETRIES: u32 = 128;

/// How a path is walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct How {
    /// Whether a link in the last place is itself what is wanted.
    pub keep_last_link: bool,
    /// Whether any link is an error (`ELOOP`).
    pub no_links: bool,
    /// Whether anything but a directory is an error (`ENOTDIR`).
    pub directory: bool,
}

/// What is made where the last component is missing. Missing parents become directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    /// A directory with mode 0755.
    Directory,
    /// An empty file with mode 0644.
    File,
}

/// An `O_PATH` descriptor of the file at `path` inside `root`.
pub(crate) fn resolve(root: BorrowedFd<'_>, path: &CStr, how: How) -> Result<OwnedFd> {
    let mut resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
    if how.no_links {
        resolve |= libc::RESOLVE_NO_SYMLINKS;
    }
    let mut flags = libc::O_PATH;
    if how.keep_last_link {
        flags |= libc::O_NOFOLLOW;
    }
    if how.directory {
        flags |= libc::O_DIRECTORY;
    }
    match open_with_retries(root, or_dot(path), flags, resolve) {
        Err(fault) if fault.is_unavailable() => {
            walk::walk(root, path, how, None).map(|(found, _)| found)
        }
        other => other,
    }
}

/// As [`resolve`], and makes what is missing; says whether the last component was made. A dangling
/// link is followed and its target made inside the root.
pub(crate) fn ensure(
    root: BorrowedFd<'_>,
    path: &CStr,
    how: How,
    make: Make,
) -> Result<(OwnedFd, bool)> {
    match resolve(root, path, how) {
        Ok(found) => Ok((found, false)),
        Err(fault) if fault.errno == libc::ENOENT => walk::walk(root, path, how, Some(make)),
        Err(fault) => Err(fault),
    }
}

/// Splits a path into the one of the directory and the name in it, which is one component.
pub(crate) fn split(path: &CStr) -> Result<(&[u8], NameText)> {
    let trimmed = without_last_slashes(path.to_bytes());
    let start = trimmed
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |at| at + 1);
    let (parent, name) = trimmed.split_at_checked(start).unwrap_or((trimmed, b""));
    if name.is_empty() || name == b"." || name == b".." {
        return Err(Fault::new(Call::Open, libc::EISDIR));
    }
    let mut text = NameText::new();
    text.push(name)?;
    Ok((parent, text))
}

/// The directory at `path`, made where it is missing.
pub(crate) fn ensure_directory(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    let how = How {
        directory: true,
        ..How::default()
    };
    let mut text = PathText::new();
    text.push(path)?;
    ensure(root, text.as_cstr(), how, Make::Directory).map(|(directory, _)| directory)
}

/// The directory at `path`, which leads through no symbolic link.
pub(crate) fn directory_without_links(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    let how = How {
        directory: true,
        no_links: true,
        ..How::default()
    };
    let mut text = PathText::new();
    text.push(path)?;
    resolve(root, text.as_cstr(), how)
}

/// Makes `name` in a directory and opens it: `None` where something of that name, if only a dangling
/// link, is there already.
pub(crate) fn make_new(
    directory: BorrowedFd<'_>,
    name: &CStr,
    make: Make,
) -> Result<Option<OwnedFd>> {
    if !make_entry(directory, name, make)? {
        return Ok(None);
    }
    let kind = match make {
        Make::Directory => libc::O_DIRECTORY,
        Make::File => 0,
    };
    // What somebody may have put in its place meanwhile is not followed.
    let opened = file::open(directory, name, libc::O_PATH | libc::O_NOFOLLOW | kind, 0)?;
    if make == Make::File && file::status(opened.as_fd())?.kind() != libc::S_IFREG {
        return Err(Fault::new(Call::Open, libc::ELOOP));
    }
    Ok(Some(opened))
}

/// Makes `name` in a directory: `false` where something of that name is there already.
pub(crate) fn make_entry(directory: BorrowedFd<'_>, name: &CStr, make: Make) -> Result<bool> {
    let made = match make {
        Make::Directory => file::make_directory(directory, name, 0o755),
        Make::File => file::make_node(directory, name, libc::S_IFREG | 0o644, 0),
    };
    match made {
        Ok(()) => Ok(true),
        Err(fault) if fault.errno == libc::EEXIST => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Opens a file of `directory` beneath it: no link out, no other mount, no magic link. `EAGAIN` is
/// tried again; `ENOSYS` is the caller's.
pub(crate) fn open_beneath(directory: BorrowedFd<'_>, path: &CStr, flags: i32) -> Result<OwnedFd> {
    let resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_XDEV | libc::RESOLVE_NO_MAGICLINKS;
    open_with_retries(directory, path, flags, resolve)
}

/// Opens what an `O_PATH` descriptor leads to, through the verified procfs of the host.
pub(crate) fn reopen(proc: BorrowedFd<'_>, file: BorrowedFd<'_>, flags: i32) -> Result<OwnedFd> {
    file::open(proc, descriptor_path(file)?.as_cstr(), flags, 0)
}

/// The path of a descriptor of the calling process below a procfs.
pub(crate) fn descriptor_path(file: BorrowedFd<'_>) -> Result<NameText> {
    let mut path = NameText::new();
    path.push(b"self/fd/")?;
    path.push_number(u64::from(file.as_raw_fd().unsigned_abs()))?;
    Ok(path)
}

/// Whether the path, inside a root, is that root: nothing but slashes and dots.
pub(crate) fn is_root(path: &CStr) -> bool {
    path.to_bytes()
        .split(|byte| *byte == b'/')
        .all(|component| matches!(component, b"" | b"." | b".."))
}

fn open_with_retries(at: BorrowedFd<'_>, path: &CStr, flags: i32, resolve: u64) -> Result<OwnedFd> {
    let mut tries = 0;
    loop {
        match file::open_resolved(at, path, flags, resolve) {
            Err(fault) if matches!(fault.errno, libc::EAGAIN | libc::EINTR) && tries < RETRIES => {
                tries += 1;
            }
            other => return other,
        }
    }
}

/// An empty path means the root.
fn or_dot(path: &CStr) -> &CStr {
    if path.is_empty() { c"." } else { path }
}

fn without_last_slashes(mut path: &[u8]) -> &[u8] {
    while let Some((b'/', shorter)) = path.split_last() {
        path = shorter;
    }
    path
}

#[cfg(test)]
mod tests;
