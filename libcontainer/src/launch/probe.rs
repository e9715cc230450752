//! Gathers the facts that planning needs, with as few system calls as the configuration allows.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxNamespaceType, Spec};
use procfs::process::MountInfo;

use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::plan::step::NamespaceKind;
use crate::procfs::Proc;
use crate::sys;

/// What a user namespace's `uid_map` holds when it is the host's first one.
const WHOLE_RANGE: [&str; 3] = ["0", "0", "4294967295"];

/// Inode of the first user namespace (`PROC_USER_INIT_INO`), the same on every machine.
const FIRST_USER_NAMESPACE: u32 = 0xeffffffd;

/// More CPUs than any kernel has; it ignores those that do not exist or are not permitted.
static ALL_CPUS: [u8; 128] = [0xff; 128];

/// The facts for one configuration: security modules are asked for only where it names a label.
pub(crate) fn facts(
    proc: &Proc,
    cgroups: cgroups::Host,
    capabilities: u64,
    spec: &Spec,
    process: Option<&oci_spec::runtime::Process>,
    no_pivot: bool,
) -> Result<Facts> {
    let egid = match cgroups.euid {
        0 => 0,
        _ => nix::unistd::getegid().as_raw(),
    };
    Ok(Facts {
        euid: cgroups.euid,
        egid,
        in_user_namespace: in_user_namespace(proc),
        may_mount: may_mount(capabilities),
        may_change_root: has(capabilities, caps::Capability::CAP_SYS_CHROOT),
        last_capability: last_capability(process),
        apparmor: process.is_some_and(|process| process.apparmor_profile().is_some()) && apparmor(),
        selinux: wants_selinux(spec, process) && selinux(),
        online_cpus: ALL_CPUS.as_slice().into(),
        listen_fds: listen_fds(),
        cgroups,
        own_namespaces: own_namespaces(spec),
        kernel_mounts: if no_pivot {
            kernel_mounts()
        } else {
            Vec::new()
        },
    })
}

/// The caller's effective capabilities, as a mask.
pub(crate) fn capabilities() -> Result<u64> {
    sys::identity::effective_capabilities().map_err(|fault| Error::fault("own capabilities", fault))
}

/// Whether capabilities are enough to mount in the own mount namespace.
pub(crate) fn may_mount(capabilities: u64) -> bool {
    has(capabilities, caps::Capability::CAP_SYS_ADMIN)
}

fn has(capabilities: u64, wanted: caps::Capability) -> bool {
    capabilities & (1 << wanted.index()) != 0
}

fn wants_selinux(spec: &Spec, process: Option<&oci_spec::runtime::Process>) -> bool {
    let mounts = spec
        .linux()
        .as_ref()
        .is_some_and(|linux| linux.mount_label().is_some());
    mounts || process.is_some_and(|process| process.selinux_label().is_some())
}

/// The bounding set can be asked for any capability that the kernel knows (capabilities(7)). It is
/// asked only where the configuration names one that some kernel might lack.
fn last_capability(process: Option<&oci_spec::runtime::Process>) -> u8 {
    let known = |number: &u8| sys::process::in_bounding_set(u32::from(*number)).is_some();
    let oldest = caps::Capability::CAP_AUDIT_READ.index();
    if !names_newer_capability(process, oldest) {
        return oldest;
    }
    // The newest that this program has heard of is the kernel's last one, as a rule.
    let newest = caps::Capability::CAP_CHECKPOINT_RESTORE.index();
    if known(&newest) {
        (newest + 1..64).take_while(known).last().unwrap_or(newest)
    } else {
        (oldest..newest).take_while(known).last().unwrap_or(oldest)
    }
}

/// Whether a capability is named that kernels have learnt after the one with this number.
fn names_newer_capability(process: Option<&oci_spec::runtime::Process>, oldest: u8) -> bool {
    let Some(sets) = process.and_then(|process| process.capabilities().as_ref()) else {
        return false;
    };
    let sets = [
        sets.bounding(),
        sets.effective(),
        sets.permitted(),
        sets.inheritable(),
        sets.ambient(),
    ];
    let mut named = sets.into_iter().flatten().flatten();
    named.any(|capability| {
        let name = format!("CAP_{capability}");
        // One that this program does not know is nobody's: the plan says so.
        name.parse()
            .is_ok_and(|known: caps::Capability| known.index() > oldest)
    })
}

/// The namespaces that the configuration joins by path and that are this process's own.
fn own_namespaces(spec: &Spec) -> Vec<NamespaceKind> {
    let linux = spec.linux().as_ref();
    let all = linux
        .and_then(|linux| linux.namespaces().as_ref())
        .into_iter()
        .flatten();
    all.filter_map(|namespace| {
        let path = namespace.path().as_ref()?;
        let (file, kind) = namespace_file(namespace.typ());
        let theirs = nix::sys::stat::stat(path).ok()?;
        let own = nix::sys::stat::stat(&Path::new("/proc/thread-self/ns").join(file)).ok()?;
        ((theirs.st_dev, theirs.st_ino) == (own.st_dev, own.st_ino)).then_some(kind)
    })
    .collect()
}

/// A namespace's name below `/proc/PID/ns` (namespaces(7)).
fn namespace_file(kind: LinuxNamespaceType) -> (&'static str, NamespaceKind) {
    match kind {
        LinuxNamespaceType::Mount => ("mnt", NamespaceKind::Mount),
        LinuxNamespaceType::Cgroup => ("cgroup", NamespaceKind::Cgroup),
        LinuxNamespaceType::Uts => ("uts", NamespaceKind::Uts),
        LinuxNamespaceType::Ipc => ("ipc", NamespaceKind::Ipc),
        LinuxNamespaceType::User => ("user", NamespaceKind::User),
        LinuxNamespaceType::Pid => ("pid", NamespaceKind::Pid),
        LinuxNamespaceType::Network => ("net", NamespaceKind::Network),
        LinuxNamespaceType::Time => ("time", NamespaceKind::Time),
    }
}

fn in_user_namespace(proc: &Proc) -> bool {
    if proc.is_first_namespace("user", FIRST_USER_NAMESPACE) {
        return false;
    }
    // A kernel without user namespaces has no such file.
    let map = proc.read("self/uid_map");
    let text = map.as_deref().map(String::from_utf8_lossy);
    text.is_some_and(|text| !text.split_ascii_whitespace().eq(WHOLE_RANGE))
}

/// Whether AppArmor is enabled (apparmor(7)).
pub(crate) fn apparmor() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled")
        .is_ok_and(|text| text.starts_with(b"Y"))
}

/// Whether SELinux is enabled: its file system is mounted.
pub(crate) fn selinux() -> bool {
    const SELINUX_MAGIC: libc::__fsword_t = 0xf97c_ff8c;
    nix::sys::statfs::statfs("/sys/fs/selinux")
        .is_ok_and(|fs| fs.filesystem_type().0 == SELINUX_MAGIC)
}

/// Where procfs and sysfs instances are mounted.
fn kernel_mounts() -> Vec<PathBuf> {
    let mounts = procfs::process::Process::myself().and_then(|own| own.mountinfo());
    mounts
        .map(|mounts| {
            let kernel = |mount: &MountInfo| matches!(mount.fs_type.as_str(), "proc" | "sysfs");
            mounts
                .0
                .into_iter()
                .filter(kernel)
                .map(|mount| mount.mount_point)
                .collect()
        })
        .unwrap_or_default()
}

/// sd_listen_fds(3): the descriptors are meant for this process only where `LISTEN_PID` says so.
fn listen_fds() -> u32 {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse::<u32>().ok())
    };
    match (number("LISTEN_PID"), number("LISTEN_FDS")) {
        (Some(pid), Some(count)) if pid == std::process::id() => count,
        _ => 0,
    }
}
