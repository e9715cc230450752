//! Stopping and continuing all processes of a cgroup.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cgroup::{Cgroup, Member};
use crate::dir::Dir;
use crate::error::Error;
use crate::wait::{self, Deadline};

/// How long the kernel may take to stop every process.
const LIMIT: Duration = Duration::from_secs(10);

/// Whether the processes of a cgroup run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FreezerState {
    /// There is no freezer, or no cgroup.
    Undefined,
    /// They run.
    Thawed,
    /// They are stopped, or about to be.
    Frozen,
}

impl Cgroup {
    /// Stops every process and waits until they all have stopped.
    ///
    /// # Errors
    /// [`Error::NoCgroup`] without a freezer; [`Error::TimedOut`] when a process
    /// could not be stopped: the cgroup is thawed again then.
    pub fn freeze(&self) -> Result<(), Error> {
        let (member, dir) = self.freezer("pause")?;
        let result = match member.unified {
            true => freeze_v2(&dir),
            false => freeze_v1(&dir),
        };
        if result.is_err() {
            // The error that led here is the one to report.
            let _ = thaw(member, &dir);
        }
        result
    }

    /// Lets every process run again.
    ///
    /// # Errors
    /// [`Error::NoCgroup`] without a freezer.
    pub fn thaw(&self) -> Result<(), Error> {
        let (member, dir) = self.freezer("resume")?;
        thaw(member, &dir)
    }

    /// Whether the processes run.
    ///
    /// # Errors
    /// When the cgroup is there but cannot be read.
    pub fn freezer_state(&self) -> Result<FreezerState, Error> {
        let Some(member) = self.member("freezer") else {
            return Ok(FreezerState::Undefined);
        };
        let file = if member.unified {
            "cgroup.freeze"
        } else {
            "freezer.state"
        };
        let text = Dir::by_path(&member.path).read_if_present(file)?;
        Ok(match text.as_deref().map(str::trim) {
            None => FreezerState::Undefined,
            Some("0" | "THAWED") => FreezerState::Thawed,
            Some(_) => FreezerState::Frozen,
        })
    }

    fn freezer(&self, verb: &'static str) -> Result<(&Member, Dir), Error> {
        let none = Error::NoCgroup {
            verb,
            controller: "freezer",
        };
        let member = self.member("freezer").ok_or(none)?;
        Ok((member, Dir::open(&member.path)?))
    }
}

fn write(dir: &Dir, file: &str, value: &str) -> Result<(), Error> {
    dir.write(file, value)
        .map_err(|errno| Error::io("write", dir.path().join(file), errno))
}

fn thaw(member: &Member, dir: &Dir) -> Result<(), Error> {
    match member.unified {
        true => write(dir, "cgroup.freeze", "0"),
        false => write(dir, "freezer.state", "THAWED"),
    }
}

fn freeze_v2(dir: &Dir) -> Result<(), Error> {
    write(dir, "cgroup.freeze", "1")?;
    let deadline = Deadline::after(LIMIT);
    match wait::event(dir, "frozen", "1", deadline)? {
        true => Ok(()),
        false => Err(deadline.error(format!("freeze {}", dir.path().display()))),
    }
}

/// The version 1 freezer tells nobody when it is done, and a process that forks
/// while it works can keep it from ever being so; writing the state again takes
/// the new process along. The pauses here are the one wait without an event.
fn freeze_v1(dir: &Dir) -> Result<(), Error> {
    let deadline = Deadline::after(LIMIT);
    let mut pause = Duration::from_micros(50);
    loop {
        write(dir, "freezer.state", "FROZEN")?;
        // Asking makes the kernel look whether all have stopped.
        if dir.read("freezer.state")?.trim() == "FROZEN" {
            return Ok(());
        }
        if deadline.passed() {
            return Err(deadline.error(format!("freeze {}", dir.path().display())));
        }
        Deadline::pause(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}
