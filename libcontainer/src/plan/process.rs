//! What is done to the process itself between the last mount and its program: labels, limits,
//! credentials, seccomp. The same for a container's first process and for `exec`.

#![forbid(unsafe_code)]

use oci_spec::runtime::{Process, Spec};

use super::builder::{Builder, at_most, c_path, c_string};
use super::capabilities::Sets;
use super::namespaces::maps_id;
use super::step::{CpuMask, HookStep, Request, Step, WindowSize};
use super::{IdMaps, Image, OpenKind, ParentLimits, capabilities, limits};
use crate::error::{Error, ErrorKind, Result};
use crate::facts::Facts;

/// runc's, so that a program does not depend on the caller's.
const DEFAULT_UMASK: u32 = 0o022;

/// Groups of one process (NGROUPS_MAX).
const GROUPS: usize = 65_536;

/// What the process is planned with.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// The container's configuration.
    pub(crate) spec: &'a Spec,
    /// The process: the configuration's, or that of `exec`.
    pub(crate) process: &'a Process,
    pub(crate) facts: &'a Facts,
    /// Whether it is in a user namespace that the runtime is not in.
    pub(crate) user_namespace: bool,
    /// The maps of a new user namespace.
    pub(crate) id_maps: Option<&'a IdMaps>,
    pub(crate) filter: Option<&'a seccomp::Filter>,
    pub(crate) image: &'a Image,
    /// Whether there is a socket that takes a terminal's master.
    pub(crate) terminal_socket: bool,
    /// Descriptors from 3 on that the program keeps.
    pub(crate) preserve_fds: u32,
    /// Whether it is the container's first process.
    pub(crate) first: bool,
    /// CPUs that it is set to at last; `None` leaves what it has.
    pub(crate) affinity: Option<(&'static str, CpuMask)>,
}

/// The labels that the program will run with. Set before its root is read-only and masked paths
/// cover `/proc`.
pub(crate) fn labels(b: &mut Builder, context: &Context<'_>) -> Result<()> {
    let profile = context.process.apparmor_profile().as_deref();
    if let Some(profile) = profile.filter(|profile| !profile.is_empty()) {
        let field = "process.apparmorProfile";
        if !context.facts.apparmor {
            return Err(Error::config(
                field,
                format_args!("{profile:?} is given, but AppArmor is not enabled on this host"),
            ));
        }
        let profile = c_string(field, format!("exec {profile}"))?;
        b.step(
            field,
            Step::WriteProc {
                alternatives: vec![c"self/attr/apparmor/exec".into(), c"self/attr/exec".into()],
                value: profile.into_c_string().into_bytes(),
            },
        );
    }
    if let Some(label) = selinux_label(context)? {
        b.step(
            "process.selinuxLabel",
            Step::WriteProc {
                alternatives: vec![c"self/attr/exec".into()],
                value: label,
            },
        );
    }
    Ok(())
}

fn selinux_label(context: &Context<'_>) -> Result<Option<Vec<u8>>> {
    let field = "process.selinuxLabel";
    let label = context.process.selinux_label().as_deref();
    let Some(label) = label.filter(|label| !label.is_empty()) else {
        return Ok(None);
    };
    if !context.facts.selinux {
        return Err(Error::config(
            field,
            "selinux label is specified in config, but selinux is disabled or not supported",
        ));
    }
    Ok(Some(c_string(field, label)?.into_c_string().into_bytes()))
}

/// A keyring of its own, so that the container does not see the caller's keys.
pub(crate) fn keyring(b: &mut Builder, context: &Context<'_>, id: &str) -> Result<()> {
    let label = selinux_label(context)?;
    let name = c_string("id", format!("_ses.{id}"))?;
    b.step("process", Step::SessionKeyring { name, label });
    Ok(())
}

/// The terminal, or plain descriptors.
pub(crate) fn terminal(b: &mut Builder, context: &Context<'_>) -> Result<()> {
    if context.process.terminal() != Some(true) {
        b.step("process.terminal", Step::ReopenNull);
        return Ok(());
    }
    if !context.terminal_socket {
        return Err(Error::config(
            "process.terminal",
            "a terminal needs a socket that takes its master",
        ));
    }
    let socket = b.open("process.terminal", OpenKind::ConsoleSocket)?;
    b.step(
        "process.terminal",
        Step::Terminal {
            socket,
            size: window_size(context.process)?,
            console: context.first,
            uid: context.process.user().uid(),
        },
    );
    Ok(())
}

fn window_size(process: &Process) -> Result<Option<WindowSize>> {
    let Some(size) = process.console_size() else {
        return Ok(None);
    };
    let number = |name: &str, value: u64| {
        u16::try_from(value).map_err(|_| {
            Error::config(
                &format!("process.consoleSize.{name}"),
                format_args!("{value} is more than {}", u16::MAX),
            )
        })
    };
    let height = number("height", size.height())?;
    let width = number("width", size.width())?;
    Ok((height > 0 || width > 0).then_some(WindowSize { height, width }))
}

/// From the first limit to the program.
pub(crate) fn tail(
    b: &mut Builder,
    context: &Context<'_>,
    start_hooks: Vec<HookStep>,
) -> Result<Option<ParentLimits>> {
    let parent_limits = resources(b, context)?;
    let process = context.process;
    let no_new_privileges = process.no_new_privileges() == Some(true);
    if no_new_privileges {
        b.step("process.noNewPrivileges", Step::NoNewPrivileges);
    }
    // Before the filter, which may be older than the calls that find a directory.
    working_directory(b, context, false)?;
    if !no_new_privileges {
        install(b, context);
    }
    credentials(b, context)?;
    if context.image.home.is_some() {
        let uid = process.user().uid();
        b.step("process.env", Step::Home { uid });
    }
    b.step("process.args", Step::FindProgram);
    b.step("process", Step::ResetSignals);
    let first = 3_u32
        .saturating_add(context.preserve_fds)
        .saturating_add(context.facts.listen_fds);
    b.step("process", Step::CloseFrom { first });
    // As late as it may be: what the filter forbids is not needed any more. It holds for the
    // container's own hooks too, as with runc.
    if no_new_privileges {
        install(b, context);
    }
    b.step("process", Step::Ready);
    b.step("process", Step::Gate);
    if !start_hooks.is_empty() {
        b.step("hooks.startContainer", Step::Hooks(start_hooks));
    }
    if context.image.listen_pid.is_some() {
        b.step("process.env", Step::ListenPid);
    }
    b.step("process.args", Step::Exec);
    Ok(parent_limits)
}

/// The filter of the configuration. The compiler's messages start with the JSON path.
pub(crate) fn filter(b: &mut Builder, spec: &Spec) -> Result<Option<seccomp::Filter>> {
    let linux = spec.linux().as_ref();
    let Some(profile) = linux.and_then(|l| l.seccomp().as_ref()) else {
        return Ok(None);
    };
    let filter = seccomp::compile(profile, &seccomp::Options::default())
        .map_err(|error| Error::new(ErrorKind::InvalidConfig, error.to_string()))?;
    for warning in filter.warnings() {
        b.warnings.push(warning.to_string());
    }
    Ok(Some(filter.for_one_thread()))
}

fn install(b: &mut Builder, context: &Context<'_>) {
    if context.filter.is_some() {
        b.step("linux.seccomp", Step::Seccomp);
    }
}

fn resources(b: &mut Builder, context: &Context<'_>) -> Result<Option<ParentLimits>> {
    let process = context.process;
    let rlimits = limits::rlimits(process.rlimits().as_deref())?;
    let oom_score_adj = oom_score_adj(process)?;
    if let Some(score) = oom_score_adj
        && !context.user_namespace
    {
        let step = Step::WriteProc {
            alternatives: vec![c"self/oom_score_adj".into()],
            value: score.to_string().into_bytes(),
        };
        b.step("process.oomScoreAdj", step);
    }
    if let Some((field, mask)) = context.affinity.clone() {
        b.step(field, Step::CpuAffinity { mask });
    }
    if let Some(scheduler) = process.scheduler() {
        b.step(
            "process.scheduler",
            Step::Scheduler(limits::scheduler(scheduler)?),
        );
    }
    if let Some(priority) = process.io_priority() {
        let value = limits::io_priority(priority)?;
        b.step("process.ioPriority", Step::IoPriority { value });
    }
    let linux = context.spec.linux().as_ref();
    if let Some(policy) = linux.and_then(|l| l.memory_policy().as_ref()) {
        b.step("linux.memoryPolicy", limits::memory_policy(policy)?);
    }
    if let Some(personality) = linux.and_then(|l| l.personality().as_ref()) {
        let step = limits::personality(b, personality);
        b.step("linux.personality", step);
    }
    if !context.user_namespace {
        for (index, (resource, soft, hard)) in rlimits.into_iter().enumerate() {
            let step = Step::Rlimit {
                resource,
                soft,
                hard,
            };
            b.step(format!("process.rlimits[{index}]"), step);
        }
        return Ok(None);
    }
    if rlimits.is_empty() && oom_score_adj.is_none() {
        return Ok(None);
    }
    b.step("process.rlimits", Step::Ask(Request::ApplyLimits));
    Ok(Some(ParentLimits {
        oom_score_adj,
        rlimits,
    }))
}

fn oom_score_adj(process: &Process) -> Result<Option<i32>> {
    match process.oom_score_adj() {
        Some(score) if !(-1000..=1000).contains(&score) => Err(Error::config(
            "process.oomScoreAdj",
            format_args!("{score} is not between -1000 and 1000"),
        )),
        score => Ok(score),
    }
}

fn credentials(b: &mut Builder, context: &Context<'_>) -> Result<()> {
    let process = context.process;
    let user = process.user();
    let (uid, gid) = (user.uid(), user.gid());
    let gids = user.additional_gids().clone().unwrap_or_default();
    at_most("process.user.additionalGids", gids.len(), GROUPS)?;
    check_ids(context, uid, gid, &gids)?;
    let mask = user.umask().unwrap_or(DEFAULT_UMASK);
    if mask > 0o777 {
        return Err(Error::config(
            "process.user.umask",
            format_args!("{mask} is more than {} (octal 777)", 0o777),
        ));
    }
    let Sets {
        bounding,
        effective,
        permitted,
        inheritable,
        ambient,
    } = capabilities::sets(b, context.facts, process.capabilities().as_ref());
    b.step("process.user", Step::OwnStdio { uid });
    b.step(
        "process.capabilities.bounding",
        Step::Bounding { keep: bounding },
    );
    // Only who ceases to be root loses capabilities by it.
    let keeps = uid != 0;
    if keeps {
        b.step("process.user", Step::KeepCapabilities(true));
    }
    b.step("process.user.additionalGids", Step::Groups { gids });
    let are_mapped = !context.user_namespace && !context.facts.in_user_namespace;
    b.step(
        "process.user",
        Step::User {
            uid,
            gid,
            are_mapped,
        },
    );
    if keeps {
        b.step("process.user", Step::KeepCapabilities(false));
    }
    b.step(
        "process.capabilities",
        Step::Capabilities {
            effective,
            permitted,
            inheritable,
        },
    );
    // The ambient set is always a part of the inheritable one.
    if inheritable != 0 {
        b.step(
            "process.capabilities.ambient",
            Step::Ambient { raise: ambient },
        );
    }
    working_directory(b, context, true)?;
    // What was made before has modes of its own, the working directory too.
    b.step("process.user.umask", Step::Umask { mask });
    Ok(())
}

fn working_directory(b: &mut Builder, context: &Context<'_>, last: bool) -> Result<()> {
    let field = "process.cwd";
    let cwd = context.process.cwd();
    if cwd.as_os_str().is_empty() {
        return Err(Error::config(field, "Cwd property must not be empty"));
    }
    if !cwd.is_absolute() {
        return Err(Error::config(
            field,
            format_args!("{cwd:?}: Cwd must be an absolute path"),
        ));
    }
    let step = Step::WorkingDirectory {
        path: c_path(field, cwd)?,
        create: context.first,
        last,
    };
    b.step(field, step);
    Ok(())
}

/// Ids that a new user namespace does not map cannot be taken on.
fn check_ids(context: &Context<'_>, uid: u32, gid: u32, gids: &[u32]) -> Result<()> {
    for (field, id) in [("process.user.uid", uid), ("process.user.gid", gid)] {
        if id == u32::MAX {
            return Err(Error::config(
                field,
                format_args!("{id} is no id; allowed are 0 to {}", u32::MAX - 1),
            ));
        }
    }
    let Some(maps) = context.id_maps else {
        return Ok(());
    };
    let unmapped = |field: &str, id: u32, what: &str| {
        Error::config(
            field,
            format_args!("cannot set {what} to unmapped {id} in the user namespace"),
        )
    };
    if !maps_id(&maps.uids, uid) {
        return Err(unmapped("process.user.uid", uid, "uid"));
    }
    if !maps_id(&maps.gids, gid) {
        return Err(unmapped("process.user.gid", gid, "gid"));
    }
    if maps.deny_setgroups && !gids.is_empty() {
        return Err(Error::config(
            "process.user.additionalGids",
            "cannot set any additional groups in a rootless container",
        ));
    }
    for (index, gid) in gids.iter().enumerate() {
        if !maps_id(&maps.gids, *gid) {
            let field = format!("process.user.additionalGids[{index}]");
            return Err(unmapped(&field, *gid, "additional group"));
        }
    }
    Ok(())
}
