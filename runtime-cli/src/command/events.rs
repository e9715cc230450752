//! `events`: statistics of a container, and a line whenever its memory runs out.

#![forbid(unsafe_code)]

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use libcontainer::{Container, ErrorKind, MemoryEvent, OomEvents, Status as Life};
use nix::errno::Errno;
use nix::poll::{PollFd, PollTimeout, poll};
use serde::Serialize;

use super::Context;
use crate::args::flags;
use crate::failure::Failure;
use crate::log::Log;
use crate::output::{self, Status};

/// Time between two statistics unless the caller says otherwise.
const INTERVAL: Duration = Duration::from_secs(5);

/// One line of output, in runc's form.
#[derive(Serialize)]
struct Event<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
}

pub(super) fn events(context: &Context<'_>) -> Result<Status, Failure> {
    let interval = context
        .matches
        .interval(&flags::INTERVAL)?
        .unwrap_or(INTERVAL);
    if interval.is_zero() {
        return Err(Failure::Refused("duration interval must be greater than 0"));
    }
    let container = context.container()?;
    if container.status()? == Life::Stopped {
        return Err(Failure::NotRunning(container.id().to_owned()));
    }
    if context.matches.is_set(&flags::STATS) {
        return print(&container, "stats", Some(container.stats()?));
    }
    let mut watch = Watch::new(&container, context.log);
    let mut next = Instant::now() + interval;
    loop {
        match watch.until(next)? {
            MemoryEvent::None => {}
            MemoryEvent::Gone => return Ok(Status::Success),
            MemoryEvent::OutOfMemory(_) => {
                print::<()>(&container, "oom", None)?;
            }
        }
        if Instant::now() < next {
            continue;
        }
        match container.stats() {
            Ok(stats) => print(&container, "stats", Some(stats))?,
            // It has ended, or somebody deleted it.
            Err(error) if matches!(error.kind(), ErrorKind::WrongState | ErrorKind::NotFound) => {
                return Ok(Status::Success);
            }
            Err(error) => return Err(error.into()),
        };
        next += interval;
    }
}

fn print<T: Serialize>(
    container: &Container,
    kind: &str,
    data: Option<T>,
) -> Result<Status, Failure> {
    let id = container.id();
    output::json_line(&Event { kind, id, data })
}

/// The watch for want of memory, where the container's cgroup has that controller.
struct Watch<'a> {
    events: Option<OomEvents>,
    log: &'a Log,
}

impl<'a> Watch<'a> {
    fn new(container: &Container, log: &'a Log) -> Self {
        let events = container.oom_events();
        let events = events.map_err(|error| log.warning(&error.to_string())).ok();
        Self { events, log }
    }

    /// Waits until something happens, at most until this time.
    fn until(&mut self, time: Instant) -> Result<MemoryEvent, Failure> {
        let left = time.saturating_duration_since(Instant::now());
        // Rounded up: waking too early would only mean to wait again.
        let left = left.saturating_add(Duration::from_micros(999));
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let fds = self
            .events
            .iter()
            .map(|events| PollFd::new(events.as_fd(), events.flags()));
        let mut fds: Vec<_> = fds.collect();
        let count = match poll(&mut fds, timeout) {
            Err(Errno::EINTR) => 0,
            count => count.map_err(Failure::system("poll"))?,
        };
        drop(fds);
        let Some(events) = self.events.as_mut().filter(|_| count > 0) else {
            return Ok(MemoryEvent::None);
        };
        Ok(events.read().unwrap_or_else(|error| {
            self.log.warning(&error.to_string());
            self.events = None;
            MemoryEvent::None
        }))
    }
}
