//! The container's pseudo terminal.
//!
//! `/dev/ptmx`, `/dev/pts` and `/dev/console` belong to the root and may be anything. What is opened
//! is therefore verified on the descriptor, and the peer comes from the master by ioctl, not by its
//! path (CVE-2025-52565).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::state::Child;
use crate::path::{self, How};
use crate::plan::step::{Slot, WindowSize};
use crate::sys::{Call, Fault, Result, descriptor, file, mount, socket, terminal};

/// `/dev/ptmx`.
const PTMX_DEVICE: u64 = libc::makedev(5, 2);
/// Majors of pseudo terminals (`UNIX98_PTY_SLAVE_MAJOR`).
const PTS_MAJORS: core::ops::RangeInclusive<u32> = 136..=143;
/// What is sent with the master, as runc does: a name for the file.
const MASTER_NAME: &[u8] = b"/dev/ptmx";

impl Child<'_> {
    /// Opens a terminal, sends its master to the socket, and makes it this session's.
    pub(super) fn open_terminal(
        &mut self,
        socket: Slot,
        size: Option<WindowSize>,
        console: bool,
        uid: u32,
    ) -> Result<()> {
        let master = self.open_master()?;
        let peer = open_verified_peer(master.as_fd())?;
        if let Some(size) = size {
            terminal::set_size(peer.as_fd(), size)?;
        }
        // The group stays the one that the devpts gave: that of terminals.
        file::change_owner(peer.as_fd(), uid, None)?;
        if console {
            self.mount_console(peer.as_fd())?;
        }
        socket::send(self.slot(socket)?, MASTER_NAME, &[master.as_fd()])?;
        terminal::set_controlling(peer.as_fd())?;
        for number in 0..3 {
            descriptor::duplicate_onto(peer.as_fd(), number)?;
        }
        self.stdio = [None; 3];
        Ok(())
    }

    fn open_master(&mut self) -> Result<OwnedFd> {
        let found = path::resolve(self.root()?, c"dev/ptmx", How::default())?;
        let status = file::status(found.as_fd())?;
        if status.kind() != libc::S_IFCHR || status.represents != PTMX_DEVICE {
            return Err(Fault::new(Call::VerifyDevpts, 0));
        }
        let flags = libc::O_RDWR | libc::O_NOCTTY;
        let master = path::reopen(self.proc()?, found.as_fd(), flags)?;
        terminal::unlock_peer(master.as_fd())?;
        Ok(master)
    }

    /// Mounts the terminal on `/dev/console`.
    fn mount_console(&mut self, peer: BorrowedFd<'_>) -> Result<()> {
        let (dev, name) = self.parent_of(c"/dev/console")?;
        match file::make_node(dev, name.as_cstr(), libc::S_IFREG | 0o644, 0) {
            Err(fault) if fault.errno != libc::EEXIST => return Err(fault),
            _ => {}
        }
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        let target = file::open(dev, name.as_cstr(), flags, 0)?;
        if file::status(target.as_fd())?.is_link() {
            return Err(Fault::new(Call::Open, libc::ELOOP));
        }
        let tree = mount::clone_tree(peer, c"", false)?;
        mount::attach(tree.as_fd(), target.as_fd())
    }
}

/// The peer of a master: a terminal of a devpts, with the number that the master names.
fn open_verified_peer(master: BorrowedFd<'_>) -> Result<OwnedFd> {
    let peer = terminal::open_peer(master)?;
    let status = file::status(peer.as_fd())?;
    let (major, minor) = (
        libc::major(status.represents),
        libc::minor(status.represents),
    );
    let is_devpts = file::filesystem(peer.as_fd())?.0 == libc::DEVPTS_SUPER_MAGIC;
    let is_peer = status.kind() == libc::S_IFCHR
        && PTS_MAJORS.contains(&major)
        && minor == terminal::number(master)?;
    if is_devpts && is_peer {
        Ok(peer)
    } else {
        Err(Fault::new(Call::VerifyDevpts, 0))
    }
}
