//! Giving a version 2 cgroup to the user who is root in the container
//! (cgroups(7), "Cgroup delegation").

use std::fs;

use nix::errno::Errno;

use crate::dir::Dir;
use crate::error::Error;
use crate::path;

/// The kernel's own list of the files that a delegatee must be able to write.
const LIST: &str = "/sys/kernel/cgroup/delegate";

/// The files of cgroups(7), for kernels before 4.15, which have no list.
const WITHOUT_LIST: &str = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

/// Makes the user the owner of the directory and of the kernel's list of files.
/// Version 1 cgroups are never given away: `release_agent` runs as the host's root.
pub(crate) fn chown(dir: &Dir, uid: u32) -> Result<(), Error> {
    dir.chown("", uid)
        .map_err(|errno| Error::io("fchownat", dir.path(), errno))?;
    let list = fs::read_to_string(LIST).unwrap_or_else(|_| WITHOUT_LIST.to_owned());
    for file in list.lines() {
        path::component(LIST, file)?;
        match dir.chown(file, uid) {
            // The list names files of controllers that are not enabled, too.
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(Error::io("fchownat", dir.path().join(file), errno)),
        }
    }
    Ok(())
}
