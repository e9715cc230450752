//! The one place with unsafe code.

use crate::sample::Usage;
use integration::sys;
use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// How a process ended, and what it and the children that it waited for used.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// Exit status as a shell has it: 128 and more for a signal.
    pub status: i32,
    /// What it used.
    pub usage: Usage,
}

/// Waits for a child.
///
/// # Errors
/// As pidfd_open(2) and wait4(2); `TimedOut` after `limit`: the child still runs.
pub fn wait(pid: i32, limit: Duration) -> io::Result<Ended> {
    let pidfd = sys::pidfd_open(pid.cast_unsigned())?;
    if !sys::wait_readable(pidfd.as_fd(), limit) {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let mut status = 0;
    // SAFETY: rusage is plain data for which zero is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are valid for writing.
    let rc = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    Errno::result(rc)?;
    let micros = |time: libc::timeval| {
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        seconds * 1_000_000 + u64::try_from(time.tv_usec).unwrap_or(0)
    };
    let usage = Usage {
        cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime),
        faults: u64::try_from(usage.ru_minflt + usage.ru_majflt).unwrap_or(0),
    };
    let status = if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        128 + libc::WTERMSIG(status)
    };
    Ok(Ended { status, usage })
}

/// Keeps from what is measured what the caller left behind. A descriptor changes which others are
/// neighbours, and so how many calls close them; a signal that is ignored (nohup(1), a shell's `&`) is
/// one more call, for a container's process begins with none.
///
/// # Errors
/// As close_range(2) with `CLOSE_RANGE_CLOEXEC` (Linux 5.11).
pub fn leave_inheritance() -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: it takes integers, and closes nothing in this process.
    let rc = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, flags) };
    Errno::result(rc)?;
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: the default is no handler.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }?;
    }
    Ok(())
}

/// Lets the child be traced by this process from its execve on, with addresses that
/// are the same every time.
pub fn trace_child(command: &mut Command) {
    let prepare = || {
        // SAFETY: personality takes an integer.
        Errno::result(unsafe {
            libc::personality(libc::ADDR_NO_RANDOMIZE.cast_unsigned().into())
        })?;
        nix::sys::ptrace::traceme().map_err(io::Error::from)
    };
    // SAFETY: the closure makes only async-signal-safe system calls.
    unsafe {
        command.pre_exec(prepare);
    }
}
