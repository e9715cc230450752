//! `start`: lets the program of a container that was made run.

#![forbid(unsafe_code)]

use super::Context;
use crate::failure::Failure;
use crate::output::Status;

pub(super) fn start(context: &Context<'_>) -> Result<Status, Failure> {
    context.container()?.start()?;
    Ok(Status::Success)
}
