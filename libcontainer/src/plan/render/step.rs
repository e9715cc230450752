//! Steps in words.

#![forbid(unsafe_code)]

use super::{mount, namespace, shown};
use crate::plan::capabilities;
use crate::plan::kernel::{clone_flag, propagation};
use crate::plan::namespaces::KINDS;
use crate::plan::step::{Entry, HookStep, Request, SchedAttr, Slot, Step};
use crate::plan::{IdMaps, IdRange, OpenKind, Plan};

/// The kind of a step in one word.
pub(super) fn name(step: &Step) -> &'static str {
    match step {
        Step::EnterCgroup => "enter-cgroup",
        Step::Ask(_) => "ask",
        Step::Receive(_) => "receive",
        Step::SetNs { .. } | Step::SetNsOfProcess { .. } => "setns",
        Step::Unshare { .. } => "unshare",
        Step::BecomeRoot => "become-root",
        Step::ForkAgain => "fork-again",
        Step::TimeOffsets { .. } => "time-offsets",
        Step::NewSession => "setsid",
        Step::SessionKeyring { .. } => "keyring",
        Step::LoopbackUp => "loopback",
        Step::Propagation { .. } | Step::RootPropagation { .. } => "propagation",
        Step::Root { .. } | Step::OpenRoot { .. } => "root",
        Step::Mount(_) => "mount",
        Step::SetAttributes { .. } => "mount-attributes",
        Step::Device(_) => "device",
        Step::Symlink { .. } => "symlink",
        Step::Ptmx => "ptmx",
        Step::Hooks(_) => "hooks",
        Step::PivotRoot => "pivot-root",
        Step::MoveRoot { .. } => "move-root",
        Step::Chroot => "chroot",
        Step::ReadonlyRoot => "readonly-root",
        Step::MaskPath { .. } => "mask",
        Step::MaskSource { .. } => "mask-source",
        Step::ReadonlyPath { .. } => "readonly",
        Step::Hostname(_) => "hostname",
        Step::Domainname(_) => "domainname",
        Step::WriteProc { .. } => "write-proc",
        Step::Terminal { .. } => "terminal",
        Step::ReopenNull => "null",
        Step::OwnStdio { .. } => "stdio-owner",
        Step::Rlimit { .. } => "rlimit",
        Step::Scheduler(_) => "scheduler",
        Step::IoPriority { .. } => "io-priority",
        Step::CpuAffinity { .. } => "cpu-affinity",
        Step::Personality { .. } => "personality",
        Step::MemoryPolicy { .. } => "memory-policy",
        Step::Umask { .. } => "umask",
        Step::NoNewPrivileges => "no-new-privileges",
        Step::Seccomp => "seccomp",
        Step::Bounding { .. } | Step::KeepCapabilities(_) => "capabilities",
        Step::Capabilities { .. } | Step::Ambient { .. } => "capabilities",
        Step::Groups { .. } => "groups",
        Step::User { .. } => "user",
        Step::ResetSignals => "signals",
        Step::WorkingDirectory { .. } => "cwd",
        Step::Home { .. } => "home",
        Step::ListenPid => "listen-pid",
        Step::FindProgram => "find-program",
        Step::Ready => "ready",
        Step::Gate => "gate",
        Step::CloseFrom { .. } => "close",
        Step::Exec => "exec",
    }
}

/// What a step does, in one line.
pub fn step(plan: &Plan, entry: &Entry) -> String {
    in_namespaces(plan, &entry.step)
        .or_else(|| in_root(plan, &entry.step))
        .or_else(|| of_process(&entry.step))
        .unwrap_or_else(|| of_program(plan, &entry.step))
}

fn in_namespaces(plan: &Plan, step: &Step) -> Option<String> {
    Some(match step {
        Step::EnterCgroup => "enter the container's cgroup".to_owned(),
        Step::Ask(request) => asked(plan, *request),
        Step::Receive(slots) => format!("receive {} mount trees", slots.len()),
        Step::SetNs { slot, kind } => {
            format!(
                "join the {} namespace {}",
                namespace(*kind),
                path_of(plan, *slot)
            )
        }
        Step::SetNsOfProcess { flags, .. } => {
            format!("join the container's namespaces: {}", namespaces(*flags))
        }
        Step::Unshare { flags } => format!("make new namespaces: {}", namespaces(*flags)),
        Step::BecomeRoot => "become root of the user namespace".to_owned(),
        Step::ForkAgain => "go on as a process in the PID namespace".to_owned(),
        Step::TimeOffsets { lines } => format!(
            "enter the new time namespace{}",
            String::from_utf8_lossy(lines)
                .lines()
                .map(|line| format!(", {line}"))
                .collect::<String>()
        ),
        Step::NewSession => "start a new session".to_owned(),
        Step::SessionKeyring { name, .. } => format!("join the session keyring {}", shown(name)),
        Step::LoopbackUp => "set the loopback device up".to_owned(),
        _ => return None,
    })
}

fn in_root(plan: &Plan, step: &Step) -> Option<String> {
    Some(match step {
        Step::Propagation { flags } => {
            format!("make all mounts {}", mount::propagation(*flags))
        }
        Step::Root {
            path, attributes, ..
        } => {
            format!(
                "attach the root file system {}{}",
                shown(path),
                mount::attributes(attributes)
            )
        }
        Step::OpenRoot { path } => format!("take {} as the root, in place", shown(path)),
        Step::Mount(step) => mount::mount(plan, step),
        Step::SetAttributes { target, attributes } => {
            format!(
                "change the mount at {}{}",
                shown(target),
                mount::attributes(attributes)
            )
        }
        Step::Device(device) => mount::device(device),
        Step::Symlink { path, to } => format!("link {} to {}", shown(path), shown(to)),
        Step::Ptmx => "link /dev/ptmx to pts/ptmx".to_owned(),
        Step::Hooks(hooks) => format!("run {}", hook_names(hooks)),
        Step::PivotRoot => "make the root file system the root, let go of the old one".to_owned(),
        Step::MoveRoot { .. } => "move the root file system's mount over /".to_owned(),
        Step::Chroot => "change the root, without a mount".to_owned(),
        Step::RootPropagation { flags } => {
            format!("make the root mount {}", mount::propagation(*flags))
        }
        Step::ReadonlyRoot => "make the root mount read-only".to_owned(),
        Step::MaskPath { path } => format!("mask {}", shown(path)),
        Step::MaskSource { .. } => "keep the host's null device for masking".to_owned(),
        Step::ReadonlyPath { path } => format!("make {} read-only", shown(path)),
        _ => return None,
    })
}

fn of_process(step: &Step) -> Option<String> {
    Some(match step {
        Step::Hostname(name) => format!("set the hostname to {}", bytes(name)),
        Step::Domainname(name) => format!("set the domain name to {}", bytes(name)),
        Step::WriteProc {
            alternatives,
            value,
        } => {
            let path = alternatives
                .first()
                .map(|path| shown(path))
                .unwrap_or_default();
            format!("write {} to /proc/{path}", bytes(value))
        }
        Step::Terminal { size, console, .. } => {
            let size = size.map(|size| format!(" of {}x{}", size.width, size.height));
            let console = if *console {
                ", bound to /dev/console"
            } else {
                ""
            };
            format!("open a terminal{}{console}", size.unwrap_or_default())
        }
        Step::ReopenNull => "replace the host's /dev/null by the container's".to_owned(),
        Step::OwnStdio { uid } => format!("give standard input, output and error to user {uid}"),
        Step::Rlimit {
            resource,
            soft,
            hard,
        } => format!(
            "limit {} to {} (hard {})",
            rlimit_name(*resource),
            limit(*soft),
            limit(*hard)
        ),
        Step::Scheduler(attributes) => scheduler(attributes),
        Step::IoPriority { value } => {
            format!(
                "set the I/O priority: class {}, data {}",
                value >> 13,
                value & 0x1fff
            )
        }
        Step::CpuAffinity { mask } => format!("allow the CPUs {}", numbers(mask)),
        Step::Personality { value } => format!("set the personality {value:#x}"),
        Step::MemoryPolicy { mode, nodes, .. } => {
            let bits: Vec<u8> = nodes.iter().flat_map(|word| word.to_le_bytes()).collect();
            format!(
                "set the memory policy {mode:#x} with nodes {}",
                numbers(&bits)
            )
        }
        Step::Umask { mask } => format!("set the umask {mask:04o}"),
        Step::NoNewPrivileges => "gain no new privileges".to_owned(),
        _ => return None,
    })
}

fn of_program(plan: &Plan, step: &Step) -> String {
    match step {
        Step::Seccomp => "install the seccomp filter".to_owned(),
        Step::Bounding { keep } => format!("bound capabilities to {}", capability_names(*keep)),
        Step::KeepCapabilities(true) => "keep capabilities over the change of user".to_owned(),
        Step::KeepCapabilities(false) => "keep capabilities no longer".to_owned(),
        Step::Groups { gids } => format!("set the additional groups {gids:?}"),
        Step::User { uid, gid, .. } => format!("become user {uid}, group {gid}"),
        Step::Capabilities {
            effective,
            permitted,
            inheritable,
        } => format!(
            "set capabilities: effective {}; permitted {}; inheritable {}",
            capability_names(*effective),
            capability_names(*permitted),
            capability_names(*inheritable)
        ),
        Step::Ambient { raise } => format!("set ambient capabilities {}", capability_names(*raise)),
        Step::ResetSignals => "give all signals their default action".to_owned(),
        Step::WorkingDirectory { path, .. } => format!("change to the directory {}", shown(path)),
        Step::Home { uid } => format!("set HOME to that of user {uid}"),
        Step::ListenPid => "set LISTEN_PID".to_owned(),
        Step::FindProgram => format!("find the program {:?}", plan.image.name),
        Step::Ready => "tell the parent that all is ready".to_owned(),
        Step::Gate => "wait for the start".to_owned(),
        Step::CloseFrom { first } => format!("close descriptors from {first} on"),
        Step::Exec => format!("execute {:?}", plan.image.name),
        other => name(other).to_owned(),
    }
}

fn asked(plan: &Plan, request: Request) -> String {
    match request {
        Request::WriteIdMaps => match &plan.id_maps {
            Some(maps) => format!("have the parent write the id maps: {}", id_maps(maps)),
            None => "have the parent write the id maps".to_owned(),
        },
        Request::AttachUnit => "have the parent attach the process to its unit".to_owned(),
        Request::RunHooks => format!(
            "have the parent run {} prestart and createRuntime hooks{}",
            plan.runtime_hooks.len(),
            moved_devices(plan)
        ),
        Request::MoveNetDevices => format!("have the parent act{}", moved_devices(plan)),
        Request::ApplyLimits => "have the parent set limits".to_owned(),
    }
}

fn moved_devices(plan: &Plan) -> String {
    let names: Vec<&str> = plan
        .net_devices
        .iter()
        .map(|device| device.name.as_str())
        .collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(", move network devices: {}", names.join(", "))
    }
}

/// Id maps in words.
pub(super) fn id_maps(maps: &IdMaps) -> String {
    let lines = |ranges: &[IdRange]| {
        let lines: Vec<String> = ranges
            .iter()
            .map(|range| format!("{}={}+{}", range.inside, range.outside, range.count))
            .collect();
        lines.join(" ")
    };
    format!("users {}, groups {}", lines(&maps.uids), lines(&maps.gids))
}

/// The names of the namespaces in a flag word.
pub(super) fn namespaces(flags: i32) -> String {
    let names: Vec<&str> = KINDS
        .iter()
        .filter(|(_, kind)| flags & clone_flag(*kind) != 0)
        .map(|(name, _)| *name)
        .collect();
    names.join(", ")
}

/// The path that is opened for a slot.
pub(super) fn path_of(plan: &Plan, slot: Slot) -> String {
    match plan.opens.get(usize::from(slot.0)).map(|open| &open.what) {
        Some(
            OpenKind::Tree { path, .. }
            | OpenKind::CgroupTree { path }
            | OpenKind::Namespace { path, .. },
        ) => shown(path),
        _ => String::new(),
    }
}

fn hook_names(hooks: &[HookStep]) -> String {
    let names: Vec<String> = hooks.iter().map(|hook| shown(&hook.path)).collect();
    names.join(", ")
}

fn bytes(value: &[u8]) -> String {
    crate::plan::quoted(&String::from_utf8_lossy(value))
}

fn capability_names(mask: u64) -> String {
    if mask == 0 {
        return "none".to_owned();
    }
    let names = capabilities::names(mask);
    let short: Vec<&str> = names
        .iter()
        .map(|name| name.strip_prefix("CAP_").unwrap_or(name))
        .collect();
    short.join(" ")
}

/// The numbers of the bits that are set.
fn numbers(bits: &[u8]) -> String {
    let set = |number: usize| {
        bits.get(number / 8)
            .is_some_and(|byte| byte & (1 << (number % 8)) != 0)
    };
    let mut ranges: Vec<String> = Vec::new();
    let mut number = 0;
    while number < bits.len() * 8 {
        let first = number;
        while set(number) {
            number += 1;
        }
        match number - first {
            0 => number += 1,
            1 => ranges.push(first.to_string()),
            _ => ranges.push(format!("{first}-{}", number - 1)),
        }
    }
    if ranges.is_empty() {
        "none".to_owned()
    } else {
        ranges.join(",")
    }
}

fn limit(value: u64) -> String {
    if value == u64::MAX {
        "unlimited".to_owned()
    } else {
        value.to_string()
    }
}

fn rlimit_name(resource: u32) -> String {
    crate::plan::limits::RESOURCES
        .iter()
        .find(|typ| crate::plan::limits::resource(**typ) == resource)
        .map_or_else(|| resource.to_string(), ToString::to_string)
}

fn scheduler(attributes: &SchedAttr) -> String {
    let SchedAttr {
        policy,
        flags,
        nice,
        priority,
        runtime,
        deadline,
        period,
        ..
    } = attributes;
    format!(
        "set the scheduler: policy {policy}, flags {flags:#x}, nice {nice}, priority {priority}, runtime {runtime}, deadline {deadline}, period {period}"
    )
}

/// Whether flags are those of a propagation with its submounts.
pub(super) fn is_recursive(flags: u64) -> bool {
    flags & propagation::REC != 0
}
