//! Pausing and going on.

#![forbid(unsafe_code)]

use super::{Container, Status};
use crate::error::{Error, ErrorKind, Result};

impl Container {
    /// Freezes every process of the container and waits until they are.
    pub fn pause(&self) -> Result<()> {
        let _directory = self.lock()?;
        match self.status()? {
            Status::Running | Status::Created => {}
            status => {
                return Err(Error::new(
                    ErrorKind::WrongState,
                    format!("container not running or created: {status}"),
                ));
            }
        }
        self.cgroup()
            .freeze()
            .map_err(|error| self.cgroup_error(error))
    }

    /// Lets a frozen container go on.
    pub fn resume(&self) -> Result<()> {
        let _directory = self.lock()?;
        if self.status()? != Status::Paused {
            return Err(Error::new(ErrorKind::WrongState, "container not paused"));
        }
        self.cgroup()
            .thaw()
            .map_err(|error| self.cgroup_error(error))
    }
}
