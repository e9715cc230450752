//! Device nodes, links and the pseudo terminal multiplexer. All of it relative to the descriptor of a
//! directory inside the root: `/dev` itself may be a link.

use core::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::state::Child;
use crate::path;
use crate::plan::step::{Attributes, DeviceStep, Source};
use crate::sys::file::{self, Status};
use crate::sys::{Call, Fault, Result, mount};

/// Type and number of the null device.
const NULL: (u32, u64) = (libc::S_IFCHR, libc::makedev(1, 3));

const DIFFERS: Fault = Fault::new(Call::DeviceDiffers, libc::EEXIST);

impl Child<'_> {
    /// Makes a device node or FIFO, or binds the host's.
    pub(super) fn make_device(&mut self, step: &DeviceStep) -> Result<()> {
        let (above, name) = path::split(&step.path)?;
        let place = self.directory(above)?;
        let (parent, name) = (place.directory, name.as_cstr());
        if let Some(source) = &step.bind {
            return self.bind_device(step, source, parent, name);
        }
        // In a new file system of this process the node is what was asked for, and nobody's else.
        let is_roots = (step.uid, step.gid) == (0, 0);
        if place.is_new && is_roots && file::make_node(parent, name, step.mode, step.device).is_ok()
        {
            let is_null = (step.mode & libc::S_IFMT, step.device) == NULL;
            self.null_in_dev |= is_null && &*step.path == c"/dev/null";
            return Ok(());
        }
        make_node(step, parent, name)
    }

    fn bind_device(
        &mut self,
        step: &DeviceStep,
        source: &Source,
        parent: BorrowedFd<'_>,
        name: &CStr,
    ) -> Result<()> {
        match file::make_node(parent, name, libc::S_IFREG | 0o644, 0) {
            Err(fault) if fault.errno != libc::EEXIST => return Err(fault),
            _ => {}
        }
        let target = open_entry(parent, name)?;
        let existing = file::status(target.as_fd())?;
        if is_wanted(step, &existing) {
            return Ok(());
        }
        if existing.kind() != libc::S_IFREG {
            return if step.listed { Err(DIFFERS) } else { Ok(()) };
        }
        let tree = self.tree(source, &Attributes::default())?;
        if !is_wanted(step, &file::status(tree.fd)?) {
            return Err(DIFFERS);
        }
        mount::attach(tree.fd, target.as_fd())
    }

    /// Makes a symbolic link; what is there already is left alone.
    pub(super) fn make_link(&mut self, link: &CStr, to: &CStr) -> Result<()> {
        let (parent, name) = self.parent_of(link)?;
        match file::make_link(to, parent, name.as_cstr()) {
            Err(fault) if fault.errno == libc::EEXIST => Ok(()),
            other => other,
        }
    }

    /// Replaces `/dev/ptmx` by a link to the container's own.
    pub(super) fn link_ptmx(&mut self) -> Result<()> {
        let (dev, name) = self.parent_of(c"/dev/ptmx")?;
        let link = || file::make_link(c"pts/ptmx", dev, name.as_cstr());
        match link() {
            Err(fault) if fault.errno == libc::EEXIST => {
                file::unlink(dev, name.as_cstr())?;
                link()
            }
            other => other,
        }
    }
}

fn make_node(step: &DeviceStep, parent: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let made = file::make_node(parent, name, step.mode, step.device);
    let exists = matches!(made, Err(fault) if fault.errno == libc::EEXIST);
    if exists && !step.listed {
        return Ok(());
    }
    if !exists {
        made?;
    }
    let found = file::status_at(parent, name, libc::AT_SYMLINK_NOFOLLOW)?;
    if !is_wanted(step, &found) {
        return Err(DIFFERS);
    }
    if exists || (found.uid, found.gid) == (step.uid, step.gid) {
        return Ok(());
    }
    // What changes owner must be what was looked at.
    let node = open_entry(parent, name)?;
    if !is_wanted(step, &file::status(node.as_fd())?) {
        return Err(DIFFERS);
    }
    file::change_owner(node.as_fd(), step.uid, Some(step.gid))
}

fn open_entry(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    file::open(parent, name, libc::O_PATH | libc::O_NOFOLLOW, 0)
}

/// Whether a file is of the kind and, being a device, has the number that is wanted.
fn is_wanted(step: &DeviceStep, found: &Status) -> bool {
    let kind = step.mode & libc::S_IFMT;
    let is_fifo = kind == libc::S_IFIFO;
    found.kind() == kind && (is_fifo || found.represents == step.device)
}
