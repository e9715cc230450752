//! Further processes in a container.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use oci_spec::runtime::{Process as ProcessSpec, Spec};

use super::announce::{self, announce};
use super::options::ProcessOptions;
use super::outputs::PidFile;
use super::{Container, Process, Status, terminal};
use crate::error::{Error, ErrorKind, Result, cgroup_error};
use crate::launch::pidfd_socket::Origin;
use crate::launch::{
    Child, Cradle, Descriptors, Entrance, Given, Parent, Passage, Start, Undo, bear, limits, probe,
    resctrl, until_executed, until_ready,
};
use crate::plan::step::{IdMapping, Request, Slot};
use crate::plan::{self, ExecChanges, Plan};
use crate::procfs::Proc;
use crate::spec;
use crate::sync::Message;
use crate::sys;

/// The process that [`Container::exec`] starts.
#[derive(Debug)]
pub enum ExecProcess {
    /// All of it (`exec --process`).
    Spec(Box<ProcessSpec>),
    /// The container's own process with these changes (`exec` with flags).
    Like(Box<ExecChanges>),
}

/// A further process that is wanted in a container.
#[derive(Debug)]
pub struct Exec {
    process: ExecProcess,
    options: ProcessOptions,
    cgroups: Vec<String>,
    ignore_paused: bool,
    borrows_memory: bool,
}

impl Exec {
    /// A further process.
    pub fn new(process: ExecProcess) -> Self {
        Self {
            process,
            options: ProcessOptions::default(),
            cgroups: Vec::new(),
            ignore_paused: false,
            borrows_memory: false,
        }
    }

    /// How it is connected to the caller.
    pub fn process(mut self, options: ProcessOptions) -> Self {
        self.options = options;
        self
    }

    /// Places it below the container's cgroup: `PATH` or `CONTROLLER[,…]:PATH`, once or more often.
    pub fn cgroups(mut self, values: Vec<String>) -> Self {
        self.cgroups = values;
        self
    }

    /// Starts it although the container is paused.
    pub fn ignore_paused(mut self, ignore: bool) -> Self {
        self.ignore_paused = ignore;
        self
    }

    /// Lets the process borrow this program's memory until its own program runs, as with vfork(2), where
    /// nobody has to do anything for it on the way: that is faster. The calling thread waits so long;
    /// this program is not dumpable (prctl(2)) from then on; and where the kernel kills the process
    /// because the container's memory is used up, it kills this program with it. For programs that are
    /// there for this one process.
    pub fn borrow_memory(mut self, borrow: bool) -> Self {
        self.borrows_memory = borrow;
        self
    }
}

impl Container {
    /// Starts a further process and waits until it runs.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] for a stopped or paused container; [`ErrorKind::Program`] where the
    /// program cannot be executed.
    pub fn exec(&self, mut exec: Exec) -> Result<Process> {
        exec.options.check_sealed()?;
        let first = self.first_process()?.ok_or_else(stopped)?;
        self.check_not_paused(exec.ignore_paused)?;
        let mut warnings = exec.options.take_warnings();
        let (spec, tolerated) = spec::load(self.config.bytes())?;
        warnings.extend(tolerated);
        let mut plan = self.exec_plan(&spec, &exec)?;
        warnings.extend(std::mem::take(&mut plan.warnings));
        let mut given = Given {
            console_socket: None,
            container_process: Some(first),
        };
        let mut receiver = None;
        if plan.wants_console() {
            let (sender, stays) = terminal::destination(&mut exec.options.terminal)?;
            (given.console_socket, receiver) = (Some(sender), stays);
        }
        let pid_file = exec.options.pid_file.take();
        let pid_file = pid_file.as_deref().map(PidFile::prepare).transpose()?;
        let mut undo = Undo::default();
        let child = undo.child.insert(self.bear(&mut plan, &mut exec, given)?);
        let mut parent = ExecParent {
            plan: &plan,
            proc: &self.proc,
            resctrl: self.record.intel_rdt.as_ref(),
            container: self,
            spec: &spec,
            cgroups: &exec.cgroups,
        };
        until_ready(&plan, child, &mut parent)?;
        announce(child, Origin::Exec, &exec.options)?;
        let terminal = receiver
            .map(|socket| terminal::receive(socket.as_fd()))
            .transpose()?;
        if child.waits {
            child.channel.say(Message::Go)?;
        }
        until_executed(&plan, child, || None)?;
        if let Some(pid_file) = pid_file {
            pid_file.publish(child.pid)?;
        }
        let (_, child) = undo.keep()?;
        Ok(Process {
            pid: child.pid,
            pidfd: Arc::new(child.pidfd),
            ended: Arc::default(),
            terminal,
            notify_socket: None,
            warnings: warnings.into_kept(),
        })
    }

    fn bear(&self, plan: &mut Plan, exec: &mut Exec, given: Given) -> Result<Child> {
        let cgroup = self.cgroup();
        let entrance = Entrance {
            cgroup: &cgroup,
            below: &exec.cgroups,
            beside: Some(self.record.init_process_pid),
        };
        let passage = Passage::open(plan, entrance)?;
        let descriptors = Descriptors::open(plan, &self.proc, given)?;
        let cradle = Cradle {
            proc: &self.proc,
            descriptors: &descriptors,
            passage,
            start: self.start_of(plan, exec),
            stdio: exec.options.stdio.take(),
            is_announced: exec.options.pidfd_socket.is_some(),
            may_borrow: exec.borrows_memory,
        };
        let child = bear(plan, cradle)?;
        sys::descriptor::close_all(descriptors.into_open());
        Ok(child)
    }

    /// The program starts without the parent's word where nobody is told of it before and nothing is
    /// done to it.
    fn start_of(&self, plan: &Plan, exec: &Exec) -> Start {
        let notifies = plan.seccomp.as_ref().is_some_and(seccomp::Filter::notifies);
        let has_partner = exec.options.pidfd_socket.is_some()
            || plan.wants_console()
            || notifies
            || self.record.intel_rdt.is_some();
        if has_partner {
            Start::Word
        } else {
            Start::Nothing
        }
    }

    fn check_not_paused(&self, ignore_paused: bool) -> Result<()> {
        if !ignore_paused && self.is_frozen() {
            return Err(Error::new(
                ErrorKind::WrongState,
                "cannot exec in a paused container (use --ignore-paused to override)",
            ));
        }
        Ok(())
    }

    fn exec_plan(&self, spec: &Spec, exec: &Exec) -> Result<Plan> {
        let process = match &exec.process {
            ExecProcess::Spec(process) => (**process).clone(),
            ExecProcess::Like(changes) => plan::changed_process(spec, changes)?,
        };
        // The record tells where the cgroup is: the host's hierarchies are nothing to this plan.
        let host = cgroups::Host {
            layout: cgroups::Layout::V2,
            v1: Vec::new(),
            v2: None,
            systemd: false,
            euid: nix::unistd::geteuid().as_raw(),
        };
        let capabilities = probe::capabilities()?;
        let process_of = Some(&process);
        let facts = probe::facts(&self.proc, host, capabilities, spec, process_of, false)?;
        let options = plan::ExecOptions {
            id: self.record.id.clone(),
            rootfs: self.record.rootfs.clone(),
            terminal_socket: true,
            new_keyring: true,
            preserve_fds: exec.options.preserve_fds,
        };
        let mut plan = plan::exec(spec, &process, &facts, &options)?;
        if let Some(size) = exec.options.window_size {
            plan.resize_terminal(size);
        }
        Ok(plan)
    }
}

/// The texts of both errors are runc's.
fn stopped() -> Error {
    Error::new(ErrorKind::WrongState, "cannot exec in a stopped container")
}

/// Answers for a further process.
struct ExecParent<'a> {
    plan: &'a Plan,
    proc: &'a Proc,
    resctrl: Option<&'a resctrl::Record>,
    container: &'a Container,
    spec: &'a Spec,
    /// `exec --cgroup`
    cgroups: &'a [String],
}

impl Parent for ExecParent<'_> {
    fn answer(&mut self, request: Request, child: &Child) -> Result<()> {
        match (request, &self.plan.parent_limits) {
            (Request::ApplyLimits, Some(limits)) => limits::apply(self.proc, child.pid, limits),
            (Request::ApplyLimits, None) => Ok(()),
            _ => Err(Error::new(
                ErrorKind::System,
                format!("a process of exec does not ask for {request:?}"),
            )),
        }
    }

    fn send_trees(&mut self, _slots: &[Slot], _child: &Child) -> Result<()> {
        Err(Error::new(
            ErrorKind::System,
            "a process of exec mounts nothing",
        ))
    }

    fn born(&mut self, child: &Child) -> Result<()> {
        if child.outside {
            let first = self.container.record.init_process_pid;
            let cgroup = self.container.cgroup();
            let attached = cgroup.attach(child.pid, self.cgroups, first);
            attached.map_err(cgroup_error)?;
        }
        match self.resctrl {
            Some(group) => resctrl::add_process(group, child.pid),
            None => Ok(()),
        }
    }

    fn listener(&mut self, listener: OwnedFd, child: &Child) -> Result<()> {
        let state = || self.container.hook_state(Status::Running);
        announce::listener(listener, child, self.spec, state)
    }

    fn map_ids(&mut self, _tree: OwnedFd, _idmap: IdMapping) -> Result<()> {
        Err(Error::new(
            ErrorKind::System,
            "a process of exec mounts nothing",
        ))
    }

    fn hint_for_death(&self) -> Option<&'static str> {
        None
    }
}
