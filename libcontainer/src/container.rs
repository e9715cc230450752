//! Containers: one verb a file.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxResources, Process as ProcessSpec, Spec};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::plan::Plan;

fn missing<T>() -> Result<T> {
    Err(Error::new(ErrorKind::System, "not built yet"))
}

/// Where a container is in its life (runtime.md, "State").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being made.
    Creating,
    /// Made; the program has not been started.
    Created,
    /// The program runs.
    Running,
    /// Frozen.
    Paused,
    /// The program has ended.
    Stopped,
}

/// What `state` and `list` tell; serialises as runc's JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Version of the specification that the container follows.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// Number of its first process, 0 when stopped.
    pub pid: i32,
    /// Where it is in its life.
    pub status: Status,
    /// Its bundle.
    pub bundle: PathBuf,
    /// Its root file system.
    pub rootfs: PathBuf,
    /// When it was made, RFC 3339 in UTC.
    pub created: String,
    /// The configuration's annotations.
    #[serde(default, skip_serializing_if = "HashMap::is_empty")]
    pub annotations: HashMap<String, String>,
    /// Name of the user who made it.
    pub owner: String,
}

/// How cgroups are managed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ManagerKind {
    /// By writing to the cgroup file system.
    #[default]
    Cgroupfs,
    /// By asking systemd for a scope.
    Systemd,
    /// Not at all.
    Disabled,
}

/// What happens to the master of a terminal, where the process has one.
#[derive(Debug, Default)]
pub enum Terminal {
    /// The caller gets it in [`Process::terminal`].
    #[default]
    Keep,
    /// It is sent to the socket at this path (`--console-socket`).
    Socket(PathBuf),
}

/// A container that is wanted. Made by [`Create::new`], changed by its methods, turned into a
/// container by [`Create::create`] or [`Create::run`].
#[derive(Debug)]
#[allow(dead_code)]
pub struct Create {
    root: PathBuf,
    id: String,
    bundle: PathBuf,
    spec: Option<Spec>,
    terminal: Terminal,
}

impl Create {
    /// A container `id` with its state below `root`, from the bundle in `bundle`.
    pub fn new(
        root: impl Into<PathBuf>,
        id: impl Into<String>,
        bundle: impl Into<PathBuf>,
    ) -> Self {
        Self {
            root: root.into(),
            id: id.into(),
            bundle: bundle.into(),
            spec: None,
            terminal: Terminal::Keep,
        }
    }
    /// Takes this configuration in place of the bundle's `config.json`.
    pub fn spec(mut self, spec: Spec) -> Self {
        self.spec = Some(spec);
        self
    }
    /// Which manager keeps the cgroup; cgroupfs unless said.
    pub fn cgroup_manager(self, _kind: ManagerKind) -> Self {
        self
    }
    /// Whether cgroup permission errors are ignored (`--rootless`); found out unless said.
    pub fn rootless(self, _rootless: bool) -> Self {
        self
    }
    /// What happens to the terminal's master.
    pub fn terminal(mut self, terminal: Terminal) -> Self {
        self.terminal = terminal;
        self
    }
    /// Writes the number of the first process to this file.
    pub fn pid_file(self, _path: impl Into<PathBuf>) -> Self {
        self
    }
    /// Sends a pidfd of the first process to the socket at this path.
    pub fn pidfd_socket(self, _path: impl Into<PathBuf>) -> Self {
        self
    }
    /// Moves the root mount in place of `pivot_root(2)`, for a root on a ramfs.
    pub fn no_pivot(self, _no_pivot: bool) -> Self {
        self
    }
    /// Leaves the container in the caller's session keyring.
    pub fn no_new_keyring(self, _no_new_keyring: bool) -> Self {
        self
    }
    /// Passes this many descriptors, from 3 on, to the program.
    pub fn preserve_fds(self, _count: u32) -> Self {
        self
    }
    /// Lets the container run although this program's own file is not sealed; see `seal`.
    pub fn unsealed(self) -> Self {
        self
    }

    /// What would be done, without doing any of it. Reads the bundle and the host's facts.
    pub fn plan(&self) -> Result<Plan> {
        missing()
    }
    /// Makes the container; its program waits for [`Container::start`].
    pub fn create(self) -> Result<Container> {
        missing()
    }
    /// Makes the container and starts its program.
    pub fn run(self) -> Result<(Container, Process)> {
        missing()
    }
}

/// A process that this program started in a container, its child.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    pidfd: OwnedFd,
    terminal: Option<OwnedFd>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl Exit {
    /// The shell's convention: the code, or 128 and the signal.
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

impl Process {
    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid
    }
    /// A descriptor that becomes readable when it ends (pidfd_open(2)).
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.pidfd)
    }
    /// The master of its terminal, once.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }
    /// Sends it a signal.
    pub fn kill(&self, _signal: i32) -> Result<()> {
        missing()
    }
    /// Waits for its end and takes its status from the kernel.
    pub fn wait(&self) -> Result<Exit> {
        missing()
    }
}

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
#[allow(dead_code)]
pub struct Exec {
    process: ExecProcess,
}

impl Exec {
    /// A further process.
    pub fn new(process: ExecProcess) -> Self {
        Self { process }
    }
    /// What happens to the terminal's master.
    pub fn terminal(self, _terminal: Terminal) -> Self {
        self
    }
    /// Writes the number of the process to this file.
    pub fn pid_file(self, _path: impl Into<PathBuf>) -> Self {
        self
    }
    /// Sends a pidfd of the process to the socket at this path.
    pub fn pidfd_socket(self, _path: impl Into<PathBuf>) -> Self {
        self
    }
    /// Passes this many descriptors, from 3 on, to the program.
    pub fn preserve_fds(self, _count: u32) -> Self {
        self
    }
    /// Places it below the container's cgroup: `PATH` or `CONTROLLER[,…]:PATH`, once or more often.
    pub fn cgroups(self, _values: Vec<String>) -> Self {
        self
    }
    /// Starts it although the container is paused.
    pub fn ignore_paused(self, _ignore: bool) -> Self {
        self
    }
    /// Lets it run although this program's own file is not sealed; see `seal`.
    pub fn unsealed(self) -> Self {
        self
    }
}

/// A container that exists.
#[derive(Debug)]
pub struct Container {
    id: String,
}

impl Container {
    /// The container `id` with its state below `root`.
    pub fn load(_root: &Path, _id: &str) -> Result<Self> {
        missing()
    }
    /// The containers below `root` in the order of their ids; what cannot be read is told beside.
    pub fn list(_root: &Path) -> Result<(Vec<Self>, Vec<Error>)> {
        missing()
    }
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }
    /// What it is doing now.
    pub fn state(&self) -> Result<State> {
        missing()
    }
    /// Starts its program and waits until that runs: a hook or program that fails is an error here.
    pub fn start(&self) -> Result<()> {
        missing()
    }
    /// Waits for the end of its first process. Its status is there only where that is this
    /// program's child.
    pub fn wait(&self) -> Result<Option<Exit>> {
        missing()
    }
    /// Sends a signal to the first process, or to all of them.
    pub fn kill(&self, _signal: i32, _all: bool) -> Result<()> {
        missing()
    }
    /// Removes it; a running one is killed first where `force` is set. Poststop hooks that fail are
    /// returned as warnings.
    pub fn delete(self, _force: bool) -> Result<Vec<Error>> {
        missing()
    }
    /// Starts a further process.
    pub fn exec(&self, _exec: Exec) -> Result<Process> {
        missing()
    }
    /// Freezes it.
    pub fn pause(&self) -> Result<()> {
        missing()
    }
    /// Thaws it.
    pub fn resume(&self) -> Result<()> {
        missing()
    }
    /// Changes its limits; what is `None` stays.
    pub fn update(&self, _resources: &LinuxResources) -> Result<()> {
        missing()
    }
    /// The numbers of its processes.
    pub fn processes(&self) -> Result<Vec<i32>> {
        missing()
    }
}
