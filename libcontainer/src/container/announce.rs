//! What others are told of a process that is ready, before its program starts.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};

use oci_spec::runtime::Spec;

use super::options::ProcessOptions;
use super::outputs::PidFile;
use crate::error::Result;
use crate::launch::pidfd_socket::Origin;
use crate::launch::{Child, pidfd_socket, seccomp_agent};

/// Sends the pidfd.
pub(super) fn announce(child: &Child, origin: Origin, options: &ProcessOptions) -> Result<()> {
    match &options.pidfd_socket {
        Some(path) => pidfd_socket::send(path, origin, child.pidfd.as_fd()),
        None => Ok(()),
    }
}

/// Writes the pid file at once.
pub(super) fn write_pid_file(child: &Child, options: &ProcessOptions) -> Result<()> {
    match &options.pid_file {
        Some(path) => PidFile::prepare(path)?.publish(child.pid),
        None => Ok(()),
    }
}

/// Hands the seccomp agent its listener. `state` is what it is told of the container
/// (config-linux.md, "The Container Process State").
pub(super) fn listener(
    listener: OwnedFd,
    child: &Child,
    spec: &Spec,
    state: impl FnOnce() -> Result<Vec<u8>>,
) -> Result<()> {
    let linux = spec.linux().as_ref();
    match linux.and_then(|linux| linux.seccomp().as_ref()) {
        Some(profile) => seccomp_agent::send(listener, profile, child.pid, &state()?),
        None => Ok(()),
    }
}
