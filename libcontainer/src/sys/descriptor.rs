//! Descriptors: what the child inherits, duplicating, marking, closing.

use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use super::raw::{fd, own, ptr_mut, syscall};
use super::{Call, Fault, Result};

/// `AT_FDCWD`: paths start at the working directory.
// SAFETY: not -1, and no call takes it for an open descriptor.
pub(crate) const CWD: BorrowedFd<'static> = unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) };

/// A descriptor that the child inherited and keeps open until it ends or executes the program.
pub(crate) fn inherited(raw: RawFd) -> Result<BorrowedFd<'static>> {
    if raw < 0 {
        return Err(Fault::new(Call::MissingDescriptor, 0));
    }
    // SAFETY: not -1. `launch` opened it before the clone and leaves it to the child, where nobody
    // owns it; should the promise be broken, the kernel answers EBADF.
    Ok(unsafe { BorrowedFd::borrow_raw(raw) })
}

/// Gives up a descriptor without closing it: the child closes many at once.
pub(crate) fn leave_open(owned: OwnedFd) -> BorrowedFd<'static> {
    let raw = owned.into_raw_fd();
    // SAFETY: not -1, and nobody owns it any more; should it be used after it was closed, the kernel
    // answers EBADF.
    unsafe { BorrowedFd::borrow_raw(raw) }
}

/// Closes descriptors, those with neighbouring numbers by one call.
pub(crate) fn close_all(descriptors: impl IntoIterator<Item = OwnedFd>) {
    let mut numbers: Vec<u32> = descriptors
        .into_iter()
        .map(|owned| owned.into_raw_fd().unsigned_abs())
        .collect();
    numbers.sort_unstable();
    for run in numbers.chunk_by(|low, high| low + 1 == *high) {
        let (Some(&first), Some(&last)) = (run.first(), run.last()) else {
            continue;
        };
        // Every number from the first to the last was ours.
        if first == last || close_range(first, last).is_err() {
            for number in run {
                let _ = close(i32::try_from(*number).unwrap_or(-1));
            }
        }
    }
}

/// Calls `action` with the name and the type (`DT_*`) of each entry of an open directory but `.` and
/// `..`. No heap; `N` bytes of stack hold the entries.
pub(crate) fn for_each_entry<const N: usize>(
    directory: BorrowedFd<'_>,
    mut action: impl FnMut(&core::ffi::CStr, u8) -> Result<()>,
) -> Result<()> {
    let mut buffer = [0; N];
    loop {
        let length = directory_entries(directory, &mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        let entries = buffer.get(..length).unwrap_or_default();
        let mut at = 0;
        while let Some((name, kind, next)) = directory_entry(entries, at) {
            at = next;
            if name != c"." && name != c".." {
                action(name, kind)?;
            }
        }
    }
}

/// Another descriptor of the same file, close-on-exec.
pub(crate) fn duplicate(of: BorrowedFd<'_>) -> Result<OwnedFd> {
    let args = [fd(of), libc::F_DUPFD_CLOEXEC as usize, 3];
    // SAFETY: F_DUPFD_CLOEXEC takes a number.
    let made = unsafe { syscall(Call::Fcntl, libc::SYS_fcntl, args) }?;
    // SAFETY: it is new.
    Ok(unsafe { own(made) })
}

/// dup3(2) onto `target`, without `O_CLOEXEC`; the same number only loses its close-on-exec flag.
pub(crate) fn duplicate_onto(from: BorrowedFd<'_>, target: RawFd) -> Result<()> {
    if from.as_raw_fd() == target {
        // SAFETY: F_SETFD takes a number.
        return unsafe {
            syscall(
                Call::Fcntl,
                libc::SYS_fcntl,
                [fd(from), libc::F_SETFD as usize, 0],
            )
        }
        .map(drop);
    }
    // SAFETY: dup3 takes numbers. `target` is one of the descriptors 0 to 2, which nobody owns.
    unsafe { syscall(Call::Dup, libc::SYS_dup3, [fd(from), target as usize, 0]) }.map(drop)
}

/// Whether a number is that of an open descriptor.
pub(crate) fn is_open(number: u32) -> bool {
    let args = [number as usize, libc::F_GETFD as usize, 0];
    // SAFETY: F_GETFD takes a number.
    unsafe { syscall(Call::Fcntl, libc::SYS_fcntl, args) }.is_ok()
}

/// Closes a descriptor that the child inherited and nobody owns there; -1 is none.
pub(crate) fn close(raw: RawFd) -> Result<()> {
    if raw < 0 {
        return Ok(());
    }
    // SAFETY: a number. `init` calls this for a descriptor whose owner stayed in the parent, others
    // for one that they have taken from its owner.
    unsafe { syscall(Call::Close, libc::SYS_close, [raw as usize]) }.map(drop)
}

/// Marks one descriptor close-on-exec.
pub(crate) fn close_on_exec(raw: RawFd) -> Result<()> {
    let args = [
        raw as usize,
        libc::F_SETFD as usize,
        libc::FD_CLOEXEC as usize,
    ];
    // SAFETY: F_SETFD takes a number.
    unsafe { syscall(Call::Fcntl, libc::SYS_fcntl, args) }.map(drop)
}

/// close_range(2): closes every descriptor from `first` to `last`. Nobody may own one of them.
pub(crate) fn close_range(first: u32, last: u32) -> Result<()> {
    let args = [first as usize, last as usize, 0];
    // SAFETY: numbers. The callers have taken every one of them from its owner.
    unsafe { syscall(Call::CloseRange, libc::SYS_close_range, args) }.map(drop)
}

/// close_range(2) with `CLOSE_RANGE_CLOEXEC`: marks every descriptor from `first` on close-on-exec.
pub(crate) fn close_range_on_exec(first: u32) -> Result<()> {
    let args = [
        first as usize,
        u32::MAX as usize,
        libc::CLOSE_RANGE_CLOEXEC as usize,
    ];
    // SAFETY: numbers.
    unsafe { syscall(Call::CloseRange, libc::SYS_close_range, args) }.map(drop)
}

/// pipe2(2) with `O_CLOEXEC`: reading end, writing end.
pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1i32; 2];
    let args = [ptr_mut(&mut ends), libc::O_CLOEXEC as usize];
    // SAFETY: the kernel writes two numbers to `ends`.
    unsafe { syscall(Call::Pipe, libc::SYS_pipe2, args) }?;
    // SAFETY: both are new.
    Ok(unsafe { (own(ends[0] as usize), own(ends[1] as usize)) })
}

/// A file in memory, close-on-exec (memfd_create(2)).
pub(crate) fn memory_file(name: &core::ffi::CStr) -> Result<OwnedFd> {
    let args = [
        name.as_ptr().expose_provenance(),
        libc::MFD_CLOEXEC as usize,
    ];
    // SAFETY: `name` ends with a zero byte.
    let made = unsafe { syscall(Call::MemfdCreate, libc::SYS_memfd_create, args) }?;
    // SAFETY: it is new.
    Ok(unsafe { own(made) })
}

/// Waits until `descriptor` can be read or its other side is gone; `None` waits for ever. Returns
/// the events that happened (poll(2)), 0 when the time is over.
pub(crate) fn wait_readable(
    descriptor: BorrowedFd<'_>,
    timeout: Option<core::time::Duration>,
) -> Result<i16> {
    let mut entry = libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // The kernel writes what is left to `time`, so that an interruption does not prolong the wait.
    let mut time = timeout.map(|timeout| libc::timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    });
    loop {
        let time = time.as_mut().map_or(0, ptr_mut);
        let args = [ptr_mut(&mut entry), 1, time, 0, 0];
        // SAFETY: one pollfd, a timespec or null, no signal mask.
        match unsafe { syscall(Call::Poll, libc::SYS_ppoll, args) } {
            Err(fault) if fault.errno == libc::EINTR => {}
            Err(fault) => return Err(fault),
            Ok(_) => return Ok(entry.revents),
        }
    }
}

/// getdents64(2): fills `buffer` with directory entries, returns how many bytes it holds.
fn directory_entries(directory: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    let args = [fd(directory), ptr_mut(buffer), buffer.len()];
    // SAFETY: the kernel writes at most `buffer.len()` bytes to it.
    unsafe { syscall(Call::Getdents, libc::SYS_getdents64, args) }
}

/// The entry that starts at `at` of what [`directory_entries`] gave: its name, its type (`DT_*`) and
/// where the next one starts.
fn directory_entry(entries: &[u8], at: usize) -> Option<(&core::ffi::CStr, u8, usize)> {
    // struct linux_dirent64: inode and offset of eight bytes, length of two, type, name.
    let entry = entries.get(at..)?;
    let length = usize::from(u16::from_ne_bytes([*entry.get(16)?, *entry.get(17)?]));
    let name = core::ffi::CStr::from_bytes_until_nul(entry.get(19..length)?).ok()?;
    Some((name, *entry.get(18)?, at + length))
}
