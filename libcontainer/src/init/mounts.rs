//! Mounts inside the root: a detached tree is made ready, then attached to a descriptor.

use core::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::attributes::{Rest, apply, split_for_new};
use super::copy;
use super::known::trimmed;
use super::state::Child;
use crate::path::text::{NameText, Text};
use crate::path::{self, How, Make};
use crate::plan::step::{Attributes, IdMapping, MountStep, Param, Source, TargetKind};
use crate::sys::mount::{self, MountAttr, attr};
use crate::sys::{Call, Fault, Result, descriptor, file};

/// Inode of the root of every procfs (`PROC_ROOT_INO`).
const PROC_ROOT_INODE: u64 = 1;

/// How the place of a mount was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// It was made.
    Made,
    /// It was there, and no symbolic link is on the way.
    Plain,
    /// It was there, perhaps behind a link.
    BehindLink,
}

/// What is made where the place of a mount is missing.
fn make(is_directory: bool) -> Make {
    if is_directory {
        Make::Directory
    } else {
        Make::File
    }
}

/// A mount that is not attached yet.
pub(super) struct Tree {
    pub fd: BorrowedFd<'static>,
    pub rest: Rest,
}

impl Child<'_> {
    /// Mounts something inside the root.
    pub(super) fn mount(&mut self, step: &MountStep) -> Result<()> {
        if let Some(simple) = Simple::of(step)
            && self.mount_simply(step, &simple)?
        {
            return Ok(());
        }
        self.entered = None;
        let mode = step.inherit_mode.then(|| self.mode_of(&step.target));
        let tree = self.tree_with_mode(&step.source, &step.attributes, mode.flatten())?;
        if let Some(idmap) = step.idmap {
            self.map_ids(&step.source, tree.fd, idmap)?;
        }
        if step.procfs_only {
            must_be_procfs_root(tree.fd)?;
        }
        if path::is_root(&step.target) {
            return self.mount_root(tree);
        }
        let is_directory = match step.target_kind {
            TargetKind::Directory => true,
            TargetKind::LikeSource => file::status(tree.fd)?.is_directory(),
        };
        let needs_target = step.copy_up || step.inherit_mode;
        if !needs_target && let Some((directory, name)) = self.entry_in_new(step, is_directory)? {
            mount::attach_to_entry(tree.fd, directory, name.as_cstr())?;
            self.may_hold_procfs(step);
            return self.finish(tree.fd, tree.rest);
        }
        let (target, found) = self.target(step, is_directory)?;
        if step.copy_up {
            copy::contents(target, tree.fd)?;
        }
        if step.inherit_mode && found != Found::Made {
            copy::owner_and_mode(target, tree.fd)?;
        }
        mount::attach(tree.fd, target)?;
        self.covered(step, found);
        self.may_hold_procfs(step);
        self.finish(tree.fd, tree.rest)
    }

    /// Mounts a new instance of a file system by one call, on a directory that was entered by its
    /// descriptor, or on a new entry of that. Says whether it did: where the kernel refuses, the long
    /// way tells which parameter is at fault, or finds another source.
    fn mount_simply(&mut self, step: &MountStep, simple: &Simple<'_>) -> Result<bool> {
        let Simple {
            kind,
            source,
            flags,
            options,
        } = simple;
        let mount_on = |name| mount::mount_new(kind, source, name, *flags, options.as_cstr());
        if let Some((directory, name)) = self.entry_in_new(step, true)? {
            self.enter_once(directory)?;
            let mounted = mount_on(name.as_cstr()).is_ok();
            if mounted {
                self.mounted_new(step, kind);
            }
            return Ok(mounted);
        }
        let (target, found) = self.target(step, true)?;
        self.enter_once(target)?;
        let mounted = mount_on(c".").is_ok();
        if mounted {
            self.covered(step, found);
            self.mounted_new(step, kind);
        }
        Ok(mounted)
    }

    /// Changes to a directory where the last step has not done it.
    fn enter_once(&mut self, directory: BorrowedFd<'_>) -> Result<()> {
        let number = Some(directory.as_raw_fd());
        if self.entered != number {
            self.entered = None;
            file::enter(directory)?;
            self.entered = number;
        }
        Ok(())
    }

    /// Makes the place of a mount in a file system that the child has mounted itself: nobody else can
    /// put anything in its place, so that its name in the directory will do. `None` where it is
    /// somewhere else, or there already.
    fn entry_in_new(
        &mut self,
        step: &MountStep,
        is_directory: bool,
    ) -> Result<Option<(BorrowedFd<'static>, NameText)>> {
        if path::is_root(&step.target) {
            return Ok(None);
        }
        let (above, name) = path::split(&step.target)?;
        let may_be = self.known.is_new_mount(above)
            || self.known.find(above).is_some_and(|place| place.is_new);
        if !may_be {
            return Ok(None);
        }
        let place = self.directory(above)?;
        let is_made =
            place.is_new && path::make_entry(place.directory, name.as_cstr(), make(is_directory))?;
        Ok(is_made.then_some((place.directory, name)))
    }

    /// Remembers what was mounted by [`Child::mount_simply`].
    fn mounted_new(&mut self, step: &MountStep, kind: &CStr) {
        let target = step.target.to_bytes();
        match (kind.to_bytes(), trimmed(target)) {
            (b"tmpfs", _) => self.known.mounted(target),
            (b"proc", b"/proc") => self.own_proc = true,
            (b"proc", _) => self.holds_trees = true,
            (b"sysfs", b"/sys") => self.own_sys = true,
            _ => {}
        }
    }

    /// Maps the ids of a tree. In a user namespace the file system's owner is needed for that, which
    /// the parent may be.
    fn map_ids(&self, source: &Source, tree: BorrowedFd<'_>, idmap: IdMapping) -> Result<()> {
        let mapped = MountAttr::id_mapped(self.slot(idmap.slot)?);
        match mount::set_attributes(tree, &mapped, idmap.recursive) {
            Err(fault) if fault.errno == libc::EPERM && matches!(source, Source::Inside { .. }) => {
                self.have_ids_mapped(tree, idmap)
            }
            other => other,
        }
    }

    /// The permissions of a directory inside the root, where there is one.
    fn mode_of(&mut self, target: &CStr) -> Option<u32> {
        let found = path::resolve(self.root().ok()?, target, How::default()).ok()?;
        let status = file::status(found.as_fd()).ok()?;
        status.is_directory().then_some(status.mode & 0o7777)
    }

    /// A mount on `/`: what follows happens on it.
    fn mount_root(&mut self, tree: Tree) -> Result<()> {
        let root = self.root()?;
        mount::attach(tree.fd, root)?;
        file::enter(tree.fd)?;
        (self.own_proc, self.own_sys, self.holds_trees) = (false, false, true);
        self.root = Some(tree.fd);
        self.known.clear();
        self.finish(tree.fd, tree.rest)
    }

    /// A mount covers a directory: one that was just made in a known parent cannot be that parent,
    /// nor above it.
    fn covered(&mut self, step: &MountStep, found: Found) {
        let target = step.target.to_bytes();
        if found != Found::Made {
            let is_plain = found == Found::Plain;
            self.known.cover(target, is_plain);
            self.own_proc &= is_plain && trimmed(target) != b"/proc";
            self.own_sys &= is_plain && trimmed(target) != b"/sys";
        }
        self.proc_is_covered |= step.may_cover_proc;
    }

    /// A tree may hold anything, and only on `/proc` itself is a procfs expected.
    fn may_hold_procfs(&mut self, step: &MountStep) {
        self.holds_trees |= match &step.source {
            Source::Filesystem {
                fstype,
                fallback: None,
                ..
            } => &**fstype == c"proc" && trimmed(step.target.to_bytes()) != b"/proc",
            _ => true,
        };
    }

    /// The place of a mount, made where it is missing, and how it was found.
    fn target(
        &mut self,
        step: &MountStep,
        is_directory: bool,
    ) -> Result<(BorrowedFd<'static>, Found)> {
        let how = How {
            no_links: step.strict_target,
            directory: is_directory,
            ..How::default()
        };
        let (target, found) = self.find_or_make(&step.target, how, make(is_directory))?;
        if found == Found::Made {
            // Nothing can be made on a procfs.
            return Ok((target, found));
        }
        // move_mount(2) says no more than EINVAL.
        if !is_directory && file::status(target)?.is_directory() {
            return Err(Fault::new(Call::Open, libc::EISDIR));
        }
        // A path without links leads to a procfs only below one that was mounted.
        let is_elsewhere = found == Found::Plain
            && !self.holds_trees
            && !step.target.to_bytes().starts_with(b"/proc/");
        if !is_elsewhere && !step.may_cover_proc && file::is_on_procfs(target)? {
            return Err(Fault::new(Call::TargetOnProcfs, 0));
        }
        Ok((target, found))
    }

    fn find_or_make(
        &mut self,
        target: &CStr,
        how: How,
        make: Make,
    ) -> Result<(BorrowedFd<'static>, Found)> {
        // In a directory where something was made before, this is missing too, as a rule.
        let (above, _) = path::split(target)?;
        let is_known = !how.no_links && self.known.find(above).is_some();
        if is_known && let Some(made) = self.make_in_parent(target, make)? {
            return Ok((made, Found::Made));
        }
        let root = self.root()?;
        let plain = How {
            no_links: true,
            ..how
        };
        let resolved = match path::resolve(root, target, plain) {
            Err(fault) if fault.errno == libc::ELOOP && !how.no_links => {
                path::resolve(root, target, how).map(|found| (found, Found::BehindLink))
            }
            other => other.map(|found| (found, Found::Plain)),
        };
        match resolved {
            Ok((place, found)) => return Ok((self.leave(place), found)),
            Err(fault) if fault.errno == libc::ENOENT => {}
            Err(fault) => return Err(fault),
        }
        if !how.no_links
            && !is_known
            && let Some(made) = self.make_in_parent(target, make)?
        {
            return Ok((made, Found::Made));
        }
        // Below a link, or where one dangles.
        let (place, was_made) = path::ensure(root, target, how, make)?;
        let found = if was_made {
            Found::Made
        } else {
            Found::BehindLink
        };
        Ok((self.leave(place), found))
    }

    /// `None` where something is there already.
    fn make_in_parent(&mut self, target: &CStr, make: Make) -> Result<Option<BorrowedFd<'static>>> {
        let (parent, name) = self.parent_of(target)?;
        let made = path::make_new(parent, name.as_cstr(), make)?;
        Ok(made.map(|made| self.leave(made)))
    }

    /// The detached tree of a source, with its attributes.
    pub(super) fn tree(&mut self, source: &Source, attributes: &Attributes) -> Result<Tree> {
        self.tree_with_mode(source, attributes, None)
    }

    /// The detached tree of a source, with its attributes. `mode` is what the root directory of a
    /// new file system is to have, in place of its default.
    fn tree_with_mode(
        &mut self,
        source: &Source,
        attributes: &Attributes,
        mode: Option<u32>,
    ) -> Result<Tree> {
        match source {
            Source::Filesystem {
                fstype,
                params,
                fallback,
            } => {
                let (taken, left) = split_for_new(attributes);
                match filesystem(fstype, params, taken, mode) {
                    Ok(fd) => {
                        let fd = self.leave(fd);
                        let rest = apply(fd, &left)?;
                        Ok(Tree { fd, rest })
                    }
                    Err(fault) => match fallback {
                        Some(other) if matches!(fault.errno, libc::EPERM | libc::EBUSY) => {
                            self.tree(other, &attributes.of_clone())
                        }
                        _ => Err(fault),
                    },
                }
            }
            Source::Tree(slot) => {
                let fd = self.slot(*slot)?;
                let is_finished = self.finished.get(usize::from(slot.0)).copied();
                let rest = match is_finished {
                    Some(true) => Rest::Nothing,
                    _ => apply(fd, attributes)?,
                };
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
            Source::Inside { path, recursive } => {
                let place = path::resolve(self.root()?, path, How::default())?;
                let fd = self.leave(mount::clone_tree(place.as_fd(), c"", *recursive)?);
                let rest = apply(fd, attributes)?;
                Ok(Tree { fd, rest })
            }
            Source::HostPath { path, recursive } => {
                let fd = self.leave(mount::clone_tree(descriptor::CWD, path, *recursive)?);
                let rest = apply(fd, attributes)?;
                Ok(Tree { fd, rest })
            }
        }
    }

    /// Changes the attributes of a mount that is there.
    pub(super) fn set_attributes(&mut self, target: &CStr, attributes: &Attributes) -> Result<()> {
        // The root of a file system that the child has mounted is the mount there.
        let known = self.known.find(target.to_bytes());
        let target = match known.filter(|place| place.is_new) {
            Some(place) => place.directory,
            None => {
                let target = path::resolve(self.root()?, target, How::default())?;
                self.leave(target)
            }
        };
        let rest = apply(target, attributes)?;
        self.finish(target, rest)
    }
}

/// A mount that mount(2) makes as well as the calls for a detached tree do.
struct Simple<'a> {
    kind: &'a CStr,
    source: &'a CStr,
    flags: u64,
    options: Text<OPTIONS>,
}

/// Room for the options of [`Simple`].
const OPTIONS: usize = 512;

/// File systems whose options mount(2) gives them as they are; it makes the instance read-only and
/// not the mount alone, which for these makes no difference.
const SIMPLE: [(&CStr, bool); 6] = [
    (c"proc", true),
    (c"sysfs", true),
    (c"mqueue", true),
    (c"cgroup2", true),
    (c"devpts", false),
    (c"tmpfs", false),
];

/// `MOUNT_ATTR_*` and `MS_*` of the same meaning.
const SIMPLE_FLAGS: [(u64, u64); 7] = [
    (attr::RDONLY, libc::MS_RDONLY),
    (attr::NOSUID, libc::MS_NOSUID),
    (attr::NODEV, libc::MS_NODEV),
    (attr::NOEXEC, libc::MS_NOEXEC),
    (attr::NOATIME, libc::MS_NOATIME),
    (attr::STRICTATIME, libc::MS_STRICTATIME),
    (attr::NODIRATIME, libc::MS_NODIRATIME),
];

impl<'a> Simple<'a> {
    fn of(step: &'a MountStep) -> Option<Self> {
        let Source::Filesystem { fstype, params, .. } = &step.source else {
            return None;
        };
        let (kind, may_be_read_only) = *SIMPLE.iter().find(|(kind, _)| *kind == &**fstype)?;
        let (taken, left) = split_for_new(&step.attributes);
        let read_only = taken & attr::RDONLY != 0;
        let needs_tree =
            step.copy_up || step.inherit_mode || step.procfs_only || step.idmap.is_some();
        if needs_tree
            || left != Attributes::default()
            || (read_only && !may_be_read_only)
            || path::is_root(&step.target)
        {
            return None;
        }
        let mut flags = 0;
        let mut rest = taken;
        for (attribute, flag) in SIMPLE_FLAGS {
            if taken & attribute != 0 {
                flags |= flag;
                rest &= !attribute;
            }
        }
        let (source, options) = simple_options(params)?;
        (rest == 0).then_some(Self {
            kind,
            source: source.unwrap_or(c"none"),
            flags,
            options,
        })
    }
}

/// The source, and the parameters as one text: only those that are taken apart again as they were.
fn simple_options(params: &[Param]) -> Option<(Option<&CStr>, Text<OPTIONS>)> {
    let mut source = None;
    let mut text = Text::new();
    for param in params {
        let (key, value) = match param {
            Param::Text { key, value } if &**key == c"source" => {
                source = Some(&**value);
                continue;
            }
            Param::Text { key, value } => (key, Some(value)),
            Param::Flag(key) => (key, None),
        };
        for (before, part) in [(&b","[..], Some(key)), (b"=", value)] {
            let Some(part) = part.map(|part| part.to_bytes()) else {
                continue;
            };
            if part.iter().any(|byte| matches!(byte, b',' | b'\\' | b'"')) {
                return None;
            }
            if !text.as_bytes().is_empty() {
                text.push(before).ok()?;
            }
            text.push(part).ok()?;
        }
    }
    Some((source, text))
}

/// A new instance of a file system, detached.
fn filesystem(
    kind: &CStr,
    params: &[Param],
    attributes: u64,
    mode: Option<u32>,
) -> Result<OwnedFd> {
    let context = mount::open_filesystem(kind)?;
    for (index, param) in (0..).zip(params) {
        match param {
            Param::Flag(key) => mount::set_flag(context.as_fd(), key),
            Param::Text { key, value } => mount::set_string(context.as_fd(), key, value),
        }
        .map_err(|fault| fault.about(index))?;
    }
    if let Some(mode) = mode {
        let digits = octal(mode);
        if let Ok(digits) = CStr::from_bytes_until_nul(&digits) {
            mount::set_string(context.as_fd(), c"mode", digits)?;
        }
    }
    // Which parameter is at fault the kernel does not say here: none.
    let no_param = u32::try_from(params.len()).unwrap_or(u32::MAX);
    mount::create_superblock(context.as_fd()).map_err(|fault| fault.about(no_param))?;
    mount::mount_filesystem(context.as_fd(), attributes)
}

/// Permission bits in four octal digits, with a zero behind.
fn octal(mode: u32) -> [u8; 5] {
    let mut digits = [b'0', b'0', b'0', b'0', 0];
    for (digit, shift) in digits.iter_mut().zip([9, 6, 3, 0]) {
        *digit += ((mode >> shift) & 7) as u8;
    }
    digits
}

fn must_be_procfs_root(tree: BorrowedFd<'_>) -> Result<()> {
    if file::is_on_procfs(tree)? && file::status(tree)?.inode == PROC_ROOT_INODE {
        Ok(())
    } else {
        Err(Fault::new(Call::VerifyProcfs, 0))
    }
}
