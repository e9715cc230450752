//! Why a profile cannot be compiled, and what was left out of one that can.

#![forbid(unsafe_code)]

use std::fmt;

/// A profile that cannot be compiled. `path` names the value in the container's `config.json`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that no architecture knows, with
    /// [`Options::unknown_names_are_errors`](crate::Options::unknown_names_are_errors).
    #[error("{path}: unknown system call {name:?}")]
    UnknownSyscall {
        /// Where the name is.
        path: String,
        /// The name.
        name: String,
    },
    /// An errno for an action that returns none (the specification wants this refused).
    #[error("{path}: {action} takes no errno; only SCMP_ACT_ERRNO and SCMP_ACT_TRACE do")]
    ErrnoNotSupported {
        /// Where the errno is.
        path: String,
        /// The action's name.
        action: String,
    },
    /// An errno that the action cannot carry.
    #[error("{path}: {value} is out of range; {action} takes 0 to {max}")]
    ErrnoOutOfRange {
        /// Where the errno is.
        path: String,
        /// The errno.
        value: u32,
        /// The action's name.
        action: String,
        /// The largest value that is allowed.
        max: u32,
    },
    /// A comparison of an argument that system calls do not have.
    #[error("{path}: no argument {index}; system calls have arguments 0 to 5")]
    ArgumentIndex {
        /// Where the index is.
        path: String,
        /// The index.
        index: usize,
    },
    /// `SCMP_ACT_NOTIFY` for every system call: the container could not even start.
    #[error(
        "{path}: SCMP_ACT_NOTIFY cannot be the default action; the listener could never be handed over"
    )]
    NotifyByDefault {
        /// Where the action is.
        path: &'static str,
    },
    /// `SCMP_ACT_NOTIFY` for a call that hands the listener over: the runtime would wait for itself.
    #[error(
        "{path}: SCMP_ACT_NOTIFY cannot be used for the {name} syscall; handing over the listener needs this call"
    )]
    NotifyDeadlock {
        /// Where the name is.
        path: String,
        /// The system call.
        name: String,
    },
    /// `SCMP_ACT_NOTIFY` and nobody to notify.
    #[error("linux.seccomp.listenerPath is not set, but {path} is SCMP_ACT_NOTIFY")]
    ListenerPathMissing {
        /// Where the action is.
        path: String,
    },
    /// An architecture that this machine cannot run.
    #[error("{path}: {arch} has another byte order than {native}, this machine's architecture")]
    ByteOrder {
        /// Where the architecture is.
        path: String,
        /// The architecture.
        arch: &'static str,
        /// The machine's own.
        native: &'static str,
    },
    /// A machine for which there is no system call table.
    #[error("linux.seccomp: no system call table for this machine's architecture")]
    NativeUnknown,
    /// A program that the kernel would not take.
    #[error("linux.seccomp: the filter needs {length} instructions; the kernel takes {max}")]
    ProgramTooLong {
        /// The number of instructions.
        length: usize,
        /// The kernel's limit, `BPF_MAXINSNS`.
        max: usize,
    },
}

/// Something in a profile that has no effect. `path` names it in the container's `config.json`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// A name that no architecture knows.
    UnknownSyscall {
        /// Where the name is.
        path: String,
        /// The name.
        name: String,
    },
    /// An architecture that has none of the system calls that the profile names. Calls newer than
    /// the profile cannot be told from others there, so the default action answers all.
    NothingNamed {
        /// The architecture.
        arch: &'static str,
    },
    /// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV` without a notification to wait for.
    WaitKillableUnused {
        /// Where the flag is.
        path: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSyscall { path, name } => {
                write!(f, "{path}: unknown system call {name:?} ignored")
            }
            Self::NothingNamed { arch } => {
                write!(
                    f,
                    "linux.seccomp.syscalls: no system call of {arch} is named"
                )
            }
            Self::WaitKillableUnused { path } => {
                write!(
                    f,
                    "{path}: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV ignored; no action is \
                     SCMP_ACT_NOTIFY"
                )
            }
        }
    }
}
