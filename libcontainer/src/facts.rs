//! What planning has to know of the host and the caller. Gathered once by `launch`; plain data, so
//! that planning stays pure.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use crate::plan::step::{CpuMask, NamespaceKind};

/// Facts about the host and the calling process.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Effective user id of the caller.
    pub euid: u32,
    /// Effective group id of a caller who is not root.
    pub egid: u32,
    /// Whether the caller is in another user namespace than the host's first one: device nodes
    /// cannot be made there.
    pub in_user_namespace: bool,
    /// Whether the caller may mount in its own mount namespace (`CAP_SYS_ADMIN`): then the parent
    /// clones mount trees, otherwise the child does.
    pub may_mount: bool,
    /// Whether the caller may change its root (`CAP_SYS_CHROOT`).
    pub may_change_root: bool,
    /// Number of the last capability that the kernel knows, or of an earlier one where the
    /// configuration names none behind that.
    pub last_capability: u8,
    /// Whether AppArmor is enabled.
    pub apparmor: bool,
    /// Whether SELinux is enabled.
    pub selinux: bool,
    /// CPUs to which a new process is reset, as the kernel's bit string: all that exist.
    pub online_cpus: CpuMask,
    /// `LISTEN_FDS` of the caller where `LISTEN_PID` names it (sd_listen_fds(3)).
    pub listen_fds: u32,
    /// The host's cgroup hierarchies.
    pub cgroups: cgroups::Host,
    /// Where procfs and sysfs instances are mounted on the host. Needed only without
    /// `pivot_root(2)`, which leaves them behind the new root.
    pub kernel_mounts: Vec<PathBuf>,
    /// Namespaces that the configuration joins by path and that are the caller's own: what is
    /// refused for the host's namespaces is refused for them.
    pub own_namespaces: Vec<NamespaceKind>,
}
