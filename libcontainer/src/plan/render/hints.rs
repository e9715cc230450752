//! What usually is behind an error number, where the kernel's words do not tell.

#![forbid(unsafe_code)]

use nix::errno::Errno;

use crate::plan::kernel::clone_flag;
use crate::plan::step::{NamespaceKind, Source, Step};
use crate::plan::{OpenKind, Plan};
use crate::sys::Call;

/// A hint for a step that failed.
pub(super) fn hint(
    plan: &Plan,
    step: &Step,
    call: Option<Call>,
    errno: i32,
) -> Option<&'static str> {
    let errno = Errno::from_raw(errno);
    match (step, errno) {
        (Step::Unshare { .. }, Errno::ENOSPC) => {
            Some("a limit of user.max_*_namespaces or of nesting is reached")
        }
        (Step::Unshare { flags }, Errno::EPERM) if flags & clone_flag(NamespaceKind::User) != 0 => {
            Some("the host may forbid user namespaces to ordinary users")
        }
        (_, Errno::ENOSPC) if is_attach(call) => {
            Some("the limit fs.mount-max of mounts in a namespace is reached")
        }
        (Step::SetNs { .. } | Step::SetNsOfProcess { .. }, Errno::EPERM) => {
            Some("another user namespace owns the namespace")
        }
        (
            Step::SetNs {
                kind: NamespaceKind::User,
                ..
            },
            Errno::EINVAL,
        ) => Some("the process is in this user namespace already"),
        (Step::Mount(mount), Errno::ELOOP | Errno::ENOTDIR) if mount.strict_target => {
            Some("procfs and sysfs must be mounted on ordinary directory")
        }
        (Step::Mount(mount), errno) => {
            of_mount(plan, &mount.source, mount.idmap.is_some(), call, errno)
        }
        (Step::Root { .. }, Errno::EINVAL) if call == Some(Call::OpenTree) => {
            Some("the root file system may be on an unbindable mount")
        }
        (Step::PivotRoot, Errno::EINVAL) => Some("the host's root may be a ramfs: use --no-pivot"),
        (
            Step::Capabilities { .. } | Step::Bounding { .. } | Step::Ambient { .. },
            Errno::EPERM,
        ) => Some("the caller does not have all of these capabilities itself"),
        (Step::Rlimit { .. }, Errno::EPERM) => Some("raising a hard limit needs CAP_SYS_RESOURCE"),
        (Step::WriteProc { alternatives, .. }, Errno::EACCES | Errno::EPERM)
            if alternatives
                .iter()
                .any(|path| path.to_bytes() == b"self/oom_score_adj") =>
        {
            Some("lowering oom_score_adj needs CAP_SYS_RESOURCE")
        }
        (Step::WriteProc { alternatives, .. }, Errno::ENOENT)
            if alternatives
                .iter()
                .any(|path| path.to_bytes().ends_with(b"exec")) =>
        {
            Some("the profile may not be loaded")
        }
        (Step::Scheduler(_), Errno::EPERM) => Some(
            "real-time scheduling needs CAP_SYS_NICE; a process scheduler can't be used together \
             with AllowedCPUs (linux.resources.cpu.cpus) that leave CPUs out",
        ),
        (Step::Scheduler(_), Errno::EBUSY) => Some("the deadline does not fit the CPUs' bandwidth"),
        (Step::Seccomp, Errno::EACCES) => {
            Some("without no_new_privs the filter needs CAP_SYS_ADMIN")
        }
        (Step::Groups { .. }, Errno::EPERM) => {
            Some("without subordinate ids a user namespace has no additional groups")
        }
        (Step::User { .. } | Step::Groups { .. }, Errno::EINVAL) => {
            Some("the id is not mapped in the user namespace")
        }
        (Step::MemoryPolicy { .. }, Errno::EINVAL) => Some("the host may not have these nodes"),
        (Step::CpuAffinity { .. }, Errno::EINVAL) => {
            Some("none of these CPUs is in the container's cpuset")
        }
        _ => None,
    }
}

fn is_attach(call: Option<Call>) -> bool {
    matches!(
        call,
        Some(Call::MoveMount | Call::OpenTree | Call::Fsmount | Call::Mount)
    )
}

fn of_mount(
    plan: &Plan,
    source: &Source,
    child_maps: bool,
    call: Option<Call>,
    errno: Errno,
) -> Option<&'static str> {
    let mapped = child_maps
        || matches!(source, Source::Tree(slot) if matches!(
            plan.opens.get(usize::from(slot.0)).map(|open| &open.what),
            Some(OpenKind::Tree { idmap: Some(_), .. })
        ));
    match (source, errno) {
        (_, Errno::EINVAL) if mapped && call == Some(Call::MountSetattr) => {
            Some("the source filesystem may not support id-mapped mounts")
        }
        (_, Errno::EPERM) if call == Some(Call::MountSetattr) => {
            Some("the flag is locked by the host's mount and cannot be cleared")
        }
        (Source::Filesystem { fstype, .. }, Errno::EPERM) => match fstype.to_bytes() {
            b"proc" => Some(
                "the user namespace does not own the PID namespace, or the host's /proc is masked",
            ),
            b"sysfs" => Some(
                "the user namespace does not own the network namespace, or the host's /sys is masked",
            ),
            _ => Some("a user namespace may not mount this file system"),
        },
        (Source::Filesystem { .. }, Errno::ENODEV) => {
            Some("the kernel does not know this file system")
        }
        (Source::Filesystem { .. }, Errno::EINVAL) if call == Some(Call::Fsconfig) => {
            Some("the file system does not take this option")
        }
        _ => None,
    }
}

/// A hint for a program that was found and cannot be executed.
pub(super) fn program(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::ENOENT => Some("its interpreter or loader may be missing in the root file system"),
        Errno::ENOEXEC => Some("it may be a script without \"#!\", or for another architecture"),
        Errno::ENOMEM | Errno::E2BIG => Some("arguments and environment may be too long"),
        _ => None,
    }
}
