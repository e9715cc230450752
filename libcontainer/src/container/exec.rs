//! Further processes in a container.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use oci_spec::runtime::{Process as ProcessSpec, Spec};

use super::create::{Terminal, check_sealed};
use super::prepare::cgroup_error;
use super::{Container, Process, Status, outputs, terminal};
use crate::error::{Error, ErrorKind, Result};
use crate::launch::{
    Child, Console, Cradle, Descriptors, Entrance, Given, Parent, Undo, bear, limits, pidfd_socket,
    probe, seccomp_agent, until_executed, until_ready,
};
use crate::plan::step::{Request, WindowSize};
use crate::plan::{self, Plan};
use crate::procfs::Proc;
use crate::spec;

/// The process that [`Container::exec`] starts.
#[derive(Debug)]
pub enum ExecProcess {
    /// All of it (`exec --process`).
    Spec(Box<ProcessSpec>),
    /// The container's own process with these changes (`exec` with flags).
    Like(Box<ExecChanges>),
}

/// Changes to the container's own process for `exec`. What is `None` or empty stays.
#[derive(Clone, Debug, Default)]
pub struct ExecChanges {
    /// Program and arguments.
    pub args: Vec<String>,
    /// Working directory.
    pub cwd: Option<PathBuf>,
    /// `NAME=VALUE`, added to the environment.
    pub env: Vec<String>,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// User and, where given, group.
    pub user: Option<(u32, Option<u32>)>,
    /// Additional groups.
    pub additional_gids: Vec<u32>,
    /// Capabilities added to the bounding, effective and permitted sets.
    pub capabilities: Vec<String>,
    /// Sets no_new_privs.
    pub no_new_privileges: bool,
    /// AppArmor profile.
    pub apparmor: Option<String>,
    /// SELinux label.
    pub process_label: Option<String>,
}

/// A further process that is wanted in a container.
#[derive(Debug)]
pub struct Exec {
    process: ExecProcess,
    terminal: Terminal,
    window_size: Option<WindowSize>,
    stdio: Option<[OwnedFd; 3]>,
    pid_file: Option<PathBuf>,
    pidfd_socket: Option<PathBuf>,
    preserve_fds: u32,
    cgroups: Vec<String>,
    ignore_paused: bool,
    unsealed: bool,
}

impl Exec {
    /// A further process.
    pub fn new(process: ExecProcess) -> Self {
        Self {
            process,
            terminal: Terminal::default(),
            window_size: None,
            stdio: None,
            pid_file: None,
            pidfd_socket: None,
            preserve_fds: 0,
            cgroups: Vec::new(),
            ignore_paused: false,
            unsealed: false,
        }
    }

    /// What happens to the terminal's master.
    pub fn terminal(mut self, terminal: Terminal) -> Self {
        self.terminal = terminal;
        self
    }

    /// Size of the terminal, in place of the configuration's: the program finds it from its first
    /// instruction on.
    pub fn window_size(mut self, size: WindowSize) -> Self {
        self.window_size = Some(size);
        self
    }

    /// Standard input, output and error of the program; this program's own unless said.
    pub fn stdio(mut self, stdio: [OwnedFd; 3]) -> Self {
        self.stdio = Some(stdio);
        self
    }

    /// Writes the number of the process to this file.
    pub fn pid_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.pid_file = Some(path.into());
        self
    }

    /// Sends a pidfd of the process to the socket at this path.
    pub fn pidfd_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.pidfd_socket = Some(path.into());
        self
    }

    /// Passes this many descriptors, from 3 on, to the program.
    pub fn preserve_fds(mut self, count: u32) -> Self {
        self.preserve_fds = count;
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

    /// Lets it run although this program's own file is not sealed; see [`crate::seal`].
    pub fn unsealed(mut self) -> Self {
        self.unsealed = true;
        self
    }
}

impl Container {
    /// Starts a further process and waits until it runs.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] for a stopped or paused container; [`ErrorKind::Program`] where the
    /// program cannot be executed.
    pub fn exec(&self, exec: Exec) -> Result<Process> {
        check_sealed(exec.unsealed)?;
        self.check_executable(exec.ignore_paused)?;
        let first = self.first_process()?.ok_or_else(stopped)?;
        let (spec, mut warnings) = spec::load(&spec::read_at(self.directory.as_fd())?)?;
        let mut plan = self.exec_plan(&spec, &exec)?;
        if let Some(size) = exec.window_size {
            plan.resize_terminal(size);
        }
        warnings.append(&mut plan.warnings);
        let (console, receiver) = console(&exec, &plan)?;
        let given = Given {
            console_socket: console,
            container_process: Some(first),
        };
        let descriptors = Descriptors::open(&plan, &self.proc, given)?;
        let cgroup = self.cgroup();
        let cradle = Cradle {
            proc: &self.proc,
            descriptors: &descriptors,
            cgroup: Entrance {
                cgroup: &cgroup,
                below: &exec.cgroups,
            },
            gate: None,
            stdio: exec.stdio,
        };
        let mut undo = Undo::default();
        undo.child = Some(bear(&mut plan, cradle)?);
        let mut parent = ExecParent {
            plan: &plan,
            proc: &self.proc,
        };
        if let Some(child) = &mut undo.child {
            let told = until_ready(&plan, child, &mut parent)?;
            let profile = spec
                .linux()
                .as_ref()
                .and_then(|linux| linux.seccomp().as_ref());
            if let (Some(listener), Some(profile)) = (told.listener, profile) {
                let state = self.hook_state(Status::Running)?;
                seccomp_agent::send(listener, profile, child.pid, &state)?;
            }
            if let Some(path) = &exec.pidfd_socket {
                pidfd_socket::send(path, pidfd_socket::Origin::Exec, child.pidfd.as_fd())?;
            }
            until_executed(&plan, child, || None)?;
            if let Some(path) = &exec.pid_file {
                outputs::write_pid_file(path, child.pid)?;
            }
        }
        let terminal = receiver
            .map(|socket| terminal::receive(socket.as_fd()))
            .transpose()?;
        let (_, child) = undo.keep()?;
        Ok(Process {
            pid: child.pid,
            pidfd: child.pidfd,
            terminal,
        })
    }

    /// The texts are runc's.
    fn check_executable(&self, ignore_paused: bool) -> Result<()> {
        match self.status()? {
            Status::Stopped => Err(stopped()),
            Status::Paused if !ignore_paused => Err(Error::new(
                ErrorKind::WrongState,
                "cannot exec in a paused container (use --ignore-paused to override)",
            )),
            _ => Ok(()),
        }
    }

    fn exec_plan(&self, spec: &Spec, exec: &Exec) -> Result<Plan> {
        let process = match &exec.process {
            ExecProcess::Spec(process) => (**process).clone(),
            ExecProcess::Like(changes) => plan::changed_process(spec, changes)?,
        };
        let host = cgroups::Host::probe().map_err(cgroup_error)?;
        let facts = probe::facts(&self.proc, host, spec, Some(&process), false)?;
        let options = plan::ExecOptions {
            id: self.record.id.clone(),
            rootfs: self.record.rootfs.clone(),
            terminal_socket: true,
            new_keyring: true,
            preserve_fds: exec.preserve_fds,
        };
        plan::exec(spec, &process, &facts, &options)
    }
}

/// Where the child sends its terminal's master, and where that is received when it stays here.
fn console(exec: &Exec, plan: &Plan) -> Result<(Option<Console>, Option<OwnedFd>)> {
    if !plan.wants_console() {
        return Ok((None, None));
    }
    match &exec.terminal {
        Terminal::Socket(path) => Ok((Some(Console::Path(path.clone())), None)),
        Terminal::Keep => {
            let (receiver, sender) = terminal::pair()?;
            Ok((Some(Console::Socket(sender)), Some(receiver)))
        }
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::WrongState, "cannot exec in a stopped container")
}

/// Answers for a further process.
struct ExecParent<'a> {
    plan: &'a Plan,
    proc: &'a Proc,
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

    fn born(&mut self, _child: &Child) -> Result<()> {
        Ok(())
    }

    fn hint_for_death(&self) -> Option<&'static str> {
        None
    }
}
