//! From a configuration and facts about the host to the list of things to do. Pure: no system call
//! and no file access, so that it can be fuzzed, compared as snapshots and shown to a person.

mod builder;
mod capabilities;
mod cgroup_mounts;
mod create;
pub(crate) mod cstrings;
mod devices;
mod hooks;
mod image;
mod kernel;
mod limits;
mod lists;
mod mount_options;
mod mounts;
mod namespaces;
mod process;
mod root;
pub mod step;
mod sysctl;

use std::ffi::CString;
use std::path::PathBuf;

use step::{CStringArray, Entry, NamespaceKind, Slot};

pub use create::create;
pub use hooks::{HookKind, runtime_hooks};

/// All that is done to start one process in a container: what the parent opens, how it clones, and
/// what the child does then.
#[derive(Debug)]
pub struct Plan {
    /// What `launch` opens before the clone, or for [`step::Request::OpenTrees`]; slot by slot.
    pub opens: Vec<Open>,
    /// How the process is born.
    pub birth: Birth,
    /// What the process does, in order.
    pub steps: Vec<Entry>,
    /// Id maps of a new user namespace.
    pub id_maps: Option<IdMaps>,
    /// The program that the container runs.
    pub image: Image,
    /// Hooks that the parent runs in its own namespaces before the root is changed.
    pub runtime_hooks: Vec<Hook>,
    /// Network devices that the parent moves into the container.
    pub net_devices: Vec<NetDevice>,
    /// Limits that only the parent may raise: the process is in a user namespace.
    pub parent_limits: Option<ParentLimits>,
    /// Deviations that the caller should hear of, such as an unknown capability.
    pub warnings: Vec<String>,
    /// The root file system's directory on the host; `None` for exec.
    pub rootfs: Option<PathBuf>,
}

/// A descriptor that the child inherits or is sent.
#[derive(Debug)]
pub struct Open {
    /// What is opened.
    pub what: OpenKind,
    /// The JSON path of the field that this comes from.
    pub field: String,
}

/// What `launch` opens for a [`Slot`].
#[derive(Debug)]
pub enum OpenKind {
    /// A detached clone of the mount tree at a path of the host, with the id maps of `idmap`'s user
    /// namespace.
    Tree {
        path: CString,
        recursive: bool,
        idmap: Option<step::IdMapping>,
    },
    /// The detached clone of a directory of the container's own cgroup: a hierarchy's mount
    /// point on the host joined with the container's path there.
    CgroupTree { path: CString },
    /// A namespace file, which must be of this kind.
    Namespace { path: CString, kind: NamespaceKind },
    /// A new user namespace that exists only for its id maps.
    IdMapNamespace(IdMaps),
    /// The socket that takes a terminal's master (`--console-socket`), connected.
    ConsoleSocket,
    /// The running container's process, as a pidfd (exec).
    ContainerProcess,
}

/// Limits of the process that the parent sets ([`step::Request::ApplyLimits`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParentLimits {
    /// `oom_score_adj`.
    pub oom_score_adj: Option<i32>,
    /// Resource, soft and hard limit.
    pub rlimits: Vec<(u32, u64, u64)>,
}

/// How the process is born.
#[derive(Debug, Default)]
pub struct Birth {
    /// `CLONE_NEW*` flags for clone3(2).
    pub clone_flags: u64,
    /// A PID namespace (or the pidfd of a process) that the parent joins for its children first.
    pub join_pid: Option<Slot>,
    /// Whether mount trees are cloned in the child's mount namespace on
    /// [`step::Request::OpenTrees`], because that is owned by another user namespace, instead of
    /// before the clone.
    pub trees_on_request: bool,
    /// Whether [`step::Step::ForkAgain`] is among the steps.
    pub forks_again: bool,
}

/// User and group id maps (user_namespaces(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdMaps {
    /// Maps of user ids.
    pub uids: Vec<IdRange>,
    /// Maps of group ids.
    pub gids: Vec<IdRange>,
    /// Whether `newuidmap` and `newgidmap` write them: the caller is unprivileged and the maps hold
    /// more than its own ids.
    pub with_helpers: bool,
    /// Whether `setgroups` must be denied before an unprivileged caller may map groups.
    pub deny_setgroups: bool,
}

/// One line of an id map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// First id inside the namespace.
    pub inside: u32,
    /// First id outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// The program and its environment.
#[derive(Debug)]
pub struct Image {
    /// Where to look for the program: one path, or one per element of `PATH`.
    pub candidates: Vec<CString>,
    /// What the configuration calls it, for messages.
    pub name: String,
    /// Arguments.
    pub argv: CStringArray,
    /// Environment.
    pub envp: CStringArray,
    /// Which entry of `envp` is the reserved `HOME=`, with room for [`HOME_ROOM`] bytes.
    pub home: Option<usize>,
    /// Which entry of `envp` is the reserved `LISTEN_PID=`, with room for ten digits.
    pub listen_pid: Option<usize>,
}

/// How many bytes an entry reserved for `HOME=` has, the name included.
pub const HOME_ROOM: usize = 4096;

/// A hook that the parent runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The program.
    pub path: PathBuf,
    /// Its arguments, the first one included.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<String>,
    /// Seconds after which it is killed and counts as failed.
    pub timeout: Option<u64>,
    /// The JSON path of its field.
    pub field: String,
}

/// A network device that moves into the container (config-linux.md, "Network Devices").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetDevice {
    /// Its name on the host.
    pub name: String,
    /// Its name in the container.
    pub rename: Option<String>,
}

/// What `create` is told beside the configuration.
#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    /// The container's id.
    pub id: String,
    /// The bundle's directory, absolute. Relative paths of the configuration start there.
    pub bundle: PathBuf,
    /// Whether the root mount is moved in place of `pivot_root(2)`.
    pub no_pivot: bool,
    /// Whether the container gets a session keyring of its own.
    pub new_keyring: bool,
    /// Descriptors from 3 on that the program keeps, those of [`crate::facts::Facts::listen_fds`]
    /// not counted.
    pub preserve_fds: u32,
    /// Whether the process is put into a systemd unit, which needs its number.
    pub systemd_unit: bool,
    /// What mounts of type `cgroup` show.
    pub cgroups: CgroupView,
    /// Namespaces that the configuration joins by path and that are the caller's own: what is
    /// refused for the host's namespaces is refused for them.
    pub own_namespaces: Vec<NamespaceKind>,
}

/// What mounts of type `cgroup` show: the host's hierarchies and the container's place there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CgroupView {
    /// The host has no cgroup file system.
    #[default]
    None,
    /// One version 2 hierarchy.
    Unified {
        /// The container's directory on the host.
        own: PathBuf,
    },
    /// Version 1 hierarchies.
    Legacy(Vec<Hierarchy>),
}

/// A version 1 hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its controllers, or `name=NAME` for one without.
    pub controllers: Vec<String>,
    /// The container's directory on the host.
    pub own: PathBuf,
}

impl Hierarchy {
    /// The name of its directory below `/sys/fs/cgroup`.
    pub fn name(&self) -> String {
        let names: Vec<&str> = self
            .controllers
            .iter()
            .map(|name| name.strip_prefix("name=").unwrap_or(name))
            .collect();
        names.join(",")
    }
}
