//! The one error type of this crate.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

/// What went wrong, with everything needed to say it in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call on a file or directory failed.
    #[error("{call} {}: {}", path.display(), reason(*errno))]
    Io {
        /// The system call, by its name in section 2 of the manual.
        call: &'static str,
        /// What it was called on.
        path: PathBuf,
        /// Why it failed.
        errno: Errno,
    },

    /// The kernel refused a value that the configuration asked for.
    #[error("{field}: write {value:?} to {}: {}{}", path.display(), reason(*errno), hint(path, *errno))]
    Write {
        /// The JSON path of the setting.
        field: String,
        /// The control file.
        path: PathBuf,
        /// The value that was written.
        value: String,
        /// Why the kernel refused it.
        errno: Errno,
    },

    /// A value of the configuration or the command line is not allowed.
    #[error("{field}: invalid value {value:?}: {allowed}")]
    Invalid {
        /// The JSON path, or the option.
        field: String,
        /// The value as given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },

    /// A limit was asked for, but its controller is not to be had.
    #[error("{field}: the cgroup controller {controller:?} is not available: {reason}")]
    NoController {
        /// The JSON path of the setting that needs the controller.
        field: String,
        /// The controller's kernel name.
        controller: String,
        /// Why it is missing.
        reason: &'static str,
    },

    /// A process cannot join a cgroup. The words are runc's.
    #[error("adding pid 0 (the process itself) to cgroups: {}/cgroup.procs: {}", path.display(), reason(*errno))]
    Join {
        /// The cgroup.
        path: PathBuf,
        /// Why it cannot.
        errno: Errno,
    },

    /// `exec --cgroup` names a controller that the container has no hierarchy of.
    #[error(
        "--cgroup: unknown controller {controller:?}: must be one of the container's version 1 hierarchies"
    )]
    UnknownController {
        /// What was given.
        controller: String,
    },

    /// `exec --cgroup` names a cgroup that may be outside the container's.
    #[error("--cgroup: {path} is not a sub cgroup path: must not contain \"..\"")]
    NotBelow {
        /// What was given.
        path: String,
    },

    /// The cgroup that was to be made exists and holds processes.
    #[error("container's cgroup is not empty: {} holds {processes} process(es)", path.display())]
    NotEmpty {
        /// The cgroup.
        path: PathBuf,
        /// How many processes are in it and below it.
        processes: usize,
    },

    /// The cgroup that was to be made exists and is frozen.
    #[error("container's cgroup unexpectedly frozen: {}", path.display())]
    Frozen {
        /// The cgroup.
        path: PathBuf,
    },

    /// A cgroup could not be removed, because processes stayed in it.
    #[error("remove cgroup {}: {processes} process(es) are still in it", path.display())]
    Busy {
        /// The cgroup.
        path: PathBuf,
        /// How many processes are in it and below it.
        processes: usize,
    },

    /// A memory limit below the present use was refused, as the configuration demands.
    #[error("{field}: rejecting {what} limit {limit}: not above the present use of {usage} bytes")]
    MemoryInUse {
        /// The JSON path of the limit.
        field: &'static str,
        /// What is limited, in runc's words.
        what: &'static str,
        /// The limit asked for, in bytes.
        limit: u64,
        /// The present use, in bytes.
        usage: u64,
    },

    /// The kernel or the service manager did not do something in time.
    #[error("{what}: no result within {} s", limit.as_secs_f32())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },

    /// A file of the kernel held something that this crate does not understand.
    #[error("{}: cannot understand {text:?}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line or value.
        text: String,
    },

    /// There is no cgroup to work on: the manager is `disabled`, or the
    /// container runs without a cgroup of its own.
    #[error("cannot {verb}: the container has no cgroup{}", if controller.is_empty() { String::new() } else { format!(" of the {controller} controller") })]
    NoCgroup {
        /// What was to be done.
        verb: &'static str,
        /// The controller, or nothing.
        controller: &'static str,
    },

    /// The eBPF program for the device rules could not be loaded or attached.
    #[error("device rules: bpf({command}): {}{}", reason(*errno), if log.is_empty() { String::new() } else { format!("; verifier: {log}") })]
    Bpf {
        /// The command of bpf(2).
        command: &'static str,
        /// Why it failed.
        errno: Errno,
        /// The end of what the verifier said, if it said something.
        log: String,
    },

    /// systemd refused something, or could not be talked to.
    #[error("systemd: {0}")]
    Systemd(#[from] crate::systemd::Error),
}

impl Error {
    pub(crate) fn io(call: &'static str, path: impl Into<PathBuf>, errno: Errno) -> Error {
        Error::Io {
            call,
            path: path.into(),
            errno,
        }
    }

    pub(crate) fn invalid(
        field: impl Into<String>,
        value: impl Into<String>,
        allowed: &'static str,
    ) -> Error {
        Error::Invalid {
            field: field.into(),
            value: value.into(),
            allowed,
        }
    }

    /// The error number of the system call that failed, where one did.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::Io { errno, .. }
            | Error::Write { errno, .. }
            | Error::Join { errno, .. }
            | Error::Bpf { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    /// Whether the caller had no permission (in the loose sense: a read-only
    /// cgroup file system is one form of it).
    pub fn is_permission(&self) -> bool {
        matches!(
            self.errno(),
            Some(Errno::EACCES | Errno::EPERM | Errno::EROFS)
        )
    }
}

/// The kernel's words for an error number. They start with a small letter, as callers that compare
/// texts expect.
pub fn reason(errno: Errno) -> String {
    let text = errno.desc();
    let mut characters = text.chars();
    match characters.next() {
        Some(first) if text != "I/O error" => first.to_lowercase().chain(characters).collect(),
        _ => text.to_owned(),
    }
}

/// The error number inside a [`std::io::Error`].
pub(crate) fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// What an error number means where it is known to puzzle people.
fn hint(path: &Path, errno: Errno) -> &'static str {
    let file = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    match (file, errno) {
        (name, Errno::EBUSY) if name.starts_with("memory.") => {
            "; the cgroup uses more memory than this, and the kernel could not reclaim it"
        }
        (name, Errno::EINVAL) if name.contains("memsw") || name == "memory.limit_in_bytes" => {
            "; memory plus swap must not be less than memory"
        }
        (name, Errno::EINVAL) if name.starts_with("cpu.rt_") => {
            "; the parent cgroup must have at least as much realtime runtime"
        }
        (name, Errno::EINVAL) if name.starts_with("cpu.cfs_") => {
            "; the parent cgroup may have a lower limit"
        }
        (name, Errno::EACCES | Errno::EINVAL | Errno::ERANGE) if name.starts_with("cpuset.") => {
            "; only CPUs and memory nodes of the parent cgroup can be used"
        }
        (name, Errno::ENODEV) if name.starts_with("io.") || name.starts_with("blkio.") => {
            "; there is no such block device"
        }
        (_, Errno::ENOENT | Errno::EACCES) => "; this kernel or cgroup has no such file",
        _ => "",
    }
}
