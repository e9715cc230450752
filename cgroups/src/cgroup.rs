//! A container's cgroup, and what it was recorded as.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::dir::Dir;
use crate::error::Error;
use crate::host::Layout;
use crate::plan::{Group, ManagerKind, Plan};
use crate::systemd::Unit;
use crate::walk;

/// One directory of a cgroup, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The controllers of a version 1 hierarchy; empty on version 2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<String>,
    /// Where the hierarchy is mounted.
    pub mount_point: PathBuf,
    /// The absolute path of the directory.
    pub path: PathBuf,
    /// Whether the hierarchy is of version 2.
    pub unified: bool,
}

impl Member {
    pub(crate) fn of(group: &Group) -> Member {
        Member {
            controllers: group.controllers.clone(),
            mount_point: group.mount_point.clone(),
            path: group.path(),
            unified: group.unified,
        }
    }

    pub(crate) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }
}

/// What has to be kept of a cgroup between two runs of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Who made the cgroup.
    pub manager: ManagerKind,
    /// Which hierarchies the host had.
    pub layout: Layout,
    /// The directories; none when the container has no cgroup of its own.
    pub members: Vec<Member>,
    /// The unit, with the systemd manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Whether an ordinary user made it.
    #[serde(default)]
    pub rootless: bool,
}

/// A container's cgroup: one directory on version 2, one in each hierarchy on version 1.
#[derive(Debug)]
pub struct Cgroup {
    pub(crate) record: Record,
    /// What [`Cgroup::attach_unit`] has still to do.
    pub(crate) pending: Option<Box<Plan>>,
    /// Whether the tasks limit leaves no room for a clone into the cgroup.
    pub(crate) no_room: bool,
    /// The version 2 directory, open since it was made, for the first [`Cgroup::entry`].
    pub(crate) opened: Mutex<Option<Dir>>,
}

impl Cgroup {
    pub(crate) fn new(plan: &Plan, members: Vec<Member>, opened: Option<Dir>) -> Cgroup {
        let record = Record {
            manager: plan.manager,
            layout: plan.layout,
            members,
            unit: plan.unit.clone(),
            rootless: plan.rootless,
        };
        let no_room = plan
            .writes()
            .any(|write| write.file == "pids.max" && write.value == "0");
        let pending = plan.unit.is_some().then(|| Box::new(plan.clone()));
        Cgroup {
            record,
            pending,
            no_room,
            opened: Mutex::new(opened),
        }
    }

    /// The cgroup of a record. Touches nothing.
    pub fn open(record: &Record) -> Cgroup {
        Cgroup {
            record: record.clone(),
            pending: None,
            no_room: false,
            opened: Mutex::default(),
        }
    }

    /// What to keep, to get this cgroup again with [`Cgroup::open`].
    pub fn record(&self) -> Record {
        self.record.clone()
    }

    /// The absolute paths of the directories.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.record
            .members
            .iter()
            .map(|member| member.path.as_path())
    }

    /// Whether any of its directories is there.
    pub fn exists(&self) -> bool {
        self.record
            .members
            .iter()
            .any(|member| member.path.is_dir())
    }

    /// The directory with a controller: on version 2 the only one.
    pub(crate) fn member(&self, controller: &str) -> Option<&Member> {
        self.record
            .members
            .iter()
            .find(|member| match self.record.layout {
                Layout::V2 => member.unified,
                _ => member.has(controller),
            })
    }

    /// The directory that lists the processes.
    pub(crate) fn listing(&self) -> Option<&Member> {
        ["freezer", "pids", "devices", "memory"]
            .iter()
            .find_map(|controller| self.member(controller))
            .or(self.record.members.first())
    }

    /// The processes in it and in cgroups below it, as ids in the caller's PID
    /// namespace. None when it is gone.
    ///
    /// # Errors
    /// When the cgroup cannot be read.
    pub fn pids(&self) -> Result<Vec<i32>, Error> {
        let Some(member) = self.listing() else {
            return Ok(Vec::new());
        };
        match Dir::open(&member.path) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(Vec::new()),
            opened => walk::pids(opened?),
        }
    }

    /// Whether no process is in it or below it.
    ///
    /// # Errors
    /// When the cgroup cannot be read.
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.pids()?.is_empty())
    }
}
