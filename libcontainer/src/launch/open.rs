//! Opens what the child inherits: mount trees, namespaces, the console socket.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::{console_socket, id_maps};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::kernel::clone_flag;
use crate::plan::namespaces::{KINDS, name_of};
use crate::plan::step::{Attributes, IdMapping, NamespaceKind};
use crate::plan::{Open, OpenKind, Plan};
use crate::procfs::Proc;
use crate::sys;

/// Number of a slot that is not filled yet.
const EMPTY: RawFd = -1;

/// What the caller of `launch` has opened already.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Where a terminal's master is sent.
    pub(crate) console_socket: Option<Console>,
    /// The running container's process (exec).
    pub(crate) container_process: Option<OwnedFd>,
}

/// The socket that takes a terminal's master.
#[derive(Debug)]
pub(crate) enum Console {
    /// To be connected.
    Path(PathBuf),
    /// Connected: this program's own.
    Socket(OwnedFd),
}

/// The table of descriptors, slot by slot.
#[derive(Debug)]
pub(crate) struct Descriptors {
    slots: Vec<Option<OwnedFd>>,
    /// By slot, whether it holds a tree that has its attributes already.
    finished: Vec<bool>,
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        sys::descriptor::close_all(self.slots.drain(..).flatten());
    }
}

impl Descriptors {
    /// Opens all that is opened before the clone.
    pub(crate) fn open(plan: &Plan, proc: &Proc, mut given: Given) -> Result<Self> {
        let mut table = Self {
            slots: Vec::with_capacity(plan.opens.len()),
            finished: Vec::with_capacity(plan.opens.len()),
        };
        for (open, attributes) in plan.opens.iter().zip(plan.tree_attributes()) {
            let finished = match &open.what {
                _ if open.on_request => None,
                OpenKind::Tree {
                    path,
                    recursive,
                    idmap: None,
                } => attributes.and_then(|wanted| finished_tree(path, *recursive, wanted)),
                OpenKind::CgroupTree { path } => {
                    attributes.and_then(|wanted| finished_tree(path, false, wanted))
                }
                _ => None,
            };
            table.finished.push(finished.is_some());
            let descriptor = match finished {
                Some(tree) => Some(tree),
                None => table.open_one(open, proc, &mut given)?,
            };
            table.slots.push(descriptor);
        }
        Ok(table)
    }

    /// All of them, for the caller to close.
    pub(crate) fn into_open(mut self) -> Vec<OwnedFd> {
        self.slots.drain(..).flatten().collect()
    }

    /// The descriptor in a slot.
    pub(crate) fn get(&self, slot: crate::plan::step::Slot) -> Option<&OwnedFd> {
        self.slots.get(usize::from(slot.0))?.as_ref()
    }

    /// As numbers, for the child.
    pub(crate) fn numbers(&self) -> Vec<RawFd> {
        self.slots
            .iter()
            .map(|fd| fd.as_ref().map_or(EMPTY, AsRawFd::as_raw_fd))
            .collect()
    }

    /// By slot, whether it holds a tree that has its attributes already.
    pub(crate) fn finished(&self) -> &[bool] {
        &self.finished
    }

    /// Clones a tree that is asked for after the clone.
    pub(crate) fn open_on_request(&self, open: &Open) -> Result<OwnedFd> {
        match self.tree(&open.what) {
            Some(tree) => tree.map_err(|error| error.within(&open.field)),
            None => Err(Error::config(&open.field, "is no mount tree")),
        }
    }

    fn open_one(&self, open: &Open, proc: &Proc, given: &mut Given) -> Result<Option<OwnedFd>> {
        if open.on_request {
            return Ok(None);
        }
        let missing = || {
            Error::new(
                ErrorKind::InvalidConfig,
                format!("{}: nothing given", open.field),
            )
        };
        match &open.what {
            what @ (OpenKind::Tree { .. } | OpenKind::CgroupTree { .. }) => {
                self.tree(what).unwrap_or_else(|| Err(missing()))
            }
            OpenKind::Namespace { path, kind } => namespace(Path::new(&bytes(path)), *kind),
            OpenKind::IdMapNamespace(maps) => id_maps::id_map_namespace(proc.as_fd(), maps),
            OpenKind::ConsoleSocket => match given.console_socket.take().ok_or_else(missing)? {
                Console::Path(path) => console_socket::connect(&path),
                Console::Socket(socket) => Ok(socket),
            },
            OpenKind::ContainerProcess => given.container_process.take().ok_or_else(missing),
        }
        .map(Some)
        .map_err(|error| error.within(&open.field))
    }

    /// `None` for what is no tree.
    fn tree(&self, what: &OpenKind) -> Option<Result<OwnedFd>> {
        match what {
            OpenKind::Tree {
                path,
                recursive,
                idmap,
            } => Some(self.clone_tree(path, *recursive, *idmap)),
            OpenKind::CgroupTree { path } => Some(self.clone_tree(path, false, None)),
            _ => None,
        }
    }

    fn clone_tree(
        &self,
        path: &std::ffi::CStr,
        recursive: bool,
        idmap: Option<IdMapping>,
    ) -> Result<OwnedFd> {
        let failed = |fault| Error::fault(path.to_string_lossy(), fault);
        let tree = sys::mount::clone_tree(sys::descriptor::CWD, path, recursive).map_err(failed)?;
        if let Some(mapping) = idmap {
            let namespace = self
                .get(mapping.slot)
                .ok_or_else(|| Error::new(ErrorKind::InvalidConfig, "no id map namespace"))?;
            let attributes = sys::mount::MountAttr::id_mapped(namespace.as_fd());
            sys::mount::set_attributes(tree.as_fd(), &attributes, mapping.recursive)
                .map_err(failed)?;
        }
        Ok(tree)
    }
}

/// Clones a tree with its attributes by one call. `None` where the kernel is older than 6.15, or one
/// call is not enough, or fails: the long way finds out why.
fn finished_tree(path: &std::ffi::CStr, recursive: bool, wanted: Attributes) -> Option<OwnedFd> {
    let whole = sys::mount::MountAttr {
        set: wanted.set_recursive,
        clear: wanted.clear_recursive,
        propagation: wanted.propagation_recursive,
        userns: 0,
    };
    let top = sys::mount::MountAttr {
        set: wanted.set,
        clear: wanted.clear,
        propagation: wanted.propagation,
        userns: 0,
    };
    let nothing = sys::mount::MountAttr::default();
    // The call changes all that it clones.
    let attributes = match (whole == nothing, top == nothing) {
        (false, true) => whole,
        (true, false) if !recursive => top,
        _ => return None,
    };
    sys::mount::clone_tree_with(sys::descriptor::CWD, path, recursive, &attributes).ok()
}

fn bytes(path: &std::ffi::CStr) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(path.to_bytes())
}

/// Opens a namespace file and verifies of which kind it is: `setns` would find a wrong one only
/// when the container is half made.
fn namespace(path: &Path, kind: NamespaceKind) -> Result<OwnedFd> {
    let failed = |call, errno| Error::system(path.display(), call, errno);
    let file = nix::fcntl::open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| failed("open", errno))?;
    match sys::process::namespace_type(file.as_fd()) {
        Ok(found) if found == clone_flag(kind) => Ok(file),
        Ok(found) => Err(Error::new(
            ErrorKind::InvalidConfig,
            format!(
                "{} is not a {} namespace but a {} one",
                path.display(),
                name_of(kind),
                KINDS
                    .iter()
                    .find(|(_, other)| clone_flag(*other) == found)
                    .map_or("different", |(name, _)| name)
            ),
        )),
        Err(_) => Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("{} is not a namespace file", path.display()),
        )),
    }
}
