//! The terminal of the caller.

#![forbid(unsafe_code)]

use libcontainer::WindowSize;
use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

use crate::failure::Failure;

/// The caller's terminal; as it was again when this is dropped.
#[derive(Debug)]
pub(super) struct HostTerminal {
    terminal: OwnedFd,
    /// Whether keys come from it.
    has_input: bool,
    before: Option<Termios>,
}

impl HostTerminal {
    /// The terminal that keys come from or, failing that, the one that shows output.
    pub(super) fn open(input: BorrowedFd<'_>, output: BorrowedFd<'_>) -> Option<Self> {
        let has_input = input.is_terminal();
        let terminal = if has_input { input } else { output };
        terminal.is_terminal().then_some(())?;
        Some(Self {
            terminal: terminal.try_clone_to_owned().ok()?,
            has_input,
            before: None,
        })
    }

    /// That of this program's standard input and output.
    pub(super) fn of_caller() -> Option<Self> {
        Self::open(std::io::stdin().as_fd(), std::io::stdout().as_fd())
    }

    /// Its size, where it has one.
    pub(super) fn size(&self) -> Option<WindowSize> {
        let size = tcgetwinsize(&self.terminal).ok()?;
        (size.ws_row > 0 && size.ws_col > 0).then_some(WindowSize {
            height: size.ws_row,
            width: size.ws_col,
        })
    }

    /// Passes every key on as it is: the container's terminal gives keys their meaning. How lines end
    /// stays this terminal's affair. A terminal that only shows output stays as it is.
    pub(super) fn into_raw(mut self) -> Result<Self, Failure> {
        if !self.has_input {
            return Ok(self);
        }
        let failed = |call| {
            move |errno: rustix::io::Errno| {
                Failure::system(call)(nix::errno::Errno::from_raw(errno.raw_os_error()))
            }
        };
        let before = tcgetattr(&self.terminal).map_err(failed("tcgetattr on stdin"))?;
        let mut raw = before.clone();
        raw.make_raw();
        raw.output_modes = before.output_modes;
        tcsetattr(&self.terminal, OptionalActions::Now, &raw)
            .map_err(failed("tcsetattr on stdin"))?;
        self.before = Some(before);
        Ok(self)
    }

    /// Gives another terminal the size of this one. A terminal that is gone has none; no matter.
    pub(super) fn give_size(&self, other: &OwnedFd) {
        if let Ok(size) = tcgetwinsize(&self.terminal) {
            let _ = tcsetwinsize(other, size);
        }
    }
}

impl Drop for HostTerminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, before);
        }
    }
}
