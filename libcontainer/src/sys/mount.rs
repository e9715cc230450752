//! Mounts: file system contexts, detached trees, attributes, moving, changing the root.

use core::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::descriptor::CWD;
use super::raw::{fd, own, ptr, syscall};
use super::{Call, Result};

const OPEN_TREE_CLONE: usize = 1;
const AT_RECURSIVE: usize = 0x8000;
const FSOPEN_CLOEXEC: usize = 1;
const FSMOUNT_CLOEXEC: usize = 1;
const FSCONFIG_SET_FLAG: usize = 0;
const FSCONFIG_SET_STRING: usize = 1;
const FSCONFIG_CMD_CREATE: usize = 6;
const MOVE_MOUNT_F_EMPTY_PATH: usize = 0x04;
const MOVE_MOUNT_T_SYMLINKS: usize = 0x10;
const MOVE_MOUNT_T_EMPTY_PATH: usize = 0x40;
/// The same on every machine; libc does not name it.
pub(crate) const SYS_OPEN_TREE_ATTR: core::ffi::c_long = 467;

/// `MOUNT_ATTR_*` of mount_setattr(2).
pub(crate) mod attr {
    /// `MOUNT_ATTR_RDONLY`
    pub(crate) const RDONLY: u64 = 0x1;
    /// `MOUNT_ATTR_NOSUID`
    pub(crate) const NOSUID: u64 = 0x2;
    /// `MOUNT_ATTR_NODEV`
    pub(crate) const NODEV: u64 = 0x4;
    /// `MOUNT_ATTR_NOEXEC`
    pub(crate) const NOEXEC: u64 = 0x8;
    /// `MOUNT_ATTR__ATIME`: the three bits below hold one of three values.
    pub(crate) const ATIME: u64 = 0x70;
    /// `MOUNT_ATTR_NOATIME`
    pub(crate) const NOATIME: u64 = 0x10;
    /// `MOUNT_ATTR_STRICTATIME`
    pub(crate) const STRICTATIME: u64 = 0x20;
    /// `MOUNT_ATTR_NODIRATIME`
    pub(crate) const NODIRATIME: u64 = 0x80;
    /// `MOUNT_ATTR_IDMAP`
    pub(crate) const IDMAP: u64 = 0x0010_0000;
    /// `MOUNT_ATTR_NOSYMFOLLOW`
    pub(crate) const NOSYMFOLLOW: u64 = 0x0020_0000;
}

/// The kernel's `struct mount_attr` (mount_setattr(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct MountAttr {
    /// `MOUNT_ATTR_*` to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` to clear.
    pub clear: u64,
    /// `MS_SHARED` and its like, or 0.
    pub propagation: u64,
    /// A user namespace for [`attr::IDMAP`].
    pub userns: u64,
}

impl MountAttr {
    /// The mapping of ids that `user_namespace` has.
    pub(crate) fn id_mapped(user_namespace: BorrowedFd<'_>) -> Self {
        Self {
            set: attr::IDMAP,
            userns: user_namespace.as_raw_fd() as u64,
            ..Self::default()
        }
    }
}

fn text(path: &CStr) -> usize {
    path.as_ptr().expose_provenance()
}

/// fsopen(2).
pub(crate) fn open_filesystem(kind: &CStr) -> Result<OwnedFd> {
    // SAFETY: `kind` ends with a zero byte.
    unsafe { syscall(Call::Fsopen, libc::SYS_fsopen, [text(kind), FSOPEN_CLOEXEC]) }
        // SAFETY: it is new.
        .map(|opened| unsafe { own(opened) })
}

fn fsconfig(context: BorrowedFd<'_>, command: usize, key: usize, value: usize) -> Result<()> {
    let args = [fd(context), command, key, value, 0];
    // SAFETY: the callers below pass strings that end with a zero byte, or null.
    unsafe { syscall(Call::Fsconfig, libc::SYS_fsconfig, args) }.map(drop)
}

/// fsconfig(2) with `FSCONFIG_SET_FLAG`.
pub(crate) fn set_flag(context: BorrowedFd<'_>, key: &CStr) -> Result<()> {
    fsconfig(context, FSCONFIG_SET_FLAG, text(key), 0)
}

/// fsconfig(2) with `FSCONFIG_SET_STRING`.
pub(crate) fn set_string(context: BorrowedFd<'_>, key: &CStr, value: &CStr) -> Result<()> {
    fsconfig(context, FSCONFIG_SET_STRING, text(key), text(value))
}

/// fsconfig(2) with `FSCONFIG_CMD_CREATE`.
pub(crate) fn create_superblock(context: BorrowedFd<'_>) -> Result<()> {
    fsconfig(context, FSCONFIG_CMD_CREATE, 0, 0)
}

/// fsmount(2): a detached mount with these `MOUNT_ATTR_*`.
pub(crate) fn mount_filesystem(context: BorrowedFd<'_>, attributes: u64) -> Result<OwnedFd> {
    let args = [fd(context), FSMOUNT_CLOEXEC, attributes as usize];
    // SAFETY: numbers.
    unsafe { syscall(Call::Fsmount, libc::SYS_fsmount, args) }
        // SAFETY: it is new.
        .map(|mounted| unsafe { own(mounted) })
}

/// open_tree(2) with `OPEN_TREE_CLONE`: a detached copy of the mount at `path`, or of `at` itself
/// where that is empty, with its submounts where `recursive`.
pub(crate) fn clone_tree(at: BorrowedFd<'_>, path: &CStr, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as usize | libc::AT_EMPTY_PATH as usize;
    if recursive {
        flags |= AT_RECURSIVE;
    }
    // SAFETY: `path` ends with a zero byte.
    unsafe {
        syscall(
            Call::OpenTree,
            libc::SYS_open_tree,
            [fd(at), text(path), flags],
        )
    }
    // SAFETY: it is new.
    .map(|tree| unsafe { own(tree) })
}

/// open_tree_attr(2), which Linux 6.15 brought: [`clone_tree`] and [`set_attributes`] in one.
/// `ENOSYS` before.
pub(crate) fn clone_tree_with(
    at: BorrowedFd<'_>,
    path: &CStr,
    recursive: bool,
    attributes: &MountAttr,
) -> Result<OwnedFd> {
    let mut flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as usize | libc::AT_EMPTY_PATH as usize;
    if recursive {
        flags |= AT_RECURSIVE;
    }
    let length = size_of::<MountAttr>();
    let args = [fd(at), text(path), flags, ptr(attributes), length];
    // SAFETY: `path` ends with a zero byte; the structure has the length that is given.
    unsafe { syscall(Call::OpenTree, SYS_OPEN_TREE_ATTR, args) }
        // SAFETY: it is new.
        .map(|tree| unsafe { own(tree) })
}

/// mount_setattr(2) on the mount whose root `mount` is, with its submounts where `recursive`.
pub(crate) fn set_attributes(
    mount: BorrowedFd<'_>,
    attributes: &MountAttr,
    recursive: bool,
) -> Result<()> {
    let mut flags = libc::AT_EMPTY_PATH as usize;
    if recursive {
        flags |= AT_RECURSIVE;
    }
    let length = size_of::<MountAttr>();
    let args = [fd(mount), text(c""), flags, ptr(attributes), length];
    // SAFETY: the path is empty; the structure has the length that is given.
    unsafe { syscall(Call::MountSetattr, libc::SYS_mount_setattr, args) }.map(drop)
}

/// move_mount(2) from a descriptor onto a descriptor.
pub(crate) fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    let args = [fd(tree), text(c""), fd(target), text(c""), flags];
    // SAFETY: both paths are empty.
    unsafe { syscall(Call::MoveMount, libc::SYS_move_mount, args) }.map(drop)
}

/// move_mount(2) from a descriptor onto an absolute path, whose last component may be a link.
pub(crate) fn attach_at_path(tree: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS;
    let args = [fd(tree), text(c""), fd(CWD), text(path), flags];
    // SAFETY: both paths end with a zero byte.
    unsafe { syscall(Call::MoveMount, libc::SYS_move_mount, args) }.map(drop)
}

/// move_mount(2) from a descriptor onto an entry of a directory, which is no link.
pub(crate) fn attach_to_entry(
    tree: BorrowedFd<'_>,
    directory: BorrowedFd<'_>,
    name: &CStr,
) -> Result<()> {
    let args = [
        fd(tree),
        text(c""),
        fd(directory),
        text(name),
        MOVE_MOUNT_F_EMPTY_PATH,
    ];
    // SAFETY: both paths end with a zero byte.
    unsafe { syscall(Call::MoveMount, libc::SYS_move_mount, args) }.map(drop)
}

/// mount(2) that changes a mount and needs no source: propagation or a remount, at a path that is
/// absolute or relative to the working directory.
pub(crate) fn change(path: &CStr, flags: u64) -> Result<()> {
    // SAFETY: `path` ends with a zero byte; no source, type or data is read.
    unsafe {
        syscall(
            Call::Mount,
            libc::SYS_mount,
            [0, text(path), 0, flags as usize, 0],
        )
    }
    .map(drop)
}

/// Mounts a new file system (mount(2)) on the working directory, an entry of it, or an absolute path.
pub(crate) fn mount_new(
    kind: &CStr,
    source: &CStr,
    target: &CStr,
    flags: u64,
    options: &CStr,
) -> Result<()> {
    let args = [
        text(source),
        text(target),
        text(kind),
        flags as usize,
        text(options),
    ];
    // SAFETY: the strings end with a zero byte.
    unsafe { syscall(Call::Mount, libc::SYS_mount, args) }.map(drop)
}

/// Mounts an empty tmpfs at a path of the host (mount(2)).
pub(crate) fn cover_with_tmpfs(path: &CStr) -> Result<()> {
    let tmpfs = text(c"tmpfs");
    // SAFETY: the strings end with a zero byte; no data is read.
    unsafe {
        syscall(
            Call::Mount,
            libc::SYS_mount,
            [tmpfs, text(path), tmpfs, 0, 0],
        )
    }
    .map(drop)
}

/// umount2(2) with `MNT_DETACH`, at a path that is absolute or relative to the working directory.
pub(crate) fn detach(path: &CStr) -> Result<()> {
    let args = [text(path), libc::MNT_DETACH as usize];
    // SAFETY: `path` ends with a zero byte.
    unsafe { syscall(Call::Umount, libc::SYS_umount2, args) }.map(drop)
}

/// `pivot_root(".", ".")`: the working directory becomes the root, and the old root lies on top.
pub(crate) fn pivot_root() -> Result<()> {
    // SAFETY: both paths end with a zero byte.
    unsafe {
        syscall(
            Call::PivotRoot,
            libc::SYS_pivot_root,
            [text(c"."), text(c".")],
        )
    }
    .map(drop)
}

/// Moves an attached mount onto the root directory of the calling process.
pub(crate) fn move_to_root(mount: BorrowedFd<'_>) -> Result<()> {
    let args = [
        fd(mount),
        text(c""),
        fd(CWD),
        text(c"/"),
        MOVE_MOUNT_F_EMPTY_PATH,
    ];
    // SAFETY: both paths end with a zero byte.
    unsafe { syscall(Call::MoveMount, libc::SYS_move_mount, args) }.map(drop)
}
