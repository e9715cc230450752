//! What the container's process does between its birth and `execve`, as data.
//!
//! The planner writes these values, `init` walks them with raw system calls, and the parent, which
//! still owns them when the child fails, renders them into the error message. Nothing here is
//! serialised: the child inherits the memory. Everything that needs the heap (C strings, tables,
//! filter programs) is therefore ready made.

use std::borrow::Cow;
use std::ffi::CStr;

use super::kernel::propagation;

/// CPUs as the kernel's bit string (sched_setaffinity(2)).
pub type CpuMask = Cow<'static, [u8]>;

/// An index into the table of descriptors that `launch` fills before the clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub u16);

/// A step with the field of `config.json` that asked for it.
#[derive(Debug)]
pub struct Entry {
    /// What is done.
    pub step: Step,
    /// The JSON path of the field that this comes from, such as `mounts[3]`.
    pub field: String,
}

/// One thing that the container's process does.
///
/// Paths "inside the root" are resolved below the container's root file system with
/// `openat2(RESOLVE_IN_ROOT)`, both before and after the root was changed.
#[derive(Debug)]
#[allow(missing_docs)] // a variant's comment says what its fields are
pub enum Step {
    /// Write `0` to each of the cgroup descriptors that `launch` opened (cgroup v1 `tasks`).
    EnterCgroup,
    /// Send the request to the parent and wait for its answer.
    Ask(Request),
    /// Have the parent clone the mount trees of these slots, in this order, and receive them by
    /// `SCM_RIGHTS`.
    Receive(Vec<Slot>),
    /// `setns(2)` to an open namespace file. `kind` is the one `CLONE_NEW*` flag.
    SetNs { slot: Slot, kind: NamespaceKind },
    /// `setns(2)` on a pidfd with several `CLONE_NEW*` flags at once (exec).
    SetNsOfProcess { slot: Slot, flags: i32 },
    /// `unshare(2)` with these `CLONE_NEW*` flags.
    Unshare { flags: i32 },
    /// Become user and group 0 of the user namespace: `setgroups(0)` where allowed, `setresgid`,
    /// `setresuid`.
    BecomeRoot,
    /// Clone once more with `CLONE_PARENT`, report the new process to the parent and exit. The steps
    /// after this one are walked by the new process. Needed where a PID namespace can only be
    /// entered from inside its user namespace.
    ForkAgain,
    /// Enter the new time namespace that an [`Step::Unshare`] made, after writing these lines to
    /// `timens_offsets` (time_namespaces(7)).
    TimeOffsets { lines: Vec<u8> },
    /// `setsid(2)`.
    NewSession,
    /// Join a new session keyring of this name (keyrings(7)); `EPERM` and `ENOSYS` are ignored.
    SessionKeyring {
        name: Box<CStr>,
        label: Option<Vec<u8>>,
    },
    /// Set the flag `IFF_UP` of `lo` in the new network namespace.
    LoopbackUp,

    /// Set the propagation (`MS_SLAVE`, …) of every mount of the new namespace, from `/` down, or verify
    /// that there is none.
    Propagation { flags: u64 },
    /// Attach a clone of the root file system's tree at `path`, its own place on the host, and make
    /// that the root for what follows. `attributes` are applied to the tree. The mount that holds
    /// `path` is made private first, so that the new mount does not propagate to the host. In a namespace
    /// that begins empty the tree lies over the empty root.
    Root {
        source: Source,
        path: Box<CStr>,
        attributes: Attributes,
    },
    /// Make the directory at `path` the root for what follows, without mounting anything: the
    /// container shares the caller's mount namespace.
    OpenRoot { path: Box<CStr> },
    /// Mount something inside the root. A mount on `/` is the root for what follows.
    Mount(MountStep),
    /// Change the attributes of a mount that is there already.
    SetAttributes {
        target: Box<CStr>,
        attributes: Attributes,
    },
    /// Make a device node, FIFO or, where that is not permitted, bind one from the host.
    Device(DeviceStep),
    /// Make a symbolic link inside the root; an existing file of that name is left alone.
    Symlink { path: Box<CStr>, to: Box<CStr> },
    /// Replace `/dev/ptmx` by a symbolic link to `pts/ptmx`.
    Ptmx,
    /// Run these hooks one after the other in the container's namespaces.
    Hooks(Vec<HookStep>),
    /// `pivot_root(".", ".")`, then detach the old root. In a namespace that begins empty, `chroot`.
    PivotRoot,
    /// Without `pivot_root`: detach these mount points of the host (procfs and sysfs instances
    /// outside the root), move the root's mount over `/` and `chroot`.
    MoveRoot { detach: Vec<Box<CStr>> },
    /// `chroot` into the root: the container shares the host's mount namespace.
    Chroot,
    /// Set the propagation of the container's root mount (`linux.rootfsPropagation`).
    RootPropagation { flags: u64 },
    /// Make the root mount read-only.
    ReadonlyRoot,
    /// Cover a path: a file with `/dev/null`, a directory with an empty read-only tmpfs. A path that
    /// is not there is left alone.
    MaskPath { path: Box<CStr> },
    /// The host's `/dev/null`, from which [`Step::MaskPath`] covers files.
    MaskSource { source: Source },
    /// Make a path read-only with a bind mount on itself. A path that is not there is left alone.
    ReadonlyPath { path: Box<CStr> },

    /// `sethostname(2)`.
    Hostname(Vec<u8>),
    /// `setdomainname(2)`.
    Domainname(Vec<u8>),
    /// Write to a file of the verified procfs, given relative to its root. The first alternative
    /// that exists is taken.
    WriteProc {
        alternatives: Vec<Box<CStr>>,
        value: Vec<u8>,
    },

    /// Open a pseudo terminal inside the root, send its master to the socket in `socket`, make the
    /// peer the controlling terminal and descriptors 0 to 2, and bind it to `/dev/console` where
    /// `console` is set.
    Terminal {
        socket: Slot,
        size: Option<WindowSize>,
        console: bool,
        uid: u32,
    },
    /// Where descriptors 0 to 2 are the host's `/dev/null`, replace them by the container's.
    ReopenNull,
    /// Give descriptors 0 to 2 to this user where they are not the null device, as the program
    /// may want to open `/dev/stdout` anew. `EINVAL`, `EPERM` and `EROFS` are ignored.
    OwnStdio { uid: u32 },

    /// `prlimit64(2)`.
    Rlimit { resource: u32, soft: u64, hard: u64 },
    /// `sched_setattr(2)`.
    Scheduler(SchedAttr),
    /// `ioprio_set(2)`, class and data joined as the kernel wants them.
    IoPriority { value: i32 },
    /// `sched_setaffinity(2)`; the mask is the kernel's bit string.
    CpuAffinity { mask: CpuMask },
    /// `personality(2)`.
    Personality { value: u64 },
    /// `set_mempolicy(2)`: mode with its flags, node mask, and `maxnode` as the call wants it, which
    /// is one more than the bits of the mask.
    MemoryPolicy {
        mode: i32,
        nodes: Vec<u64>,
        max_node: u64,
    },
    /// `umask(2)`.
    Umask { mask: u32 },
    /// `PR_SET_NO_NEW_PRIVS`.
    NoNewPrivileges,
    /// Install the plan's filter; hand a listener descriptor to the parent.
    Seccomp,
    /// Drop every capability outside this mask from the bounding set.
    Bounding { keep: u64 },
    /// `PR_SET_KEEPCAPS`, so that the change of user does not clear the permitted set.
    KeepCapabilities(bool),
    /// `setgroups(2)`. Skipped where the namespace denies it and the list is empty.
    Groups { gids: Vec<u32> },
    /// `setresgid(2)`, then `setresuid(2)`; skipped where the process is that user and group.
    /// `are_mapped` is whether its user namespace has all the ids that it may have.
    User {
        uid: u32,
        gid: u32,
        are_mapped: bool,
    },
    /// `capset(2)`.
    Capabilities {
        effective: u64,
        permitted: u64,
        inheritable: u64,
    },
    /// Clear the ambient set and raise these (`PR_CAP_AMBIENT`). Not planned where nothing is
    /// inheritable: then `capset` has cleared it.
    Ambient { raise: u64 },
    /// Give every signal its default action and unblock all.
    ResetSignals,
    /// Change to the working directory and verify that it lies inside the root. `create` makes it
    /// first where it is missing. Planned twice: as root, where a refusal is borne unless `last`,
    /// and as the container's user, which only does what is not done yet.
    WorkingDirectory {
        path: Box<CStr>,
        create: bool,
        last: bool,
    },
    /// Fill the reserved `HOME=` entry of the environment from the container's `/etc/passwd`.
    Home { uid: u32 },
    /// Set the reserved `LISTEN_PID=` entry of the environment to the process's own number.
    ListenPid,
    /// Find the program among the plan's candidates and verify that it may be executed.
    FindProgram,
    /// Tell the parent that all that can fail has been done.
    Ready,
    /// Wait for the byte that starts the program.
    Gate,
    /// Close every descriptor from this number on but those that wait for the start, which `execve`
    /// closes.
    CloseFrom { first: u32 },
    /// `execve(2)`.
    Exec,
}

/// A namespace, by the kernel's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamespaceKind {
    /// `CLONE_NEWUSER`
    User,
    /// `CLONE_NEWPID`
    Pid,
    /// `CLONE_NEWNET`
    Network,
    /// `CLONE_NEWIPC`
    Ipc,
    /// `CLONE_NEWUTS`
    Uts,
    /// `CLONE_NEWCGROUP`
    Cgroup,
    /// `CLONE_NEWTIME`
    Time,
    /// `CLONE_NEWNS`
    Mount,
}

/// What the child asks of its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Request {
    /// Write the user and group id maps.
    WriteIdMaps = 1,
    /// Attach the process to its systemd unit, which needs its number.
    AttachUnit = 2,
    /// Run the prestart and createRuntime hooks, and move network devices.
    RunHooks = 4,
    /// Move network devices into the network namespace.
    MoveNetDevices = 5,
    /// Set what [`super::ParentLimits`] holds.
    ApplyLimits = 6,
}

/// Where the tree comes from that a mount attaches.
#[derive(Debug)]
#[allow(missing_docs)] // a variant's comment says what its fields are
pub enum Source {
    /// A new instance of a file system: `fsopen`, `fsconfig`…, `fsmount`. Where the kernel does not
    /// permit it (`EPERM`, `EBUSY`), the fallback is taken.
    Filesystem {
        fstype: Box<CStr>,
        params: Vec<Param>,
        fallback: Option<Box<Source>>,
    },
    /// A detached tree that the parent cloned.
    Tree(Slot),
    /// A path of the host, cloned by the child while it still sees the host's root: an unprivileged
    /// parent cannot do it.
    HostPath { path: Box<CStr>, recursive: bool },
    /// A clone of what is at this path inside the root, with what was mounted there until now.
    Inside { path: Box<CStr>, recursive: bool },
    /// The first of these that is there.
    FirstOf(Vec<Source>),
}

/// A parameter of a file system context (fsconfig(2)).
#[derive(Debug)]
#[allow(missing_docs)] // a variant's comment says what its fields are
pub enum Param {
    /// `FSCONFIG_SET_FLAG`
    Flag(Box<CStr>),
    /// `FSCONFIG_SET_STRING`
    Text { key: Box<CStr>, value: Box<CStr> },
}

/// Mount attributes in the terms of mount_setattr(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `MOUNT_ATTR_*` to set on the top mount.
    pub set: u64,
    /// `MOUNT_ATTR_*` to clear on the top mount.
    pub clear: u64,
    /// Those of `clear` that stay where the owner of the source has locked them.
    pub may_stay: u64,
    /// `MOUNT_ATTR_*` to set on the whole tree.
    pub set_recursive: u64,
    /// `MOUNT_ATTR_*` to clear on the whole tree.
    pub clear_recursive: u64,
    /// Propagation of the top mount alone (`MS_SHARED`, …); 0 leaves it.
    pub propagation: u64,
    /// Propagation of the whole tree, applied before the other; 0 leaves it.
    pub propagation_recursive: u64,
}

impl Attributes {
    /// The same for a clone of the host's mount. It is no peer of that unless that was asked for: what
    /// a container mounts there must not appear on the host.
    pub(crate) fn of_clone(mut self) -> Self {
        if self.propagation | self.propagation_recursive == 0 {
            self.propagation_recursive = propagation::SLAVE;
        }
        self
    }
}

/// One mount inside the root.
#[derive(Debug)]
pub struct MountStep {
    /// What is mounted.
    pub source: Source,
    /// Where, inside the root, as the configuration has it.
    pub target: Box<CStr>,
    /// What is made where the target is missing.
    pub target_kind: TargetKind,
    /// Attributes of the new mount.
    pub attributes: Attributes,
    /// A user namespace whose id maps the mount gets, and whether submounts get them too.
    pub idmap: Option<IdMapping>,
    /// `tmpcopyup`: start with a copy of what the target directory holds.
    pub copy_up: bool,
    /// A tmpfs without `mode=` takes owner and mode of the directory that it covers.
    pub inherit_mode: bool,
    /// The target must be a directory reached without symbolic links (`/proc`, `/sys`).
    pub strict_target: bool,
    /// Whether the target may lie on a procfs instance.
    pub may_cover_proc: bool,
    /// Whether the source must be the root of a procfs instance: a bind mount on `/proc`.
    pub procfs_only: bool,
}

/// Id maps of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMapping {
    /// An open user namespace file.
    pub slot: Slot,
    /// Whether the whole tree is mapped.
    pub recursive: bool,
}

/// What a missing mount target is made as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// A directory.
    Directory,
    /// A directory or an empty file, as the source is.
    LikeSource,
}

/// One device node or FIFO.
#[derive(Debug)]
pub struct DeviceStep {
    /// Where, inside the root.
    pub path: Box<CStr>,
    /// `S_IFCHR`, `S_IFBLK` or `S_IFIFO`, with the permission bits.
    pub mode: u32,
    /// Device number as the kernel packs it.
    pub device: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bound to the path in place of a node made by mknod(2).
    pub bind: Option<Source>,
    /// Listed in the configuration, so that an existing different file is an error. A default
    /// device that exists is left as it is.
    pub listed: bool,
}

/// A program that runs in the container's namespaces before the container's own.
#[derive(Debug)]
pub struct HookStep {
    /// The program.
    pub path: Box<CStr>,
    /// Its arguments, the first one included, ended by null.
    pub argv: CStringArray,
    /// Its environment, ended by null.
    pub envp: CStringArray,
    /// Whether it has the environment of the container's program instead.
    pub inherits_env: bool,
    /// Milliseconds after which it is killed and counts as failed.
    pub timeout_ms: Option<u64>,
    /// The container's state as JSON, for its standard input.
    pub state: Vec<u8>,
    /// Where in `state` the child puts its process number: ten bytes that hold blanks.
    pub pid_offset: usize,
}

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// The kernel's `struct sched_attr` (sched_setattr(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[allow(missing_docs)] // the names are the kernel's
pub struct SchedAttr {
    pub size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
    pub util_min: u32,
    pub util_max: u32,
}

pub use super::cstrings::CStringArray;
