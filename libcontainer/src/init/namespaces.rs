//! Joining and making namespaces, and what belongs to new ones.

use std::os::fd::AsFd;

use core::ffi::CStr;

use super::state::Child;
use crate::plan::step::{NamespaceKind, Slot};
use crate::sync::Message;
use crate::sys::{Result, descriptor, file, identity, process, socket, terminal};

impl Child<'_> {
    /// Writes "0", which means the writer, to each `tasks` file.
    pub(super) fn enter_cgroups(&self) -> Result<()> {
        for (index, raw) in (0..).zip(self.cgroup) {
            descriptor::inherited(*raw)
                .and_then(|tasks| file::write(tasks, b"0"))
                .map_err(|fault| fault.about(index))?;
        }
        Ok(())
    }

    pub(super) fn join(&self, slot: Slot, kind: NamespaceKind) -> Result<()> {
        process::set_namespace(self.slot(slot)?, flag(kind))?;
        if kind == NamespaceKind::User {
            self.guard()?;
        }
        Ok(())
    }

    pub(super) fn join_process(&self, slot: Slot, flags: i32) -> Result<()> {
        process::set_namespace(self.slot(slot)?, flags)?;
        if flags & libc::CLONE_NEWUSER != 0 {
            self.guard()?;
        }
        Ok(())
    }

    pub(super) fn unshare(&self, flags: i32) -> Result<()> {
        process::unshare(flags)?;
        if flags & libc::CLONE_NEWUSER != 0 {
            self.guard()?;
        }
        Ok(())
    }

    /// Goes on as a new process with the same parent, which is in the PID namespace that was joined.
    pub(super) fn fork_again(&self) -> Result<()> {
        self.close_parents_sync()?;
        let (told, telling) = descriptor::pipe()?;
        if let Some(pid) = process::clone_brother()? {
            if let Err(fault) = self.send(Message::Process(pid), None) {
                self.fail(fault);
            }
            process::exit(0);
        }
        // Nothing is said before the parent knows who says it: the other process's end of the pipe
        // closes when it ends.
        drop(telling);
        file::read(told.as_fd(), &mut [0])?;
        self.guard()
    }

    /// Writes the offsets of the new time namespace, which takes them until somebody enters it.
    pub(super) fn enter_time_namespace(&self, lines: &[u8]) -> Result<()> {
        // The kernel refuses to be told of no clock at all.
        if !lines.is_empty() {
            self.dumpable_where_needed(|| {
                let offsets = self.open_proc(c"self/timens_offsets", libc::O_WRONLY)?;
                file::write(offsets.as_fd(), lines).map(drop)
            })?;
        }
        self.dumpable_where_needed(|| {
            let path = c"self/ns/time_for_children";
            let namespace = file::open(self.proc()?, path, libc::O_RDONLY, 0)?;
            process::set_namespace(namespace.as_fd(), flag(NamespaceKind::Time))
        })
    }

    /// Joins a session keyring of the container's own. Kernels without keyrings and filters that
    /// forbid them are borne.
    pub(super) fn join_keyring(&self, name: &CStr, label: Option<&[u8]>) -> Result<()> {
        if let Some(label) = label {
            self.label_new_keys(label)?;
        }
        let joined = identity::join_session_keyring(name).and_then(|serial| self.share(serial));
        if label.is_some() {
            self.label_new_keys(b"")?;
        }
        match joined {
            Err(fault) if matches!(fault.errno, libc::EPERM | libc::ENOSYS) => Ok(()),
            other => other,
        }
    }

    fn label_new_keys(&self, label: &[u8]) -> Result<()> {
        self.dumpable_where_needed(|| {
            let file = self.open_proc(c"self/attr/keycreate", libc::O_WRONLY)?;
            file::write(file.as_fd(), label).map(drop)
        })
    }

    /// Lets later processes of the container find the keyring: those of its user, and in a user
    /// namespace, where the users differ, all who know the name. Beside that it keeps what the kernel
    /// gives a session keyring that is made by its name (join_session_keyring): everything to those
    /// who have it, and to its user to view, read and link.
    fn share(&self, serial: i32) -> Result<()> {
        const NEW: u32 = 0x3f13_0000;
        const USER_SEARCH: u32 = 0x0008_0000;
        const OTHER_SEARCH: u32 = 0x0000_0008;
        let mut wanted = NEW | USER_SEARCH;
        if self.id_maps.is_some() {
            wanted |= OTHER_SEARCH;
        }
        identity::set_key_permissions(serial, wanted)
    }

    /// Sets `lo` up.
    pub(super) fn loopback_up(&self) -> Result<()> {
        let socket = self.leave(socket::datagram()?);
        terminal::loopback_up(socket)
    }
}

/// The kernel's flag of a namespace.
fn flag(kind: NamespaceKind) -> i32 {
    match kind {
        NamespaceKind::User => libc::CLONE_NEWUSER,
        NamespaceKind::Pid => libc::CLONE_NEWPID,
        NamespaceKind::Network => libc::CLONE_NEWNET,
        NamespaceKind::Ipc => libc::CLONE_NEWIPC,
        NamespaceKind::Uts => libc::CLONE_NEWUTS,
        NamespaceKind::Cgroup => libc::CLONE_NEWCGROUP,
        NamespaceKind::Time => libc::CLONE_NEWTIME,
        NamespaceKind::Mount => libc::CLONE_NEWNS,
    }
}
