//! Descriptors 0 to 2.

use std::os::fd::{AsFd, BorrowedFd, RawFd};

use super::state::Child;
use crate::path::{self, How};
use crate::sys::file::{self, Status};
use crate::sys::{Result, descriptor};

/// The container's null device.
#[derive(Clone, Copy)]
enum Null {
    /// Made by the child in this directory, a file system of its own.
    Entry(BorrowedFd<'static>),
    /// Found and verified, not open for use.
    File(BorrowedFd<'static>),
}

const STDIO: core::ops::Range<i32> = 0..3;

impl Child<'_> {
    /// Replaces the host's null device by the container's. Where the container has none, or has
    /// something else in its place, the host's stays: it does no harm, a link would.
    pub(super) fn reopen_null(&mut self) -> Result<()> {
        let is_null = self.look_at_stdio().map(|of| of.is_some_and(is_null));
        if is_null == [false; 3] {
            return Ok(());
        }
        let Some(null) = self.container_null()? else {
            return Ok(());
        };
        let opened = match null {
            Null::Entry(dev) => file::open(dev, c"null", libc::O_RDWR | libc::O_NOFOLLOW, 0)?,
            Null::File(null) => path::reopen(self.proc()?, null, libc::O_RDWR)?,
        };
        let opened = self.leave(opened);
        for (number, _) in STDIO.zip(is_null).filter(|(_, is_null)| *is_null) {
            descriptor::duplicate_onto(opened, number)?;
        }
        Ok(())
    }

    /// The container's null device, where it has one.
    fn container_null(&mut self) -> Result<Option<Null>> {
        if self.null_in_dev
            && let Some(place) = self.known.find(b"/dev")
            && place.is_new
        {
            return Ok(Some(Null::Entry(place.directory)));
        }
        let how = How {
            keep_last_link: true,
            ..How::default()
        };
        let Ok(null) = path::resolve(self.root()?, c"dev/null", how) else {
            return Ok(None);
        };
        let null = self.leave(null);
        let is_null = file::status(null)?.is_null_device();
        Ok(is_null.then_some(Null::File(null)))
    }

    /// Gives descriptors 0 to 2 to a user.
    pub(super) fn own_stdio(&mut self, uid: u32) -> Result<()> {
        for (number, status) in STDIO.zip(self.look_at_stdio()) {
            // A caller may pass a closed one.
            let Some(status) = status else { continue };
            if status.uid == uid || is_null(status) {
                continue;
            }
            match file::change_owner(descriptor::inherited(number)?, uid, None) {
                // The user is not mapped, or the file system forbids it.
                Err(fault) if matches!(fault.errno, libc::EINVAL | libc::EPERM | libc::EROFS) => {}
                other => other.map_err(|fault| fault.about(number.unsigned_abs()))?,
            }
        }
        Ok(())
    }

    /// What descriptors 0 to 2 are; `None` for one that is closed. They are looked at once: a null
    /// device that is replaced by another stays one.
    fn look_at_stdio(&mut self) -> [Option<Status>; 3] {
        if self.stdio == [None; 3] {
            self.stdio =
                [0, 1, 2].map(|number| descriptor::inherited(number).and_then(file::status).ok());
        }
        self.stdio
    }
}

fn is_null(status: Status) -> bool {
    status.is_null_device()
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
