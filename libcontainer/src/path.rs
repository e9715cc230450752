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

/// The directory that holds the last component of `path`, made where it is missing, and the name of
/// that component.
pub(crate) fn ensure_parent(root: BorrowedFd<'_>, path: &CStr) -> Result<(OwnedFd, NameText)> {
    let trimmed = without_last_slashes(path.to_bytes());
    let start = trimmed
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |at| at + 1);
    let (parent, name) = trimmed.split_at_checked(start).unwrap_or((trimmed, b""));
    if name.is_empty() || name == b"." || name == b".." {
        return Err(Fault::new(Call::Open, libc::EISDIR));
    }
    let mut parent_text = PathText::new();
    parent_text.push(parent)?;
    let mut name_text = NameText::new();
    name_text.push(name)?;
    let (directory, _) = ensure(root, parent_text.as_cstr(), How::default(), Make::Directory)?;
    if !file::status(directory.as_fd())?.is_directory() {
        return Err(Fault::new(Call::Open, libc::ENOTDIR));
    }
    Ok((directory, name_text))
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
