//! Writing to files of the verified procfs.

use core::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use super::state::Child;
use crate::path::{self, text::NameText};
use crate::sys::{Call, Fault, Result, file};

impl Child<'_> {
    /// Writes `value` in one call to the first of these files that exists.
    pub(super) fn write_proc(&self, alternatives: &[Box<CStr>], value: &[u8]) -> Result<()> {
        let mut last = Fault::new(Call::Open, libc::ENOENT);
        for (index, path) in (0..).zip(alternatives) {
            let written = self.dumpable_where_needed(|| {
                let opened = self.open_proc(path, libc::O_WRONLY)?;
                file::write(opened.as_fd(), value).map(drop)
            });
            match written.map_err(|fault| fault.about(index)) {
                Err(fault) if is_not_there(fault) => last = fault,
                other => return other,
            }
        }
        Err(last)
    }

    /// Opens a file of the host's procfs. Something that was mounted over it is an error: labels and
    /// kernel parameters would be written to a file of somebody's choice.
    pub(super) fn open_proc(&self, path: &CStr, flags: i32) -> Result<OwnedFd> {
        let proc = self.proc()?;
        let opened = match path::open_beneath(proc, path, flags) {
            // It cannot have left the mount of the verified root.
            Ok(opened) => return Ok(opened),
            Err(fault) if fault.is_missing() => {
                let found = path::resolve(proc, path, path::How::default())?;
                let lies_elsewhere =
                    file::status(found.as_fd())?.device != file::status(proc)?.device;
                if lies_elsewhere {
                    return Err(Fault::new(Call::VerifyProcfs, libc::EXDEV));
                }
                path::reopen(proc, found.as_fd(), flags)?
            }
            Err(fault) if fault.errno == libc::EXDEV => {
                return Err(Fault::new(Call::VerifyProcfs, libc::EXDEV));
            }
            Err(fault) => return Err(fault),
        };
        if !file::is_on_procfs(opened.as_fd())? {
            return Err(Fault::new(Call::VerifyProcfs, 0));
        }
        Ok(opened)
    }

    /// The process's own number in the host's PID namespace, as procfs tells it.
    pub(super) fn host_pid(&self) -> Result<NameText> {
        match &self.host_pid {
            Some(known) => Ok(known.clone()),
            None => NameText::read_link(self.proc()?, c"self"),
        }
    }
}

/// Whether opening, not writing, found nothing.
fn is_not_there(fault: Fault) -> bool {
    fault.call == Call::Open && fault.errno == libc::ENOENT
}
