//! Waiting for events, with a limit; never for time to pass.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::dir::Dir;
use crate::error::Error;

/// A point in time after which nothing is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    end: Instant,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Deadline {
        Deadline {
            end: Instant::now() + limit,
            limit,
        }
    }

    fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    pub(crate) fn passed(&self) -> bool {
        self.left().is_zero()
    }

    pub(crate) fn error(&self, what: impl Into<String>) -> Error {
        Error::TimedOut {
            what: what.into(),
            limit: self.limit,
        }
    }

    /// Lets time pass, where the kernel has no event for what is waited for.
    pub(crate) fn pause(time: Duration) {
        // Only EINTR is possible, and then the pause was short.
        let _ = Deadline::after(time).poll(&[]);
    }

    /// Waits until one of the descriptors has an event; false when time is up.
    pub(crate) fn poll(&self, fds: &[(&dyn AsFd, PollFlags)]) -> Result<bool, Errno> {
        loop {
            let mut polled: Vec<PollFd<'_>> = fds
                .iter()
                .map(|(fd, flags)| PollFd::new(fd.as_fd(), *flags))
                .collect();
            // Rounded up: a wait of less than a millisecond must not become a busy loop.
            let left = self.left().as_millis() + 1;
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut polled, timeout) {
                Ok(0) if self.passed() => return Ok(false),
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(true),
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// Waits until a line of `cgroup.events` has the value wanted. True when the
/// cgroup is gone, or no longer has the line.
pub(crate) fn event(dir: &Dir, key: &str, value: &str, deadline: Deadline) -> Result<bool, Error> {
    const FILE: &str = "cgroup.events";
    let failed = |errno| Error::io("poll", dir.path().join(FILE), errno);
    let fd = match dir.file(FILE, OFlag::O_RDONLY) {
        Ok(fd) => fd,
        Err(Errno::ENOENT | Errno::ENODEV) => return Ok(true),
        Err(errno) => return Err(failed(errno)),
    };
    loop {
        // Reading arms the next notification, so no change between the two is lost.
        let text = match read_again(&fd) {
            Ok(text) => text,
            Err(Errno::ENODEV) => return Ok(true),
            Err(errno) => return Err(failed(errno)),
        };
        let line = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(k, _)| *k == key);
        if line.is_none_or(|(_, present)| present == value) {
            return Ok(true);
        }
        if !deadline
            .poll(&[(&fd, PollFlags::POLLPRI)])
            .map_err(failed)?
        {
            return Ok(false);
        }
    }
}

/// Reads a small file from its start.
pub(crate) fn read_again(fd: &OwnedFd) -> Result<String, Errno> {
    let mut buffer = [0u8; 4096];
    let length = nix::sys::uio::pread(fd, &mut buffer, 0)?;
    Ok(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned())
}
