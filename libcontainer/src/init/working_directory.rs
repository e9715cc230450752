//! The program's working directory.

use core::ffi::CStr;
use std::os::fd::AsFd;

use super::state::Child;
use crate::path::{self, How, Make};
use crate::sys::{Call, Fault, Result, file};

impl Child<'_> {
    /// Enters the working directory, where an earlier step has not. A refusal is borne unless this is
    /// the last try.
    pub(super) fn enter_directory(&mut self, path: &CStr, create: bool, last: bool) -> Result<()> {
        if self.directory_is_set {
            return Ok(());
        }
        if path::is_root(path) {
            if !self.at_root {
                file::enter(self.root()?)?;
            }
            self.directory_is_set = true;
            return Ok(());
        }
        // Not by chdir(2): a magic link of procfs would lead to what a descriptor is open on.
        let found = match path::resolve(self.root()?, path, How::default()) {
            Err(fault) if create && fault.errno == libc::ENOENT => {
                path::ensure(self.root()?, path, How::default(), Make::Directory)
                    .and_then(|_| path::resolve(self.root()?, path, How::default()))
            }
            other => other,
        };
        let entered = found
            .map_err(|fault| Fault {
                call: Call::Chdir,
                ..fault
            })
            .and_then(|directory| file::enter(directory.as_fd()));
        match entered {
            Err(fault) if !last && matches!(fault.errno, libc::EACCES | libc::EPERM) => Ok(()),
            Err(fault) => Err(fault),
            Ok(()) => {
                verify()?;
                self.directory_is_set = true;
                Ok(())
            }
        }
    }
}

/// The kernel answers `(unreachable)…` or `ENOENT` for a directory outside the root, which a path
/// through `/proc/self/fd` can lead to (CVE-2024-21626).
fn verify() -> Result<()> {
    let mut path = [0; 4096];
    match file::working_directory(&mut path) {
        Ok(_) if path.starts_with(b"/") => Ok(()),
        _ => Err(Fault::new(Call::WorkingDirectoryOutside, 0)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::sys::testing;

    #[test]
    fn a_directory_outside_the_root_is_refused() {
        if !testing::is_root("a_directory_outside_the_root_is_refused") {
            return;
        }
        testing::in_private_mounts(|| {
            let outside = File::open("/tmp").unwrap();
            std::os::unix::fs::chroot("/proc").unwrap();
            file::enter(outside.as_fd()).unwrap();
            let fault = verify().unwrap_err();
            file::enter_path(c"/").unwrap();
            verify().unwrap();
            fault.call == Call::WorkingDirectoryOutside
        });
    }
}
