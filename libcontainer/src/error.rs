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
    /// The container's program cannot be found, or not be executed by its permissions.
    Program,
    /// The kernel did not execute the program that was found.
    Execution,
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
    hint: Option<&'static str>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            errno: None,
            hint: None,
        }
    }

    pub(crate) fn with_errno(mut self, errno: i32) -> Self {
        self.errno = Some(errno);
        self
    }

    /// What usually is behind it; told last.
    pub(crate) fn with_hint(mut self, hint: Option<&'static str>) -> Self {
        self.hint = hint;
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
            |e| cgroups::reason(nix::errno::Errno::from_raw(e)),
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

    /// Adds what a program wrote, on the same line.
    pub(crate) fn saying(mut self, text: &str) -> Self {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        self.message = format!("{}, output: {}", self.message, lines.join("; "));
        self
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened in the program's own words, `exec PATH: REASON`, for
    /// [`ErrorKind::Execution`]: runc's `run` prints no more than that.
    pub fn execution(&self) -> Option<&str> {
        let start = self.message.rfind("exec ")?;
        (self.kind == ErrorKind::Execution).then(|| &self.message[start..])
    }

    /// The kernel's error number, where a system call was the cause.
    pub fn errno(&self) -> Option<i32> {
        self.errno
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        match self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// The result of the public API.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the cgroups crate.
pub(crate) fn cgroup_error(error: cgroups::Error) -> Error {
    Error::new(ErrorKind::System, format!("cgroup: {error}"))
}
