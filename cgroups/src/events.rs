//! Being told when the kernel kills for want of memory.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::PollFlags;
use rustix::event::{EventfdFlags, eventfd};

use crate::cgroup::Cgroup;
use crate::dir::Dir;
use crate::error::Error;
use crate::wait::read_again;

/// What was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryEvent {
    /// Nothing.
    None,
    /// The limit was met and could not be kept without killing, so often since the last time.
    OutOfMemory(u64),
    /// The cgroup was removed; no more events come.
    Gone,
}

/// Watches a cgroup's memory limit. Poll [`OomEvents::as_fd`] for
/// [`OomEvents::flags`], then call [`OomEvents::read`].
#[derive(Debug)]
pub struct OomEvents {
    fd: OwnedFd,
    path: PathBuf,
    /// Version 1: the file that the notifications are about stays open.
    control: Option<OwnedFd>,
    seen: u64,
}

impl Cgroup {
    /// Starts to watch; what happened before is not reported.
    ///
    /// # Errors
    /// [`Error::NoCgroup`] without a memory controller.
    pub fn oom_events(&self) -> Result<OomEvents, Error> {
        let none = Error::NoCgroup {
            verb: "watch memory events",
            controller: "memory",
        };
        let member = self.member("memory").ok_or(none)?;
        let dir = Dir::open(&member.path)?;
        match member.unified {
            true => OomEvents::v2(&dir),
            false => OomEvents::v1(&dir),
        }
    }

    /// How often the kernel killed a process of the container for want of memory.
    /// 0 when the cgroup or the controller is not there.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn oom_kills(&self) -> Result<u64, Error> {
        let Some(member) = self.member("memory") else {
            return Ok(0);
        };
        let file = if member.unified {
            "memory.events"
        } else {
            "memory.oom_control"
        };
        match Dir::open(&member.path) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(0),
            opened => Ok(kills(&opened?.read_if_present(file)?.unwrap_or_default())),
        }
    }
}

fn kills(text: &str) -> u64 {
    crate::stats::key_values(text)
        .find(|(key, _)| *key == "oom_kill")
        .map_or(0, |(_, n)| n)
}

impl OomEvents {
    fn v2(dir: &Dir) -> Result<OomEvents, Error> {
        const FILE: &str = "memory.events";
        let path = dir.path().join(FILE);
        let failed = |errno| Error::io("openat", &path, errno);
        let fd = dir.file(FILE, OFlag::O_RDONLY).map_err(failed)?;
        let seen = kills(&read_again(&fd).map_err(failed)?);
        Ok(OomEvents {
            fd,
            path,
            control: None,
            seen,
        })
    }

    /// `Documentation/admin-guide/cgroup-v1/memory.rst`, "OOM Control".
    fn v1(dir: &Dir) -> Result<OomEvents, Error> {
        const FILE: &str = "memory.oom_control";
        const REGISTER: &str = "cgroup.event_control";
        let path = dir.path().join(FILE);
        let control = dir
            .file(FILE, OFlag::O_RDONLY)
            .map_err(|errno| Error::io("openat", &path, errno))?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let fd = eventfd(0, flags)
            .map_err(|errno| Error::io("eventfd2", &path, Errno::from_raw(errno.raw_os_error())))?;
        dir.write(
            REGISTER,
            &format!("{} {}", fd.as_raw_fd(), control.as_raw_fd()),
        )
        .map_err(|errno| Error::io("write", dir.path().join(REGISTER), errno))?;
        Ok(OomEvents {
            fd,
            path,
            control: Some(control),
            seen: 0,
        })
    }

    /// What to poll for.
    pub fn flags(&self) -> PollFlags {
        match self.control {
            Some(_) => PollFlags::POLLIN,
            None => PollFlags::POLLPRI,
        }
    }

    /// What happened since the last call. Does not block.
    ///
    /// # Errors
    /// When the kernel's file cannot be read.
    pub fn read(&mut self) -> Result<MemoryEvent, Error> {
        if self.control.is_some() {
            let mut count = [0u8; 8];
            return match nix::unistd::read(&self.fd, &mut count) {
                Err(Errno::EAGAIN | Errno::EINTR) => Ok(MemoryEvent::None),
                Err(errno) => Err(Error::io("read", &self.path, errno)),
                // Removal of the cgroup is notified too.
                Ok(_) if !self.path.exists() => Ok(MemoryEvent::Gone),
                Ok(_) => Ok(MemoryEvent::OutOfMemory(u64::from_ne_bytes(count))),
            };
        }
        match read_again(&self.fd) {
            Err(Errno::ENODEV) => Ok(MemoryEvent::Gone),
            Err(errno) => Err(Error::io("read", &self.path, errno)),
            Ok(text) => {
                let new = kills(&text).saturating_sub(self.seen);
                self.seen += new;
                Ok(if new > 0 {
                    MemoryEvent::OutOfMemory(new)
                } else {
                    MemoryEvent::None
                })
            }
        }
    }
}

impl AsFd for OomEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
