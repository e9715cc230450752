//! Waiting for processes, and signals to them.

#![forbid(unsafe_code)]

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::error::{Error, ErrorKind, Result};
use crate::sys;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl Exit {
    /// The shell's convention: the code, or 128 and the signal.
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// Waits for a child.
pub(crate) fn wait(pidfd: BorrowedFd<'_>) -> Result<Exit> {
    loop {
        match waitid(Id::PIDFd(pidfd), WaitPidFlag::WEXITED) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(Exit::Code(code)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Exit::Signal(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::system("the container's process", "waitid", errno)),
        }
    }
}

/// Sends a signal to a process that cannot be mistaken for another.
pub(crate) fn send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    sys::process::send_signal(pidfd, signal).map_err(|fault| match fault.errno {
        // Engines look for this text.
        libc::ESRCH => Error::new(ErrorKind::WrongState, "process already finished"),
        _ => Error::fault("the container's process", fault),
    })
}

/// Waits until a process has ended, whoever its parent is.
pub(crate) fn wait_for_end(pidfd: BorrowedFd<'_>, timeout: nix::poll::PollTimeout) -> Result<bool> {
    use nix::poll::{PollFd, PollFlags, poll};
    loop {
        match poll(&mut [PollFd::new(pidfd, PollFlags::POLLIN)], timeout) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::system("the container's process", "poll", errno)),
        }
    }
}
