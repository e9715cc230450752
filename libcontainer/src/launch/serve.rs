//! Answers what the child asks until it is ready.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};

use super::birth::Child;
use super::channel::Heard;
use super::wait::{Exit, wait};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::step::Request;
use crate::plan::{Plan, render};
use crate::sync::Message;
use crate::sys;

/// Who answers for a container or for exec.
pub(crate) trait Parent {
    /// Does what was asked for the process with this number.
    fn answer(&mut self, request: Request, child: &Child) -> Result<()>;

    /// The process that will execute the program is known now.
    fn born(&mut self, child: &Child) -> Result<()>;

    /// Takes a rendered warning.
    fn warn(&mut self, warning: String);

    /// Why the process may have been killed, where the container's cgroup tells.
    fn hint_for_death(&self) -> Option<&'static str>;
}

/// What came of the conversation besides success.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The seccomp listener.
    pub(crate) listener: Option<OwnedFd>,
}

/// Serves the child until it is ready.
pub(crate) fn until_ready(
    plan: &Plan,
    child: &mut Child,
    parent: &mut impl Parent,
) -> Result<Told> {
    let mut told = Told::default();
    if !plan.birth.forks_again {
        parent.born(child)?;
    }
    loop {
        match child.channel.hear()? {
            Heard::Message(Message::Ask(request), _) => {
                parent.answer(request, child)?;
                if request != Request::OpenTrees {
                    child.channel.say(Message::Done)?;
                }
            }
            Heard::Message(Message::Process(pid), _) => {
                adopt(child, pid)?;
                parent.born(child)?;
            }
            Heard::Message(Message::Listener(number), descriptor) => {
                told.listener = Some(match descriptor {
                    Some(descriptor) => descriptor,
                    None => fetch(child, number)?,
                });
            }
            Heard::Message(Message::Warning(failure), _) => {
                parent.warn(render::warning(plan, &failure));
            }
            Heard::Message(Message::Failed(failure), _) => {
                return Err(render::failure(plan, &failure));
            }
            Heard::Message(Message::Ready, _) => return Ok(told),
            Heard::Message(Message::Done | Message::Descriptors | Message::Go, _) => {
                return Err(Error::new(
                    ErrorKind::System,
                    "the container's process talks nonsense",
                ));
            }
            Heard::Closed => return Err(death(child, parent.hint_for_death())),
        }
    }
}

/// Waits until the program runs: the child's end is closed by `execve`.
pub(crate) fn until_executed(
    plan: &Plan,
    child: &Child,
    hint: impl FnOnce() -> Option<&'static str>,
) -> Result<()> {
    match child.channel.hear()? {
        Heard::Closed => Ok(()),
        Heard::Message(Message::Failed(failure), _) => Err(render::failure(plan, &failure)),
        Heard::Message(..) => Err(death(child, hint())),
    }
}

/// The child's listener, where the filter kept it from sending that.
fn fetch(child: &Child, number: i32) -> Result<OwnedFd> {
    sys::process::descriptor_of(child.pidfd.as_fd(), number)
        .map_err(|fault| Error::fault("linux.seccomp: the listener", fault))
}

/// The first process has made way for the one that goes on, which is this program's child too.
fn adopt(child: &mut Child, pid: i32) -> Result<()> {
    let pidfd = sys::process::pidfd_open(pid)
        .map_err(|fault| Error::fault(format!("process {pid}"), fault))?;
    wait(child.pidfd.as_fd())?;
    child.pid = pid;
    child.pidfd = pidfd;
    Ok(())
}

fn death(child: &Child, hint: Option<&str>) -> Error {
    let how = match wait(child.pidfd.as_fd()) {
        Ok(Exit::Signal(signal)) => format!("was killed by signal {signal}"),
        Ok(Exit::Code(code)) => format!("exited with status {code}"),
        Err(error) => return error,
    };
    let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
    Error::new(
        ErrorKind::System,
        format!("the container's process {how} before its program was started{hint}"),
    )
}
