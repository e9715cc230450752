//! Signals to every process of a cgroup.

use std::os::fd::{AsFd as _, BorrowedFd};

use nix::errno::Errno;
use nix::libc;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::cgroup::Cgroup;
use crate::dir::Dir;
use crate::error::Error;
use crate::freeze::FreezerState;

/// How often the processes are listed again where they cannot be frozen: each
/// round finds only what was forked since the last.
const ROUNDS: usize = 100;

/// Sends a signal to the process of a pidfd.
type Send<'a> = &'a dyn Fn(BorrowedFd<'_>) -> Result<(), Errno>;

impl Cgroup {
    /// Sends a signal to every process in the cgroup and below it, whatever PID
    /// namespaces they are in.
    ///
    /// `SIGKILL` is the kernel's own operation on version 2 (`cgroup.kill`, kernel 5.14).
    /// Otherwise the cgroup is frozen meanwhile, so that no process escapes by
    /// forking, and continued afterwards: for `SIGKILL` in any case, else if it ran before.
    ///
    /// # Errors
    /// When processes cannot be listed or may not be signalled. [`Error::Invalid`] for
    /// anything but the standard signals 1 to 31.
    pub fn kill(&self, signal: i32) -> Result<(), Error> {
        let Some(standard) = Signal::from_named_raw(signal) else {
            return Err(Error::invalid(
                "signal",
                signal.to_string(),
                "must be a standard signal, 1 to 31",
            ));
        };
        self.kill_with(signal, &|pidfd| {
            pidfd_send_signal(pidfd, standard)
                .map_err(|errno| Errno::from_raw(errno.raw_os_error()))
        })
    }

    /// [`Cgroup::kill`], with a function that sends `signal` to one process: for real-time
    /// signals, which no safe interface sends.
    ///
    /// # Errors
    /// Those of [`Cgroup::kill`].
    pub fn kill_with(&self, signal: i32, send: Send<'_>) -> Result<(), Error> {
        if signal == libc::SIGKILL && self.kill_v2()? {
            return Ok(());
        }
        let was = self.freezer_state()?;
        let frozen = match was {
            FreezerState::Undefined => false,
            FreezerState::Frozen => true,
            // A process that cannot be stopped must not keep the others alive.
            FreezerState::Thawed => self.freeze().is_ok(),
        };
        let result = self.signal_all(send, frozen);
        if was == FreezerState::Thawed && frozen
            || was == FreezerState::Frozen && signal == libc::SIGKILL
        {
            self.thaw()?;
        }
        result
    }

    /// True when the kernel did it, or there is nothing left to kill.
    fn kill_v2(&self) -> Result<bool, Error> {
        let Some(member) = self.member("").filter(|member| member.unified) else {
            return Ok(false);
        };
        let dir = match Dir::open(&member.path) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(true),
            opened => opened?,
        };
        match dir.write("cgroup.kill", "1") {
            Ok(()) => Ok(true),
            // Older kernels; and threaded cgroups cannot be killed this way.
            Err(Errno::ENOENT | Errno::EOPNOTSUPP) => Ok(false),
            Err(errno) => Err(Error::io("write", member.path.join("cgroup.kill"), errno)),
        }
    }

    fn signal_all(&self, send: Send<'_>, frozen: bool) -> Result<(), Error> {
        let mut done: Vec<i32> = Vec::new();
        for _ in 0..if frozen { 1 } else { ROUNDS } {
            let new: Vec<i32> = self
                .pids()?
                .into_iter()
                .filter(|pid| !done.contains(pid))
                .collect();
            if new.is_empty() {
                break;
            }
            for pid in new {
                self.signal_one(pid, send)?;
                done.push(pid);
            }
        }
        Ok(())
    }

    /// The id was read a moment ago and may belong to another process by now: a
    /// pidfd holds on to whatever it is, and the list says whether it is ours.
    fn signal_one(&self, pid: i32, send: Send<'_>) -> Result<(), Error> {
        let failed = |call, errno| Error::io(call, format!("/proc/{pid}"), errno);
        let Some(id) = Pid::from_raw(pid) else {
            return Ok(());
        };
        let pidfd = match pidfd_open(id, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            Err(errno) => {
                let errno = Errno::from_raw(errno.raw_os_error());
                return Err(failed("pidfd_open", errno));
            }
        };
        if !self.pids()?.contains(&pid) {
            return Ok(());
        }
        match send(pidfd.as_fd()) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(failed("pidfd_send_signal", errno)),
        }
    }
}
