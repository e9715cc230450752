//! Pseudo terminals, and the flags of a network interface: what ioctl(2) is needed for.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::raw::{fd, own, ptr, ptr_mut, syscall};
use super::{Call, Result};
use crate::plan::step::WindowSize;

/// Unlocks the peer of a pseudo terminal (`TIOCSPTLCK`).
pub(crate) fn unlock_peer(master: BorrowedFd<'_>) -> Result<()> {
    let locked = 0i32;
    let args = [fd(master), libc::TIOCSPTLCK as usize, ptr(&locked)];
    // SAFETY: the kernel reads an int.
    unsafe { syscall(Call::Tiocsptlck, libc::SYS_ioctl, args) }.map(drop)
}

/// The number of a pseudo terminal (`TIOCGPTN`).
pub(crate) fn number(master: BorrowedFd<'_>) -> Result<u32> {
    let mut number = 0u32;
    let args = [fd(master), libc::TIOCGPTN as usize, ptr_mut(&mut number)];
    // SAFETY: the kernel writes an unsigned int.
    unsafe { syscall(Call::Tiocgptn, libc::SYS_ioctl, args) }?;
    Ok(number)
}

/// Opens the peer of a pseudo terminal without a path (`TIOCGPTPEER`).
pub(crate) fn open_peer(master: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = (libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) as usize;
    let args = [fd(master), libc::TIOCGPTPEER as usize, flags];
    // SAFETY: numbers.
    let peer = unsafe { syscall(Call::Tiocgptpeer, libc::SYS_ioctl, args) }?;
    // SAFETY: it is new.
    Ok(unsafe { own(peer) })
}

/// Sets the size of a terminal (`TIOCSWINSZ`).
pub(crate) fn set_size(terminal: BorrowedFd<'_>, size: WindowSize) -> Result<()> {
    let size = libc::winsize {
        ws_row: size.height,
        ws_col: size.width,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let args = [fd(terminal), libc::TIOCSWINSZ as usize, ptr(&size)];
    // SAFETY: the kernel reads a struct winsize.
    unsafe { syscall(Call::Tiocswinsz, libc::SYS_ioctl, args) }.map(drop)
}

/// Makes a terminal the controlling one of the session (`TIOCSCTTY`).
pub(crate) fn set_controlling(terminal: BorrowedFd<'_>) -> Result<()> {
    let args = [fd(terminal), libc::TIOCSCTTY as usize, 0];
    // SAFETY: numbers.
    unsafe { syscall(Call::Tiocsctty, libc::SYS_ioctl, args) }.map(drop)
}

/// `struct ifreq` (netdevice(7)): the name and the flags in their union.
#[repr(C, align(8))]
struct InterfaceFlags {
    name: [u8; libc::IFNAMSIZ],
    flags: i16,
    rest: [u8; 22],
}

/// Sets `IFF_UP` of a new network namespace's loopback interface, which has no other flag that can
/// be set.
pub(crate) fn loopback_up(socket: BorrowedFd<'_>) -> Result<()> {
    let request = InterfaceFlags {
        name: *b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        flags: libc::IFF_UP as i16,
        rest: [0; 22],
    };
    let set = [fd(socket), libc::SIOCSIFFLAGS as usize, ptr(&request)];
    // SAFETY: the structure is as long as `struct ifreq`, which the kernel only reads.
    unsafe { syscall(Call::Siocsifflags, libc::SYS_ioctl, set) }.map(drop)
}
