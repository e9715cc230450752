//! The container's root: attached, then made the process's own.

use core::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use super::attributes::apply;
use super::mounts::Tree;
use super::state::Child;
use crate::plan::step::{Attributes, Source};
use crate::sys::mount::{self, MountAttr, attr};
use crate::sys::{Call, Fault, Result, descriptor, file};

const DIRECTORY: i32 = libc::O_PATH | libc::O_DIRECTORY;

impl Child<'_> {
    /// Sets the propagation of every mount of the new namespace.
    pub(super) fn propagate(&mut self, flags: u64) -> Result<()> {
        if self.begins_empty {
            // What lies below the container's root stays there: it must hold nothing.
            return match file::is_on_nullfs(c"/")? {
                true => Ok(()),
                false => Err(Fault::new(Call::VerifyEmpty, 0)),
            };
        }
        let apart = libc::MS_PRIVATE | libc::MS_SLAVE | libc::MS_UNBINDABLE;
        self.shares_propagation = flags & apart == 0;
        self.stands_apart = !self.shares_propagation && flags & libc::MS_REC != 0;
        mount::change(c"/", flags)
    }

    /// Attaches the root's tree at its place on the host, or as all that there is.
    pub(super) fn attach_root(
        &mut self,
        source: &Source,
        path: &CStr,
        attributes: &Attributes,
    ) -> Result<()> {
        let tree = self.tree(source, attributes)?;
        if self.begins_empty {
            mount::attach_at_path(tree.fd, c"/")?;
            return self.build_in(tree);
        }
        let place = self.leave(file::open(descriptor::CWD, path, DIRECTORY, 0)?);
        if self.shares_propagation {
            make_holder_private(place)?;
        }
        mount::attach(tree.fd, place)?;
        self.build_in(tree)
    }

    /// Makes a tree the root for what follows.
    fn build_in(&mut self, tree: Tree) -> Result<()> {
        self.root = Some(tree.fd);
        self.known.clear();
        self.finish(tree.fd, tree.rest)
    }

    /// Takes a directory as the root without mounting anything.
    pub(super) fn open_root(&mut self, path: &CStr) -> Result<()> {
        let root = self.leave(file::open(descriptor::CWD, path, DIRECTORY, 0)?);
        file::enter(root)?;
        self.root = Some(root);
        self.known.clear();
        Ok(())
    }

    /// Exchanges the roots and lets go of the old one.
    pub(super) fn pivot(&mut self) -> Result<()> {
        if self.begins_empty {
            return self.enter_only_root();
        }
        let old = if self.stands_apart {
            None
        } else {
            Some(self.leave(file::open(descriptor::CWD, c"/", DIRECTORY, 0)?))
        };
        file::enter(self.root()?)?;
        self.has_own_root = true;
        match mount::pivot_root() {
            Err(fault) if fault.errno == libc::EINVAL => {
                // It may be a shared mount. Whether it is one again in the end `RootPropagation`
                // says.
                mount::change(c".", libc::MS_SLAVE)?;
                mount::pivot_root()?;
            }
            other => other?,
        }
        let Some(old) = old else {
            // The old root lies over the working directory, which is the new one, and this takes what
            // is topmost (pivot_root(2)).
            mount::detach(c".")?;
            self.at_root = true;
            return Ok(());
        };
        file::enter(old)?;
        // Only the old root: what is detached here stays attached on the host.
        mount::change(c".", libc::MS_SLAVE | libc::MS_REC)?;
        mount::detach(c".")?;
        file::enter_path(c"/")
    }

    /// Where the root lies over one that is empty for ever there is nothing to let go of, and what
    /// chroot(2) leaves behind is of no use to anybody.
    fn enter_only_root(&mut self) -> Result<()> {
        file::enter(self.root()?)?;
        file::change_root(c".")?;
        self.has_own_root = true;
        self.at_root = true;
        Ok(())
    }

    /// Where pivot_root(2) is impossible, as on a ramfs: the root moves over `/`. What of the host's
    /// procfs and sysfs could be reached below it is detached before.
    pub(super) fn move_root(&mut self, hidden: &[Box<CStr>]) -> Result<()> {
        for (index, path) in (0..).zip(hidden) {
            hide(path).map_err(|fault| fault.about(index))?;
        }
        let root = self.root()?;
        file::enter(root)?;
        mount::move_to_root(root)?;
        self.has_own_root = true;
        file::change_root(c".")?;
        file::enter_path(c"/")
    }

    /// Changes the root without a mount.
    pub(super) fn change_root(&mut self) -> Result<()> {
        file::enter(self.root()?)?;
        file::change_root(c".")?;
        file::enter_path(c"/")
    }

    pub(super) fn propagate_root(&mut self, flags: u64) -> Result<()> {
        file::enter(self.root()?)?;
        mount::change(c".", flags)
    }

    pub(super) fn make_root_read_only(&mut self) -> Result<()> {
        let root = self.root()?;
        let attributes = Attributes {
            set: attr::RDONLY,
            ..Attributes::default()
        };
        let rest = apply(root, &attributes)?;
        self.finish(root, rest)
    }
}

/// Detaches a mount point of the host, or covers it where it is locked.
fn hide(path: &CStr) -> Result<()> {
    let hidden =
        mount::change(path, libc::MS_SLAVE | libc::MS_REC).and_then(|()| mount::detach(path));
    match hidden {
        Err(fault) if matches!(fault.errno, libc::EINVAL | libc::EPERM) => {
            mount::cover_with_tmpfs(path)
        }
        other => other,
    }
}

/// Makes the mount that holds a directory private: mounting on it would otherwise propagate to the
/// host. Only a mount's own root may be changed, so the way up is tried step by step.
fn make_holder_private(directory: BorrowedFd<'_>) -> Result<()> {
    let private = MountAttr {
        propagation: libc::MS_PRIVATE,
        ..MountAttr::default()
    };
    let mut here = file::open(directory, c".", DIRECTORY, 0)?;
    loop {
        let changed = match mount::set_attributes(here.as_fd(), &private, false) {
            Err(fault) if fault.is_missing() => {
                file::enter(here.as_fd())?;
                mount::change(c".", libc::MS_PRIVATE)
            }
            other => other,
        };
        match changed {
            Err(fault) if fault.errno == libc::EINVAL => {
                let above = file::open(here.as_fd(), c"..", DIRECTORY, 0)?;
                let (here_is, above_is) =
                    (file::status(here.as_fd())?, file::status(above.as_fd())?);
                if (here_is.device, here_is.inode) == (above_is.device, above_is.inode) {
                    return Err(fault);
                }
                here = above;
            }
            other => return other,
        }
    }
}
