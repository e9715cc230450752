//! `create`: makes a container, whose program waits for `start`.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use libcontainer::{Create, Terminal};

use super::Context;
use crate::args::flags;
use crate::failure::Failure;
use crate::output::Status;

pub(super) fn create(context: &Context<'_>) -> Result<Status, Failure> {
    let make = || -> Result<Status, Failure> {
        request(context)?.create()?;
        Ok(Status::Success)
    };
    make().map_err(|source| Failure::Make {
        command: "create",
        source: Box::new(source),
    })
}

/// The container that the options of `create` and `run` describe.
pub(super) fn request(context: &Context<'_>) -> Result<Create, Failure> {
    let Context {
        matches, settings, ..
    } = context;
    settings.make_private_root()?;
    let bundle = matches.path(&flags::BUNDLE);
    let bundle = bundle.unwrap_or_else(|| PathBuf::from("."));
    let mut request = Create::new(&settings.root, context.id(), bundle)
        .cgroup_manager(settings.manager)
        .no_pivot(matches.is_set(&flags::NO_PIVOT))
        .no_new_keyring(matches.is_set(&flags::NO_NEW_KEYRING))
        .preserve_fds(matches.count(&flags::PRESERVE_FDS)?.unwrap_or(0));
    if let Some(rootless) = settings.rootless {
        request = request.rootless(rootless);
    }
    if let Some(path) = matches.path(&flags::PID_FILE) {
        request = request.pid_file(path);
    }
    if let Some(path) = matches.path(&flags::PIDFD_SOCKET) {
        request = request.pidfd_socket(path);
    }
    if let Some(path) = matches.path(&flags::CONSOLE_SOCKET) {
        request = request.terminal(Terminal::Socket(path));
    }
    Ok(request)
}
