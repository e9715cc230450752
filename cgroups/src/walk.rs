//! Walking a tree of cgroups that may change meanwhile, and may be deep: a
//! container that owns its cgroup can nest cgroups beyond any path length, so
//! the way goes from directory to directory, with one descriptor at a time.

use std::path::Path;

use nix::errno::Errno;

use crate::dir::{self, Dir};
use crate::error::Error;

/// Calls `visit` for a cgroup and every one below it, parents first.
pub(crate) fn each(
    top: Dir,
    visit: &mut dyn FnMut(&Dir) -> Result<(), Error>,
) -> Result<(), Error> {
    visit(&top)?;
    let mut pending = vec![children(&top)?];
    let mut current = top;
    while let Some(level) = pending.last_mut() {
        let Some(name) = level.pop() else {
            pending.pop();
            if !pending.is_empty() {
                current = up(&current)?;
            }
            continue;
        };
        match current.child(&name) {
            Ok(child) => {
                visit(&child)?;
                pending.push(children(&child)?);
                current = child;
            }
            Err(Errno::ENOENT | Errno::ENODEV) => {}
            Err(errno) => return Err(Error::io("openat", current.path().join(name), errno)),
        }
    }
    Ok(())
}

/// Removes a cgroup and those below it, children first. Says whether it is gone;
/// what processes keep from going stays.
pub(crate) fn remove(path: &Path) -> Result<bool, Error> {
    match dir::rmdir(path) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(true),
        Err(Errno::EBUSY) => {}
        Err(errno) => return Err(Error::io("rmdir", path, errno)),
    }
    let mut current = match Dir::open(path) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(true),
        opened => opened?,
    };
    let mut names: Vec<String> = Vec::new();
    let mut pending = vec![children(&current)?];
    while let Some(level) = pending.last_mut() {
        if let Some(name) = level.pop() {
            if gone(current.rmdir(&name), &current, &name)? {
                continue;
            }
            match current.child(&name) {
                Ok(child) => {
                    pending.push(children(&child)?);
                    names.push(name);
                    current = child;
                }
                Err(Errno::ENOENT | Errno::ENODEV) => {}
                Err(errno) => return Err(Error::io("openat", current.path().join(name), errno)),
            }
            continue;
        }
        pending.pop();
        if let Some(name) = names.pop() {
            current = up(&current)?;
            gone(current.rmdir(&name), &current, &name)?;
        }
    }
    gone(dir::rmdir(path), &current, "")
}

fn gone(result: Result<(), Errno>, dir: &Dir, name: &str) -> Result<bool, Error> {
    match result {
        Ok(()) | Err(Errno::ENOENT) => Ok(true),
        Err(Errno::EBUSY | Errno::ENOTEMPTY) => Ok(false),
        Err(errno) => Err(Error::io("rmdir", dir.path().join(name), errno)),
    }
}

/// The processes in a cgroup and below it, as ids in the caller's PID namespace.
pub(crate) fn pids(top: Dir) -> Result<Vec<i32>, Error> {
    let mut pids = Vec::new();
    each(top, &mut |dir| {
        match dir.try_read("cgroup.procs") {
            Ok(text) => pids.extend(parse_pids(&text)),
            // Removed meanwhile; or a threaded cgroup, whose processes are
            // listed in the one above.
            Err(Errno::ENOENT | Errno::ENODEV | Errno::EOPNOTSUPP) => {}
            Err(errno) => return Err(Error::io("read", dir.path().join("cgroup.procs"), errno)),
        }
        Ok(())
    })?;
    Ok(pids)
}

/// The ids of a `cgroup.procs` file. A process that the caller's PID namespace
/// does not have is shown as 0 and left out.
pub(crate) fn parse_pids(text: &str) -> impl Iterator<Item = i32> {
    text.lines()
        .filter_map(|line| line.trim().parse().ok())
        .filter(|pid| *pid > 0)
}

fn children(dir: &Dir) -> Result<Vec<String>, Error> {
    match dir.children() {
        Err(Errno::ENOENT | Errno::ENODEV) => Ok(Vec::new()),
        names => names.map_err(|errno| Error::io("getdents64", dir.path(), errno)),
    }
}

fn up(dir: &Dir) -> Result<Dir, Error> {
    dir.child("..")
        .map_err(|errno| Error::io("openat", dir.path().join(".."), errno))
}
