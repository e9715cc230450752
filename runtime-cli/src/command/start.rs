//! `start`: lets the program of a container that was made run.

#![forbid(unsafe_code)]

use super::{Context, notify_socket};
use crate::failure::Failure;
use crate::output::Status;

pub(super) fn start(context: &Context<'_>) -> Result<Status, Failure> {
    let container = context.container()?;
    match notify_socket() {
        Some(host) => container.start_notifying(&host)?,
        None => container.start()?,
    }
    Ok(Status::Success)
}
