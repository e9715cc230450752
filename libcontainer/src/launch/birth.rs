//! The clone.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use cgroups::{Cgroup, Entry};
use nix::sched::CloneFlags;

use super::channel::Channel;
use super::open::Descriptors;
use super::trace;
use crate::error::{Error, Result, cgroup_error};
use crate::init::{self, Inherited};
use crate::plan::Plan;
use crate::plan::step::Step;
use crate::procfs::Proc;
use crate::sys;

/// What the child is born with.
#[derive(Debug)]
pub(crate) struct Cradle<'a> {
    pub(crate) proc: &'a Proc,
    pub(crate) descriptors: &'a Descriptors,
    pub(crate) passage: Passage<'a>,
    pub(crate) start: Start,
    /// Descriptors that become 0, 1 and 2.
    pub(crate) stdio: Option<[OwnedFd; 3]>,
    /// Whether others are told of the process before its program starts.
    pub(crate) is_announced: bool,
    /// Whether it may borrow this program's memory, see [`sys::process::clone_borrowing`].
    pub(crate) may_borrow: bool,
}

/// What the child waits for once it is ready.
#[derive(Debug)]
pub(crate) enum Start {
    /// A byte in the FIFO of the state directory.
    Fifo(OwnedFd),
    /// [`crate::sync::Message::Go`]: the parent has something to do before the program runs.
    Word,
    /// Nothing. Nevertheless it waits for the word where the parent must put it into its cgroup.
    Nothing,
}

/// What is open for the clone alone. Opened before all else that the child inherits, it can be closed
/// by one call: its numbers are neighbours.
#[derive(Debug)]
pub(crate) struct Passage<'a> {
    entrance: Entrance<'a>,
    entry: Entry,
    /// The way back from the PID namespace that is joined for the clone.
    home: Option<OwnedFd>,
    channel: Channel,
    child_end: OwnedFd,
}

impl<'a> Passage<'a> {
    pub(crate) fn open(plan: &Plan, entrance: Entrance<'a>) -> Result<Self> {
        let entry = entrance.entry()?;
        let home = plan.birth.join_pid.map(|_| present_pid_namespace());
        let home = home.transpose()?;
        let (channel, child_end) = Channel::pair()?;
        Ok(Self {
            entrance,
            entry,
            home,
            channel,
            child_end,
        })
    }
}

/// How the child comes into its cgroup.
#[derive(Debug)]
pub(crate) struct Entrance<'a> {
    pub(crate) cgroup: &'a Cgroup,
    /// `exec --cgroup`
    pub(crate) below: &'a [String],
    /// The container's first process. Where it has moved to a cgroup of its own making, the
    /// container's may take no process.
    pub(crate) beside: Option<i32>,
}

impl Entrance<'_> {
    fn entry(&self) -> Result<Entry> {
        if self.below.is_empty() {
            self.cgroup.entry().map_err(cgroup_error)
        } else {
            self.cgroup.sub_entry(self.below).map_err(cgroup_error)
        }
    }

    /// The second way, when the clone has failed with this error.
    fn entry_after(&self, errno: i32) -> Result<Entry> {
        match self.beside {
            _ if !self.below.is_empty() => {
                let errno = nix::errno::Errno::from_raw(errno);
                self.cgroup.sub_entry_after(self.below, errno)
            }
            Some(pid) if errno == libc::EBUSY => self.cgroup.entry_beside(pid),
            // A kernel before 5.7, or a limit that counts the clone but not a later entry.
            _ => self.cgroup.entry_by_write(),
        }
        .map_err(cgroup_error)
    }

    /// Whether somebody else must move the process in.
    fn is_refused(&self, errno: i32) -> bool {
        self.beside.is_some() && errno == libc::EACCES && self.cgroup.is_attachable()
    }
}

/// A process that walks the plan.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) channel: Channel,
    /// It is not in its cgroup: the kernel did not let this caller put it there.
    pub(crate) outside: bool,
    /// It waits for [`crate::sync::Message::Go`].
    pub(crate) waits: bool,
}

/// Clones once. The child gets the whole plan with the memory.
pub(crate) fn bear(plan: &mut Plan, cradle: Cradle<'_>) -> Result<Child> {
    trace::planned(plan);
    let Passage {
        entrance,
        entry,
        home,
        channel,
        child_end,
    } = cradle.passage;
    let mut numbers = cradle.descriptors.numbers();
    // Only beside hooks the child watches over its parent.
    let has_hooks = plan
        .steps
        .iter()
        .any(|entry| matches!(entry.step, Step::Hooks(_)));
    let parent = if has_hooks {
        nix::unistd::getpid().as_raw()
    } else {
        0
    };
    let (gate, mut waits) = match &cradle.start {
        Start::Fifo(fifo) => (Some(fifo.as_raw_fd()), false),
        Start::Word => (None, true),
        Start::Nothing => (None, false),
    };
    let is_alone = matches!(cradle.start, Start::Nothing) && !plan.needs_partner();
    let may_borrow = cradle.may_borrow && is_alone;
    let may_begin_empty = plan.birth.may_begin_empty;
    // From here to the way back nothing may return early: the thread would stay there.
    join_pid_namespace(plan, cradle.descriptors)?;
    let mut bear_with = |entry: &Entry, waits: bool, begins_empty: bool| {
        let cgroup: Vec<_> = entry.writes.iter().map(AsRawFd::as_raw_fd).collect();
        let into = entry.into.as_ref().map(AsFd::as_fd);
        let mut flags = plan.birth.clone_flags;
        if begins_empty {
            flags |= sys::process::CLONE_EMPTY_MNTNS;
        }
        let child = || {
            init::run(Inherited {
                plan: &mut *plan,
                descriptors: &mut numbers,
                finished: cradle.descriptors.finished(),
                sync: child_end.as_raw_fd(),
                parents_sync: channel.as_fd().as_raw_fd(),
                gate,
                waits,
                begins_empty,
                proc: cradle.proc.as_fd().as_raw_fd(),
                cgroup: &cgroup,
                parent,
                is_announced: cradle.is_announced,
                stdio: cradle
                    .stdio
                    .as_ref()
                    .map(|stdio| stdio.each_ref().map(AsRawFd::as_raw_fd)),
            })
        };
        if may_borrow && !waits {
            sys::process::clone_borrowing(flags, into, child)
        } else {
            sys::process::clone(flags, into, child)
        }
    };
    let mut bear_into = |entry: &Entry, waits: bool| {
        if may_begin_empty {
            match bear_with(entry, waits, true) {
                // Kernels before 7.1, and filters.
                Err(fault) if matches!(fault.errno, libc::EINVAL | libc::ENOSYS) => {}
                born => return born,
            }
        }
        bear_with(entry, waits, false)
    };
    let mut outside = false;
    let born = match bear_into(&entry, waits) {
        Err(fault) if entry.into.is_some() => {
            outside = entrance.is_refused(fault.errno);
            waits |= outside;
            let second = if outside {
                Ok(Entry::default())
            } else {
                entrance.entry_after(fault.errno)
            };
            second.map(|entry| bear_into(&entry, waits))
        }
        born => Ok(born),
    };
    let left = home.as_ref().map_or(Ok(()), leave_pid_namespace);
    let fifo = match cradle.start {
        Start::Fifo(fifo) => Some(fifo),
        Start::Word | Start::Nothing => None,
    };
    let opened = entry.writes.into_iter().chain(entry.into).chain(entry.used);
    let opened = opened.chain(home).chain([child_end]).chain(fifo);
    sys::descriptor::close_all(opened);
    left?;
    let born = born?.map_err(|fault| Error::fault("the container's process", fault))?;
    Ok(Child {
        pid: born.pid,
        pidfd: born.pidfd,
        channel,
        outside,
        waits,
    })
}

/// The PID namespace of this thread's children.
fn present_pid_namespace() -> Result<OwnedFd> {
    let flags = nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_CLOEXEC;
    nix::fcntl::open(
        "/proc/thread-self/ns/pid_for_children",
        flags,
        nix::sys::stat::Mode::empty(),
    )
    .map_err(|errno| Error::system("own PID namespace", "open", errno))
}

/// `setns` to a PID namespace concerns only the children of the calling thread.
fn join_pid_namespace(plan: &Plan, descriptors: &Descriptors) -> Result<()> {
    let Some(slot) = plan.birth.join_pid else {
        return Ok(());
    };
    let failed = |call, errno| Error::system("the PID namespace to join", call, errno);
    let target = descriptors
        .get(slot)
        .ok_or_else(|| failed("open", nix::errno::Errno::EBADF))?;
    nix::sched::setns(target, CloneFlags::CLONE_NEWPID).map_err(|errno| failed("setns", errno))
}

fn leave_pid_namespace(home: &OwnedFd) -> Result<()> {
    nix::sched::setns(home, CloneFlags::CLONE_NEWPID)
        .map_err(|errno| Error::system("own PID namespace", "setns", errno))
}
