//! The end of a container.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::poll::PollTimeout;

use super::{Container, Status};
use crate::error::{Error, ErrorKind, Result};
use crate::launch::wait::{send_signal, wait_for_end};
use crate::launch::{hooks, resctrl};
use crate::store::{self, Directory, still_there, wait_for_lock};
use crate::sys;

/// Milliseconds that a killed process may take to end. The kernel needs that long only when it
/// hangs in a driver or a network file system.
const DEATH: u16 = 10_000;

impl Container {
    /// Removes the container: its cgroup, its state and then, by its poststop hooks, what others
    /// keep of it. A running one is killed first where `force` is set. A container that waits to be
    /// started may be deleted without, as engines do. Hooks that fail are returned as warnings
    /// (runtime.md, "Lifecycle", step 13).
    pub fn delete(self, force: bool) -> Result<Vec<Error>> {
        // Nobody else uses this container, so that its own open directory can be locked.
        wait_for_lock(&self.path, &self.directory)?;
        still_there(&self.path, &self.directory)?;
        match self.status()? {
            Status::Stopped => {}
            Status::Created => self.kill_and_wait()?,
            _ if force => self.kill_and_wait()?,
            status => {
                let id = &self.record.id;
                return Err(Error::new(
                    ErrorKind::WrongState,
                    format!("cannot delete container {id} that is not stopped: {status}"),
                ));
            }
        }
        let warnings = self.remove()?;
        // The lock goes with the directory.
        let (directory, child) = (Arc::into_inner(self.directory), self.child);
        let opened = [
            directory.map(OwnedFd::from),
            Some(self.proc.into_fd()),
            child.and_then(Arc::into_inner),
        ];
        sys::descriptor::close_all(opened.into_iter().flatten());
        Ok(warnings)
    }

    /// Removes what is left of a container whose record cannot be read: only its directory is
    /// known. For `delete --force`.
    pub fn discard(root: &Path, id: &str) -> Result<()> {
        Directory::open(root, id)?.remove()
    }

    fn kill_and_wait(&self) -> Result<()> {
        let Some(first) = self.first_process()? else {
            return Ok(());
        };
        if let Err(error) = send_signal(first.as_fd(), libc::SIGKILL)
            && error.kind() != ErrorKind::WrongState
        {
            return Err(error);
        }
        self.thaw_for_death();
        if !wait_for_end(first.as_fd(), PollTimeout::from(DEATH))? {
            return Err(Error::new(
                ErrorKind::System,
                format!(
                    "process {} does not end after SIGKILL",
                    self.record.init_process_pid
                ),
            ));
        }
        Ok(())
    }

    fn remove(&self) -> Result<Vec<Error>> {
        let cgroup = self.cgroup();
        if !self.record.own_pid_namespace {
            // What the first process left behind.
            cgroup
                .kill(libc::SIGKILL)
                .map_err(|error| self.cgroup_error(error))?;
        }
        cgroup.remove().map_err(|error| self.cgroup_error(error))?;
        if let Some(group) = &self.record.intel_rdt {
            resctrl::remove(group)?;
        }
        store::remove(&self.path, &self.directory)?;
        Ok(self.run_poststop())
    }

    fn run_poststop(&self) -> Vec<Error> {
        let hooks = &self.record.hooks.poststop;
        if hooks.is_empty() {
            return Vec::new();
        }
        match self.hook_state(Status::Stopped) {
            Ok(state) => hooks::run_all_warn(hooks, "poststop", &state, &self.record.bundle),
            Err(error) => vec![error],
        }
    }
}
