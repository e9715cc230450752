//! Descriptors 0 to 2.

use std::os::fd::{AsFd, BorrowedFd, RawFd};

use super::state::Child;
use crate::path::{self, How};
use crate::sys::{Result, descriptor, file};

const STDIO: core::ops::Range<i32> = 0..3;

impl Child<'_> {
    /// Replaces the host's null device by the container's. Where the container has none, or has
    /// something else in its place, the host's stays: it does no harm, a link would.
    pub(super) fn reopen_null(&mut self) -> Result<()> {
        let how = How {
            keep_last_link: true,
            ..How::default()
        };
        let Ok(null) = path::resolve(self.root()?, c"dev/null", how) else {
            return Ok(());
        };
        if !file::status(null.as_fd())?.is_null_device() {
            return Ok(());
        }
        for number in STDIO {
            let Ok(current) = descriptor::inherited(number) else {
                continue;
            };
            if file::status(current).is_ok_and(|status| status.is_null_device()) {
                let opened = path::reopen(self.proc()?, null.as_fd(), libc::O_RDWR)?;
                descriptor::duplicate_onto(opened.as_fd(), number)?;
            }
        }
        Ok(())
    }
}

/// Makes these descriptors 0, 1 and 2.
pub(super) fn replace(streams: [RawFd; 3]) -> Result<()> {
    let [input, output, error] = streams;
    // Out of the way first: one of them may lie where another goes.
    let input = descriptor::duplicate(descriptor::inherited(input)?)?;
    let output = descriptor::duplicate(descriptor::inherited(output)?)?;
    let error = descriptor::duplicate(descriptor::inherited(error)?)?;
    for (number, stream) in STDIO.zip([input, output, error]) {
        descriptor::duplicate_onto(stream.as_fd(), number)?;
    }
    Ok(())
}

/// Gives descriptors 0 to 2 to a user.
pub(super) fn own(uid: u32) -> Result<()> {
    for number in STDIO {
        own_one(descriptor::inherited(number)?, uid)
            .map_err(|fault| fault.about(number.unsigned_abs()))?;
    }
    Ok(())
}

fn own_one(stream: BorrowedFd<'_>, uid: u32) -> Result<()> {
    let status = match file::status(stream) {
        // A caller may pass a closed one.
        Err(fault) if fault.errno == libc::EBADF => return Ok(()),
        other => other?,
    };
    if status.uid == uid || status.is_null_device() {
        return Ok(());
    }
    match file::change_owner(stream, uid, None) {
        // The user is not mapped, or the file system forbids it.
        Err(fault) if matches!(fault.errno, libc::EINVAL | libc::EPERM | libc::EROFS) => Ok(()),
        other => other,
    }
}
