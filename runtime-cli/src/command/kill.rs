//! `kill`: sends a signal to a container.

#![forbid(unsafe_code)]

use super::Context;
use crate::args::{UsageError, flags};
use crate::failure::Failure;
use crate::output::Status;
use crate::signal;

pub(super) fn kill(context: &Context<'_>) -> Result<Status, Failure> {
    let name = context.matches.operand(1);
    let name = name.as_deref().unwrap_or("SIGTERM");
    let signal = signal::parse(name).ok_or_else(|| UsageError::Signal {
        name: name.to_owned(),
    })?;
    let all = context.matches.is_set(&flags::ALL);
    context.container()?.kill(signal, all)?;
    Ok(Status::Success)
}
