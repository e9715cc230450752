//! The container's process from its birth to `execve`: walks the plan.
//!
//! It begins as a copy of a process that may have had threads, so nothing here allocates, takes a
//! lock or unwinds, and everything reaches the kernel through [`crate::sys`]. Until the program runs
//! it is privileged inside namespaces whose files and processes are hostile: paths are resolved to
//! descriptors ([`crate::path`]), and procfs is the one that the parent verified.

#![forbid(unsafe_code)]

mod attributes;
mod copy;
mod devices;
mod gate;
mod hooks;
mod known;
mod masks;
mod mounts;
mod namespaces;
mod procfs;
mod program;
mod report;
mod root;
mod signals;
mod state;
mod status;
mod stdio;
mod steps;
mod terminal;
mod user;
mod working_directory;

use core::cell::Cell;
use std::os::fd::RawFd;

use crate::plan::Plan;
use crate::plan::step::Step;
use crate::sys::{descriptor, process};
use state::Child;

/// Exit code of a child that failed and told its parent.
const EXIT_FAILED: i32 = 1;

/// Everything that the child inherits. Made by `launch` before the clone.
#[derive(Debug)]
pub(crate) struct Inherited<'a> {
    /// The child's own copy: reserved bytes of it are filled in.
    pub plan: &'a mut Plan,
    /// By slot; -1 where the descriptor comes later by a message.
    pub descriptors: &'a mut [RawFd],
    /// By slot, whether it holds a tree that has its attributes already.
    pub finished: &'a [bool],
    /// `SOCK_SEQPACKET`, to the parent.
    pub sync: RawFd,
    /// The parent's end of it, of which the child must not keep a copy while it waits: it would never
    /// see the other side go.
    pub parents_sync: RawFd,
    /// The FIFO of the state directory, opened `O_RDWR`.
    pub gate: Option<RawFd>,
    /// Without it, whether the parent says [`Go`](crate::sync::Message::Go).
    pub waits: bool,
    /// `O_PATH` of the host's procfs, verified.
    pub proc: RawFd,
    /// cgroup v1 `tasks` files, opened for writing.
    pub cgroup: &'a [RawFd],
    /// Whether it was born with `CLONE_EMPTY_MNTNS`.
    pub begins_empty: bool,
    /// The parent's number.
    pub parent: i32,
    /// Whether the parent tells others of the process before its program starts.
    pub is_announced: bool,
    /// What becomes descriptors 0, 1 and 2; `None` where they stay.
    pub stdio: Option<[RawFd; 3]>,
}

/// Walks the plan to its end. What fails is reported, and the process ends.
pub(crate) fn run(inherited: Inherited<'_>) -> ! {
    let Plan {
        steps,
        image,
        id_maps,
        seccomp,
        ..
    } = inherited.plan;
    let inherits = [
        inherited.sync,
        inherited.parents_sync,
        inherited.proc,
        inherited.gate.unwrap_or(-1),
    ];
    let highest = inherited
        .descriptors
        .iter()
        .chain(inherited.cgroup)
        .chain(&inherits)
        .max();
    let first_own = highest.map_or(0, |highest| highest.saturating_add(1));
    let (Ok(sync), Ok(proc)) = (
        descriptor::inherited(inherited.sync),
        descriptor::inherited(inherited.proc),
    ) else {
        process::exit(EXIT_FAILED)
    };
    let mut child = Child {
        id_maps: id_maps.as_ref(),
        seccomp: seccomp.as_ref(),
        finished: inherited.finished,
        cgroup: inherited.cgroup,
        gate: inherited.gate.and_then(|fd| descriptor::inherited(fd).ok()),
        proc: Some(proc),
        parent: inherited.parent,
        parents_sync: Cell::new(Some(inherited.parents_sync)),
        waits: inherited.waits,
        begins_empty: inherited.begins_empty,
        is_announced: inherited.is_announced,
        has_hooks: steps
            .iter()
            .any(|entry| matches!(entry.step, Step::Hooks(_))),
        ..Child::new(image, inherited.descriptors, sync, first_own)
    };
    let prepared = child
        .guard()
        .and_then(|()| inherited.stdio.map_or(Ok(()), stdio::replace));
    if let Err(fault) = prepared {
        child.fail(fault);
    }
    for (index, entry) in steps.iter_mut().enumerate() {
        child.index = u16::try_from(index).unwrap_or(u16::MAX);
        let done = child.perform(&mut entry.step);
        if let Err(fault) = done.and_then(|()| child.tidy()) {
            child.fail(fault);
        }
    }
    // A plan ends with `Exec`, which does not come back.
    process::exit(EXIT_FAILED)
}

#[cfg(test)]
mod tests;
