//! Mounts inside the root: a detached tree is made ready, then attached to a descriptor.

use core::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::attributes::{Rest, apply, split_for_new};
use super::copy;
use super::state::Child;
use crate::path::{self, How, Make};
use crate::plan::step::{Attributes, MountStep, Param, Source, TargetKind};
use crate::sys::mount::{self, MountAttr};
use crate::sys::{Call, Fault, Result, descriptor, file};

/// Inode of the root of every procfs (`PROC_ROOT_INO`).
const PROC_ROOT_INODE: u64 = 1;

/// A mount that is not attached yet.
pub(super) struct Tree {
    pub fd: OwnedFd,
    pub rest: Rest,
}

impl Child<'_> {
    /// Mounts something inside the root.
    pub(super) fn mount(&mut self, step: &MountStep) -> Result<()> {
        let tree = self.tree(&step.source, &step.attributes)?;
        if let Some(idmap) = step.idmap {
            let mapped = MountAttr::id_mapped(self.slot(idmap.slot)?);
            mount::set_attributes(tree.fd.as_fd(), &mapped, idmap.recursive)?;
        }
        if step.procfs_only {
            must_be_procfs_root(tree.fd.as_fd())?;
        }
        if path::is_root(&step.target) {
            return self.mount_root(tree, &step.attributes);
        }
        let (target, was_made) = self.target(step, tree.fd.as_fd())?;
        if step.copy_up {
            copy::contents(target.as_fd(), tree.fd.as_fd())?;
        }
        if step.inherit_mode && !was_made {
            copy::owner_and_mode(target.as_fd(), tree.fd.as_fd())?;
        }
        mount::attach(tree.fd.as_fd(), target.as_fd())?;
        self.finish(tree.fd.as_fd(), &step.attributes, tree.rest)
    }

    /// A mount on `/`: what follows happens on it.
    fn mount_root(&mut self, tree: Tree, attributes: &Attributes) -> Result<()> {
        let root = self.root()?;
        mount::attach(tree.fd.as_fd(), root)?;
        file::enter(tree.fd.as_fd())?;
        let (fd, rest) = (tree.fd, tree.rest);
        let again = file::open(fd.as_fd(), c".", libc::O_PATH | libc::O_DIRECTORY, 0)?;
        self.root = Some(fd);
        self.finish(again.as_fd(), attributes, rest)
    }

    /// The place of a mount, made where it is missing, and whether it was.
    fn target(&mut self, step: &MountStep, tree: BorrowedFd<'_>) -> Result<(OwnedFd, bool)> {
        let is_directory = match step.target_kind {
            TargetKind::Directory => true,
            TargetKind::LikeSource => file::status(tree)?.is_directory(),
        };
        let make = if is_directory {
            Make::Directory
        } else {
            Make::File
        };
        let how = How {
            no_links: step.strict_target,
            ..How::default()
        };
        let (target, was_made) = path::ensure(self.root()?, &step.target, how, make)?;
        // move_mount(2) says no more than EINVAL of both.
        match (is_directory, file::status(target.as_fd())?.is_directory()) {
            (true, false) => return Err(Fault::new(Call::Open, libc::ENOTDIR)),
            (false, true) => return Err(Fault::new(Call::Open, libc::EISDIR)),
            _ => {}
        }
        if !step.may_cover_proc && file::is_on_procfs(target.as_fd())? {
            return Err(Fault::new(Call::TargetOnProcfs, 0));
        }
        Ok((target, was_made))
    }

    /// The detached tree of a source, with its attributes.
    pub(super) fn tree(&self, source: &Source, attributes: &Attributes) -> Result<Tree> {
        match source {
            Source::Filesystem {
                fstype,
                params,
                fallback,
            } => {
                let (taken, left) = split_for_new(attributes);
                match filesystem(fstype, params, taken) {
                    Ok(fd) => {
                        let rest = apply(fd.as_fd(), &left)?;
                        Ok(Tree { fd, rest })
                    }
                    Err(fault) => match fallback {
                        Some(other) if matches!(fault.errno, libc::EPERM | libc::EBUSY) => {
                            self.tree(other, attributes)
                        }
                        _ => Err(fault),
                    },
                }
            }
            Source::Tree(slot) => {
                // The slot keeps its own descriptor, which `CloseFrom` closes.
                let fd = descriptor::duplicate(self.slot(*slot)?)?;
                let rest = apply(fd.as_fd(), attributes)?;
                Ok(Tree { fd, rest })
            }
            Source::FirstOf(sources) => {
                let mut missing = Fault::new(Call::OpenTree, libc::ENOENT);
                for source in sources {
                    match self.tree(source, attributes) {
                        Err(fault) if fault.errno == libc::ENOENT => missing = fault,
                        other => return other,
                    }
                }
                Err(missing)
            }
            Source::HostPath { path, recursive } => {
                let fd = mount::clone_tree(descriptor::CWD, path, *recursive)?;
                let rest = apply(fd.as_fd(), attributes)?;
                Ok(Tree { fd, rest })
            }
        }
    }

    /// Changes the attributes of a mount that is there.
    pub(super) fn set_attributes(&mut self, target: &CStr, attributes: &Attributes) -> Result<()> {
        let target = path::resolve(self.root()?, target, How::default())?;
        let rest = apply(target.as_fd(), attributes)?;
        self.finish(target.as_fd(), attributes, rest)
    }
}

/// A new instance of a file system, detached.
fn filesystem(kind: &CStr, params: &[Param], attributes: u64) -> Result<OwnedFd> {
    let context = mount::open_filesystem(kind)?;
    for (index, param) in (0..).zip(params) {
        match param {
            Param::Flag(key) => mount::set_flag(context.as_fd(), key),
            Param::Text { key, value } => mount::set_string(context.as_fd(), key, value),
        }
        .map_err(|fault| fault.about(index))?;
    }
    // Which parameter is at fault the kernel does not say here: none.
    let no_param = u32::try_from(params.len()).unwrap_or(u32::MAX);
    mount::create_superblock(context.as_fd()).map_err(|fault| fault.about(no_param))?;
    mount::mount_filesystem(context.as_fd(), attributes)
}

fn must_be_procfs_root(tree: BorrowedFd<'_>) -> Result<()> {
    if file::is_on_procfs(tree)? && file::status(tree)?.inode == PROC_ROOT_INODE {
        Ok(())
    } else {
        Err(Fault::new(Call::VerifyProcfs, 0))
    }
}
