//! What can go wrong in a command.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use crate::args::UsageError;
use crate::output::Status;

/// A failed command. `Display` is the one line that the user gets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line is wrong.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The library refused.
    #[error(transparent)]
    Container(#[from] libcontainer::Error),
    /// A file could not be used.
    #[error("{}: {source}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {source}", path.display())]
    Json {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The caller asked for options that contradict each other or the configuration.
    #[error("{0}")]
    Refused(&'static str),
    /// A shell that has no completions here.
    #[error("completion: {0:?}: allowed is bash, zsh or fish")]
    Shell(String),
    /// There is no configuration.
    #[error("JSON specification file {} not found", .0.display())]
    NoConfig(PathBuf),
    /// The command needs a container that runs.
    #[error("container with id {0} is not running")]
    NotRunning(String),
    /// The seccomp profile is wrong.
    #[error(transparent)]
    Seccomp(#[from] seccomp::Error),
    /// Standard input or output could not be duplicated.
    #[error("dup of standard input and output: {source}")]
    Stdio {
        /// Why.
        source: std::io::Error,
    },
    /// A system call of this program failed.
    #[error("{call}: {}", libcontainer::reason(*errno))]
    System {
        /// What was called, and on what.
        call: &'static str,
        /// Why.
        errno: nix::errno::Errno,
    },
    /// Another program that was needed failed.
    #[error("{program}: {problem}")]
    Program {
        /// Its name.
        program: &'static str,
        /// What happened.
        problem: String,
    },
    /// The output could not be written.
    #[error("write to stdout: {0}")]
    Output(std::io::Error),
    /// `create` or `run` failed. Callers know runc's form of this line.
    #[error("{} {command} failed: {source}", crate::args::help::name())]
    Make {
        /// The command.
        command: &'static str,
        /// Why.
        source: Box<Failure>,
    },
    /// `exec` failed before its program ran.
    #[error("exec failed: {0}")]
    Exec(Box<Failure>),
}

impl Failure {
    /// The exit status of the program.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Usage(UsageError::UnknownCommand { .. }) => Status::UnknownCommand,
            Self::Exec(_) => Status::ExecFailure,
            _ => Status::Failure,
        }
    }

    /// Where `run` could not execute the program that it had found: `exec PATH: REASON`.
    pub(crate) fn execution(&self) -> Option<&str> {
        match self {
            Self::Make {
                command: "run",
                source,
            } => match &**source {
                Self::Container(error) => error.execution(),
                _ => None,
            },
            _ => None,
        }
    }

    /// For `map_err`: a system call failed.
    pub(crate) fn system(call: &'static str) -> impl FnOnce(nix::errno::Errno) -> Self {
        move |errno| Self::System { call, errno }
    }
}
