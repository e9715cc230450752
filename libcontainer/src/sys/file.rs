//! Files: opening, making, asking, changing. Every path is relative to a descriptor; an absolute one
//! is meant only where the function says so.

use core::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::raw::{fd, own, ptr, ptr_mut, syscall};
use super::{Call, Fault, Result};

/// What fstat(2) tells, as far as it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// Type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of the device that it lies on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// The device that it is.
    pub represents: u64,
    /// Its length.
    pub size: i64,
}

impl Status {
    /// Its type (`S_IFMT`).
    pub(crate) fn kind(&self) -> u32 {
        self.mode & libc::S_IFMT
    }

    /// Whether it is a directory.
    pub(crate) fn is_directory(&self) -> bool {
        self.kind() == libc::S_IFDIR
    }

    /// Whether it is a symbolic link.
    pub(crate) fn is_link(&self) -> bool {
        self.kind() == libc::S_IFLNK
    }

    /// Whether it is the null device: the number alone would do for a pipe too, which has none.
    pub(crate) fn is_null_device(&self) -> bool {
        self.kind() == libc::S_IFCHR && self.represents == libc::makedev(1, 3)
    }
}

fn text(path: &CStr) -> usize {
    path.as_ptr().expose_provenance()
}

/// openat(2), always close-on-exec.
pub(crate) fn open(at: BorrowedFd<'_>, path: &CStr, flags: i32, mode: u32) -> Result<OwnedFd> {
    let flags = (flags | libc::O_CLOEXEC) as usize;
    let args = [fd(at), text(path), flags, mode as usize];
    loop {
        // SAFETY: `path` ends with a zero byte.
        match unsafe { syscall(Call::Open, libc::SYS_openat, args) } {
            Err(fault) if fault.errno == libc::EINTR => {}
            // SAFETY: it is new.
            other => return other.map(|opened| unsafe { own(opened) }),
        }
    }
}

#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// openat2(2), always close-on-exec, once: `EAGAIN` and `ENOSYS` are the caller's.
pub(crate) fn open_resolved(
    at: BorrowedFd<'_>,
    path: &CStr,
    flags: i32,
    resolve: u64,
) -> Result<OwnedFd> {
    let how = OpenHow {
        flags: (flags | libc::O_CLOEXEC) as u64,
        mode: 0,
        resolve,
    };
    let args = [fd(at), text(path), ptr(&how), size_of::<OpenHow>()];
    // SAFETY: `path` ends with a zero byte and `how` has the length that is given.
    unsafe { syscall(Call::Open, libc::SYS_openat2, args) }
        // SAFETY: it is new.
        .map(|opened| unsafe { own(opened) })
}

/// read(2), again after a signal.
pub(crate) fn read(from: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: all of the buffer may be written.
    unsafe { read_to(from, ptr_mut(buffer), buffer.len()) }
}

/// # Safety
/// At `place` there are `room` bytes that may be written.
unsafe fn read_to(from: BorrowedFd<'_>, place: usize, room: usize) -> Result<usize> {
    loop {
        // SAFETY: the kernel writes at most `room` bytes there.
        match unsafe { syscall(Call::Read, libc::SYS_read, [fd(from), place, room]) } {
            Err(fault) if fault.errno == libc::EINTR => {}
            other => return other,
        }
    }
}

/// read(2) behind what is in `bytes`, as far as there is room. The room is not filled with zeros first.
fn read_more(from: BorrowedFd<'_>, bytes: &mut Vec<u8>) -> Result<usize> {
    let room = bytes.spare_capacity_mut();
    // SAFETY: all of the room may be written.
    let read = unsafe { read_to(from, room.as_mut_ptr().expose_provenance(), room.len()) }?;
    // SAFETY: so many bytes of the room were written.
    unsafe { bytes.set_len(bytes.len() + read) };
    Ok(read)
}

/// Reads a file that gives less than was asked for only at its end: one of procfs that is made as a
/// whole, or a regular one. `usual` is the room that most such files do not fill.
pub(crate) fn read_whole(from: BorrowedFd<'_>, usual: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() == bytes.capacity() {
        bytes.reserve(usual);
        read_more(from, &mut bytes)?;
    }
    Ok(bytes)
}

/// Reads a file to its end, and no more than `limit` bytes of it. `usual` is the length that most such
/// files do not reach: then it takes one call where `may_end` says of what was read that it may be all.
pub(crate) fn read_to_end(
    from: BorrowedFd<'_>,
    usual: usize,
    limit: usize,
    may_end: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() < limit {
        if bytes.len() == bytes.capacity() {
            bytes.reserve(usual);
        }
        let is_end = read_more(from, &mut bytes)? == 0;
        if is_end || (bytes.len() < bytes.capacity() && may_end(&bytes)) {
            break;
        }
    }
    bytes.truncate(limit);
    Ok(bytes)
}

/// write(2), once and again after a signal.
pub(crate) fn write(to: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize> {
    let args = [fd(to), ptr(bytes), bytes.len()];
    loop {
        // SAFETY: the kernel reads at most `bytes.len()` bytes.
        match unsafe { syscall(Call::Write, libc::SYS_write, args) } {
            Err(fault) if fault.errno == libc::EINTR => {}
            other => return other,
        }
    }
}

/// write(2) until everything is written.
pub(crate) fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        let written = write(to, bytes)?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Puts the offset of a file back to its start (lseek(2)).
pub(crate) fn rewind(file: BorrowedFd<'_>) -> Result<()> {
    let args = [fd(file), 0, libc::SEEK_SET as usize];
    // SAFETY: numbers.
    unsafe { syscall(Call::Seek, libc::SYS_lseek, args) }.map(drop)
}

/// The status of an open file, an `O_PATH` descriptor included.
pub(crate) fn status(of: BorrowedFd<'_>) -> Result<Status> {
    status_at(of, c"", libc::AT_EMPTY_PATH)
}

/// The status of the file at a path; `flags` as of fstatat(2).
pub(crate) fn status_at(at: BorrowedFd<'_>, path: &CStr, flags: i32) -> Result<Status> {
    // SAFETY: zeros are a valid stat.
    let mut stat: libc::stat = unsafe { core::mem::zeroed() };
    let args = [fd(at), text(path), ptr_mut(&mut stat), flags as usize];
    // SAFETY: `path` ends with a zero byte; the kernel writes a stat. The C library's structure is
    // the kernel's on machines of 64 bits.
    unsafe { syscall(Call::Fstat, libc::SYS_newfstatat, args) }?;
    Ok(Status {
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        device: stat.st_dev,
        inode: stat.st_ino,
        represents: stat.st_rdev,
        size: stat.st_size,
    })
}

/// The kernel's `struct statfs` on machines of 64 bits; not every C library names `flags`.
#[derive(Default)]
#[repr(C)]
struct FilesystemStatus {
    magic: i64,
    block_size: i64,
    counts: [u64; 5],
    id: [i32; 2],
    name_length: i64,
    fragment_size: i64,
    flags: i64,
    spare: [i64; 4],
}

/// Magic number and mount flags (`ST_*`) of the file system that an open file lies on.
pub(crate) fn filesystem(of: BorrowedFd<'_>) -> Result<(i64, u64)> {
    let mut status = FilesystemStatus::default();
    // SAFETY: the kernel writes a `struct statfs`.
    unsafe {
        syscall(
            Call::Fstatfs,
            libc::SYS_fstatfs,
            [fd(of), ptr_mut(&mut status)],
        )
    }?;
    Ok((status.magic, status.flags as u64))
}

/// `NULL_FS_MAGIC`
const NULL_FS_MAGIC: i64 = 0x4e55_4c4c;

/// Whether a path leads to the kernel's empty file system, which lies below all mounts since Linux 7.0.
pub(crate) fn is_on_nullfs(path: &CStr) -> Result<bool> {
    let mut status = FilesystemStatus::default();
    let args = [text(path), ptr_mut(&mut status)];
    // SAFETY: `path` ends with a zero byte; the kernel writes a `struct statfs`.
    unsafe { syscall(Call::Statfs, libc::SYS_statfs, args) }?;
    Ok(status.magic == NULL_FS_MAGIC)
}

/// `STATX_ATTR_MOUNT_ROOT`
const ATTRIBUTE_MOUNT_ROOT: u64 = 0x2000;

/// Type and permissions of an open file that is the root of a mount; `None` of another, and before
/// Linux 5.8, which does not tell.
pub(crate) fn mode_of_mount_root(file: BorrowedFd<'_>) -> Option<u32> {
    // SAFETY: zeros are a valid statx.
    let mut found: libc::statx = unsafe { core::mem::zeroed() };
    let args = [
        fd(file),
        text(c""),
        libc::AT_EMPTY_PATH as usize,
        libc::STATX_BASIC_STATS as usize,
        ptr_mut(&mut found),
    ];
    // SAFETY: the path is empty; the kernel writes a statx.
    unsafe { syscall(Call::Fstat, libc::SYS_statx, args) }.ok()?;
    let attributes = found.stx_attributes & found.stx_attributes_mask;
    (attributes & ATTRIBUTE_MOUNT_ROOT != 0).then_some(found.stx_mode.into())
}

/// Whether an open file lies on a procfs.
pub(crate) fn is_on_procfs(file: BorrowedFd<'_>) -> Result<bool> {
    Ok(filesystem(file)?.0 == libc::PROC_SUPER_MAGIC)
}

/// readlinkat(2); an empty path reads the link that `at` is. Returns how many bytes there are; a
/// target that fills the buffer may be cut off.
pub(crate) fn read_link(at: BorrowedFd<'_>, path: &CStr, buffer: &mut [u8]) -> Result<usize> {
    let args = [fd(at), text(path), ptr_mut(buffer), buffer.len()];
    // SAFETY: `path` ends with a zero byte; the kernel writes at most `buffer.len()` bytes.
    unsafe { syscall(Call::Readlink, libc::SYS_readlinkat, args) }
}

/// mkdirat(2).
pub(crate) fn make_directory(at: BorrowedFd<'_>, path: &CStr, mode: u32) -> Result<()> {
    let args = [fd(at), text(path), mode as usize];
    // SAFETY: `path` ends with a zero byte.
    unsafe { syscall(Call::Mkdir, libc::SYS_mkdirat, args) }.map(drop)
}

/// mknodat(2).
pub(crate) fn make_node(at: BorrowedFd<'_>, path: &CStr, mode: u32, device: u64) -> Result<()> {
    let args = [fd(at), text(path), mode as usize, device as usize];
    // SAFETY: `path` ends with a zero byte.
    unsafe { syscall(Call::Mknod, libc::SYS_mknodat, args) }.map(drop)
}

/// symlinkat(2).
pub(crate) fn make_link(to: &CStr, at: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    let args = [text(to), fd(at), text(path)];
    // SAFETY: both end with a zero byte.
    unsafe { syscall(Call::Symlink, libc::SYS_symlinkat, args) }.map(drop)
}

/// unlinkat(2) of a file.
pub(crate) fn unlink(at: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    let args = [fd(at), text(path), 0];
    // SAFETY: `path` ends with a zero byte.
    unsafe { syscall(Call::Unlink, libc::SYS_unlinkat, args) }.map(drop)
}

/// fchownat(2) of an open file, an `O_PATH` descriptor included; `None` leaves the group.
pub(crate) fn change_owner(file: BorrowedFd<'_>, uid: u32, gid: Option<u32>) -> Result<()> {
    let args = [
        fd(file),
        text(c""),
        uid as usize,
        gid.unwrap_or(u32::MAX) as usize,
        libc::AT_EMPTY_PATH as usize,
    ];
    // SAFETY: the path is empty and ends with a zero byte.
    unsafe { syscall(Call::Fchown, libc::SYS_fchownat, args) }.map(drop)
}

/// Changes owner and group of the file at a path without following a last link.
pub(crate) fn change_owner_at(at: BorrowedFd<'_>, path: &CStr, uid: u32, gid: u32) -> Result<()> {
    let flags = libc::AT_SYMLINK_NOFOLLOW as usize;
    let args = [fd(at), text(path), uid as usize, gid as usize, flags];
    // SAFETY: `path` ends with a zero byte.
    unsafe { syscall(Call::Fchown, libc::SYS_fchownat, args) }.map(drop)
}

/// fchmod(2); not for `O_PATH` descriptors.
pub(crate) fn change_mode(file: BorrowedFd<'_>, mode: u32) -> Result<()> {
    // SAFETY: numbers.
    unsafe { syscall(Call::Fchmod, libc::SYS_fchmod, [fd(file), mode as usize]) }.map(drop)
}

/// fchdir(2).
pub(crate) fn enter(directory: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: a number.
    unsafe { syscall(Call::Fchdir, libc::SYS_fchdir, [fd(directory)]) }.map(drop)
}

/// chdir(2), absolute or relative to the working directory.
pub(crate) fn enter_path(path: &CStr) -> Result<()> {
    // SAFETY: `path` ends with a zero byte.
    unsafe { syscall(Call::Chdir, libc::SYS_chdir, [text(path)]) }.map(drop)
}

/// chroot(2), absolute or relative to the working directory.
pub(crate) fn change_root(path: &CStr) -> Result<()> {
    // SAFETY: `path` ends with a zero byte.
    unsafe { syscall(Call::Chroot, libc::SYS_chroot, [text(path)]) }.map(drop)
}

/// The kernel's getcwd(2), which unlike the C library's gives a directory outside the root as
/// `(unreachable)…`. Returns how many bytes there are, the zero included.
pub(crate) fn working_directory(buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes.
    unsafe {
        syscall(
            Call::Getcwd,
            libc::SYS_getcwd,
            [ptr_mut(buffer), buffer.len()],
        )
    }
}

/// Whether the calling thread may execute the file at a path, absolute or relative to the working
/// directory: with its effective user and capabilities (faccessat2(2)), or where the kernel is older
/// than 5.8 or a filter refuses that call with its real ones, which in a container's process are the same.
pub(crate) fn may_execute(path: &CStr) -> Result<()> {
    let at = fd(super::descriptor::CWD);
    let args = [
        at,
        text(path),
        libc::X_OK as usize,
        libc::AT_EACCESS as usize,
    ];
    // SAFETY: `path` ends with a zero byte.
    match unsafe { syscall(Call::Access, libc::SYS_faccessat2, args) } {
        Err(fault) if fault.is_unavailable() => {
            let args = [at, text(path), libc::X_OK as usize];
            // SAFETY: as above.
            unsafe { syscall(Call::Access, libc::SYS_faccessat, args) }.map(drop)
        }
        other => other.map(drop),
    }
}

/// Names of the extended attributes of an open file, each ended by a zero byte; returns their length.
pub(crate) fn attribute_names(of: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    let args = [fd(of), ptr_mut(buffer), buffer.len()];
    // SAFETY: the kernel writes at most `buffer.len()` bytes.
    unsafe { syscall(Call::Xattr, libc::SYS_flistxattr, args) }
}

/// Copies one extended attribute from one open file to another through `buffer`.
pub(crate) fn copy_attribute(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    name: &CStr,
    buffer: &mut [u8],
) -> Result<()> {
    let args = [fd(from), text(name), ptr_mut(buffer), buffer.len()];
    // SAFETY: `name` ends with a zero byte; the kernel writes at most `buffer.len()` bytes.
    let length = unsafe { syscall(Call::Xattr, libc::SYS_fgetxattr, args) }?;
    let value = buffer
        .get(..length)
        .ok_or(Fault::new(Call::Xattr, libc::ERANGE))?;
    let args = [fd(to), text(name), ptr(value), value.len(), 0];
    // SAFETY: as above; the kernel reads `value.len()` bytes.
    unsafe { syscall(Call::Xattr, libc::SYS_fsetxattr, args) }.map(drop)
}
