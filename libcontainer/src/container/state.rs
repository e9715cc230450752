//! What a container is doing.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::Container;
use crate::error::{Error, Result};
use crate::procfs::Proc;
use crate::store::{StartFifo, is_creating};
use crate::sys;

/// Where a container is in its life (runtime.md, "State").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being made.
    Creating,
    /// Made; the program has not been started.
    Created,
    /// The program runs.
    Running,
    /// Frozen.
    Paused,
    /// The program has ended.
    Stopped,
}

impl Status {
    /// The word that the specification has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What `state` and `list` tell; serialises as runc's JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Version of the specification that the container follows.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// Number of its first process, 0 when stopped.
    pub pid: i32,
    /// Where it is in its life.
    pub status: Status,
    /// Its bundle.
    pub bundle: PathBuf,
    /// Its root file system.
    pub rootfs: PathBuf,
    /// When it was made, RFC 3339 in UTC.
    pub created: String,
    /// The configuration's annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Name of the user who made it, or nothing where that has no name.
    pub owner: String,
}

impl Container {
    /// What it is doing now.
    pub fn state(&self) -> Result<State> {
        let status = self.status()?;
        let record = &self.record;
        Ok(State {
            oci_version: record.oci_version.clone(),
            id: record.id.clone(),
            pid: if status == Status::Stopped {
                0
            } else {
                record.init_process_pid
            },
            status,
            bundle: record.bundle.clone(),
            rootfs: record.rootfs.clone(),
            created: record.created.clone(),
            annotations: record.annotations.clone(),
            owner: owner(record.owner),
        })
    }

    /// Where it is in its life now.
    pub fn status(&self) -> Result<Status> {
        if self.ended.load(Ordering::Relaxed) {
            return Ok(Status::Stopped);
        }
        if self.proc.start_time(self.record.init_process_pid)
            != Some(self.record.init_process_start)
        {
            return Ok(Status::Stopped);
        }
        if self.creating && is_creating(&self.directory) {
            return Ok(Status::Creating);
        }
        if self.is_frozen() {
            return Ok(Status::Paused);
        }
        Ok(match StartFifo::is_there(&*self.directory) {
            true => Status::Created,
            false => Status::Running,
        })
    }

    pub(crate) fn is_frozen(&self) -> bool {
        let state = self.cgroup().freezer_state();
        matches!(state, Ok(cgroups::FreezerState::Frozen))
    }

    /// The first process, unless it has ended. The number is checked after the descriptor was
    /// opened, so that it cannot be another process's by then.
    pub(crate) fn first_process(&self) -> Result<Option<OwnedFd>> {
        process(
            &self.proc,
            self.record.init_process_pid,
            self.record.init_process_start,
        )
    }
}

fn process(proc: &Proc, pid: i32, start_time: u64) -> Result<Option<OwnedFd>> {
    let pidfd = match sys::process::pidfd_open(pid) {
        Ok(pidfd) => pidfd,
        Err(fault) if fault.errno == libc::ESRCH => return Ok(None),
        Err(fault) => return Err(Error::fault(format!("process {pid}"), fault)),
    };
    Ok((proc.start_time(pid) == Some(start_time)).then_some(pidfd))
}

/// The user's name in the host's own `/etc/passwd`: a static program has no other name service.
fn owner(uid: u32) -> String {
    if uid == 0 {
        return "root".to_owned();
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let uid = uid.to_string();
    users
        .lines()
        .map(|line| line.split(':'))
        .find_map(|mut fields| {
            let name = fields.next()?;
            (fields.nth(1)? == uid).then(|| name.to_owned())
        })
        .unwrap_or_default()
}
