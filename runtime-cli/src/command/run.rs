//! `run`: makes a container, starts its program and, unless detached, stays until its end.

#![forbid(unsafe_code)]

use super::{Context, create, delete};
use crate::args::flags;
use crate::failure::Failure;
use crate::foreground::{self, Foreground};
use crate::output::Status;

pub(super) fn run(context: &Context<'_>) -> Result<Status, Failure> {
    perform(context).map_err(|source| Failure::Make {
        command: "run",
        source: Box::new(source),
    })
}

fn perform(context: &Context<'_>) -> Result<Status, Failure> {
    let matches = context.matches;
    let detach = matches.is_set(&flags::DETACH);
    let create::Wanted {
        request,
        terminal,
        own_pids,
    } = create::request(context, detach)?;
    let mut options = context.process_options()?;
    if detach {
        let (_, mut process) = request.process(options).run()?;
        if let Some(socket) = process.take_notify_socket() {
            socket.wait_ready(process.pidfd(), process.pid())?;
        }
        return Ok(Status::Success);
    }
    let foreground = Foreground::new(!own_pids && !matches.is_set(&flags::NO_SUBREAPER))?;
    if let Some(size) = terminal.then(foreground::caller_size).flatten() {
        options = options.window_size(size);
    }
    let (container, mut process) = request.process(options).run()?;
    let exit = foreground.attend(&mut process);
    // What these hold the kernel closes in a moment, with this process.
    std::mem::forget((foreground, process));
    if !matches.is_set(&flags::KEEP) {
        delete::remove(container, true, context.log)?;
    }
    Ok(exit?.into())
}
