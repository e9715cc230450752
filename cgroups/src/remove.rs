//! Removing a cgroup.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::PollFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::cgroup::{Cgroup, Member};
use crate::dir::Dir;
use crate::error::Error;
use crate::wait::{self, Deadline};
use crate::walk;

/// How long processes that were killed may take to go.
const LIMIT: Duration = Duration::from_secs(10);

impl Cgroup {
    /// Removes the cgroup and those below it, and stops the unit if there is one.
    /// A cgroup that is gone already is no error. Directories above stay.
    ///
    /// Processes are not killed here; those that are dying are waited for.
    ///
    /// # Errors
    /// [`Error::Busy`] when processes stay. What could be removed is removed all the same.
    pub fn remove(&self) -> Result<(), Error> {
        let deadline = Deadline::after(LIMIT);
        let stopped = self.stop_unit();
        let mut first = Ok(());
        for member in &self.record.members {
            let removed = remove_member(member, deadline);
            first = first.and(removed);
        }
        first.and(stopped)
    }
}

fn remove_member(member: &Member, deadline: Deadline) -> Result<(), Error> {
    let mut rounds = 0u32;
    while !walk::remove(&member.path)? {
        let waited = match member.unified {
            true => wait_unified(&member.path, deadline)?,
            false => wait_processes(&member.path, deadline)?,
        };
        if !waited {
            let processes = Dir::open(&member.path)
                .and_then(walk::pids)
                .map_or(0, |p| p.len());
            return Err(Error::Busy {
                path: member.path.clone(),
                processes,
            });
        }
        // Nobody is inside any more and the kernel still says EBUSY: it is
        // between the last process's end and the cgroup's. Let it run.
        if rounds > 0 {
            Deadline::pause(Duration::from_millis(1));
        }
        rounds += 1;
    }
    Ok(())
}

fn wait_unified(path: &Path, deadline: Deadline) -> Result<bool, Error> {
    match Dir::open(path) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(true),
        Ok(dir) => Ok(wait::event(&dir, "populated", "0", deadline)? && !deadline.passed()),
        Err(error) => Err(error),
    }
}

/// Version 1 tells nobody when a cgroup becomes empty; the processes do, when they end.
fn wait_processes(path: &Path, deadline: Deadline) -> Result<bool, Error> {
    let dir = match Dir::open(path) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(true),
        opened => opened?,
    };
    let pidfds: Vec<OwnedFd> = walk::pids(dir)?
        .into_iter()
        .filter_map(Pid::from_raw)
        .filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
        .collect();
    for pidfd in &pidfds {
        let fds: [(&dyn AsFd, PollFlags); 1] = [(pidfd, PollFlags::POLLIN)];
        if !deadline
            .poll(&fds)
            .map_err(|errno| Error::io("poll", path, errno))?
        {
            return Ok(false);
        }
    }
    Ok(!deadline.passed())
}
