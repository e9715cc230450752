//! From a configuration and facts about the host to the list of things to do. Pure: no system call
//! and no file access, so that it can be fuzzed, compared as snapshots and shown to a person.

mod builder;
mod capabilities;
mod cgroup_mounts;
mod create;
pub(crate) mod cstrings;
mod devices;
mod exec;
mod hooks;
mod hosts_mounts;
mod image;
pub(crate) mod kernel;
mod limits;
mod lists;
mod mount_options;
mod mounts;
pub(crate) mod namespaces;
mod process;
pub mod render;
mod root;
pub mod step;
pub(crate) mod sysctl;
#[cfg(test)]
pub(crate) mod tests;
mod trees;

use std::ffi::CStr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use step::{CStringArray, Entry, NamespaceKind, Slot};

pub(crate) use builder::{at_most, quoted};
pub(crate) use capabilities::known as known_capabilities;
pub use create::create;
pub use exec::{ExecChanges, changed_process, exec};
pub use hooks::HookKind;
pub(crate) use hooks::runtime_hooks;
pub(crate) use limits::{MODE_FLAGS, MODES};
pub(crate) use mount_options::TABLE as OPTIONS;
pub(crate) use namespaces::{KINDS, id_maps};

/// All that is done to start one process in a container: what the parent opens, how it clones, and
/// what the child does then.
#[derive(Debug)]
pub struct Plan {
    /// What `launch` opens, slot by slot.
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
    /// The seccomp filter of [`step::Step::Seccomp`].
    pub seccomp: Option<seccomp::Filter>,
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
    /// Whether it is opened when a [`step::Step::Receive`] asks for it, and not before the clone.
    pub on_request: bool,
}

/// What `launch` opens for a [`Slot`].
#[derive(Debug)]
#[allow(missing_docs)] // a variant's comment says what its fields are
pub enum OpenKind {
    /// A detached clone of the mount tree at a path of the host, with the id maps of `idmap`'s user
    /// namespace.
    Tree {
        path: Box<CStr>,
        recursive: bool,
        idmap: Option<step::IdMapping>,
    },
    /// The detached clone of a directory of the container's own cgroup: a hierarchy's mount
    /// point on the host joined with the container's path there.
    CgroupTree { path: Box<CStr> },
    /// A namespace file, which must be of this kind.
    Namespace {
        path: Box<CStr>,
        kind: NamespaceKind,
    },
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
    /// Whether the new mount namespace may begin without the host's mounts, where the kernel makes such
    /// (`CLONE_EMPTY_MNTNS`): nothing of the host's is looked for in it.
    pub may_begin_empty: bool,
    /// A PID namespace (or the pidfd of a process) that the parent joins for its children first.
    pub join_pid: Option<Slot>,
    /// Whether the mount trees of [`step::Step::Receive`] are cloned in the child's mount namespace,
    /// because that is owned by another user namespace.
    pub trees_in_namespace: bool,
    /// Whether [`step::Step::ForkAgain`] is among the steps.
    pub forks_again: bool,
}

impl Birth {
    /// Whether the process is the first one of a new namespace of this kind.
    pub(crate) fn makes(&self, kind: NamespaceKind) -> bool {
        let flag = kernel::clone_flag(kind);
        self.clone_flags & u64::from(flag.unsigned_abs()) != 0
    }
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
    pub candidates: Vec<Box<CStr>>,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug)]
pub struct CreateOptions<'a> {
    /// The container's id.
    pub id: String,
    /// The bundle's directory, absolute. Relative paths of the configuration start there.
    pub bundle: PathBuf,
    /// Whether a socket was given that takes a terminal's master.
    pub terminal_socket: bool,
    /// Whether the root mount is moved in place of `pivot_root(2)`.
    pub no_pivot: bool,
    /// Whether the container gets a session keyring of its own.
    pub new_keyring: bool,
    /// Descriptors from 3 on that the program keeps, those of [`crate::facts::Facts::listen_fds`]
    /// not counted.
    pub preserve_fds: u32,
    /// Where the container's cgroup will be.
    pub cgroup: &'a cgroups::Plan,
}

/// What `exec` is told beside the configuration and the process.
#[derive(Clone, Debug)]
pub struct ExecOptions {
    /// The container's id.
    pub id: String,
    /// The container's root file system on the host.
    pub rootfs: PathBuf,
    /// Whether a socket was given that takes a terminal's master.
    pub terminal_socket: bool,
    /// Whether the process joins the container's session keyring.
    pub new_keyring: bool,
    /// Descriptors from 3 on that the program keeps.
    pub preserve_fds: u32,
}

impl Plan {
    /// Whether the child cannot walk the plan alone and in its parent's memory: it asks the parent,
    /// makes another process, or joins a namespace that only a process with memory of its own may join
    /// (time_namespaces(7)), or whose root could look into it.
    pub(crate) fn needs_partner(&self) -> bool {
        use step::Step;
        const ALONE: i32 = libc::CLONE_NEWUSER | libc::CLONE_NEWTIME;
        self.birth.clone_flags != 0
            || self.steps.iter().any(|entry| match &entry.step {
                Step::SetNsOfProcess { flags, .. } => flags & ALONE != 0,
                Step::Ask(_)
                | Step::Receive(_)
                | Step::SetNs { .. }
                | Step::Unshare { .. }
                | Step::ForkAgain
                | Step::TimeOffsets { .. }
                | Step::Terminal { .. }
                | Step::Hooks(_) => true,
                _ => false,
            })
    }

    /// Gives the terminal this size in place of the configuration's, before the program can look.
    pub(crate) fn resize_terminal(&mut self, wanted: step::WindowSize) {
        for entry in &mut self.steps {
            if let step::Step::Terminal { size, .. } = &mut entry.step {
                *size = Some(wanted);
            }
        }
    }

    /// By slot, the attributes of the tree there that is attached as it is, so that the parent may
    /// set them where it clones the tree.
    pub(crate) fn tree_attributes(&self) -> Vec<Option<step::Attributes>> {
        let mut by_slot = vec![None; self.opens.len()];
        for entry in &self.steps {
            let (source, attributes) = match &entry.step {
                step::Step::Root {
                    source, attributes, ..
                } => (source, attributes),
                step::Step::Mount(step) if step.idmap.is_none() => (&step.source, &step.attributes),
                _ => continue,
            };
            if let step::Source::Tree(slot) = source
                && let Some(place) = by_slot.get_mut(usize::from(slot.0))
            {
                *place = Some(*attributes);
            }
        }
        by_slot
    }

    /// Whether a terminal is opened, whose master wants a socket.
    pub fn wants_console(&self) -> bool {
        self.opens
            .iter()
            .any(|open| matches!(open.what, OpenKind::ConsoleSocket))
    }

    /// Whether the process is the first one of a new PID namespace: its end is then the end of all
    /// processes of the container.
    pub fn own_pid_namespace(&self) -> bool {
        let flag = kernel::clone_flag(NamespaceKind::Pid);
        self.birth.makes(NamespaceKind::Pid)
            || self.steps.iter().any(
                |entry| matches!(entry.step, step::Step::Unshare { flags } if flags & flag != 0),
            )
    }
}
