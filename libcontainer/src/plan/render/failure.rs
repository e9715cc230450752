//! Failed steps as errors: one line with the field, what was done, the call, why, and a hint.

#![forbid(unsafe_code)]

use nix::errno::Errno;

use super::{entry, hints, mount, shown, step};
use crate::error::{Error, ErrorKind};
use crate::plan::Plan;
use crate::plan::image::not_found;
use crate::plan::step::{HookStep, Source, Step};
use crate::sync::Failure;
use crate::sys::Call;

/// The phase that engines expect in front of what went wrong before the program ran.
const PHASE: &str = "unable to start container process";

/// The error for a step that failed in the container's process.
pub(crate) fn failure(plan: &Plan, failure: &Failure) -> Error {
    if let Some(error) = program(plan, failure) {
        return error;
    }
    let mounts = |step: &Step| matches!(step, Step::Mount(_));
    let mount = entry(plan, failure.step).is_some_and(|entry| mounts(&entry.step));
    let what = if mount { "error mounting " } else { "" };
    let told = told(plan, failure);
    Error::new(
        ErrorKind::System,
        format!("{PHASE}: error during container init: {what}{told}"),
    )
    .with_errno(failure.errno)
}

fn told(plan: &Plan, failure: &Failure) -> String {
    let call = Call::from_u16(failure.call);
    let Some(entry) = entry(plan, failure.step) else {
        return format!("step {}: {}", failure.step, why(call, failure));
    };
    if let Step::Hooks(hooks) = &entry.step {
        return hook(&entry.field, hooks, call, failure);
    }
    let about = about(&entry.step, call, failure.detail);
    let hint = hints::hint(plan, &entry.step, call, failure.errno)
        .map(|hint| format!("; {hint}"))
        .unwrap_or_default();
    format!(
        "{}: {}: {about}{}{hint}",
        entry.field,
        step(plan, entry),
        why(call, failure)
    )
}

/// The call and the kernel's answer, or what a verification found.
fn why(call: Option<Call>, failure: &Failure) -> String {
    match call {
        Some(call) if !call.is_kernel_call() => call.name().to_owned(),
        _ => format!(
            "{}: {}",
            call.map_or("system call", Call::name),
            reason(failure.errno)
        ),
    }
}

fn reason(errno: i32) -> String {
    cgroups::reason(Errno::from_raw(errno))
}

/// Which of several things it was about, with a colon.
fn about(step: &Step, call: Option<Call>, detail: u32) -> String {
    let index = usize::try_from(detail).unwrap_or(usize::MAX);
    let thing = match step {
        Step::Mount(step) => match &step.source {
            Source::Filesystem { params, .. } if call == Some(Call::Fsconfig) => {
                params.get(index).map(|param| match mount::param(param) {
                    Some(option) => format!("option {option}"),
                    None => "source".to_owned(),
                })
            }
            _ => None,
        },
        Step::MoveRoot { detach } => detach.get(index).map(|path| shown(path)),
        _ => None,
    };
    thing.map(|thing| format!("{thing}: ")).unwrap_or_default()
}

/// The phrase is runc's. Index and wait status of a hook that failed share the detail.
fn hook(field: &str, hooks: &[HookStep], call: Option<Call>, failure: &Failure) -> String {
    let exited = call == Some(Call::HookExit);
    let index = if exited {
        failure.detail >> 16
    } else {
        failure.detail
    };
    let path = usize::try_from(index)
        .ok()
        .and_then(|index| hooks.get(index))
        .map(|hook| shown(&hook.path))
        .unwrap_or_default();
    let kind = field.strip_prefix("hooks.").unwrap_or(field);
    let (code, signal) = ((failure.detail >> 8) & 0xff, failure.detail & 0x7f);
    let why = match (exited, signal) {
        (false, _) => why(call, failure),
        (true, 0) => format!("exit status {code}"),
        (true, signal) => format!(
            "killed by {}",
            super::signal(i32::try_from(signal).unwrap_or_default())
        ),
    };
    format!("{field}[{index}]: error running {kind} hook #{index}: {path}: {why}")
}

/// Docker and Podman take the exit codes 126 and 127 from these phrases.
fn program(plan: &Plan, failure: &Failure) -> Option<Error> {
    let entry = entry(plan, failure.step)?;
    if !matches!(entry.step, Step::FindProgram | Step::Exec) {
        return None;
    }
    let name = &plan.image.name;
    if name.contains('/') {
        let looked_for = matches!(entry.step, Step::FindProgram);
        return Some(program_error(name, name, failure, looked_for));
    }
    let call = Call::from_u16(failure.call);
    if matches!(entry.step, Step::FindProgram) && call == Some(Call::ProgramNotFound) {
        return Some(not_found(name).with_errno(failure.errno));
    }
    let index = usize::try_from(failure.detail).ok();
    let candidate = index.and_then(|index| plan.image.candidates.get(index));
    let path = candidate.map_or_else(|| name.clone(), |path| path.to_string_lossy().into_owned());
    Some(program_error(
        name,
        &path,
        failure,
        matches!(entry.step, Step::FindProgram),
    ))
}

fn program_error(name: &str, path: &str, failure: &Failure, looked_for: bool) -> Error {
    let name = crate::plan::quoted(name);
    let reason = reason(failure.errno);
    let errno = Errno::from_raw(failure.errno);
    let (kind, text) = match (looked_for, errno) {
        (true, Errno::ENOENT | Errno::ENOTDIR) => (
            ErrorKind::Program,
            format!("exec: {name}: stat {path}: {reason}"),
        ),
        (true, Errno::EACCES | Errno::EISDIR) => {
            (ErrorKind::Program, format!("exec: {name}: {reason}"))
        }
        _ => (ErrorKind::Execution, format!("exec {path}: {reason}")),
    };
    let hint = hints::program(errno).filter(|_| kind == ErrorKind::Execution);
    Error::new(kind, text)
        .with_errno(failure.errno)
        .with_hint(hint)
        .within(PHASE)
}
