//! The command line: one table of commands and flags, from which parsing, help and completions come.

#![forbid(unsafe_code)]

pub mod commands;
pub mod completion;
pub mod flags;
pub mod help;
pub mod parse;
pub mod value;

pub use commands::{COMMANDS, Command, Verb};
pub use parse::{Invocation, Matches, Request, parse};
pub use value::{Kind, ValueError};

#[cfg(test)]
mod tests;

/// One option: everything that parsing, help and completions know of it.
#[derive(Debug)]
pub struct Flag {
    /// Name after `--`.
    pub long: &'static str,
    /// Name after `-`.
    pub short: Option<char>,
    /// What it takes.
    pub kind: Kind,
    /// What holds where it is not given, as help tells it.
    pub default: Option<&'static str>,
    /// Whether each further one adds a value; otherwise the last one counts.
    pub repeatable: bool,
    /// Whether help and completions leave it out.
    pub hidden: bool,
    /// Where callers know it from.
    pub origin: Origin,
    /// What it does, in one sentence without a full stop.
    pub help: &'static str,
}

/// The runtime whose callers know a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// runc, Debian's 1.1.5 or later.
    Runc,
    /// crun only.
    Crun,
    /// This program only.
    Own,
}

impl Flag {
    /// A flag of runc.
    pub const fn new(long: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            long,
            short: None,
            kind,
            default: None,
            repeatable: false,
            hidden: false,
            origin: Origin::Runc,
            help,
        }
    }

    const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    const fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

/// What is wrong with a command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// There is no such command.
    #[error("No help topic for '{name}'")]
    UnknownCommand {
        /// What was given.
        name: String,
    },
    /// The command does not have this option.
    #[error("{place}: unknown option {option}; see {place} --help")]
    UnknownOption {
        /// `oxrun`, or `oxrun` and the command.
        place: String,
        /// What was given.
        option: String,
    },
    /// An option that takes a value stands last.
    #[error("--{flag} needs a value: {kind}")]
    MissingValue {
        /// The option.
        flag: &'static str,
        /// What it takes.
        kind: String,
    },
    /// The value is not one that the option takes.
    #[error("invalid value {value:?} for --{flag}: {problem}")]
    Value {
        /// The option.
        flag: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        problem: ValueError,
    },
    /// Too few or too many operands.
    #[error(
        "{0}: {command:?} requires {required}; usage: {0} {command} {usage}",
        help::name()
    )]
    Operands {
        /// The command.
        command: &'static str,
        /// How many it takes, in runc's words.
        required: String,
        /// Its operands.
        usage: &'static str,
    },
    /// There is no such signal.
    #[error(
        "unknown signal {name:?}: allowed is a name such as TERM, SIGTERM or SIGRTMIN+3, or a number from 0 to 64"
    )]
    Signal {
        /// What was given.
        name: String,
    },
    /// There is no such architecture.
    #[error(
        "invalid value {name:?} for --arch: allowed is a name of the specification such as SCMP_ARCH_X86_64"
    )]
    Arch {
        /// What was given.
        name: String,
    },
    /// There is no such system call, or its arguments cannot be read.
    #[error(
        "invalid value {written:?} for --explain: allowed is a call of the architecture such as openat or socket(16,3)"
    )]
    Call {
        /// What was given.
        written: String,
    },
    /// Two options contradict each other.
    #[error("{one} and {other} contradict each other")]
    Conflict {
        /// One of them.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
}
