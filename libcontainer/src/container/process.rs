//! Processes that this program started.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Result;
use crate::launch::notify_socket::NotifySocket;
use crate::launch::wait::{Exit, send_signal, wait};

/// A process in a container, the child of this program.
#[derive(Debug)]
pub struct Process {
    pub(crate) pid: i32,
    pub(crate) pidfd: Arc<OwnedFd>,
    /// Whether its end was waited for, which its container is to know.
    pub(crate) ended: Arc<AtomicBool>,
    pub(crate) terminal: Option<OwnedFd>,
    pub(crate) notify_socket: Option<NotifySocket>,
    pub(crate) warnings: Vec<String>,
}

impl Process {
    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// A descriptor that becomes readable when it ends (pidfd_open(2)).
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// The master of its terminal, once.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// The socket of [`Create::notify_socket`](super::Create::notify_socket), once.
    pub fn take_notify_socket(&mut self) -> Option<NotifySocket> {
        self.notify_socket.take()
    }

    /// What its making left out or did with less effect than was asked for.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`](crate::ErrorKind::WrongState) when it has ended.
    pub fn kill(&self, signal: i32) -> Result<()> {
        send_signal(self.pidfd.as_fd(), signal)
    }

    /// Waits for its end and takes its status from the kernel.
    pub fn wait(&self) -> Result<Exit> {
        let exit = wait(self.pidfd.as_fd())?;
        self.ended.store(true, Ordering::Relaxed);
        Ok(exit)
    }
}
