//! What others are told of a process that is ready, before its program starts.

#![forbid(unsafe_code)]

use std::os::fd::AsFd;

use oci_spec::runtime::Spec;

use super::options::ProcessOptions;
use super::outputs;
use crate::error::Result;
use crate::launch::pidfd_socket::Origin;
use crate::launch::{Child, Told, pidfd_socket, seccomp_agent};

/// Hands the seccomp agent its listener, then sends the pidfd and writes the pid file. `state` is
/// what the agent is told of the container (config-linux.md, "The Container Process State").
pub(super) fn announce(
    child: &Child,
    origin: Origin,
    options: &ProcessOptions,
    spec: &Spec,
    told: Told,
    state: impl FnOnce() -> Result<Vec<u8>>,
) -> Result<()> {
    let linux = spec.linux().as_ref();
    let profile = linux.and_then(|linux| linux.seccomp().as_ref());
    if let (Some(listener), Some(profile)) = (told.listener, profile) {
        seccomp_agent::send(listener, profile, child.pid, &state()?)?;
    }
    if let Some(path) = &options.pidfd_socket {
        pidfd_socket::send(path, origin, child.pidfd.as_fd())?;
    }
    if let Some(path) = &options.pid_file {
        outputs::write_pid_file(path, child.pid)?;
    }
    Ok(())
}
