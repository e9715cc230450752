//! Answers what the child asks until it is ready.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, OwnedFd};

use super::birth::Child;
use super::channel::Heard;
use super::trace;
use super::wait::{Exit, wait};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::step::{IdMapping, Request, Slot, Step};
use crate::plan::{Plan, render};
use crate::sync::{Failure, Message};
use crate::sys;

/// How much of a failed hook's output an error holds.
const HOOK_OUTPUT: u64 = 4096;

/// Who answers for a container or for exec.
pub(crate) trait Parent {
    /// Does what was asked for the process with this number.
    fn answer(&mut self, request: Request, child: &Child) -> Result<()>;

    /// Clones the mount trees of these slots and sends them.
    fn send_trees(&mut self, slots: &[Slot], child: &Child) -> Result<()>;

    /// The process that will execute the program is known now.
    fn born(&mut self, child: &Child) -> Result<()>;

    /// Takes the seccomp listener. What the filter notifies of waits for the agent from then on, also
    /// calls that the child makes on its way to the program.
    fn listener(&mut self, listener: OwnedFd, child: &Child) -> Result<()>;

    /// Maps the ids of a mount tree that is not attached yet.
    fn map_ids(&mut self, tree: OwnedFd, idmap: IdMapping) -> Result<()>;

    /// Why the process may have been killed, where the container's cgroup tells.
    fn hint_for_death(&self) -> Option<&'static str>;
}

/// Serves the child until it is ready.
pub(crate) fn until_ready(plan: &Plan, child: &mut Child, parent: &mut impl Parent) -> Result<()> {
    trace::born(child.pid);
    if !plan.birth.forks_again {
        parent.born(child)?;
    }
    loop {
        match child.channel.hear()? {
            Heard::Message(Message::Ask(request), _) => {
                parent.answer(request, child)?;
                child.channel.say(Message::Done)?;
            }
            Heard::Message(Message::OpenTrees(step), _) => {
                parent.send_trees(receives(plan, step), child)?;
            }
            Heard::Message(Message::Process(pid), _) => {
                adopt(child, pid)?;
                parent.born(child)?;
            }
            Heard::Message(Message::Listener(number), descriptor) => {
                let listener = match descriptor {
                    Some(descriptor) => descriptor,
                    None => fetch(child, number)?,
                };
                parent.listener(listener, child)?;
            }
            Heard::Message(Message::Failed(failure), said) => {
                return Err(failed(plan, &failure, said));
            }
            Heard::Message(Message::Ready, _) => {
                trace::ready(child.pid);
                return Ok(());
            }
            Heard::Message(Message::MapIds(idmap), Some(tree)) => {
                parent.map_ids(tree, idmap)?;
                child.channel.say(Message::Done)?;
            }
            Heard::Message(
                Message::MapIds(_) | Message::Done | Message::Descriptors | Message::Go,
                _,
            ) => {
                return Err(Error::new(
                    ErrorKind::System,
                    "the container's process talks nonsense",
                ));
            }
            Heard::Closed => return Err(death(child, parent.hint_for_death())),
        }
    }
}

/// The slots that the step with this index receives.
fn receives(plan: &Plan, step: u16) -> &[Slot] {
    match plan.steps.get(usize::from(step)).map(|entry| &entry.step) {
        Some(Step::Receive(slots)) => slots,
        _ => &[],
    }
}

/// Waits until the program runs: the child's end is closed by `execve`.
pub(crate) fn until_executed(
    plan: &Plan,
    child: &Child,
    hint: impl FnOnce() -> Option<&'static str>,
) -> Result<()> {
    trace::executing(plan);
    match child.channel.hear()? {
        Heard::Closed => {
            trace::executed();
            Ok(())
        }
        Heard::Message(Message::Failed(failure), said) => Err(failed(plan, &failure, said)),
        Heard::Message(..) => Err(death(child, hint())),
    }
}

/// The child's listener, where the filter kept it from sending that.
fn fetch(child: &Child, number: i32) -> Result<OwnedFd> {
    sys::process::descriptor_of(child.pidfd.as_fd(), number)
        .map_err(|fault| Error::fault("linux.seccomp: the listener", fault))
}

/// The error for a step, with what a hook has written.
fn failed(plan: &Plan, failure: &Failure, said: Option<OwnedFd>) -> Error {
    let error = render::failure(plan, failure);
    let mut text = String::new();
    if let Some(said) = said {
        let mut file = File::from(said);
        let read = file.rewind().and_then(|()| {
            let mut bytes = Vec::new();
            file.take(HOOK_OUTPUT).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        text = String::from_utf8_lossy(&read.unwrap_or_default()).into_owned();
    }
    match text.trim() {
        "" => error,
        text => error.saying(text),
    }
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
        Ok(Exit::Signal(number)) => format!("was killed by {}", render::signal(number)),
        Ok(Exit::Code(code)) => format!("exited with status {code}"),
        Err(error) => return error,
    };
    let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
    Error::new(
        ErrorKind::System,
        format!("the container's process {how} before its program was started{hint}"),
    )
}
