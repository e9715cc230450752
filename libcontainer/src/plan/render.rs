//! A plan in words: what each step does, and what went wrong when one fails.

#![forbid(unsafe_code)]

mod failure;
mod hints;
mod mount;
mod step;

use serde::Serialize;

use super::{Open, OpenKind, Plan};
use crate::plan::step::{Entry, NamespaceKind};

pub(crate) use failure::failure;
pub use step::step;

/// One line of a plan, for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The kind of step, such as `mount`.
    pub step: &'static str,
    /// The JSON path of the field that asked for it.
    pub field: String,
    /// What is done, in words.
    pub text: String,
}

/// All that a plan does, in order: what the parent opens, how the process is born, and each of its
/// steps.
pub fn lines(plan: &Plan) -> Vec<Line> {
    let opens = plan.opens.iter().map(|open| Line {
        step: "open",
        field: open.field.clone(),
        text: open_text(open),
    });
    let birth = Line {
        step: "clone",
        field: "linux.namespaces".to_owned(),
        text: birth_text(plan),
    };
    let steps = plan.steps.iter().map(|entry| Line {
        step: step::name(&entry.step),
        field: entry.field.clone(),
        text: step(plan, entry),
    });
    opens.chain([birth]).chain(steps).collect()
}

/// The same as text: one line each, with the field behind.
pub fn text(plan: &Plan) -> String {
    lines(plan)
        .into_iter()
        .map(|line| format!("{:<17} {}  [{}]\n", line.step, line.text, line.field))
        .collect()
}

fn open_text(open: &Open) -> String {
    match &open.what {
        OpenKind::Tree {
            path,
            recursive,
            idmap,
        } => {
            let tree = if *recursive { "mount tree" } else { "mount" };
            let mapped = if idmap.is_some() {
                ", with mapped ids"
            } else {
                ""
            };
            format!("clone the {tree} at {}{mapped}", shown(path))
        }
        OpenKind::CgroupTree { path } => format!("clone the container's cgroup {}", shown(path)),
        OpenKind::Namespace { path, kind } => {
            format!("open the {} namespace {}", namespace(*kind), shown(path))
        }
        OpenKind::IdMapNamespace(maps) => format!(
            "make a user namespace for its id maps: {}",
            step::id_maps(maps)
        ),
        OpenKind::ConsoleSocket => "connect to the console socket".to_owned(),
        OpenKind::ContainerProcess => "open the container's process".to_owned(),
    }
}

fn birth_text(plan: &Plan) -> String {
    let flags = i32::try_from(plan.birth.clone_flags).unwrap_or_default();
    let made = step::namespaces(flags);
    let mut text = if made.is_empty() {
        "clone a process".to_owned()
    } else {
        format!("clone a process with new namespaces: {made}")
    };
    if plan.birth.may_begin_empty {
        text += ", without the host's mounts where the kernel makes such";
    }
    if plan.birth.join_pid.is_some() {
        text += ", in a PID namespace that is joined";
    }
    text
}

fn namespace(kind: NamespaceKind) -> &'static str {
    super::namespaces::name_of(kind)
}

/// A path or name for a person: as it is where that is plain, else quoted.
fn shown(text: &std::ffi::CStr) -> String {
    let text = text.to_string_lossy();
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && c != '"');
    if plain && text.len() <= 200 {
        text.into_owned()
    } else {
        super::quoted(&text)
    }
}

/// A signal that ended a program, in the kernel's words where people look for them.
pub(crate) fn signal(number: i32) -> String {
    let words = match number {
        libc::SIGABRT => "aborted",
        libc::SIGBUS => "bus error",
        libc::SIGFPE => "floating point exception",
        libc::SIGILL => "illegal instruction",
        libc::SIGKILL => "killed",
        libc::SIGSEGV => "segmentation fault",
        libc::SIGSYS => "bad system call",
        libc::SIGTERM => "terminated",
        libc::SIGTRAP => "trace/breakpoint trap",
        _ => return format!("signal {number}"),
    };
    format!("signal {number} ({words})")
}

/// The step that an index of a report means.
fn entry(plan: &Plan, index: u16) -> Option<&Entry> {
    plan.steps.get(usize::from(index))
}
