//! Limits and figures of a container that exists.

#![forbid(unsafe_code)]

use oci_spec::runtime::LinuxResources;

use super::{Container, Status};
use crate::error::{Error, ErrorKind, Result};

impl Container {
    /// Changes its limits; what is `None` stays as it is.
    pub fn update(&self, resources: &LinuxResources) -> Result<()> {
        let _directory = self.lock()?;
        if self.status()? == Status::Stopped {
            return Err(Error::new(ErrorKind::WrongState, "container not running"));
        }
        self.cgroup()
            .update(resources)
            .map_err(|error| self.cgroup_error(error))
    }

    /// The numbers of its processes, as the caller's PID namespace has them.
    pub fn processes(&self) -> Result<Vec<i32>> {
        self.cgroup()
            .pids()
            .map_err(|error| self.cgroup_error(error))
    }

    /// What it uses, for runc's `events`.
    pub fn stats(&self) -> Result<cgroups::stats::Stats> {
        if self.status()? == Status::Stopped {
            return Err(Error::new(
                ErrorKind::WrongState,
                "container is not running",
            ));
        }
        self.cgroup()
            .stats()
            .map_err(|error| self.cgroup_error(error))
    }

    /// Watches the limit of its memory, for runc's `events`.
    ///
    /// # Errors
    /// Its cgroup has no memory controller.
    pub fn oom_events(&self) -> Result<cgroups::OomEvents> {
        self.cgroup()
            .oom_events()
            .map_err(|error| self.cgroup_error(error))
    }
}
