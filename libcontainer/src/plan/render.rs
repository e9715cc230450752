//! A plan in words: what each step does, and what went wrong when one fails.

#![forbid(unsafe_code)]

use super::Plan;
use super::step::Entry;
use crate::error::{Error, ErrorKind};
use crate::sync::Failure;

/// What a step does, in one line.
pub fn step(entry: &Entry) -> String {
    format!("{:?}", entry.step)
}

/// The error for a step that failed in the container's process.
pub(crate) fn failure(plan: &Plan, failure: &Failure) -> Error {
    Error::new(ErrorKind::System, warning(plan, failure)).with_errno(failure.errno)
}

/// A step that had less effect than asked.
pub(crate) fn warning(plan: &Plan, failure: &Failure) -> String {
    let call =
        crate::sys::Call::from_u16(failure.call).map_or("system call", crate::sys::Call::name);
    let errno = nix::errno::Errno::from_raw(failure.errno);
    match plan.steps.get(usize::from(failure.step)) {
        Some(entry) => format!("{}: {}: {call}: {}", entry.field, step(entry), errno.desc()),
        None => format!("{call}: {}", errno.desc()),
    }
}
