//! `exec`: a further process in a container.

#![forbid(unsafe_code)]

use std::mem::ManuallyDrop;

use libcontainer::container::ExecChanges;
use libcontainer::{Exec, ExecProcess, spec};

use super::{Context, check_terminal};
use crate::args::flags;
use crate::failure::Failure;
use crate::foreground::{self, Foreground};
use crate::output::Status;

pub(super) fn exec(context: &Context<'_>) -> Result<Status, Failure> {
    perform(context).map_err(|source| Failure::Exec(Box::new(source)))
}

fn perform(context: &Context<'_>) -> Result<Status, Failure> {
    let matches = context.matches;
    let container = context.container()?;
    let process = wanted(context)?;
    let terminal = match &process {
        ExecProcess::Spec(spec) => spec.terminal().unwrap_or(false),
        ExecProcess::Like(changes) => changes.terminal,
    };
    let detach = matches.is_set(&flags::DETACH);
    let socket = matches.is_given(&flags::CONSOLE_SOCKET);
    check_terminal(terminal, detach, socket)?;

    let request = Exec::new(process)
        .cgroups(matches.texts(&flags::CGROUP))
        .ignore_paused(matches.is_set(&flags::IGNORE_PAUSED))
        .borrow_memory(true);
    let mut options = context.process_options()?;
    if detach {
        container.exec(request.process(options))?;
        return Ok(Status::Success);
    }
    if let Some(size) = terminal.then(foreground::caller_size).flatten() {
        options = options.window_size(size);
    }
    let foreground = Foreground::new(false)?;
    let mut process = ManuallyDrop::new(container.exec(request.process(options))?);
    Ok(foreground.attend(&mut process)?.into())
}

/// The process: all of it from a file, or the container's own with the changes of the flags.
fn wanted(context: &Context<'_>) -> Result<ExecProcess, Failure> {
    let matches = context.matches;
    if let Some(path) = matches.path(&flags::PROCESS) {
        let (spec, warnings) = spec::load_process(&spec::read(&path)?)?;
        for warning in warnings {
            context.log.warning(&warning);
        }
        return Ok(ExecProcess::Spec(Box::new(spec)));
    }
    let args = matches
        .operands()
        .iter()
        .skip(1)
        .map(|operand| operand.to_str());
    let args: Option<Vec<&str>> = args.collect();
    let args = args.ok_or(Failure::Refused("process args must be text in UTF-8"))?;
    if args.is_empty() {
        return Err(Failure::Refused("process args cannot be empty"));
    }
    Ok(ExecProcess::Like(Box::new(ExecChanges {
        args: args.into_iter().map(str::to_owned).collect(),
        cwd: matches.path(&flags::CWD),
        env: matches.texts(&flags::ENV),
        terminal: matches.is_set(&flags::TTY),
        user: matches.user(&flags::USER)?,
        additional_gids: matches.ids(&flags::ADDITIONAL_GIDS)?,
        capabilities: matches.texts(&flags::CAP),
        no_new_privileges: matches.is_set(&flags::NO_NEW_PRIVS),
        apparmor: matches.text(&flags::APPARMOR),
        process_label: matches.text(&flags::PROCESS_LABEL),
    })))
}
