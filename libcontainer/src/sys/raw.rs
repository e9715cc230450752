//! The `syscall` instruction.

use core::ffi::c_long;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{Call, Fault, Result};

/// Makes system call `number`.
///
/// # Safety
/// The arguments must be what that system call takes; every pointer among them must lead to memory
/// that the kernel may read or write as that call does.
pub(super) unsafe fn syscall<const N: usize>(
    call: Call,
    number: c_long,
    args: [usize; N],
) -> Result<usize> {
    let arg = |at: usize| args.get(at).copied().unwrap_or(0);
    // SAFETY: the caller vouches for the arguments; those that the call does not take are ignored.
    let result = unsafe { libc::syscall(number, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)) };
    if result == -1 {
        // SAFETY: the pointer leads to the calling thread's errno.
        Err(Fault::new(call, unsafe { *libc::__errno_location() }))
    } else {
        Ok(result as usize)
    }
}

/// The descriptor that a system call returned.
///
/// # Safety
/// `value` must be a new descriptor that nobody else owns.
pub(super) unsafe fn own(value: usize) -> OwnedFd {
    // SAFETY: the caller vouches for it.
    unsafe { OwnedFd::from_raw_fd(value as i32) }
}

/// A descriptor as an argument.
pub(super) fn fd(fd: BorrowedFd<'_>) -> usize {
    fd.as_raw_fd() as isize as usize
}

/// A pointer as an argument.
pub(super) fn ptr<T: ?Sized>(value: &T) -> usize {
    core::ptr::from_ref(value).cast::<()>().expose_provenance()
}

/// A pointer that the kernel writes through as an argument.
pub(super) fn ptr_mut<T: ?Sized>(value: &mut T) -> usize {
    core::ptr::from_mut(value).cast::<()>().expose_provenance()
}
