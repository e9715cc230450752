//! Commands: one short file each.

#![forbid(unsafe_code)]

mod completion;
mod create;
mod delete;
mod events;
mod exec;
mod features;
mod kill;
mod list;
mod pause;
mod plan;
mod ps;
mod run;
mod seccomp;
mod spec;
mod start;
mod state;
mod update;

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use libcontainer::{Container, ProcessOptions, Terminal};
use serde::de::DeserializeOwned;

use crate::args::{Command, Matches, Verb, flags};
use crate::failure::Failure;
use crate::log::Log;
use crate::output::Status;
use crate::settings::Settings;

/// What every command gets.
pub(crate) struct Context<'a> {
    /// Its options and operands.
    pub(crate) matches: &'a Matches,
    /// The global options.
    pub(crate) settings: &'a Settings,
    /// Where to log.
    pub(crate) log: &'a Log,
}

impl Context<'_> {
    /// The container that the first operand names. It is never dropped: the kernel closes what it has
    /// open when the program ends, without being asked for each.
    fn container(&self) -> Result<ManuallyDrop<Container>, Failure> {
        let container = Container::load(&self.settings.root, &self.id())?;
        Ok(ManuallyDrop::new(container))
    }

    /// How a process is to be connected, as the options that `create`, `run` and `exec` share say.
    /// Warnings go to the log as they come.
    fn process_options(&self) -> Result<ProcessOptions, Failure> {
        let log = self.log.clone();
        let mut options = ProcessOptions::default()
            .on_warning(move |warning| log.warning(warning))
            .preserve_fds(self.matches.count(&flags::PRESERVE_FDS)?.unwrap_or(0));
        if let Some(path) = self.matches.path(&flags::PID_FILE) {
            options = options.pid_file(path);
        }
        if let Some(path) = self.matches.path(&flags::PIDFD_SOCKET) {
            options = options.pidfd_socket(path);
        }
        if let Some(path) = self.matches.path(&flags::CONSOLE_SOCKET) {
            options = options.terminal(Terminal::Socket(path));
        }
        Ok(options)
    }

    /// The first operand.
    fn id(&self) -> String {
        let operand = self.matches.operand(0);
        operand.unwrap_or_default().into_owned()
    }
}

/// Performs a command.
pub(crate) fn perform(
    command: &Command,
    matches: &Matches,
    settings: &Settings,
    log: &Log,
) -> Result<Status, Failure> {
    let context = Context {
        matches,
        settings,
        log,
    };
    // By a pointer: were all commands made one function, all of it would come into memory with each.
    let perform: fn(&Context<'_>) -> Result<Status, Failure> = match command.verb {
        Verb::Create => create::create,
        Verb::Start => start::start,
        Verb::Run => run::run,
        Verb::State => state::state,
        Verb::Kill => kill::kill,
        Verb::Delete => delete::delete,
        Verb::Exec => exec::exec,
        Verb::List => list::list,
        Verb::Ps => ps::ps,
        Verb::Pause => pause::pause,
        Verb::Resume => pause::resume,
        Verb::Update => update::update,
        Verb::Events => events::events,
        Verb::Plan => plan::plan,
        Verb::Seccomp => seccomp::seccomp,
        Verb::Features => |_| features::features(),
        Verb::Spec => spec::spec,
        Verb::Completion => completion::completion,
    };
    perform(&context)
}

/// Refuses combinations of options that would lose the terminal. The texts are runc's to
/// the letter: scripts look for them.
fn check_terminal(terminal: bool, detach: bool, socket: bool) -> Result<(), Failure> {
    if detach && terminal && !socket {
        return Err(Failure::Refused(
            "cannot allocate tty if runc will detach without setting console socket",
        ));
    }
    if socket && !(detach && terminal) {
        return Err(Failure::Refused(
            "cannot use console socket if runc will not detach or allocate tty",
        ));
    }
    Ok(())
}

/// The socket that the caller wants to be told of the container's readiness at.
fn notify_socket() -> Option<PathBuf> {
    std::env::var_os("NOTIFY_SOCKET")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Reads a JSON file, or standard input if the path is `-`.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let file = |source| Failure::File {
        path: path.to_owned(),
        source,
    };
    let text = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).map_err(file)?
    } else {
        std::fs::read_to_string(path).map_err(file)?
    };
    serde_json::from_slice(text.as_bytes()).map_err(|source| Failure::Json {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_lost() {
        for (terminal, detach, socket, right) in [
            (false, false, false, true),
            (false, false, true, false),
            (false, true, false, true),
            (false, true, true, false),
            (true, false, false, true),
            (true, false, true, false),
            (true, true, false, false),
            (true, true, true, true),
        ] {
            let checked = check_terminal(terminal, detach, socket);
            assert_eq!(checked.is_ok(), right, "{terminal} {detach} {socket}");
        }
    }
}
