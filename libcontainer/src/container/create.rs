//! What a new container is to be, and the verbs that make it.

#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use super::make;
use super::prepare::Prepared;
use super::{Container, Process};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Plan;
use crate::plan::step::WindowSize;
use crate::seal;

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
    /// The caller gets it in [`Process::take_terminal`]; with [`Create::create`], where nobody would
    /// get it, it is an error.
    #[default]
    Keep,
    /// It is sent to the socket at this path (`--console-socket`).
    Socket(PathBuf),
}

/// A container that is wanted. Made by [`Create::new`], changed by its methods, turned into a
/// container by [`Create::create`] or [`Create::run`].
#[derive(Debug)]
pub struct Create {
    pub(super) root: PathBuf,
    pub(super) id: String,
    pub(super) bundle: PathBuf,
    pub(super) spec: Option<Spec>,
    pub(super) manager: ManagerKind,
    pub(super) rootless: Option<bool>,
    pub(super) terminal: Terminal,
    pub(super) window_size: Option<WindowSize>,
    pub(super) stdio: Option<[OwnedFd; 3]>,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) pidfd_socket: Option<PathBuf>,
    pub(super) no_pivot: bool,
    pub(super) no_new_keyring: bool,
    pub(super) preserve_fds: u32,
    pub(super) unsealed: bool,
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
            manager: ManagerKind::default(),
            rootless: None,
            terminal: Terminal::default(),
            window_size: None,
            stdio: None,
            pid_file: None,
            pidfd_socket: None,
            no_pivot: false,
            no_new_keyring: false,
            preserve_fds: 0,
            unsealed: false,
        }
    }

    /// Takes this configuration in place of the bundle's `config.json`.
    pub fn spec(mut self, spec: Spec) -> Self {
        self.spec = Some(spec);
        self
    }

    /// Which manager keeps the cgroup; cgroupfs unless said.
    pub fn cgroup_manager(mut self, kind: ManagerKind) -> Self {
        self.manager = kind;
        self
    }

    /// Whether the caller may lack permission for cgroups (`--rootless`). Unless said, that is so
    /// for a caller who is not root of the host.
    pub fn rootless(mut self, rootless: bool) -> Self {
        self.rootless = Some(rootless);
        self
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

    /// Standard input, output and error of the program; this program's own unless said. A terminal
    /// takes their place.
    pub fn stdio(mut self, stdio: [OwnedFd; 3]) -> Self {
        self.stdio = Some(stdio);
        self
    }

    /// Writes the number of the first process to this file.
    pub fn pid_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.pid_file = Some(path.into());
        self
    }

    /// Sends a pidfd of the first process to the socket at this path.
    pub fn pidfd_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.pidfd_socket = Some(path.into());
        self
    }

    /// Moves the root mount in place of `pivot_root(2)`, for a root on a ramfs.
    pub fn no_pivot(mut self, no_pivot: bool) -> Self {
        self.no_pivot = no_pivot;
        self
    }

    /// Leaves the container in the caller's session keyring.
    pub fn no_new_keyring(mut self, no_new_keyring: bool) -> Self {
        self.no_new_keyring = no_new_keyring;
        self
    }

    /// Passes this many descriptors, from 3 on, to the program.
    pub fn preserve_fds(mut self, count: u32) -> Self {
        self.preserve_fds = count;
        self
    }

    /// Lets the container run although this program's own file is not sealed; see [`crate::seal`].
    pub fn unsealed(mut self) -> Self {
        self.unsealed = true;
        self
    }

    /// What would be done, without doing any of it. Reads the bundle and the host's facts.
    pub fn plan(&self) -> Result<Plan> {
        Prepared::new(self).map(|prepared| prepared.plan)
    }

    /// Makes the container; its program waits for [`Container::start`].
    ///
    /// # Errors
    /// Whatever was made until then is taken away again.
    pub fn create(self) -> Result<Container> {
        check_sealed(self.unsealed)?;
        make::create(self).map(|made| made.container)
    }

    /// Makes the container and starts its program.
    ///
    /// # Errors
    /// As [`Create::create`]; a program that cannot be executed is among them.
    pub fn run(self) -> Result<(Container, Process)> {
        check_sealed(self.unsealed)?;
        make::run(self).map(|made| (made.container, made.process))
    }
}

/// A container could otherwise write to the program that made it.
pub(super) fn check_sealed(waived: bool) -> Result<()> {
    if waived || seal::is_sealed() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::System,
        "the running program's file is not sealed against containers: call libcontainer::seal() \
         first in main, or say unsealed()",
    ))
}
