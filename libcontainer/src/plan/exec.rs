//! The plan for a further process in a running container.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use oci_spec::runtime::{Capability, LinuxCapabilities, Process, Spec};

use super::builder::{Builder, c_path};
use super::kernel::clone_flag;
use super::namespaces::{KINDS, Namespaces};
use super::step::{CpuMask, NamespaceKind, Slot, Step};
use super::{Birth, ExecOptions, OpenKind, Plan, image, limits, process};
use crate::error::{Error, Result};
use crate::facts::Facts;

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

/// Plans a further process. What `process` leaves open is taken from the container's own process.
///
/// # Errors
/// A field of the process or of the configuration that is wrong, named by its JSON path.
pub fn exec(spec: &Spec, process: &Process, facts: &Facts, options: &ExecOptions) -> Result<Plan> {
    let process = &inherit(spec, process);
    let namespaces = Namespaces::of(spec)?;
    let mut b = Builder::new();
    let filter = process::filter(&mut b, spec)?;
    let [(field, initial), last] = affinity_lists(process);
    let image = image::plan(process, facts)?;
    let context = process::Context {
        spec,
        process,
        facts,
        user_namespace: namespaces.has(NamespaceKind::User),
        id_maps: None,
        filter: filter.as_ref(),
        image: &image,
        terminal_socket: options.terminal_socket,
        preserve_fds: options.preserve_fds,
        first: false,
        affinity: final_affinity(facts, initial, last)?,
    };
    if let Some(mask) = limits::cpu_mask(field, initial)? {
        b.step(field, Step::CpuAffinity { mask });
    }
    b.step("linux.cgroupsPath", Step::EnterCgroup);
    let birth = join(&mut b, &namespaces, facts)?;
    b.step("process", Step::NewSession);
    if options.new_keyring {
        process::keyring(&mut b, &context, &options.id)?;
    }
    if !namespaces.has(NamespaceKind::Mount) {
        let path = c_path("root.path", &options.rootfs)?;
        b.step("root.path", Step::OpenRoot { path });
        b.step("root.path", Step::Chroot);
    }
    process::terminal(&mut b, &context)?;
    process::labels(&mut b, &context)?;
    let parent_limits = process::tail(&mut b, &context, Vec::new())?;
    Ok(Plan {
        opens: b.opens,
        birth,
        steps: b.steps,
        id_maps: None,
        image,
        runtime_hooks: Vec::new(),
        seccomp: filter,
        net_devices: Vec::new(),
        parent_limits,
        warnings: b.warnings,
        rootfs: None,
    })
}

/// Checks what is of no use before a further process is wanted.
///
/// # Errors
/// A list that names no CPUs.
pub(super) fn check_affinity(process: &Process) -> Result<()> {
    for (field, list) in affinity_lists(process) {
        limits::cpu_mask(field, list)?;
    }
    Ok(())
}

/// The lists of CPUs to begin and to end with, and their fields.
fn affinity_lists(process: &Process) -> [(&'static str, Option<&str>); 2] {
    let affinity = process.exec_cpu_affinity().as_ref();
    let initial = affinity.and_then(|affinity| affinity.initial().as_deref());
    let last = affinity.and_then(|affinity| affinity.cpu_affinity_final().as_deref());
    [
        ("process.execCPUAffinity.initial", initial),
        ("process.execCPUAffinity.final", last),
    ]
}

/// The CPUs that the program is left with: those of `final`, else of `initial`, else all of the
/// container's.
fn final_affinity(
    facts: &Facts,
    initial: Option<&str>,
    (field, last): (&'static str, Option<&str>),
) -> Result<Option<(&'static str, CpuMask)>> {
    if let Some(mask) = limits::cpu_mask(field, last)? {
        return Ok(Some((field, mask)));
    }
    let stays = initial.is_some_and(|list| !list.trim().is_empty());
    let all = &facts.online_cpus;
    Ok((!stays && !all.is_empty()).then(|| ("process", all.clone())))
}

/// Joins all namespaces of the container's first process.
fn join(b: &mut Builder, namespaces: &Namespaces<'_>, facts: &Facts) -> Result<Birth> {
    let flags = KINDS
        .iter()
        .filter(|(_, kind)| namespaces.has(*kind) && !facts.own_namespaces.contains(kind))
        .fold(0, |flags, (_, kind)| flags | clone_flag(*kind));
    let user = flags & clone_flag(NamespaceKind::User);
    let pid = flags & clone_flag(NamespaceKind::Pid);
    let mut birth = Birth::default();
    if flags == 0 {
        return Ok(birth);
    }
    let slot = b.open("linux.namespaces", OpenKind::ContainerProcess)?;
    let set = |b: &mut Builder, slot: Slot, flags: i32| {
        if flags != 0 {
            b.step("linux.namespaces", Step::SetNsOfProcess { slot, flags });
        }
    };
    if facts.may_mount || user == 0 {
        // Root of a user namespace could not come back to a PID namespace that its own does not
        // own: there the child joins, and forks again.
        let way_back = !facts.in_user_namespace;
        birth.join_pid = (pid != 0 && way_back).then_some(slot);
        birth.forks_again = pid != 0 && !way_back;
        set(b, slot, if way_back { flags & !pid } else { flags });
        if user != 0 {
            b.step("linux.namespaces", Step::BecomeRoot);
        }
        if birth.forks_again {
            b.step("linux.namespaces", Step::ForkAgain);
        }
        return Ok(birth);
    }
    // Only root of the user namespace may join what that owns.
    set(b, slot, user);
    b.step("linux.namespaces", Step::BecomeRoot);
    set(b, slot, flags & !user);
    if pid != 0 {
        b.step("linux.namespaces", Step::ForkAgain);
        birth.forks_again = true;
    }
    Ok(birth)
}

/// What the process leaves open is as in the container; but limits are the caller's, as with runc and
/// crun, since the caller may lack the right to raise them to the container's.
fn inherit(spec: &Spec, process: &Process) -> Process {
    let mut process = process.clone();
    let Some(own) = spec.process() else {
        return process;
    };
    let is_empty = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
    if process.capabilities().is_none() {
        process.set_capabilities(own.capabilities().clone());
    }
    if is_empty(process.apparmor_profile()) {
        process.set_apparmor_profile(own.apparmor_profile().clone());
    }
    if is_empty(process.selinux_label()) {
        process.set_selinux_label(own.selinux_label().clone());
    }
    if process.oom_score_adj().is_none() {
        process.set_oom_score_adj(own.oom_score_adj());
    }
    if process.scheduler().is_none() {
        process.set_scheduler(own.scheduler().clone());
    }
    if process.io_priority().is_none() {
        process.set_io_priority(*own.io_priority());
    }
    if process.exec_cpu_affinity().is_none() {
        process.set_exec_cpu_affinity(own.exec_cpu_affinity().clone());
    }
    process
}

/// The container's own process with the changes that `exec` was told by flags.
///
/// # Errors
/// An unknown capability, or a configuration without a process.
pub fn changed_process(spec: &Spec, changes: &ExecChanges) -> Result<Process> {
    let Some(own) = spec.process() else {
        return Err(Error::config(
            "process",
            "is not in the container's configuration",
        ));
    };
    let mut process = own.clone();
    process.set_args(Some(changes.args.clone()));
    process.set_terminal(Some(changes.terminal));
    process.set_console_size(None);
    if let Some(cwd) = &changes.cwd {
        process.set_cwd(cwd.clone());
    }
    let mut env = own.env().clone().unwrap_or_default();
    env.extend(changes.env.iter().cloned());
    process.set_env(Some(env));
    let mut user = own.user().clone();
    if let Some((uid, gid)) = changes.user {
        user.set_uid(uid);
        if let Some(gid) = gid {
            user.set_gid(gid);
        }
    }
    if !changes.additional_gids.is_empty() {
        let mut gids = user.additional_gids().clone().unwrap_or_default();
        gids.extend(&changes.additional_gids);
        user.set_additional_gids(Some(gids));
    }
    process.set_user(user);
    if !changes.capabilities.is_empty() {
        process.set_capabilities(Some(with_capabilities(own, &changes.capabilities)?));
    }
    if changes.no_new_privileges {
        process.set_no_new_privileges(Some(true));
    }
    if changes.apparmor.is_some() {
        process.set_apparmor_profile(changes.apparmor.clone());
    }
    if changes.process_label.is_some() {
        process.set_selinux_label(changes.process_label.clone());
    }
    Ok(process)
}

/// Adds to the bounding, effective and permitted sets. Inheritable capabilities would let files of
/// the container hand them on (CVE-2022-29162), so they stay as they are; ambient ones follow what
/// is inheritable.
fn with_capabilities(process: &Process, names: &[String]) -> Result<LinuxCapabilities> {
    let mut sets = process.capabilities().clone().unwrap_or_else(|| {
        let mut none = LinuxCapabilities::default();
        none.set_bounding(None)
            .set_effective(None)
            .set_permitted(None)
            .set_inheritable(None)
            .set_ambient(None);
        none
    });
    let added = names
        .iter()
        .map(|name| {
            serde_json::from_value::<Capability>(name.as_str().into())
                .map_err(|_| Error::config("--cap", format_args!("{name:?} is no capability")))
        })
        .collect::<Result<Vec<_>>>()?;
    let with = |set: &Option<oci_spec::runtime::Capabilities>| {
        let mut set = set.clone().unwrap_or_default();
        set.extend(&added);
        Some(set)
    };
    let (bounding, effective, permitted) = (
        with(sets.bounding()),
        with(sets.effective()),
        with(sets.permitted()),
    );
    sets.set_bounding(bounding)
        .set_effective(effective)
        .set_permitted(permitted);
    let inheritable = sets.inheritable().clone().unwrap_or_default();
    let mut ambient = sets.ambient().clone().unwrap_or_default();
    ambient.extend(added.iter().filter(|added| inheritable.contains(*added)));
    sets.set_ambient(Some(ambient));
    Ok(sets)
}
