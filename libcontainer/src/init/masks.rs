//! Hiding paths, and making them read-only.
//!
//! What covers a file is the host's null device, verified and opened before the root could say what
//! `/dev/null` is. All masks of one kind are clones of one mount: a file system a mask costs time and
//! memory on machines with many CPUs.

use core::ffi::CStr;
use std::os::fd::BorrowedFd;

use super::attributes::{Rest, apply};
use super::state::Child;
use crate::path::{self, How};
use crate::plan::step::{Attributes, Source};
use crate::sys::mount::{self, attr};
use crate::sys::{Call, Fault, Result, file};

impl Child<'_> {
    /// Takes the null device from which files are masked.
    pub(super) fn take_null(&mut self, source: &Source) -> Result<()> {
        let tree = self.tree(source, &Attributes::default())?;
        if !file::status(tree.fd)?.is_null_device() {
            return Err(Fault::new(Call::VerifyNull, 0));
        }
        self.null = Some(tree.fd);
        self.null_is_attached = false;
        Ok(())
    }

    /// Covers a path; one that is not there is left alone.
    pub(super) fn mask(&mut self, path: &CStr) -> Result<()> {
        let Some(target) = self.existing(path)? else {
            return Ok(());
        };
        if file::status(target)?.is_directory() {
            self.mask_directory(path, target)
        } else {
            self.mask_file(target)
        }
    }

    fn mask_file(&mut self, target: BorrowedFd<'_>) -> Result<()> {
        let null = self.null.ok_or(Fault::new(Call::MissingDescriptor, 0))?;
        // A detached tree cannot be cloned before kernel 6.15, an attached one can.
        if self.null_is_attached {
            let clone = self.leave(mount::clone_tree(null, c"", false)?);
            return mount::attach(clone, target);
        }
        mount::attach(null, target)?;
        self.null_is_attached = true;
        Ok(())
    }

    fn mask_directory(&mut self, path: &CStr, target: BorrowedFd<'_>) -> Result<()> {
        if let Some(empty) = self.empty {
            let clone = self.leave(mount::clone_tree(empty, c"", false)?);
            return mount::attach(clone, target);
        }
        cover(target)?;
        // What lies there now is what was mounted.
        self.empty = self.existing(path)?;
        Ok(())
    }

    /// Mounts a path on itself, read-only; one that is not there is left alone.
    pub(super) fn make_read_only(&mut self, path: &CStr) -> Result<()> {
        let Some(target) = self.existing(path)? else {
            return Ok(());
        };
        let tree = self.leave(mount::clone_tree(target, c"", true)?);
        let attributes = Attributes {
            set: attr::RDONLY,
            ..Attributes::default()
        };
        let rest: Rest = apply(tree, &attributes)?;
        mount::attach(tree, target)?;
        self.finish(tree, rest)
    }

    /// The file at a path. That something is missing counts only here: later, with the file in hand,
    /// `ENOENT` would mean that somebody plays.
    fn existing(&mut self, path: &CStr) -> Result<Option<BorrowedFd<'static>>> {
        match path::resolve(self.root()?, path, How::default()) {
            Ok(found) => Ok(Some(self.leave(found))),
            Err(fault) if matches!(fault.errno, libc::ENOENT | libc::ENOTDIR) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// Covers a directory with an empty read-only one, as small as the kernel lets it be: some count one
/// inode more than the root's own.
fn cover(target: BorrowedFd<'_>) -> Result<()> {
    file::enter(target)?;
    let flags = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let options = [
        c"mode=0755,nr_blocks=1,nr_inodes=1",
        c"mode=0755,nr_blocks=1,nr_inodes=2",
    ];
    for options in options {
        match mount::mount_here(c"tmpfs", c"tmpfs", flags, options) {
            Err(fault) if matches!(fault.errno, libc::EINVAL | libc::ENOSPC) => {}
            other => return other,
        }
    }
    mount::mount_here(c"tmpfs", c"tmpfs", flags, c"mode=0755")
}
