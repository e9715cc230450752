//! What a caller may say about a process, be it a container's first or a further one.

#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::warnings::{Hear, Warnings};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::step::WindowSize;
use crate::seal;

/// What happens to the master of a terminal, where the process has one.
#[derive(Debug, Default)]
pub enum Terminal {
    /// The caller gets it in [`Process::take_terminal`](super::Process::take_terminal); with
    /// [`Create::create`](super::Create::create), where nobody would get it, it is an error.
    #[default]
    Keep,
    /// It is sent to the socket at this path (`--console-socket`).
    Socket(PathBuf),
}

/// How a process is connected to the caller, for [`Create::process`](super::Create::process) and
/// [`Exec::process`](super::Exec::process).
#[derive(Debug, Default)]
pub struct ProcessOptions {
    pub(super) terminal: Terminal,
    pub(super) window_size: Option<WindowSize>,
    pub(super) stdio: Option<[OwnedFd; 3]>,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) pidfd_socket: Option<PathBuf>,
    pub(super) preserve_fds: u32,
    pub(super) unsealed: bool,
    hear: Option<Hear>,
}

impl ProcessOptions {
    /// What happens to the terminal's master.
    #[must_use]
    pub fn terminal(mut self, terminal: Terminal) -> Self {
        self.terminal = terminal;
        self
    }

    /// Size of the terminal, in place of the configuration's: the program finds it from its first
    /// instruction on.
    #[must_use]
    pub fn window_size(mut self, size: WindowSize) -> Self {
        self.window_size = Some(size);
        self
    }

    /// Standard input, output and error of the program; this program's own unless said. A terminal
    /// takes their place.
    #[must_use]
    pub fn stdio(mut self, stdio: [OwnedFd; 3]) -> Self {
        self.stdio = Some(stdio);
        self
    }

    /// Writes the number of the process to this file: of a container's first process before its program
    /// starts, of a further one, as runc and crun do, when that has started. Where the file cannot be
    /// made nothing starts.
    #[must_use]
    pub fn pid_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.pid_file = Some(path.into());
        self
    }

    /// Sends a pidfd of the process to the socket at this path before its program starts.
    #[must_use]
    pub fn pidfd_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.pidfd_socket = Some(path.into());
        self
    }

    /// Passes this many descriptors, from 3 on, to the program.
    #[must_use]
    pub fn preserve_fds(mut self, count: u32) -> Self {
        self.preserve_fds = count;
        self
    }

    /// Lets the process run although this program's own file is not sealed; see [`crate::seal`].
    #[must_use]
    pub fn unsealed(mut self) -> Self {
        self.unsealed = true;
        self
    }

    /// Calls this with every warning as soon as it is known, which is before the program starts.
    /// Warnings can be read afterwards too: [`Process::warnings`](super::Process::warnings),
    /// [`Container::warnings`](super::Container::warnings).
    #[must_use]
    pub fn on_warning(mut self, hear: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.hear = Some(Hear::new(hear));
        self
    }

    /// Where warnings are collected; taken once.
    pub(super) fn take_warnings(&mut self) -> Warnings {
        Warnings::new(self.hear.take())
    }

    /// A container could otherwise write to the program that made it.
    pub(super) fn check_sealed(&self) -> Result<()> {
        if self.unsealed || seal::is_sealed() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::System,
            "the running program's file is not sealed against containers: call \
             libcontainer::seal() first in main, or say unsealed()",
        ))
    }
}
