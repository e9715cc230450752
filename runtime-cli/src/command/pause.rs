//! `pause` and `resume`: freeze and thaw all processes of a container.

#![forbid(unsafe_code)]

use super::Context;
use crate::failure::Failure;
use crate::output::Status;

pub(super) fn pause(context: &Context<'_>) -> Result<Status, Failure> {
    context.container()?.pause()?;
    Ok(Status::Success)
}

pub(super) fn resume(context: &Context<'_>) -> Result<Status, Failure> {
    context.container()?.resume()?;
    Ok(Status::Success)
}
