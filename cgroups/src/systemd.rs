//! systemd as the cgroup manager: transient scopes, over D-Bus.
//!
//! The client is our own: the crates that speak D-Bus start threads before the
//! container's process is cloned, or need a C library. It knows one connection,
//! blocking, with a time limit for every call, and calls five methods.

mod bus;
pub mod gvariant;
mod message;
pub mod properties;
mod scope;
mod unit;
mod value;

use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;

pub use unit::{Unit, expand_slice};
pub use value::Value;

/// What systemd, or the way to it, got wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// systemd is not the service manager here.
    #[error("the host was not booted with systemd")]
    NotBooted,

    /// There is nowhere to connect to.
    #[error("no socket of systemd or of the message bus is known")]
    NoAddress,

    /// A socket could not be connected to.
    #[error("connect to {}: {}", path.display(), crate::error::reason(*errno))]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why not.
        errno: Errno,
    },

    /// The other side did not accept who we are.
    #[error("authentication refused: {answer}")]
    Refused {
        /// What it said.
        answer: String,
    },

    /// The connection broke.
    #[error("{what}: {}", crate::error::reason(*errno))]
    Lost {
        /// The method that was called.
        what: String,
        /// How.
        errno: Errno,
    },

    /// There was no answer in time.
    #[error("{what}: no answer within {} s", limit.as_secs())]
    TimedOut {
        /// The method that was called.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },

    /// Something was received that is not D-Bus, or not what was asked for.
    #[error("malformed {what} received")]
    Protocol {
        /// What was malformed.
        what: &'static str,
    },

    /// A method returned an error.
    #[error("{method}: {text} ({name})")]
    Call {
        /// The method.
        method: String,
        /// The error's name.
        name: String,
        /// The error's message.
        text: String,
    },

    /// A job did not end well.
    #[error("the job for {unit} ended with result {result:?}")]
    Job {
        /// The unit.
        unit: String,
        /// systemd's word: `failed`, `timeout`, `dependency`, `canceled`, …
        result: String,
    },
}

impl Error {
    fn is(&self, wanted: &str) -> bool {
        matches!(self, Error::Call { name, .. } if name == wanted)
    }

    fn is_unit_exists(&self) -> bool {
        self.is("org.freedesktop.systemd1.UnitExists")
    }

    fn is_no_such_unit(&self) -> bool {
        self.is("org.freedesktop.systemd1.NoSuchUnit")
    }
}
