//! Starting a created container's program.

#![forbid(unsafe_code)]

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;

use super::{Container, Status};
use crate::error::{Error, ErrorKind, Result};
use crate::launch::hooks;
use crate::launch::notify_socket::NotifySocket;
use crate::launch::wait::send_signal;
use crate::store::{StartFifo, Started};
use crate::sync::Failure;
use crate::sys::Call;

impl Container {
    /// Starts the program and waits until it runs, then runs the poststart hooks. A startContainer
    /// hook or program that fails is an error here, as is a poststart hook; the container is stopped
    /// then (runtime.md, "Lifecycle", steps 7 to 10).
    pub fn start(&self) -> Result<()> {
        let directory = self.lock()?;
        match self.status()? {
            Status::Created => {}
            Status::Stopped => {
                return Err(Error::new(
                    ErrorKind::WrongState,
                    "cannot start a container that has stopped",
                ));
            }
            Status::Running => {
                return Err(Error::new(
                    ErrorKind::WrongState,
                    "cannot start an already running container",
                ));
            }
            status => {
                return Err(Error::new(
                    ErrorKind::WrongState,
                    format!("cannot start a container in the {status} state"),
                ));
            }
        }
        match StartFifo::start(&directory)? {
            Started::Runs => self.run_poststart(),
            Started::Failed(failure) => Err(self.explain(&failure)),
            Started::Ended => Err(Error::new(
                ErrorKind::WrongState,
                "the container's process ended before its program was started",
            )),
        }
    }

    /// As [`Container::start`], then waits until the container says that it is ready (sd_notify(3))
    /// and tells that to the socket at this path or, after `@`, abstract name. A container made
    /// without [`Create::notify_socket`](super::Create::notify_socket), or that ends before, is no
    /// error.
    pub fn start_notifying(&self, host: &Path) -> Result<()> {
        let socket = NotifySocket::bind_prepared(&self.path, host)?;
        let first = self.first_process()?;
        self.start()?;
        if let (Some(socket), Some(first)) = (socket, first) {
            socket.wait_ready(first.as_fd(), self.record.init_process_pid)?;
        }
        Ok(())
    }

    /// The plan went with the process that made the container; what was left to do is recorded.
    fn explain(&self, failure: &Failure) -> Error {
        let step = self.record.after_start.get(&failure.step);
        let call = Call::from_u16(failure.call).map_or("system call", Call::name);
        Error::system(
            step.map_or("start", String::as_str),
            call,
            Errno::from_raw(failure.errno),
        )
        .within("unable to start container process")
    }

    /// A failing hook stops the container.
    pub(crate) fn run_poststart(&self) -> Result<()> {
        let hooks = &self.record.hooks.poststart;
        if hooks.is_empty() {
            return Ok(());
        }
        let state = self.hook_state(Status::Running)?;
        hooks::run(hooks, "poststart", &state, &self.record.bundle).inspect_err(|_| {
            if let Ok(Some(first)) = self.first_process() {
                // The hook's error is what the caller must hear of.
                let _ = send_signal(first.as_fd(), libc::SIGKILL);
            }
        })
    }
}
