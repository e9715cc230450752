//! `run`: makes a container, starts its program and, unless detached, stays until its end.

#![forbid(unsafe_code)]

use super::{Context, create, delete};
use crate::args::flags;
use crate::failure::Failure;
use crate::output::Status;

pub(super) fn run(context: &Context<'_>) -> Result<Status, Failure> {
    perform(context).map_err(|source| Failure::Make {
        command: "run",
        source: Box::new(source),
    })
}

fn perform(context: &Context<'_>) -> Result<Status, Failure> {
    let (container, process) = create::request(context)?.run()?;
    if context.matches.is_set(&flags::DETACH) {
        return Ok(Status::Success);
    }
    let exit = process.wait()?;
    if !context.matches.is_set(&flags::KEEP) {
        delete::remove(container, true, context.log)?;
    }
    Ok(exit.into())
}
