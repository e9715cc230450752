//! Making a cgroup and writing its limits, before anything is inside.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::AccessFlags;

use crate::cgroup::{Cgroup, Member};
use crate::delegate;
use crate::devices::bpf;
use crate::dir::{self, Dir};
use crate::error::Error;
use crate::host::{Layout, own_cgroups};
use crate::limits::{Refused, Write};
use crate::plan::{Group, ManagerKind, Plan};
use crate::subtree;
use crate::walk;

/// What [`Made::directory`] made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum New {
    /// The directory is there already.
    Nothing,
    /// The directory; the one above it was there.
    Directory,
    /// The directory and the one above it.
    WithWhatIsAbove,
}

/// The directories made so far. Dropped before [`Made::keep`], it removes them again.
#[derive(Debug, Default)]
pub(crate) struct Made(Vec<PathBuf>);

impl Made {
    /// Makes a directory and what is missing above it, below the mount point.
    /// Says what is new.
    pub(crate) fn directory(&mut self, group: &Group) -> Result<New, Error> {
        let path = group.path();
        match dir::mkdir(&path) {
            Ok(()) => {
                self.0.push(path);
                return Ok(New::Directory);
            }
            Err(Errno::EEXIST) => return Ok(New::Nothing),
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(Error::io("mkdir", path, errno)),
        }
        let mut current = group.mount_point.clone();
        let mut new = New::Nothing;
        for part in group.relative.split('/') {
            current.push(part);
            new = match dir::mkdir(&current) {
                Ok(()) => {
                    self.0.push(current.clone());
                    match new {
                        New::Nothing => New::Directory,
                        _ => New::WithWhatIsAbove,
                    }
                }
                Err(Errno::EEXIST) => New::Nothing,
                Err(errno) => return Err(Error::io("mkdir", current, errno)),
            };
        }
        Ok(new)
    }

    /// Leaves the directories where they are.
    pub(crate) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            // The error that led here is the one to report.
            let _ = dir::rmdir(path);
        }
    }
}

/// Whether an ordinary user may make the cgroup and move a process of its own there from its
/// present one: the kernel wants that the user may write to `cgroup.procs` of the nearest cgroup
/// above both (cgroups(7), "Cgroups delegation").
fn may_enter(group: &Group) -> bool {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own_cgroups(&own)
        .into_iter()
        .find(|own| own.controllers.is_empty())
        .map(|own| own.path)
        .unwrap_or_default();
    let parts = own.trim_start_matches('/').split('/');
    let shared = parts
        .zip(group.relative.split('/'))
        .take_while(|(own, wanted)| own == wanted);
    let mut above = group.mount_point.clone();
    above.extend(shared.map(|(part, _)| part));
    let may_write = |path: &Path| nix::unistd::access(path, AccessFlags::W_OK).is_ok();
    let exists = group
        .path()
        .ancestors()
        .find(|path| path.exists())
        .map(Path::to_owned);
    may_write(&above.join("cgroup.procs")) && exists.is_some_and(|path| may_write(&path))
}

impl Plan {
    /// Makes the directories, and writes the limits and the device rules. With
    /// the systemd manager what systemd makes follows in [`Cgroup::attach_unit`].
    ///
    /// # Errors
    /// Nothing that was made stays behind. [`Error::NotEmpty`] and
    /// [`Error::Frozen`] for a cgroup that is there already and in use.
    pub fn create(&self) -> Result<Cgroup, Error> {
        let mut made = Made::default();
        let mut members = Vec::new();
        let mut opened = None;
        for group in &self.groups {
            if group.by_systemd {
                refuse_used_unit(group)?;
                members.push(Member::of(group));
                continue;
            }
            if self.rootless && self.is_beside(group) && !may_enter(group) {
                continue;
            }
            match self.create_group(group, &mut made) {
                Ok(dir) => {
                    opened = opened.or(dir);
                    members.push(Member::of(group));
                }
                Err(error) if self.optional && error.is_permission() => {
                    if let Some(write) = group.writes.first() {
                        return Err(Error::NoController {
                            field: write.field.to_string(),
                            controller: write.controller.to_string(),
                            reason: "rootless needs no limits + no cgrouppath when no permission is \
                                     granted for cgroups",
                        });
                    }
                }
                Err(error) => return Err(error),
            }
        }
        made.keep();
        Ok(Cgroup::new(self, members, opened))
    }

    /// Whether the hierarchy of version 2 lies beside those of version 1 and limits nothing.
    fn is_beside(&self, group: &Group) -> bool {
        group.unified && self.layout != Layout::V2 && group.writes.is_empty()
    }

    /// Makes one directory; on version 2 returns it, for a process to be cloned into.
    fn create_group(&self, group: &Group, made: &mut Made) -> Result<Option<Dir>, Error> {
        let path = group.path();
        let new = made.directory(group)?;
        let fresh = new != New::Nothing;
        if !fresh {
            refuse_used(&path, group)?;
        }
        let main = group.unified && self.layout == Layout::V2;
        let rules = self.devices.as_ref().filter(|_| group.has("devices"));
        let cpuset = group.has("cpuset");
        if group.writes.is_empty() && rules.is_none() && !main && !cpuset {
            return Ok(None);
        }
        let dir = match main {
            true => Dir::open(&path)?,
            false => Dir::by_path(&path),
        };
        if cpuset {
            subtree::inherit_cpuset(group, &dir)?;
        }
        if main {
            let in_use = new == New::Directory;
            subtree::enable(&group.mount_point, &dir, &group.writes, in_use)?;
        }
        write_all(&dir, &group.writes)?;
        if let Some(list) = rules {
            match write_devices(&dir, &list.v1_writes(None)) {
                Err(error) if !(self.rootless && error.is_permission()) => return Err(error),
                _ => {}
            }
        }
        if main {
            self.finish_unified(&dir, fresh)?;
            return Ok(Some(dir));
        }
        Ok(None)
    }

    /// Version 2: device program and owner. A fresh cgroup has no program yet.
    pub(crate) fn finish_unified(&self, dir: &Dir, fresh: bool) -> Result<(), Error> {
        if let Some(list) = &self.devices {
            let put = if fresh { bpf::install } else { bpf::replace };
            match put(dir, list) {
                // A user without privileges cannot load it; the kernel keeps
                // them from making device nodes anyway.
                Err(error) if !(self.rootless && error.is_permission()) => return Err(error),
                _ => {}
            }
        }
        match self.owner_uid {
            Some(uid) => delegate::chown(dir, uid),
            None => Ok(()),
        }
    }

    /// Who makes the cgroup.
    pub fn manager(&self) -> ManagerKind {
        self.manager
    }
}

/// An existing cgroup may be used, but not one that is in use: processes would
/// come under limits that are not theirs, or the container into a frozen cgroup.
fn refuse_used(path: &Path, group: &Group) -> Result<(), Error> {
    let dir = Dir::open(path)?;
    let frozen = match group.unified {
        true => dir
            .read_if_present("cgroup.freeze")?
            .is_some_and(|text| text.trim() == "1"),
        false if group.has("freezer") => dir.read("freezer.state")?.trim() != "THAWED",
        false => false,
    };
    if frozen {
        return Err(Error::Frozen {
            path: path.to_owned(),
        });
    }
    match walk::pids(dir)?.len() {
        0 => Ok(()),
        processes => Err(Error::NotEmpty {
            path: path.to_owned(),
            processes,
        }),
    }
}

/// The same for what systemd will make. Once it has moved the process there, it is too late.
fn refuse_used_unit(group: &Group) -> Result<(), Error> {
    match refuse_used(&group.path(), group) {
        Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::ENODEV)) => Ok(()),
        result => result,
    }
}

/// Writes limits in order.
pub(crate) fn write_all(dir: &Dir, writes: &[Write]) -> Result<(), Error> {
    let mut rest = writes;
    while let Some(first) = rest.first() {
        let same = rest
            .iter()
            .take_while(|write| write.controller == first.controller)
            .count();
        let (now, later) = rest.split_at(same);
        write_controller(dir, now)?;
        rest = later;
    }
    Ok(())
}

fn write_controller(dir: &Dir, writes: &[Write]) -> Result<(), Error> {
    let mut again = Vec::new();
    for write in writes {
        let refused = |errno| Error::Write {
            field: write.field.to_string(),
            path: dir.path().join(&*write.file),
            value: write.value.clone(),
            errno,
        };
        match (dir.write(&write.file, &write.value), &write.refused) {
            (Ok(()), _) | (Err(Errno::ENOENT), Refused::SkipIfAbsent) => {}
            (Err(Errno::EINVAL | Errno::EBUSY), Refused::Again) => again.push((write, refused)),
            (Err(Errno::ENOENT), Refused::Instead { file, value }) => {
                dir.write(file, value).map_err(|errno| Error::Write {
                    field: write.field.to_string(),
                    path: dir.path().join(&**file),
                    value: value.clone(),
                    errno,
                })?;
            }
            (Err(Errno::ENOENT), _) if dir.try_read("cgroup.controllers").is_ok() => {
                return Err(missing(dir, write));
            }
            (Err(errno), _) => return Err(refused(errno)),
        }
    }
    for (write, refused) in again {
        dir.write(&write.file, &write.value).map_err(refused)?;
    }
    Ok(())
}

/// Tells a controller that is not enabled from a file that the kernel lacks.
fn missing(dir: &Dir, write: &Write) -> Error {
    let enabled = dir.try_read("cgroup.controllers").unwrap_or_default();
    let known = write.controller == "cgroup"
        || enabled
            .split_whitespace()
            .any(|name| name == write.controller);
    if known {
        let (path, value) = (dir.path().join(&*write.file), write.value.clone());
        return Error::Write {
            field: write.field.to_string(),
            path,
            value,
            errno: Errno::ENOENT,
        };
    }
    Error::NoController {
        field: write.field.to_string(),
        controller: write.controller.to_string(),
        reason: "it is not enabled in the parent cgroup",
    }
}

/// Writes device rules; each file is opened once.
pub(crate) fn write_devices(dir: &Dir, writes: &[(&'static str, String)]) -> Result<(), Error> {
    let mut rest = writes;
    while let Some((file, _)) = rest.first() {
        let failed = |value: &str, errno| Error::Write {
            field: "linux.resources.devices".to_owned(),
            path: dir.path().join(file),
            value: value.to_owned(),
            errno,
        };
        let fd = dir
            .file(file, OFlag::O_WRONLY)
            .map_err(|errno| failed("", errno))?;
        let same = rest.iter().take_while(|(name, _)| name == file).count();
        let (now, later) = rest.split_at(same);
        for (_, value) in now {
            dir::write_all(fd.as_fd(), value).map_err(|errno| failed(value, errno))?;
        }
        rest = later;
    }
    Ok(())
}
