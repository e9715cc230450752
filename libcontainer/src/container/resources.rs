//! Limits and figures of a container that exists.

#![forbid(unsafe_code)]

use oci_spec::runtime::LinuxResources;

use super::{Container, Status};
use crate::error::{Error, ErrorKind, Result};
use crate::launch::resctrl;

impl Container {
    /// Changes its limits; what is `None` stays as it is. Returns a warning where a setting cannot
    /// be applied beside another one.
    pub fn update(&self, resources: &LinuxResources) -> Result<Option<&'static str>> {
        let _directory = self.lock()?;
        if self.status()? == Status::Stopped {
            return Err(Error::new(ErrorKind::WrongState, "container not running"));
        }
        let cgroup = self.cgroup();
        cgroup
            .update(resources)
            .map_err(|error| self.cgroup_error(error))?;
        Ok(cgroup.passed_over(resources))
    }

    /// Changes what it may use of the third level cache and of memory bandwidth: a line of resctrl's
    /// `schemata` each, such as `L3:0=ff;1=f` and `MB:0=50;1=100`. What is `None` stays as it is.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] where its configuration has no `linux.intelRdt`, so that it has no
    /// class of its own that could be changed.
    pub fn update_intel_rdt(&self, l3: Option<&str>, bandwidth: Option<&str>) -> Result<()> {
        let _directory = self.lock()?;
        match &self.record.intel_rdt {
            Some(group) => resctrl::update(group, l3, bandwidth),
            None => Err(Error::new(
                ErrorKind::WrongState,
                "linux.intelRdt: the container was made without, so it has no class to change",
            )),
        }
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
        let mut stats = self
            .cgroup()
            .stats()
            .map_err(|error| self.cgroup_error(error))?;
        if let Some(group) = &self.record.intel_rdt {
            stats.intel_rdt = resctrl::stats::stats(group)?;
        }
        Ok(stats)
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
