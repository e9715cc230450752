//! Hiding paths, and making them read-only.
//!
//! What covers a file is the host's null device, verified and opened before the root could say what
//! `/dev/null` is. All masks of one kind are clones of one mount: a file system a mask costs time and
//! memory on machines with many CPUs.

use core::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

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
        if !file::status(tree.fd.as_fd())?.is_null_device() {
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
        if file::status(target.as_fd())?.is_directory() {
            self.mask_directory(target.as_fd())
        } else {
            self.mask_file(target.as_fd())
        }
    }

    fn mask_file(&mut self, target: BorrowedFd<'_>) -> Result<()> {
        let null = match &self.null {
            Some(null) => null.as_fd(),
            None => return Err(Fault::new(Call::MissingDescriptor, 0)),
        };
        // A detached tree cannot be cloned before kernel 6.15, an attached one can.
        if self.null_is_attached {
            let clone = mount::clone_tree(null, c"", false)?;
            return mount::attach(clone.as_fd(), target);
        }
        mount::attach(null, target)?;
        self.null_is_attached = true;
        Ok(())
    }

    fn mask_directory(&mut self, target: BorrowedFd<'_>) -> Result<()> {
        if let Some(empty) = &self.empty {
            let clone = mount::clone_tree(empty.as_fd(), c"", false)?;
            return mount::attach(clone.as_fd(), target);
        }
        let empty = empty_directory()?;
        mount::attach(empty.as_fd(), target)?;
        self.empty = Some(empty);
        Ok(())
    }

    /// Mounts a path on itself, read-only; one that is not there is left alone.
    pub(super) fn make_read_only(&mut self, path: &CStr) -> Result<()> {
        let Some(target) = self.existing(path)? else {
            return Ok(());
        };
        let tree = mount::clone_tree(target.as_fd(), c"", true)?;
        let attributes = Attributes {
            set: attr::RDONLY,
            ..Attributes::default()
        };
        let rest: Rest = apply(tree.as_fd(), &attributes)?;
        mount::attach(tree.as_fd(), target.as_fd())?;
        self.finish(tree.as_fd(), &attributes, rest)
    }

    /// The file at a path. That something is missing counts only here: later, with the file in hand,
    /// `ENOENT` would mean that somebody plays.
    fn existing(&mut self, path: &CStr) -> Result<Option<OwnedFd>> {
        match path::resolve(self.root()?, path, How::default()) {
            Ok(found) => Ok(Some(found)),
            Err(fault) if matches!(fault.errno, libc::ENOENT | libc::ENOTDIR) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// An empty read-only directory, as small as the kernel lets it be: some count one inode more than
/// the root's own.
fn empty_directory() -> Result<OwnedFd> {
    for inodes in [c"1", c"2"] {
        match small_tmpfs(Some(inodes)) {
            Err(fault) if matches!(fault.errno, libc::EINVAL | libc::ENOSPC) => {}
            other => return other,
        }
    }
    small_tmpfs(None)
}

fn small_tmpfs(inodes: Option<&CStr>) -> Result<OwnedFd> {
    let context = mount::open_filesystem(c"tmpfs")?;
    let context = context.as_fd();
    mount::set_string(context, c"mode", c"0755")?;
    if let Some(inodes) = inodes {
        mount::set_string(context, c"nr_blocks", c"1")?;
        mount::set_string(context, c"nr_inodes", inodes)?;
    }
    mount::create_superblock(context)?;
    let attributes = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC;
    mount::mount_filesystem(context, attributes)
}
