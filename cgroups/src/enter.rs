//! Getting a process into a cgroup.
//!
//! Nothing here writes the id of another process to `cgroup.procs`: the kernel
//! then waits for an RCU grace period, 5 to 12 ms. A process is cloned into a
//! version 2 cgroup (`CLONE_INTO_CGROUP`), and moves itself on version 1, by
//! writing `0` to `tasks` while it is single-threaded; both take microseconds.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use nix::errno::Errno;

use crate::cgroup::{Cgroup, Member};
use crate::dir::{self, Dir};
use crate::error::Error;
use crate::host::{Layout, own_cgroups};
use crate::path;
use crate::systemd::Unit;

/// What a child needs to get into a cgroup. All descriptors are close-on-exec.
#[derive(Debug, Default)]
pub struct Entry {
    /// The directory for clone3(2)'s `CLONE_INTO_CGROUP`.
    pub into: Option<OwnedFd>,
    /// The child writes `0` to each of these, before it starts a thread.
    pub writes: Vec<OwnedFd>,
    /// What making the cgroup has left open. Nobody needs it any more: with the others it can be
    /// closed in one call.
    pub used: Vec<OwnedFd>,
}

impl Entry {
    fn add(&mut self, path: &Path, unified: bool, by_write: bool) -> Result<(), Error> {
        if unified && !by_write {
            let dir = Dir::open(path).map_err(|error| joining(path, error))?;
            (self.into, self.used) = dir.into_parts();
            return Ok(());
        }
        let file = path.join(if unified { "cgroup.procs" } else { "tasks" });
        match dir::open_for_writing(&file) {
            Ok(fd) => self.writes.push(fd),
            Err(errno) => return Err(joining(path, Error::io("openat", file, errno))),
        }
        Ok(())
    }
}

fn joining(path: &Path, error: Error) -> Error {
    match error.errno() {
        Some(errno) => Error::Join {
            path: path.to_owned(),
            errno,
        },
        None => error,
    }
}

impl Cgroup {
    /// What the container's first process, or one that joins it, needs to get in.
    ///
    /// With the systemd manager and before [`Cgroup::attach_unit`] this leaves out
    /// what systemd makes.
    ///
    /// # Errors
    /// When a directory or file of the cgroup cannot be opened.
    pub fn entry(&self) -> Result<Entry, Error> {
        self.entry_of(self.no_room)
    }

    /// The same without a descriptor for clone3(2): for a kernel before 5.7 (`E2BIG`,
    /// `EINVAL` or `ENOSYS`), and for a cgroup at its limit of tasks, where clone3(2) says
    /// `EAGAIN`; moving in is allowed all the same. Costs a grace period on version 2.
    ///
    /// # Errors
    /// As [`Cgroup::entry`].
    pub fn entry_by_write(&self) -> Result<Entry, Error> {
        self.entry_of(true)
    }

    fn entry_of(&self, by_write: bool) -> Result<Entry, Error> {
        let mut entry = Entry::default();
        for member in &self.record.members {
            if self.pending.is_some() && self.is_systemds(member) {
                continue;
            }
            if member.unified && !by_write {
                let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(dir) = opened.take() {
                    (entry.into, entry.used) = dir.into_parts();
                    continue;
                }
            }
            entry.add(&member.path, member.unified, by_write)?;
        }
        Ok(entry)
    }

    pub(crate) fn is_systemds(&self, member: &Member) -> bool {
        self.record.unit.is_some() && (member.unified || member.has("name=systemd"))
    }

    /// What a process needs to get into cgroups inside the container's (`exec --cgroup`).
    ///
    /// Each value is `PATH`, for every hierarchy, or `CONTROLLER[,CONTROLLER…]:PATH` on
    /// version 1; hierarchies that are not named get the container's own cgroup.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad value; when there is no such cgroup.
    pub fn sub_entry<S: AsRef<str>>(&self, values: &[S]) -> Result<Entry, Error> {
        self.sub_entry_of(values, self.no_room)
    }

    /// What [`Cgroup::sub_entry`] gives, when clone3(2) has failed with `errno`: as
    /// [`Cgroup::entry_by_write`] does.
    ///
    /// # Errors
    /// [`Error::Join`] where writing could not do either (`EBUSY`: controllers are handed on
    /// from there); as [`Cgroup::sub_entry`].
    pub fn sub_entry_after<S: AsRef<str>>(
        &self,
        values: &[S],
        errno: Errno,
    ) -> Result<Entry, Error> {
        let place = self.member("").filter(|member| member.unified);
        match (errno, place) {
            (Errno::EBUSY, Some(member)) => {
                let places = SubCgroups::parse(values)?;
                let below = places.0.first().map_or("", |(_, path)| path);
                Err(Error::Join {
                    path: member.path.join(below),
                    errno,
                })
            }
            _ => self.sub_entry_of(values, true),
        }
    }

    fn sub_entry_of<S: AsRef<str>>(&self, values: &[S], by_write: bool) -> Result<Entry, Error> {
        let places = SubCgroups::parse(values)?;
        let mut entry = Entry::default();
        let mut used = vec![false; places.0.len()];
        for member in &self.record.members {
            let named = places
                .0
                .iter()
                .position(|(controller, _)| controller.is_empty() || member.has(controller));
            let below = named
                .and_then(|at| places.0.get(at))
                .map_or("", |(_, path)| path);
            if let Some(flag) = named.and_then(|at| used.get_mut(at)) {
                *flag = true;
            }
            entry.add(&member.path.join(below), member.unified, by_write)?;
        }
        let unused = used
            .iter()
            .position(|used| !used)
            .and_then(|at| places.0.get(at));
        match unused {
            Some((controller, _)) if !self.record.members.is_empty() => {
                Err(Error::UnknownController {
                    controller: controller.clone(),
                })
            }
            _ => Ok(entry),
        }
    }

    /// What a process needs to get into the cgroup where process `pid` of the
    /// container is: an init that runs cgroups of its own leaves the container's
    /// cgroup without processes, and the kernel then lets none in (`EBUSY`).
    ///
    /// A process that is not inside counts as one in the container's cgroup itself.
    ///
    /// # Errors
    /// When that process is gone, or as [`Cgroup::entry`].
    pub fn entry_beside(&self, pid: i32) -> Result<Entry, Error> {
        let Some((member, below)) = self.place_of(pid)? else {
            return self.entry();
        };
        let path = member.path.join(below);
        let mut entry = Entry::default();
        match entry.add(&path, true, false) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => self.entry(),
            Err(error) => Err(error),
            Ok(()) => Ok(entry),
        }
    }

    /// Version 2: where below the container's cgroup a process is; `None` where it is not inside.
    fn place_of(&self, pid: i32) -> Result<Option<(&Member, PathBuf)>, Error> {
        let file = PathBuf::from(format!("/proc/{pid}/cgroup"));
        let text = fs::read_to_string(&file)
            .map_err(|error| Error::io("read", &file, crate::error::errno_of(&error)))?;
        let unified = self.member("").filter(|member| member.unified);
        let Some(member) = unified.filter(|_| self.record.layout == Layout::V2) else {
            return Ok(None);
        };
        let own = own_cgroups(&text)
            .into_iter()
            .find(|own| own.controllers.is_empty());
        let own = own.map(|own| own.path).unwrap_or_default();
        let relative = member
            .path
            .strip_prefix(&member.mount_point)
            .unwrap_or(&member.path);
        let below = Path::new(own.trim_start_matches('/')).strip_prefix(relative);
        Ok(below.ok().map(|below| (member, below.to_owned())))
    }

    /// Whether systemd must be asked to move a process in, where the kernel does not let this
    /// caller (`EACCES`): a user's own cgroups are entered from outside of the user's session,
    /// where another user's cgroup is above both.
    pub fn is_attachable(&self) -> bool {
        self.record.unit.as_ref().is_some_and(Unit::is_user)
    }

    /// Lets the user's systemd move process `pid` into the container's cgroup, or the one
    /// below it that `values` name as for [`Cgroup::sub_entry`]. Where that takes no process, it
    /// goes where process `beside` is.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad value; [`Error::Systemd`].
    pub fn attach<S: AsRef<str>>(&self, pid: i32, values: &[S], beside: i32) -> Result<(), Error> {
        let places = SubCgroups::parse(values)?;
        if let Some((_, path)) = places.0.first() {
            return self.attach_to_unit(pid, Path::new(path));
        }
        let first = self.attach_to_unit(pid, Path::new(""));
        match (&first, self.place_of(beside)) {
            (Err(_), Ok(Some((_, below)))) if below != Path::new("") => {
                self.attach_to_unit(pid, &below)
            }
            _ => first,
        }
    }
}

/// The values of `exec --cgroup`: controller (or nothing) and path. Pure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubCgroups(Vec<(String, String)>);

impl SubCgroups {
    /// Parses the values.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn parse<S: AsRef<str>>(values: &[S]) -> Result<SubCgroups, Error> {
        const OPTION: &str = "--cgroup";
        let mut places: Vec<(String, String)> = Vec::new();
        for value in values.iter().map(AsRef::as_ref) {
            let Some((controllers, path)) = value.split_once(':') else {
                if values.len() != 1 {
                    let allowed = "needs CONTROLLER: in front when the option is given twice";
                    return Err(Error::invalid(OPTION, value, allowed));
                }
                places.push((String::new(), path::inside(OPTION, value)?));
                continue;
            };
            for controller in controllers.split(',') {
                path::component(OPTION, controller)?;
                if places.iter().any(|(seen, _)| seen == controller) {
                    return Err(Error::invalid(OPTION, value, "names a controller twice"));
                }
                places.push((controller.to_owned(), path::inside(OPTION, path)?));
            }
        }
        Ok(SubCgroups(places))
    }
}
