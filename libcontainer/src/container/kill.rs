//! Signals.

#![forbid(unsafe_code)]

use std::os::fd::AsFd;

use nix::errno::Errno;

use super::{Container, Status};
use crate::launch::wait::send_signal;
use cgroups::FreezerState;

use crate::error::{Error, ErrorKind, Result};
use crate::sys;

impl Container {
    /// Sends a signal to the first process. To every process of the container where `all` is set,
    /// and for `SIGKILL` where the container shares its PID namespace, since then its first process
    /// does not take the others with it.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] with the text "container not running" for a stopped container,
    /// unless `all` is set.
    pub fn kill(&self, signal: i32, all: bool) -> Result<()> {
        let everyone = all || (signal == libc::SIGKILL && !self.record.own_pid_namespace);
        if everyone {
            return self.signal_all(signal, all);
        }
        let Some(first) = self.first_process()? else {
            return Err(not_running());
        };
        send_signal(first.as_fd(), signal)?;
        if signal == libc::SIGKILL {
            self.thaw_for_death();
        }
        Ok(())
    }

    fn signal_all(&self, signal: i32, all: bool) -> Result<()> {
        let cgroup = self.cgroup();
        // In a PID namespace that it shares, processes may have outlived the first one.
        if !all && self.status()? == Status::Stopped {
            match cgroup.pids() {
                Ok(pids) if !pids.is_empty() => {}
                _ => return Err(not_running()),
            }
        }
        let send = |process: std::os::fd::BorrowedFd<'_>| {
            sys::process::send_signal(process, signal).map_err(|fault| Errno::from_raw(fault.errno))
        };
        cgroup
            .kill_with(signal, &send)
            .map_err(|error| self.cgroup_error(error))
    }

    /// A frozen process dies only when it is thawed (cgroup v1).
    pub(super) fn thaw_for_death(&self) {
        let cgroup = self.cgroup();
        if matches!(cgroup.freezer_state(), Ok(FreezerState::Frozen)) {
            // The signal is on its way; whether thawing works decides only when it arrives.
            let _ = cgroup.thaw();
        }
    }
}

/// Engines look for these words.
fn not_running() -> Error {
    Error::new(ErrorKind::WrongState, "container not running")
}
