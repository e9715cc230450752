//! `tmpcopyup`: a new tmpfs begins with a copy of the directory that it covers.

use core::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::path::text::PathText;
use crate::sys::file::{self, Status};
use crate::sys::{Call, Fault, Result, descriptor};

/// How deep a copied tree may be: every level has a frame on the stack.
const MAX_DEPTH: u32 = 64;
/// Bytes that are copied at a time.
const BLOCK: usize = 8192;

const READ: i32 = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// Copies what the directory `from` holds to the directory `to`.
pub(super) fn contents(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    directory(from, to, MAX_DEPTH)
}

/// Gives a directory the owner and the mode of another.
pub(super) fn owner_and_mode(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let status = file::status(from)?;
    let to = file::open(to, c".", libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    apply_status(&to, &status)
}

fn directory(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: u32) -> Result<()> {
    let depth = depth
        .checked_sub(1)
        .ok_or(Fault::new(Call::PathTooLong, libc::ELOOP))?;
    let from = file::open(from, c".", READ | libc::O_DIRECTORY, 0)?;
    descriptor::for_each_entry::<1024>(from.as_fd(), |name, _| entry(from.as_fd(), to, name, depth))
}

/// Copies one file. What it is is asked of the descriptor, which stays the same file.
fn entry(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, depth: u32) -> Result<()> {
    let original = file::open(from, name, libc::O_PATH | libc::O_NOFOLLOW, 0)?;
    let status = file::status(original.as_fd())?;
    let permissions = status.mode & 0o7777;
    match status.kind() {
        libc::S_IFDIR => {
            file::make_directory(to, name, 0o700)?;
            let copy = file::open(to, name, READ | libc::O_DIRECTORY, 0)?;
            directory(original.as_fd(), copy.as_fd(), depth)?;
            let readable = file::open(original.as_fd(), c".", READ, 0)?;
            attributes(readable.as_fd(), copy.as_fd());
            apply_status(&copy, &status)
        }
        libc::S_IFREG => regular(from, to, name, &status),
        libc::S_IFLNK => {
            link(original.as_fd(), to, name)?;
            file::change_owner_at(to, name, status.uid, status.gid)
        }
        kind => {
            file::make_node(to, name, kind | permissions, status.represents)?;
            file::change_owner_at(to, name, status.uid, status.gid)
        }
    }
}

fn link(original: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let target = PathText::read_link(original, c"")?;
    file::make_link(target.as_cstr(), to, name)
}

fn regular(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, status: &Status) -> Result<()> {
    let original = file::open(from, name, READ, 0)?;
    let opened = file::status(original.as_fd())?;
    if (opened.device, opened.inode) != (status.device, status.inode) {
        return Err(Fault::new(Call::Open, libc::EAGAIN));
    }
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let copy = file::open(to, name, flags, 0o600)?;
    bytes(original.as_fd(), copy.as_fd())?;
    attributes(original.as_fd(), copy.as_fd());
    apply_status(&copy, status)
}

fn bytes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let mut block = [0; BLOCK];
    loop {
        let length = file::read(from, &mut block)?;
        if length == 0 {
            return Ok(());
        }
        file::write_all(to, block.get(..length).unwrap_or_default())?;
    }
}

/// The owner first: it takes the set-user-ID bits away.
fn apply_status(copy: &OwnedFd, status: &Status) -> Result<()> {
    file::change_owner(copy.as_fd(), status.uid, Some(status.gid))?;
    file::change_mode(copy.as_fd(), status.mode & 0o7777)
}

/// Copies the extended attributes that the tmpfs takes: which ones it does depends on the kernel's
/// configuration, so that none is missed by anybody.
fn attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) {
    let mut names = [0; 1024];
    let Ok(length) = file::attribute_names(from, &mut names) else {
        return;
    };
    let mut value = [0; 1024];
    let names = names.get(..length).unwrap_or_default();
    for name in names.split_inclusive(|byte| *byte == 0) {
        if let Ok(name) = CStr::from_bytes_with_nul(name) {
            // See above: refusals are borne.
            let _ = file::copy_attribute(from, to, name, &mut value);
        }
    }
}
