//! `list`: the containers of the root directory.

#![forbid(unsafe_code)]

use libcontainer::{Container, ErrorKind, State, Status as Life};

use super::Context;
use crate::args::flags;
use crate::failure::Failure;
use crate::output::{self, Status};

pub(super) fn list(context: &Context<'_>) -> Result<Status, Failure> {
    let (containers, unreadable) = Container::list(&context.settings.root)?;
    for error in unreadable {
        context.log.warning(&error.to_string());
    }
    if context.matches.is_set(&flags::QUIET) {
        let ids = containers
            .iter()
            .map(|container| format!("{}\n", container.id()));
        return output::text(&ids.collect::<String>());
    }
    let mut states = Vec::with_capacity(containers.len());
    for container in &containers {
        match container.state() {
            Ok(state) => states.push(state),
            // Somebody deleted it since the directory was read.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => context.log.warning(&format!("{}: {error}", container.id())),
        }
    }
    match context.matches.text(&flags::FORMAT).as_deref() {
        // runc's encoder writes `null` for no containers, and its callers take that.
        Some("json") if states.is_empty() => output::text("null\n"),
        Some("json") => output::json_line(&states),
        _ => output::text(&output::table(&rows(&states))),
    }
}

fn rows(states: &[State]) -> Vec<Vec<String>> {
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(states.iter().map(|state| {
        vec![
            state.id.clone(),
            state.pid.to_string(),
            word(state.status).to_owned(),
            state.bundle.display().to_string(),
            state.created.clone(),
            state.owner.clone(),
        ]
    }));
    rows
}

fn word(status: Life) -> &'static str {
    match status {
        Life::Creating => "creating",
        Life::Created => "created",
        Life::Running => "running",
        Life::Paused => "paused",
        Life::Stopped => "stopped",
    }
}
