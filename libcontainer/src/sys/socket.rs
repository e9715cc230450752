//! Messages over sockets, with descriptors (unix(7)).

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::raw::{fd, own, ptr, ptr_mut, syscall};
use super::{Call, Fault, Result};

/// How many descriptors one message may carry (`SCM_MAX_FD`).
pub(crate) const MAX_DESCRIPTORS: usize = 253;
/// Length of a `struct cmsghdr`.
const HEADER: usize = size_of::<libc::cmsghdr>();
/// Room for the control part of a message with descriptors.
const CONTROL: usize = HEADER + MAX_DESCRIPTORS * size_of::<i32>() + 4;

#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// A datagram socket for interface ioctls (netdevice(7)).
pub(crate) fn datagram() -> Result<OwnedFd> {
    let kind = (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC) as usize;
    // SAFETY: numbers.
    let made = unsafe {
        syscall(
            Call::Socket,
            libc::SYS_socket,
            [libc::AF_INET as usize, kind, 0],
        )
    }?;
    // SAFETY: it is new.
    Ok(unsafe { own(made) })
}

fn header(data: &mut libc::iovec, control: usize, length: usize) -> libc::msghdr {
    // SAFETY: zeros are a valid msghdr; some C libraries have padding that cannot be named.
    let mut header: libc::msghdr = unsafe { core::mem::zeroed() };
    header.msg_iov = data;
    header.msg_iovlen = 1;
    if length > 0 {
        header.msg_control = core::ptr::with_exposed_provenance_mut(control);
        header.msg_controllen = length as _;
    }
    header
}

/// Sends `bytes`, with at most [`MAX_DESCRIPTORS`] descriptors. Never raises SIGPIPE.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> Result<()> {
    let mut control = Control([0; CONTROL]);
    let mut used = 0;
    if descriptors.len() > MAX_DESCRIPTORS {
        return Err(Fault::new(Call::Send, libc::EINVAL));
    }
    if !descriptors.is_empty() {
        let length = HEADER + size_of::<i32>() * descriptors.len();
        // cmsg_len is a size_t, on every machine of 64 bits in all its eight bytes.
        put(&mut control.0, 0, &length.to_ne_bytes());
        put(&mut control.0, 8, &libc::SOL_SOCKET.to_ne_bytes());
        put(&mut control.0, 12, &libc::SCM_RIGHTS.to_ne_bytes());
        for (at, descriptor) in (HEADER..).step_by(size_of::<i32>()).zip(descriptors) {
            put(&mut control.0, at, &descriptor.as_raw_fd().to_ne_bytes());
        }
        used = length.next_multiple_of(align_of::<usize>());
    }
    let mut data = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let header = header(&mut data, ptr_mut(&mut control), used);
    let args = [fd(socket), ptr(&header), libc::MSG_NOSIGNAL as usize];
    loop {
        // SAFETY: the header leads to the bytes and the control part, which are only read.
        match unsafe { syscall(Call::Send, libc::SYS_sendmsg, args) } {
            Err(fault) if fault.errno == libc::EINTR => {}
            Err(fault) => return Err(fault),
            Ok(_) => return Ok(()),
        }
    }
}

fn put(buffer: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = buffer.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Receives a message into `bytes` and hands each of its descriptors, close-on-exec, to `take`.
/// Returns the length of the message, 0 when the other side is gone.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    mut take: impl FnMut(OwnedFd),
) -> Result<usize> {
    let mut control = Control([0; CONTROL]);
    let mut data = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let mut header = header(&mut data, ptr_mut(&mut control), CONTROL);
    let args = [
        fd(socket),
        ptr_mut(&mut header),
        libc::MSG_CMSG_CLOEXEC as usize,
    ];
    let length = loop {
        // SAFETY: the header leads to the bytes and the control part, which may be written to.
        match unsafe { syscall(Call::Receive, libc::SYS_recvmsg, args) } {
            Err(fault) if fault.errno == libc::EINTR => {}
            Err(fault) => return Err(fault),
            Ok(length) => break length,
        }
    };
    // A number of 32 bits in some C libraries.
    #[allow(clippy::unnecessary_cast)]
    let controlled = header.msg_controllen as usize;
    if controlled >= HEADER {
        descriptors(&control.0, &mut take)?;
    }
    Ok(length)
}

/// Hands out the descriptors of the control part that the kernel wrote: one header with all of them.
fn descriptors(control: &[u8], take: &mut impl FnMut(OwnedFd)) -> Result<()> {
    let unexpected = Fault::new(Call::UnexpectedMessage, 0);
    let word = |at: usize| {
        let bytes = control.get(at..at + 4)?;
        Some(i32::from_ne_bytes(bytes.try_into().ok()?))
    };
    let length = control.get(0..8).and_then(|bytes| bytes.try_into().ok());
    let length = usize::from_ne_bytes(length.ok_or(unexpected)?);
    if word(8) != Some(libc::SOL_SOCKET) || word(12) != Some(libc::SCM_RIGHTS) {
        return Err(unexpected);
    }
    let mut at = HEADER;
    while at + 4 <= length {
        // SAFETY: the kernel made a new descriptor of this number for this message.
        take(unsafe { own(word(at).ok_or(unexpected)? as usize) });
        at += 4;
    }
    Ok(())
}
