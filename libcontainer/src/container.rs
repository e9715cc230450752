//! Containers: one verb a file.

#![forbid(unsafe_code)]

mod announce;
mod create;
mod delete;
mod exec;
mod freezer;
mod hook_state;
mod kill;
mod list;
mod make;
mod options;
mod outputs;
mod parent;
mod prepare;
mod process;
mod resources;
mod start;
mod state;
mod terminal;
mod warnings;

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cgroups::Cgroup;
use nix::poll::PollTimeout;

pub use crate::plan::ExecChanges;
pub use create::{Create, ManagerKind};
pub use exec::{Exec, ExecProcess};
pub use options::{ProcessOptions, Terminal};
pub use process::Process;
pub use state::{State, Status};
pub(crate) use warnings::Warnings;

pub use crate::launch::wait::Exit;

use crate::error::{Result, cgroup_error};
use crate::launch::wait;
use crate::procfs::Proc;
use crate::store::{self, Config, Directory, Record};

/// A container that exists.
#[derive(Debug)]
pub struct Container {
    /// Its state directory, open.
    directory: Arc<File>,
    /// Where that is.
    path: PathBuf,
    record: Record,
    config: Config,
    /// Whether it was being created when the record was read.
    creating: bool,
    proc: Proc,
    warnings: Vec<String>,
    /// The first process, where this program has made it: it stays reachable after its end.
    child: Option<Arc<OwnedFd>>,
    /// Whether its end was waited for.
    ended: Arc<AtomicBool>,
}

impl Container {
    /// The container `id` with its state below `root`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] with the text "container does not exist".
    pub fn load(root: &Path, id: &str) -> Result<Self> {
        let stored = store::read(root, id)?;
        let proc = Proc::open()?;
        Ok(Self {
            directory: Arc::new(stored.directory),
            path: root.join(id),
            record: stored.record,
            config: stored.config,
            creating: stored.creating,
            proc,
            warnings: Vec::new(),
            child: None,
            ended: Arc::default(),
        })
    }

    pub(super) fn new(
        directory: Directory,
        (record, config): (Record, Config),
        proc: Proc,
        warnings: Vec<String>,
        child: Arc<OwnedFd>,
    ) -> Result<Self> {
        let path = directory.path().to_owned();
        Ok(Self {
            directory: directory.into_unlocked()?,
            path,
            record,
            config,
            creating: false,
            proc,
            warnings,
            child: Some(child),
            ended: Arc::default(),
        })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// What its making left out or did with less effect than the configuration asks.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Waits for the end of its first process. The status is there only where that is this
    /// program's child, and once.
    pub fn wait(&self) -> Result<Option<Exit>> {
        let first = match &self.child {
            Some(child) => Arc::clone(child),
            None => match self.first_process()? {
                Some(first) => Arc::new(first),
                None => return Ok(None),
            },
        };
        wait::wait_for_end(first.as_fd(), PollTimeout::NONE)?;
        Ok(wait::wait(first.as_fd()).ok())
    }

    /// Its cgroup.
    fn cgroup(&self) -> Cgroup {
        Cgroup::open(&self.record.cgroup)
    }

    fn cgroup_error(&self, error: cgroups::Error) -> crate::Error {
        cgroup_error(error).within(format_args!("container {}", self.record.id))
    }

    /// Keeps other operations away until the result is dropped.
    fn lock(&self) -> Result<Directory> {
        Directory::open_at(self.path.clone())
    }
}
