//! runc's command line on top of libcontainer's public API.
//!
//! [`args`] turns arguments into an [`args::Invocation`], with one table of commands and flags from
//! which help and completions come too; `command` has one file for each command; `output` is the only
//! place that prints, `log` the only one that logs. This is a library only so that the fuzz target
//! and the tests can reach the parser: it is no interface for other programs.

pub mod args;
mod command;
mod failure;
mod foreground;
mod log;
mod output;
mod settings;
mod signal;

use std::ffi::OsString;

use args::Request;
use failure::Failure;
use log::Log;
use output::Status;
use settings::Settings;

/// Runs the command that the program's arguments ask for; returns the exit status.
pub fn main() -> u8 {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    run(&arguments).into()
}

fn run(arguments: &[OsString]) -> Status {
    let invocation = args::parse(arguments);
    let log = match Log::open(&invocation.global) {
        Ok(log) => log,
        Err(failure) => return report(&Log::stderr(), &failure),
    };
    let result = invocation
        .request
        .map_err(Failure::from)
        .and_then(|request| perform(&invocation.global, request, &log));
    match result {
        Ok(status) => status,
        Err(failure) => report(&log, &failure),
    }
}

fn perform(global: &args::Matches, request: Request, log: &Log) -> Result<Status, Failure> {
    match request {
        Request::Version => output::text(&args::help::version()),
        Request::Help(None) => output::text(&args::help::program()),
        Request::Help(Some(command)) => output::text(&args::help::command(command)),
        Request::Command(command, matches) => {
            if command.enters_containers {
                libcontainer::seal()?;
            }
            let settings = Settings::new(global)?;
            log.receive_debug();
            ::log::debug!("{}: {settings:?}", command.name);
            command::perform(command, &matches, &settings, log)
        }
    }
}

/// The one place where an error is told: in the log, and as the last line on stderr. Of a program
/// that `run` could not execute, stderr gets what a shell would say, as from runc.
fn report(log: &Log, failure: &Failure) -> Status {
    match failure.execution() {
        Some(words) if !log.has_file() => output::error_line(words),
        _ => log.fatal(&failure.to_string()),
    }
    failure.status()
}
