//! systemd as the cgroup manager: transient units over D-Bus.
//!
//! The client is our own: the crates that speak D-Bus start threads before the
//! container's process is cloned, or need a C library.

mod unit;

pub use unit::Unit;

/// What systemd, or the way to it, got wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// systemd is not the service manager here.
    #[error("the host was not booted with systemd")]
    NotBooted,
}
