//! Carries bytes between the caller's standard input and output and the container's terminal.

#![forbid(unsafe_code)]

use std::io::{Stdin, Stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{read, write};

use super::terminal::HostTerminal;
use crate::failure::Failure;

/// As much as a pipe that poll(2) calls writable takes without blocking (pipe(7), `PIPE_BUF`).
const CHUNK: usize = 4096;

/// Standard input and output, the container's terminal, and what is on its way between them.
#[derive(Debug)]
pub(super) struct Proxy {
    stdin: Stdin,
    stdout: Stdout,
    master: OwnedFd,
    host: Option<HostTerminal>,
    input: Lane,
    output: Lane,
}

/// One direction.
#[derive(Debug)]
struct Lane {
    /// Read and not yet written.
    held: Vec<u8>,
    /// Whether there may be more to read.
    open: bool,
}

impl Lane {
    const NEW: Self = Self {
        held: Vec::new(),
        open: true,
    };

    fn wants_read(&self) -> bool {
        self.open && self.held.is_empty()
    }

    /// Reads once. The end of the file and an error close the lane: the master of a terminal gives
    /// `EIO` when nobody has the other side open.
    fn read(&mut self, from: BorrowedFd<'_>) {
        let mut chunk = [0; CHUNK];
        match read(from, &mut chunk) {
            Ok(0) => self.open = false,
            Ok(count) => self.held.extend(chunk.iter().take(count)),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => self.open = false,
        }
    }

    /// Writes once. What nobody takes any more is dropped, so that the container does not wait.
    fn write(&mut self, to: BorrowedFd<'_>) {
        match write(to, &self.held) {
            Ok(count) => drop(self.held.drain(..count.min(self.held.len()))),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => self.held.clear(),
        }
    }
}

impl Proxy {
    /// Connects the terminal whose master this is to the caller's, which becomes raw until this is
    /// dropped.
    pub(super) fn new(master: OwnedFd) -> Result<Self, Failure> {
        let flags = fcntl(&master, FcntlArg::F_GETFL).map_err(Failure::system("fcntl F_GETFL"))?;
        let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
        fcntl(&master, FcntlArg::F_SETFL(flags)).map_err(Failure::system("fcntl F_SETFL"))?;
        let host = HostTerminal::open();
        if let Some(host) = &host {
            host.give_size(&master);
        }
        Ok(Self {
            stdin: std::io::stdin(),
            stdout: std::io::stdout(),
            master,
            host: host.map(HostTerminal::into_raw).transpose()?,
            input: Lane::NEW,
            output: Lane::NEW,
        })
    }

    /// Gives the container's terminal the size of the caller's.
    pub(super) fn resize(&self) {
        if let Some(host) = &self.host {
            host.give_size(&self.master);
        }
    }

    /// What to wait for.
    pub(super) fn waits(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let mut master = PollFlags::empty();
        master.set(PollFlags::POLLOUT, !self.input.held.is_empty());
        master.set(PollFlags::POLLIN, self.output.wants_read());
        let wanted = [
            (
                self.stdin.as_fd(),
                self.input.wants_read(),
                PollFlags::POLLIN,
            ),
            (self.stdout.as_fd(), self.holds_output(), PollFlags::POLLOUT),
            (self.master.as_fd(), !master.is_empty(), master),
        ];
        let wanted = wanted.into_iter().filter(|(_, wanted, _)| *wanted);
        wanted.map(|(fd, _, flags)| (fd, flags))
    }

    /// Whether there is output that has not been written.
    pub(super) fn holds_output(&self) -> bool {
        !self.output.held.is_empty()
    }

    /// Moves what can be moved without blocking.
    pub(super) fn transfer(&mut self) {
        if self.input.wants_read() && is_ready(self.stdin.as_fd(), PollFlags::POLLIN) {
            self.input.read(self.stdin.as_fd());
        }
        if !self.input.held.is_empty() {
            self.input.write(self.master.as_fd());
        }
        if self.output.wants_read() {
            self.output.read(self.master.as_fd());
        }
        if self.holds_output() && is_ready(self.stdout.as_fd(), PollFlags::POLLOUT) {
            self.output.write(self.stdout.as_fd());
        }
    }
}

/// Whether a descriptor that others share, and which therefore stays blocking, can be used now.
fn is_ready(fd: BorrowedFd<'_>, flags: PollFlags) -> bool {
    let mut waits = [PollFd::new(fd, flags)];
    poll(&mut waits, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}
