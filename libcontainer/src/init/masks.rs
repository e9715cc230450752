//! Hiding paths, and making them read-only.
//!
//! What covers a file is the host's null device, verified and opened before the root could say what
//! `/dev/null` is. All masks of one kind are clones of one mount: a file system a mask costs time and
//! memory on machines with many CPUs.

use core::ffi::CStr;
use std::os::fd::BorrowedFd;

use super::attributes::{Rest, apply};
use super::state::Child;
use crate::path::{self, How, text::NameText};
use crate::plan::step::{Attributes, Source};
use crate::sys::mount::{self, MountAttr, attr};
use crate::sys::{Call, Fault, Result, descriptor, file};

/// What is a directory where it is there: tried as one first.
const DIRECTORIES: [&CStr; 4] = [
    c"/proc/acpi",
    c"/proc/asound",
    c"/proc/scsi",
    c"/sys/firmware",
];

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
        if self.is_kernels_own(path) && self.mask_by_path(path)? {
            return Ok(());
        }
        let Some(target) = self.existing(path)? else {
            return Ok(());
        };
        if file::status(target)?.is_directory() {
            self.mask_directory(path, target)
        } else {
            let null = self.null_tree(None)?;
            mount::attach(null, target)?;
            self.null_is_attached = true;
            Ok(())
        }
    }

    /// Whether a path names an entry of the procfs or sysfs that the child has mounted itself, in a
    /// root that is its own by now: only the kernel makes those, and what it makes there leads nowhere
    /// else, so that the path itself can be used. Not so the entries that are of a process.
    fn is_kernels_own(&self, path: &CStr) -> bool {
        let path = path.to_bytes();
        let in_proc = path.strip_prefix(b"/proc/").filter(|_| self.own_proc);
        let in_sys = path.strip_prefix(b"/sys/").filter(|_| self.own_sys);
        let Some(name) = in_proc.or(in_sys).filter(|_| self.has_own_root) else {
            return false;
        };
        let is_one = !name.is_empty() && !name.contains(&b'/') && !name.starts_with(b".");
        let of_process = matches!(name, b"self" | b"thread-self" | b"net" | b"mounts");
        is_one && !of_process && !name.iter().all(u8::is_ascii_digit)
    }

    /// Covers an entry of the child's own procfs or sysfs. Says whether it is done: something that the
    /// kernel refuses is tried, and told, the other way.
    fn mask_by_path(&mut self, path: &CStr) -> Result<bool> {
        let covers: [fn(&mut Self, &CStr) -> Result<()>; 2] = if DIRECTORIES.contains(&path) {
            [Self::cover_directory_at, Self::cover_file_at]
        } else {
            [Self::cover_file_at, Self::cover_directory_at]
        };
        for cover in covers {
            match cover(self, path) {
                Ok(()) => return Ok(true),
                Err(fault) if fault.errno == libc::ENOENT => return Ok(true),
                // It is of the other kind.
                Err(fault) if matches!(fault.errno, libc::EINVAL | libc::ENOTDIR) => {}
                Err(_) => return Ok(false),
            }
        }
        Ok(false)
    }

    fn cover_file_at(&mut self, path: &CStr) -> Result<()> {
        let null = self.null_tree(Some(path))?;
        mount::attach_at_path(null, path)?;
        self.null_is_attached = true;
        Ok(())
    }

    fn cover_directory_at(&mut self, path: &CStr) -> Result<()> {
        if let Some(empty) = self.empty_tree(Some(path))? {
            return mount::attach_at_path(empty, path);
        }
        let mut covered = NameText::new();
        covered.push(path.to_bytes())?;
        cover(path)?;
        self.empty_path = Some(covered);
        Ok(())
    }

    /// A mount of the null device that is not attached, for a path if that is there. A detached tree
    /// cannot be cloned before kernel 6.15, an attached one can.
    fn null_tree(&self, path: Option<&CStr>) -> Result<BorrowedFd<'static>> {
        let null = self.null.ok_or(Fault::new(Call::MissingDescriptor, 0))?;
        if !self.null_is_attached {
            return Ok(null);
        }
        path.map_or(Ok(()), is_there)?;
        Ok(self.leave(mount::clone_tree(null, c"", false)?))
    }

    /// A mount of the empty directory that is not attached, where one is attached already, for a path
    /// if that is there.
    fn empty_tree(&self, path: Option<&CStr>) -> Result<Option<BorrowedFd<'static>>> {
        let (at, name) = match (self.empty, &self.empty_path) {
            (Some(empty), _) => (empty, c""),
            (None, Some(path)) => (descriptor::CWD, path.as_cstr()),
            (None, None) => return Ok(None),
        };
        path.map_or(Ok(()), is_there)?;
        Ok(Some(self.leave(mount::clone_tree(at, name, false)?)))
    }

    fn mask_directory(&mut self, path: &CStr, target: BorrowedFd<'_>) -> Result<()> {
        if let Some(empty) = self.empty_tree(None)? {
            return mount::attach(empty, target);
        }
        self.at_root = false;
        file::enter(target)?;
        cover(c".")?;
        // What lies there now is what was mounted.
        self.empty = self.existing(path)?;
        Ok(())
    }

    /// Mounts a path on itself, read-only; one that is not there is left alone.
    pub(super) fn make_read_only(&mut self, path: &CStr) -> Result<()> {
        let read_only = MountAttr {
            set: attr::RDONLY,
            ..MountAttr::default()
        };
        // Of the child's own procfs nothing is mounted below, so that all of it is the top.
        let is_proc = path.to_bytes().starts_with(b"/proc/") && !self.proc_is_covered;
        if is_proc && self.is_kernels_own(path) {
            match mount::clone_tree_with(descriptor::CWD, path, false, &read_only) {
                Ok(tree) => {
                    let tree = self.leave(tree);
                    return mount::attach_at_path(tree, path);
                }
                Err(fault) if fault.errno == libc::ENOENT => return Ok(()),
                // A kernel before 6.15, or something that is to be told the other way.
                Err(_) => {}
            }
        }
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

/// Asked before a tree is cloned for a path: closing one that is attached nowhere waits for a grace
/// period of RCU.
fn is_there(path: &CStr) -> Result<()> {
    file::status_at(descriptor::CWD, path, libc::AT_SYMLINK_NOFOLLOW).map(drop)
}

/// Covers a directory, the working one or one at an absolute path, with an empty read-only one, as
/// small as the kernel lets it be: some count one inode more than the root's own.
fn cover(target: &CStr) -> Result<()> {
    let flags = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let options = [
        c"mode=0755,nr_blocks=1,nr_inodes=1",
        c"mode=0755,nr_blocks=1,nr_inodes=2",
    ];
    for options in options {
        match mount::mount_new(c"tmpfs", c"tmpfs", target, flags, options) {
            Err(fault) if matches!(fault.errno, libc::EINVAL | libc::ENOSPC) => {}
            other => return other,
        }
    }
    mount::mount_new(c"tmpfs", c"tmpfs", target, flags, c"mode=0755")
}
