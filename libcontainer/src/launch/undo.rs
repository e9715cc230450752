//! An error leaves no trace: what an unfinished container has is taken away again.

#![forbid(unsafe_code)]

use std::os::fd::AsFd;
use std::path::PathBuf;

use cgroups::Cgroup;

use super::birth::Child;
use super::net_devices::Moved;
use super::wait::{send_signal, wait};
use super::{hooks, resctrl};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Hook;
use crate::store::Directory;

/// What exists so far. Dropped, it is removed in the opposite order of its making; an error on the
/// way does not stop that, since the caller is to hear of the first one.
#[derive(Debug, Default)]
pub(crate) struct Undo {
    pub(crate) directory: Option<Directory>,
    pub(crate) cgroup: Option<Cgroup>,
    pub(crate) intel_rdt: Option<resctrl::Record>,
    pub(crate) child: Option<Child>,
    pub(crate) net_devices: Option<Moved>,
    pub(crate) poststop: Option<Poststop>,
}

/// What ends the lifecycle of a container whose making failed after its process existed, since
/// earlier hooks may have made what these take away (runtime.md, "Lifecycle", steps 5 to 13).
#[derive(Debug)]
pub(crate) struct Poststop {
    pub(crate) hooks: Vec<Hook>,
    /// What they read.
    pub(crate) state: Vec<u8>,
    pub(crate) bundle: PathBuf,
}

impl Undo {
    /// The process is whole: all stays.
    pub(crate) fn keep(mut self) -> Result<(Option<Directory>, Child)> {
        self.cgroup = None;
        self.intel_rdt = None;
        self.poststop = None;
        self.net_devices = None;
        let child = self
            .child
            .take()
            .ok_or_else(|| Error::new(ErrorKind::System, "no process"))?;
        Ok((self.directory.take(), child))
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        // The kernel deletes most kinds with the namespace.
        if let Some(moved) = self.net_devices.take() {
            drop(moved.return_all());
        }
        if let Some(child) = self.child.take() {
            let _ = send_signal(child.pidfd.as_fd(), libc::SIGKILL);
            let _ = wait(child.pidfd.as_fd());
        }
        if let Some(cgroup) = self.cgroup.take() {
            // Hooks may have left processes there.
            let _ = cgroup.kill(libc::SIGKILL);
            let _ = cgroup.remove();
        }
        if let Some(group) = self.intel_rdt.take() {
            let _ = resctrl::remove(&group);
        }
        if let Some(directory) = self.directory.take() {
            let _ = directory.remove();
        }
        if let Some(Poststop {
            hooks,
            state,
            bundle,
        }) = self.poststop.take()
        {
            let _ = hooks::run_all_warn(&hooks, "poststop", &state, &bundle);
        }
    }
}
