//! What the child remembers from step to step.

use core::cell::Cell;
use core::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use super::known::{Known, Place};
use super::status;
use crate::path::{self, text::NameText};
use crate::plan::step::Slot;
use crate::plan::{IdMaps, Image};
use crate::sys::file::{self, Status};
use crate::sys::{Call, Fault, Result, descriptor, process};

/// The child.
pub(super) struct Child<'a> {
    pub image: &'a mut Image,
    pub id_maps: Option<&'a IdMaps>,
    pub seccomp: Option<&'a seccomp::Filter>,
    pub descriptors: &'a mut [RawFd],
    /// By slot, whether it holds a tree that has its attributes already.
    pub finished: &'a [bool],
    pub cgroup: &'a [RawFd],
    pub sync: BorrowedFd<'static>,
    /// The parent's end of `sync`, until it is closed.
    pub parents_sync: Cell<Option<RawFd>>,
    pub gate: Option<BorrowedFd<'static>>,
    /// Whether the parent's word is waited for where there is no gate.
    pub waits: bool,
    /// The host's procfs, until it is closed.
    pub proc: Option<BorrowedFd<'static>>,
    /// The process's number in the host's PID namespace, once procfs is closed.
    pub host_pid: Option<NameText>,
    pub parent: i32,
    /// Whether the parent tells others of the process before its program starts.
    pub is_announced: bool,
    /// The step that is being done.
    pub index: u16,
    /// Whether the parent was told that all is done, and may be gone.
    pub is_ready: bool,
    /// The umask that was inherited, once a step has set another.
    pub umask: Option<u32>,
    /// Whether the plan has hooks: they may last, and need the process's number after procfs is closed.
    pub has_hooks: bool,
    /// The container's root directory; the process's own where no step said.
    pub root: Option<BorrowedFd<'static>>,
    /// The directories in which something was made.
    pub known: Known,
    /// The directory that the last mount entered, until something else changes the working directory.
    pub entered: Option<RawFd>,
    /// The lowest number that a descriptor of the child's own may have.
    pub first_own: RawFd,
    /// The highest number of a descriptor that was left open.
    pub last_left: Cell<RawFd>,
    /// What descriptors 0 to 2 are, where a step has looked.
    pub stdio: [Option<Status>; 3],
    /// From which number on everything was closed; 0 before.
    pub first_closed: u32,
    /// Whether nothing but the container's is mounted in this namespace.
    pub begins_empty: bool,
    /// Whether mounts of this namespace propagate to others.
    pub shares_propagation: bool,
    /// Whether no mount of this namespace propagates to others.
    pub stands_apart: bool,
    /// The null device as a mount.
    pub null: Option<BorrowedFd<'static>>,
    /// Whether it covers a file already, so that it can be cloned.
    pub null_is_attached: bool,
    /// Whether `/dev/null` is a node that the child has made in a file system of its own.
    pub null_in_dev: bool,
    /// The empty directory as a mount, where it was attached first.
    pub empty: Option<BorrowedFd<'static>>,
    /// Where it was attached first, in the child's own procfs or sysfs.
    pub empty_path: Option<NameText>,
    /// Whether the container's root is the process's own by now.
    pub has_own_root: bool,
    /// Whether the working directory is that root.
    pub at_root: bool,
    /// Whether a procfs that the child has mounted lies on `/proc`.
    pub own_proc: bool,
    /// Whether a sysfs that the child has mounted lies on `/sys`.
    pub own_sys: bool,
    /// Whether something was mounted inside `/proc`.
    pub proc_is_covered: bool,
    /// Whether something else than a new file system was mounted, which may hold anything, a procfs
    /// too.
    pub holds_trees: bool,
    /// Whether the working directory has been entered.
    pub directory_is_set: bool,
    /// What procfs says of this process, where a step has asked.
    pub own_status: Option<status::Status>,
    /// What the hook that failed has written.
    pub said: Option<OwnedFd>,
    /// Which candidate of the image is executed.
    pub program: Option<usize>,
    /// The step that should have looked at the program, where that is left to its execution.
    pub unseen_program: Option<u16>,
}

/// Whether a directory is the root of a mount, in which what is made belongs to who makes it.
fn is_new_root(directory: BorrowedFd<'_>) -> bool {
    file::mode_of_mount_root(directory).is_some_and(|mode| mode & libc::S_ISGID == 0)
}

impl<'a> Child<'a> {
    /// A child that has done nothing yet, without what only some plans need. Without allocation.
    pub(super) fn new(
        image: &'a mut Image,
        descriptors: &'a mut [RawFd],
        sync: BorrowedFd<'static>,
        first_own: RawFd,
    ) -> Self {
        Self {
            image,
            id_maps: None,
            seccomp: None,
            descriptors,
            finished: &[],
            cgroup: &[],
            sync,
            parents_sync: Cell::new(None),
            gate: None,
            waits: true,
            proc: None,
            host_pid: None,
            parent: 0,
            is_announced: false,
            index: 0,
            is_ready: false,
            umask: None,
            has_hooks: false,
            root: None,
            known: Known::default(),
            entered: None,
            first_own,
            last_left: Cell::new(first_own),
            stdio: [None; 3],
            first_closed: 0,
            begins_empty: false,
            shares_propagation: false,
            stands_apart: false,
            null: None,
            null_is_attached: false,
            null_in_dev: false,
            empty: None,
            empty_path: None,
            has_own_root: false,
            at_root: false,
            own_proc: false,
            own_sys: false,
            proc_is_covered: false,
            holds_trees: false,
            directory_is_set: false,
            own_status: None,
            said: None,
            program: None,
            unseen_program: None,
        }
    }
}

impl Child<'_> {
    /// Hides from the processes of its namespaces, and dies with its parent where that may be long
    /// unnoticed. To be repeated when credentials have changed, which undoes both.
    ///
    /// Without hooks nothing here waits for anybody but the parent, whose end is then seen: no program
    /// starts before the parent was told that all is ready, and nobody waits for one that is gone.
    pub(super) fn guard(&self) -> Result<()> {
        process::set_dumpable(false)?;
        if self.is_ready || !self.has_hooks {
            return Ok(());
        }
        process::set_parent_death_signal(libc::SIGKILL)?;
        self.close_parents_sync()?;
        // The parent may have ended before: then no signal comes any more. From another PID
        // namespace its number is not seen, but its end of the socket is closed.
        let nothing = Some(core::time::Duration::ZERO);
        let events = descriptor::wait_readable(self.sync, nothing)?;
        let alone = events & libc::POLLHUP != 0 && events & libc::POLLIN == 0;
        let parent = process::parent_id();
        if alone || (parent != self.parent && parent != 0) {
            process::exit(super::EXIT_FAILED);
        }
        Ok(())
    }

    /// Before this process waits for its parent, or looks whether that lives. Where it does not before
    /// `CloseFrom`, that closes the parent's end with everything else.
    pub(super) fn close_parents_sync(&self) -> Result<()> {
        self.parents_sync.take().map_or(Ok(()), descriptor::close)
    }

    /// Runs `action`, and once more as a dumpable process where files of its own in procfs belong to
    /// the host's root because it is not.
    pub(super) fn dumpable_where_needed<T>(&self, action: impl Fn() -> Result<T>) -> Result<T> {
        match action() {
            Err(fault) if fault.errno == libc::EACCES => {
                process::set_dumpable(true)?;
                let result = action();
                process::set_dumpable(false)?;
                result
            }
            other => other,
        }
    }

    /// The container's root directory.
    pub(super) fn root(&mut self) -> Result<BorrowedFd<'static>> {
        match self.root {
            Some(root) => Ok(root),
            None => {
                let flags = libc::O_PATH | libc::O_DIRECTORY;
                let root = self.leave(file::open(descriptor::CWD, c"/", flags, 0)?);
                self.root = Some(root);
                Ok(root)
            }
        }
    }

    /// The directory that holds the last component of `path`, made where it is missing, and the name
    /// of that component.
    pub(super) fn parent_of(&mut self, path: &CStr) -> Result<(BorrowedFd<'static>, NameText)> {
        let (above, name) = path::split(path)?;
        Ok((self.directory(above)?.directory, name))
    }

    /// The directory at a path, made where it is missing.
    pub(super) fn directory(&mut self, path: &[u8]) -> Result<Place> {
        if let Some(known) = self.known.find(path) {
            return Ok(known);
        }
        let is_new_mount = self.known.is_new_mount(path);
        let root = self.root()?;
        let plain = path::directory_without_links(root, path).ok();
        let is_plain = plain.is_some();
        let directory = match plain {
            Some(directory) => directory,
            None => path::ensure_directory(root, path)?,
        };
        let directory = self.leave(directory);
        // Somebody who shares the files may have moved the mount's directory away.
        let is_new = is_plain && is_new_mount && is_new_root(directory);
        let place = Place { directory, is_new };
        self.known.remember(path, place, is_plain);
        Ok(place)
    }

    /// The host's procfs.
    pub(super) fn proc(&self) -> Result<BorrowedFd<'static>> {
        self.proc.ok_or(Fault::new(Call::MissingDescriptor, 0))
    }

    /// The descriptor in a slot.
    pub(super) fn slot(&self, slot: Slot) -> Result<BorrowedFd<'static>> {
        let raw = self.descriptors.get(usize::from(slot.0)).copied();
        descriptor::inherited(raw.unwrap_or(-1)).map_err(|fault| fault.about(slot.0.into()))
    }
}
