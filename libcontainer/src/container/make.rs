//! Makes a container from what was prepared.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::SystemTime;

use super::announce::{announce, write_pid_file};
use super::create::Create;
use super::hook_state::recorded;
use super::options::Terminal;
use super::parent::{ContainerParent, hint_for_death};
use super::prepare::Prepared;
use super::{Container, Process, Status, Warnings, terminal};
use crate::error::{Error, ErrorKind, Result, cgroup_error};
use crate::launch::notify_socket::NotifySocket;
use crate::launch::pidfd_socket::Origin;
use crate::launch::{
    Child, Cradle, Descriptors, Entrance, Given, Passage, Poststop, Start, Undo, bear,
    notify_socket, resctrl, until_executed, until_ready,
};
use crate::plan::step::Step;
use crate::plan::{HookKind, Plan, render, runtime_hooks};
use crate::store::{Directory, Record, RecordedHooks, StartFifo};
use crate::sync::Message;
use crate::sys;

/// A container with its first process.
pub(super) struct Made {
    pub(super) container: Container,
    pub(super) process: Process,
}

/// Makes a container whose program waits on the FIFO.
pub(super) fn create(mut wanted: Create) -> Result<Made> {
    let mut prepared = Prepared::new(&wanted)?;
    let terminal = &mut wanted.process.terminal;
    if prepared.plan.wants_console() && matches!(terminal, Terminal::Keep) {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            "process.terminal: a container that is only created needs a console socket",
        ));
    }
    let mut making = Making::begin(&mut wanted, &mut prepared)?;
    let gate = StartFifo::create(making.directory()?)?;
    making.bear(&mut wanted, &mut prepared, Start::Fifo(gate))?;
    making.until_ready(&wanted, &prepared)?;
    making.directory()?.created()?;
    making.finish(prepared)
}

/// Makes a container and starts its program.
pub(super) fn run(mut wanted: Create) -> Result<Made> {
    let mut prepared = Prepared::new(&wanted)?;
    let mut making = Making::begin(&mut wanted, &mut prepared)?;
    making.bear(&mut wanted, &mut prepared, Start::Word)?;
    making.until_ready(&wanted, &prepared)?;
    if let Some(host) = &wanted.notify_socket {
        making.notify_socket = Some(NotifySocket::bind(&wanted.state_directory(), host)?);
    }
    making.go(&prepared)?;
    let made = making.finish(prepared)?;
    match made.container.run_poststart() {
        Ok(()) => Ok(made),
        Err(error) => {
            // The hook's error is what the caller must hear of.
            let _ = made.process.wait();
            let _ = made.container.delete(true);
            Err(error)
        }
    }
}

const OUT_OF_REACH: &str = "linux.namespaces: a rootless container with no cgroup and no private pid namespace. \
     Such configuration is strongly discouraged (as it is impossible to properly kill all container's processes)";

/// Whether nothing holds the container's processes together.
fn is_out_of_reach(record: &Record) -> bool {
    record.cgroup.rootless
        && record.cgroup.members.is_empty()
        && record.cgroup.unit.is_none()
        && !record.own_pid_namespace
}

/// A container that is being made. Dropped before it is finished, it takes everything back.
struct Making {
    undo: Undo,
    record: Record,
    warnings: Warnings,
    descriptors: Option<Descriptors>,
    /// Where the terminal's master comes when it stays here, then the master.
    terminal: Option<OwnedFd>,
    notify_socket: Option<NotifySocket>,
}

impl Making {
    /// What needs no process: the directory, the cgroup with its limits.
    fn begin(wanted: &mut Create, prepared: &mut Prepared) -> Result<Self> {
        let mut warnings = wanted.process.take_warnings();
        warnings.extend(std::mem::take(&mut prepared.plan.warnings));
        warnings.extend(prepared.cgroup.passed_over().map(str::to_owned));
        let mut undo = Undo::default();
        undo.directory = Some(Directory::create(&wanted.root, &wanted.id)?);
        if wanted.notify_socket.is_some() {
            notify_socket::prepare(&wanted.state_directory())?;
        }
        let cgroup = prepared.cgroup.create().map_err(unable_to_apply)?;
        let record = record(wanted, prepared, cgroup.record());
        undo.cgroup = Some(cgroup);
        let mut record = record?;
        if let Some(wish) = prepared
            .spec
            .linux()
            .as_ref()
            .and_then(|linux| linux.intel_rdt().as_ref())
        {
            record.intel_rdt = Some(match &wanted.resctrl {
                Some(root) => resctrl::create_at(root, &wanted.id, wish)?,
                None => resctrl::create(&wanted.id, wish)?,
            });
            undo.intel_rdt.clone_from(&record.intel_rdt);
        }
        if is_out_of_reach(&record) {
            warnings.add(OUT_OF_REACH.to_owned());
        }
        Ok(Self {
            undo,
            record,
            warnings,
            descriptors: None,
            terminal: None,
            notify_socket: None,
        })
    }

    fn directory(&self) -> Result<&Directory> {
        held(&self.undo.directory)
    }

    fn child(&self) -> Result<&Child> {
        held(&self.undo.child)
    }

    fn bear(&mut self, wanted: &mut Create, prepared: &mut Prepared, start: Start) -> Result<()> {
        let mut console_socket = None;
        if prepared.plan.wants_console() {
            let (sender, receiver) = terminal::destination(&mut wanted.process.terminal)?;
            (console_socket, self.terminal) = (Some(sender), receiver);
        }
        let given = Given {
            console_socket,
            container_process: None,
        };
        let entrance = Entrance {
            cgroup: held(&self.undo.cgroup)?,
            below: &[],
            beside: None,
        };
        let passage = Passage::open(&prepared.plan, entrance)?;
        let descriptors = Descriptors::open(&prepared.plan, &prepared.proc, given)?;
        let cradle = Cradle {
            proc: &prepared.proc,
            descriptors: &descriptors,
            passage,
            start,
            stdio: wanted.process.stdio.take(),
            is_announced: wanted.process.pid_file.is_some()
                || wanted.process.pidfd_socket.is_some(),
            may_borrow: false,
        };
        self.undo.child = Some(bear(&mut prepared.plan, cradle)?);
        self.undo.poststop = Some(Poststop {
            hooks: self.record.hooks.poststop.clone(),
            state: recorded(&self.record, Status::Stopped)?,
            bundle: self.record.bundle.clone(),
        });
        self.descriptors = Some(descriptors);
        Ok(())
    }

    /// Serves the child, then does what must be done before the program may start.
    fn until_ready(&mut self, wanted: &Create, prepared: &Prepared) -> Result<()> {
        let child = self.undo.child.as_mut().ok_or_else(gone)?;
        let mut parent = ContainerParent {
            prepared,
            directory: held(&self.undo.directory)?,
            cgroup: self.undo.cgroup.as_mut().ok_or_else(gone)?,
            record: &mut self.record,
            descriptors: held(&self.descriptors)?,
            net_devices: &mut self.undo.net_devices,
        };
        until_ready(&prepared.plan, child, &mut parent)?;
        announce(child, Origin::Container, &wanted.process)?;
        write_pid_file(child, &wanted.process)?;
        if let Some(receiver) = self.terminal.take() {
            self.terminal = Some(terminal::receive(receiver.as_fd())?);
        }
        Ok(())
    }

    /// Starts the program without the FIFO.
    fn go(&self, prepared: &Prepared) -> Result<()> {
        self.directory()?.created()?;
        let child = self.child()?;
        child.channel.say(Message::Go)?;
        until_executed(&prepared.plan, child, || {
            self.undo.cgroup.as_ref().and_then(hint_for_death)
        })
    }

    fn finish(self, prepared: Prepared) -> Result<Made> {
        let (directory, child) = self.undo.keep()?;
        let directory = directory.ok_or_else(gone)?;
        let warnings = self.warnings.into_kept();
        let opened = self.descriptors.map(Descriptors::into_open);
        let opened = opened.into_iter().flatten();
        sys::descriptor::close_all(opened.chain([child.channel.into_fd()]));
        let pidfd = Arc::new(child.pidfd);
        let (proc, kept) = (prepared.proc, warnings.clone());
        let stored = (self.record, prepared.config);
        let container = Container::new(directory, stored, proc, kept, Arc::clone(&pidfd))?;
        let process = Process {
            pid: child.pid,
            pidfd,
            ended: Arc::clone(&container.ended),
            terminal: self.terminal,
            notify_socket: self.notify_socket,
            warnings,
        };
        Ok(Made { container, process })
    }
}

fn record(wanted: &Create, prepared: &Prepared, cgroup: cgroups::Record) -> Result<Record> {
    let spec = &prepared.spec;
    Ok(Record {
        format: crate::store::FORMAT,
        id: wanted.id.clone(),
        oci_version: spec.version().clone(),
        bundle: prepared.bundle.clone(),
        rootfs: prepared.rootfs(),
        created: humantime::format_rfc3339_nanos(SystemTime::now()).to_string(),
        owner: prepared.euid,
        init_process_pid: 0,
        init_process_start: 0,
        rootless: prepared.rootless,
        cgroup,
        intel_rdt: None,
        own_pid_namespace: prepared.plan.own_pid_namespace(),
        after_start: after_start(&prepared.plan),
        hooks: RecordedHooks {
            poststart: runtime_hooks(spec, HookKind::Poststart)?,
            poststop: runtime_hooks(spec, HookKind::Poststop)?,
        },
        annotations: spec
            .annotations()
            .iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    })
}

fn after_start(plan: &Plan) -> BTreeMap<u16, String> {
    let steps = (0..).zip(&plan.steps);
    steps
        .skip_while(|(_, entry)| !matches!(entry.step, Step::Gate))
        .map(|(number, entry)| (number, render::step(plan, entry)))
        .collect()
}

/// The words are runc's.
fn unable_to_apply(error: cgroups::Error) -> Error {
    cgroup_error(error).within("unable to apply cgroup configuration")
}

fn held<T>(thing: &Option<T>) -> Result<&T> {
    thing.as_ref().ok_or_else(gone)
}

/// Cannot happen: what is made stays until it is taken back as a whole.
fn gone() -> Error {
    Error::new(
        ErrorKind::System,
        "a part of the unfinished container is gone",
    )
}
