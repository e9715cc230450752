//! What a new container is to be, and the verbs that make it.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::sync::Arc;

use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use super::make;
use super::options::ProcessOptions;
use super::prepare::Prepared;
use super::{Container, Process};
use crate::error::Result;
use crate::plan::Plan;

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

/// A configuration that the caller has.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) spec: Arc<Spec>,
    /// What it was read from, or is when written, if that works.
    pub(super) bytes: std::result::Result<Arc<[u8]>, String>,
}

/// A container that is wanted. Made by [`Create::new`], changed by its methods, turned into a
/// container by [`Create::create`] or [`Create::run`].
#[derive(Debug)]
pub struct Create {
    pub(super) root: PathBuf,
    pub(super) id: String,
    pub(super) bundle: PathBuf,
    pub(super) spec: Option<Loaded>,
    pub(super) manager: ManagerKind,
    pub(super) rootless: Option<bool>,
    pub(super) process: ProcessOptions,
    pub(super) no_pivot: bool,
    pub(super) no_new_keyring: bool,
    pub(super) notify_socket: Option<PathBuf>,
    pub(super) resctrl: Option<PathBuf>,
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
            process: ProcessOptions::default(),
            no_pivot: false,
            no_new_keyring: false,
            notify_socket: None,
            resctrl: None,
        }
    }

    /// Takes this configuration in place of the bundle's `config.json`.
    pub fn spec(mut self, spec: Spec) -> Self {
        // Here, and not where they are wanted: a program that only loads configurations is spared
        // the code that writes one.
        let bytes = serde_json::to_vec(&spec).map(Arc::from);
        self.spec = Some(Loaded {
            spec: Arc::new(spec),
            bytes: bytes.map_err(|error| error.to_string()),
        });
        self
    }

    /// Takes this configuration, which was read from these bytes: they are what the state directory
    /// keeps for [`crate::Exec`].
    pub fn loaded_spec(mut self, spec: Spec, bytes: Vec<u8>) -> Self {
        let (spec, bytes) = (Arc::new(spec), Ok(bytes.into()));
        self.spec = Some(Loaded { spec, bytes });
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

    /// How the first process is connected to the caller.
    pub fn process(mut self, options: ProcessOptions) -> Self {
        self.process = options;
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

    /// Gives the container a socket for sd_notify(3), whose readiness is passed on to the one at this
    /// path or, after `@`, abstract name: by [`Process::take_notify_socket`] after [`Create::run`],
    /// by [`Container::start_notifying`] after [`Create::create`].
    pub fn notify_socket(mut self, host: impl Into<PathBuf>) -> Self {
        self.notify_socket = Some(host.into());
        self
    }

    /// Where the `resctrl` file system for `linux.intelRdt` is, unless it is to be found.
    pub fn resctrl(mut self, root: impl Into<PathBuf>) -> Self {
        self.resctrl = Some(root.into());
        self
    }

    /// The container's state directory.
    pub(super) fn state_directory(&self) -> PathBuf {
        self.root.join(&self.id)
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
        self.process.check_sealed()?;
        make::create(self).map(|made| made.container)
    }

    /// Makes the container and starts its program.
    ///
    /// # Errors
    /// As [`Create::create`]; a program that cannot be executed is among them.
    pub fn run(self) -> Result<(Container, Process)> {
        self.process.check_sealed()?;
        make::run(self).map(|made| (made.container, made.process))
    }
}
