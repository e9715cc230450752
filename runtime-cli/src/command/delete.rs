//! `delete`: removes what is left of a container.

#![forbid(unsafe_code)]

use std::mem::ManuallyDrop;

use libcontainer::{Container, ErrorKind};

use super::Context;
use crate::args::flags;
use crate::failure::Failure;
use crate::log::Log;
use crate::output::Status;

pub(super) fn delete(context: &Context<'_>) -> Result<Status, Failure> {
    let force = context.matches.is_set(&flags::FORCE);
    match context.container() {
        // Engines clean up with --force without knowing how far creation came.
        Err(Failure::Container(error)) if force && error.kind() == ErrorKind::NotFound => {
            Ok(Status::Success)
        }
        // Its record cannot be read; all that is known of it is its directory.
        Err(Failure::Container(error)) if force => {
            context.log.warning(&error.to_string());
            Container::discard(&context.settings.root, &context.id())?;
            Ok(Status::Success)
        }
        container => {
            remove(ManuallyDrop::into_inner(container?), force, context.log)?;
            Ok(Status::Success)
        }
    }
}

/// Deletes a container. A poststop hook that failed is only a warning (runtime.md, "Lifecycle").
pub(super) fn remove(container: Container, force: bool, log: &Log) -> Result<(), Failure> {
    for warning in container.delete(force)? {
        log.warning(&warning.to_string());
    }
    Ok(())
}
