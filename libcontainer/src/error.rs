//! The one error type of the public API.

#![forbid(unsafe_code)]

/// What kind of failure it was, for callers that act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A field of the configuration or an argument is wrong.
    InvalidConfig,
    /// No container of that id.
    NotFound,
    /// A container of that id exists.
    AlreadyExists,
    /// The container is not in a state that permits the operation.
    WrongState,
    /// The container's program cannot be found or executed.
    Program,
    /// The kernel or another process refused something.
    System,
}

/// A failed operation. `Display` gives one line that holds phase, object, call, `errno` and, where
/// one is known, a hint.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    errno: Option<i32>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            errno: None,
        }
    }

    pub(crate) fn with_errno(mut self, errno: i32) -> Self {
        self.errno = Some(errno);
        self
    }

    /// A field of the configuration, named by its JSON path, is wrong.
    pub(crate) fn config(field: &str, problem: impl std::fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidConfig, format!("{field}: {problem}"))
    }

    /// A system call on an object failed: `object: call: errno text`.
    pub(crate) fn system(
        object: impl std::fmt::Display,
        call: &str,
        errno: impl Into<std::io::Error>,
    ) -> Self {
        let error = errno.into();
        let errno = error.raw_os_error();
        let text = errno.map_or_else(
            || error.to_string(),
            |e| nix::errno::Errno::from_raw(e).desc().to_owned(),
        );
        Self {
            errno,
            ..Self::new(ErrorKind::System, format!("{object}: {call}: {text}"))
        }
    }

    /// A raw system call on an object failed.
    pub(crate) fn fault(object: impl std::fmt::Display, fault: crate::sys::Fault) -> Self {
        Self::system(
            object,
            fault.call.name(),
            nix::errno::Errno::from_raw(fault.errno),
        )
    }

    /// Puts what was being done in front of the message.
    pub(crate) fn within(mut self, phase: impl std::fmt::Display) -> Self {
        self.message = format!("{phase}: {}", self.message);
        self
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The kernel's error number, where a system call was the cause.
    pub fn errno(&self) -> Option<i32> {
        self.errno
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The result of the public API.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the cgroups crate.
pub(crate) fn cgroup_error(error: cgroups::Error) -> Error {
    Error::new(ErrorKind::System, format!("cgroup: {error}"))
}
