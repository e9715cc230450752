//! What a cgroup needs from the ones above it: enabled controllers (version 2),
//! CPUs and memory nodes (version 1).

use std::path::Path;

use nix::errno::Errno;

use crate::dir::Dir;
use crate::error::Error;
use crate::limits::Write;
use crate::plan::Group;

/// Controllers that are enabled where they are to be had, though no limit asks
/// for them: engines show the use of CPU time, memory, huge pages, block devices and tasks
/// of every container. (A systemd unit gets the same by its accounting properties and
/// delegation.)
const ACCOUNTING: [&str; 5] = ["cpu", "io", "memory", "pids", HUGETLB];

/// Not every kernel has it, and to look for it in vain costs each container a read.
const HUGETLB: &str = "hugetlb";

/// Enables controllers in the cgroups above `leaf`, from the top, where they are
/// wanted and not enabled yet. The usual case is one read. Huge pages that no
/// limit is about are left as they are where `in_use`: the cgroup above the leaf had
/// a runtime see to its controllers before.
///
/// # Errors
/// [`Error::NoController`] when a limit needs one that cannot be enabled.
pub(crate) fn enable(
    mount_point: &Path,
    leaf: &Dir,
    writes: &[Write],
    in_use: bool,
) -> Result<(), Error> {
    let required = || writes.iter().filter(|write| write.controller != "cgroup");
    let mut wanted: Vec<&str> = ACCOUNTING.to_vec();
    for write in required() {
        if !wanted.contains(&&*write.controller) {
            wanted.push(&write.controller);
        }
    }
    wanted = missing(leaf, &wanted)?;
    if in_use && wanted == [HUGETLB] && required().all(|write| write.controller != HUGETLB) {
        return Ok(());
    }
    // What the topmost cgroup does not have none below it can get.
    let top = missing(&Dir::by_path(mount_point), &wanted)?;
    let absent = wanted.iter().all(|name| top.contains(name));
    let mut current = mount_point.to_owned();
    let mut reason = "this kernel, or the cgroup above, does not have it";
    for part in leaf
        .path()
        .strip_prefix(mount_point)
        .unwrap_or(Path::new(""))
        .iter()
        .take_while(|_| !absent)
    {
        let parent = Dir::open(&current)?;
        if let Some(why) = enable_in(&parent, &wanted)? {
            reason = why;
        }
        current.push(part);
    }
    let missing = match absent {
        true => wanted,
        false => missing(leaf, &wanted)?,
    };
    match required().find(|write| missing.contains(&&*write.controller)) {
        None => Ok(()),
        Some(write) => Err(Error::NoController {
            field: write.field.to_string(),
            controller: write.controller.to_string(),
            reason,
        }),
    }
}

fn missing<'a>(dir: &Dir, wanted: &[&'a str]) -> Result<Vec<&'a str>, Error> {
    let enabled = dir.read_line("cgroup.controllers")?;
    let has = |name: &str| enabled.split_whitespace().any(|word| word == name);
    Ok(wanted.iter().copied().filter(|name| !has(name)).collect())
}

/// Enables in one cgroup; says why if something was refused.
fn enable_in(dir: &Dir, wanted: &[&str]) -> Result<Option<&'static str>, Error> {
    const FILE: &str = "cgroup.subtree_control";
    let available = dir.read("cgroup.controllers")?;
    let enabled = dir.read(FILE)?;
    let has = |text: &str, name: &str| text.split_whitespace().any(|word| word == name);
    let mut refused = None;
    let to_enable: Vec<String> = wanted
        .iter()
        .filter(|name| has(&available, name) && !has(&enabled, name))
        .map(|name| format!("+{name}"))
        .collect();
    if to_enable.is_empty() || dir.write(FILE, &to_enable.join(" ")).is_ok() {
        return Ok(None);
    }
    // All or nothing is how the kernel takes the line; find out which one it was.
    for name in &to_enable {
        if let Err(errno) = dir.write(FILE, name) {
            refused = Some(match errno {
                Errno::EBUSY => "a cgroup above holds processes, so it cannot be enabled there",
                Errno::EACCES | Errno::EPERM | Errno::EROFS => "no permission to enable it",
                Errno::EOPNOTSUPP => "a cgroup above is in threaded mode",
                _ => "the kernel refused to enable it",
            });
        }
    }
    Ok(refused)
}

/// Gives a new version 1 cpuset cgroup the CPUs and nodes of the cgroup above: no
/// process can enter an empty one. Cgroups above that are empty too get theirs first.
/// A file that a limit of the configuration fills is left to it.
pub(crate) fn inherit_cpuset(group: &Group, own: &Dir) -> Result<(), Error> {
    let mut above = group
        .relative
        .rsplit_once('/')
        .map_or("", |(above, _)| above);
    let mut empty = Vec::new();
    let (prefix, cpus, mems) = loop {
        let dir = Dir::by_path(&group.mount_point.join(above));
        let (prefix, cpus, mems) = cpuset_of(&dir)?;
        if above.is_empty() || !(cpus.is_empty() || mems.is_empty()) {
            break (prefix, cpus, mems);
        }
        empty.push((dir, cpus.is_empty(), mems.is_empty()));
        above = above.rsplit_once('/').map_or("", |(parent, _)| parent);
    };
    let put = |dir: &Dir, file: String, value: &str| {
        dir.write(&file, value)
            .map_err(|errno| Error::io("write", dir.path().join(file), errno))
    };
    for (dir, no_cpus, no_mems) in empty.iter().rev() {
        if *no_cpus {
            put(dir, format!("{prefix}cpus"), &cpus)?;
        }
        if *no_mems {
            put(dir, format!("{prefix}mems"), &mems)?;
        }
    }
    for (name, value) in [("cpus", cpus), ("mems", mems)] {
        let set = |write: &Write| write.controller == "cpuset" && write.file.ends_with(name);
        if !group.writes.iter().any(set) {
            put(own, format!("{prefix}{name}"), &value)?;
        }
    }
    Ok(())
}

/// The prefix of the file names (none on a mount with `noprefix`, as Android has
/// it), the CPUs and the memory nodes of a cgroup.
fn cpuset_of(dir: &Dir) -> Result<(&'static str, String, String), Error> {
    let (prefix, cpus) = match dir.read_if_present("cpuset.cpus")? {
        Some(cpus) => ("cpuset.", cpus),
        None => ("", dir.read("cpus")?),
    };
    let mems = dir.read(&format!("{prefix}mems"))?;
    Ok((prefix, cpus.trim().to_owned(), mems.trim().to_owned()))
}
