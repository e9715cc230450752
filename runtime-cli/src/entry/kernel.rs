//! The kernel's numbers and structures for x86-64, and how to call it without the C library.

use core::arch::asm;
use core::ptr;

pub(super) const MADVISE: usize = 28;
pub(super) const EXIT_GROUP: usize = 231;
pub(super) const EXECVEAT: usize = 322;
pub(super) const OPEN_TREE: usize = 428;
pub(super) const MOUNT_SETATTR: usize = 442;
pub(super) const OPEN_TREE_ATTR: usize = 467;

pub(super) const AT_FDCWD: usize = (-100_isize).cast_unsigned();
pub(super) const AT_EMPTY_PATH: usize = 0x1000;
pub(super) const OPEN_TREE_CLONE: usize = 1;
pub(super) const O_CLOEXEC: usize = 0o2_000_000;
pub(super) const MOUNT_ATTR_RDONLY: u64 = 1;
pub(super) const AT_EUID: usize = 12;
#[cfg(ordered)]
pub(super) const MADV_POPULATE_READ: usize = 22;
pub(super) const MADV_POPULATE_WRITE: usize = 23;

/// The kernel's `struct mount_attr`.
#[repr(C)]
pub(super) struct MountAttr {
    pub(super) set: u64,
    pub(super) clear: u64,
    pub(super) propagation: u64,
    pub(super) userns: u64,
}

/// A value of the auxiliary vector (getauxval(3)).
///
/// # Safety
/// `vector` is the auxiliary vector.
pub(super) unsafe fn auxiliary(vector: *const usize, wanted: usize) -> Option<usize> {
    let mut at = vector;
    loop {
        // SAFETY: pairs, of which the last has the key 0.
        let (key, value) = unsafe { (ptr::read_volatile(at), ptr::read_volatile(at.add(1))) };
        if key == wanted {
            return Some(value);
        }
        if key == 0 {
            return None;
        }
        // SAFETY: as above.
        at = unsafe { at.add(2) };
    }
}

/// Makes a system call; a negative result is an error.
///
/// # Safety
/// The arguments are what that system call takes.
pub(super) unsafe fn system_call(
    number: usize,
    one: usize,
    two: usize,
    three: usize,
    four: usize,
    five: usize,
) -> isize {
    let result: isize;
    // SAFETY: the kernel keeps all registers but these; the caller vouches for the arguments.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number.cast_signed() => result,
            in("rdi") one,
            in("rsi") two,
            in("rdx") three,
            in("r10") four,
            in("r8") five,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}
