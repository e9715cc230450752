//! The system call that installs a filter: the only unsafe code of this crate.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use crate::bpf;
use crate::filter::Filter;

/// `SECCOMP_SET_MODE_FILTER`.
const SET_MODE_FILTER: libc::c_uint = 1;

/// Installs a filter for the calling thread, and for what it executes and forks from now on
/// (for all threads of the process with `SECCOMP_FILTER_FLAG_TSYNC`).
///
/// Returns the listener if the filter [notifies](Filter::notifies); it is closed on exec.
///
/// The caller needs `CAP_SYS_ADMIN` in its user namespace or must have set `no_new_privs`; this
/// function does not set it. A kernel that does not know
/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV` (before 5.19) gets the filter without.
///
/// Async-signal-safe: no allocation, no lock, so a process that was forked from a threaded
/// program may call it.
///
/// # Errors
///
/// The error of seccomp(2): `EACCES` without the right to install, `EINVAL` for flags that the
/// kernel does not know, `EBUSY` if the process has a listener already, `ESRCH` if the other
/// threads could not be synchronised.
pub fn install(filter: &Filter) -> io::Result<Option<OwnedFd>> {
    let mut flags = filter.flags();
    let mut result = set_filter(filter, flags);
    let rejected = matches!(&result, Err(error) if error.raw_os_error() == Some(libc::EINVAL));
    if rejected && flags & bpf::FLAG_WAIT_KILLABLE_RECV != 0 {
        flags &= !bpf::FLAG_WAIT_KILLABLE_RECV;
        result = set_filter(filter, flags);
    }
    let value = result?;
    if flags & bpf::FLAG_NEW_LISTENER != 0 {
        // SAFETY: with this flag the result is a new descriptor, which nobody else owns.
        return Ok(Some(unsafe { OwnedFd::from_raw_fd(value) }));
    }
    // With TSYNC the result may be the ID of a thread that has filters of its own.
    if value == 0 {
        Ok(None)
    } else {
        Err(io::Error::from_raw_os_error(libc::ESRCH))
    }
}

fn set_filter(filter: &Filter, flags: u32) -> io::Result<libc::c_int> {
    let program = filter.program();
    let Ok(len) = libc::c_ushort::try_from(program.len()) else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    let program = libc::sock_fprog {
        len,
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: `program` points to `len` instructions, which outlive the call and which the kernel
    // only reads; seccompiler's `sock_filter` has the layout of the kernel's.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SET_MODE_FILTER,
            flags,
            ptr::from_ref(&program),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    libc::c_int::try_from(result).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Whether the running kernel knows these `SECCOMP_FILTER_FLAG_*`.
///
/// A filter at no address is refused with `EFAULT`, but only after the flags were accepted.
pub(crate) fn kernel_knows(flags: u32) -> bool {
    let nothing = ptr::null::<libc::sock_fprog>();
    // SAFETY: the kernel checks the address before it reads; nothing is installed.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, nothing) };
    result == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}
