//! Clones mount trees when the child asks for them.
//!
//! A container in a user namespace must not get trees that were cloned in the host's mount
//! namespace: only the kernel's copy into a namespace of lesser privilege locks flags such as
//! read-only, which the container's root could clear otherwise. And the container's root may not be
//! able to reach the paths. So a helper with the caller's privilege enters the child's mount
//! namespace, clones there and sends the trees to the child.

#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::birth::Child;
use super::open::Descriptors;
use super::wait::wait;
use crate::error::{Error, Result};
use crate::plan::step::{IdMapping, Slot};
use crate::plan::{OpenKind, Plan};
use crate::sync::{Failure, MESSAGE_LEN, Message};
use crate::sys::{self, Fault};

/// Whom an error is about.
const HELPER: &str = "the helper that clones mount trees";

/// Clones the trees of these slots in this process's mount namespace and sends them to `child`.
pub(crate) fn send(
    plan: &Plan,
    slots: &[Slot],
    child: &Child,
    descriptors: &Descriptors,
) -> Result<()> {
    let opens = slots
        .iter()
        .filter_map(|slot| plan.opens.get(usize::from(slot.0)));
    let trees = opens
        .map(|open| descriptors.open_on_request(open))
        .collect::<Result<Vec<_>>>()?;
    for trees in trees.chunks(sys::socket::MAX_DESCRIPTORS) {
        let trees: Vec<_> = trees.iter().map(AsFd::as_fd).collect();
        child.channel.send(Message::Descriptors, &trees)?;
    }
    sys::descriptor::close_all(trees);
    Ok(())
}

/// Clones the trees of these slots in the child's mount namespace and sends them to `child`.
pub(crate) fn send_from(
    mount_namespace: BorrowedFd<'_>,
    plan: &Plan,
    slots: &[Slot],
    child: &Child,
    id_maps: &Descriptors,
) -> Result<()> {
    let maps = id_maps.numbers();
    let (reader, writer) = sys::descriptor::pipe().map_err(|fault| Error::fault(HELPER, fault))?;
    let helper = sys::process::clone(0, None, || {
        let told = clone_all(mount_namespace, plan, slots, child.channel.as_fd(), &maps);
        if let Err((step, fault)) = told {
            let failure = Failure {
                step,
                call: fault.call as u16,
                errno: fault.errno,
                detail: fault.detail,
            };
            let _ = sys::file::write(writer.as_fd(), &Message::Failed(failure).encode());
        }
        sys::process::exit(0)
    })
    .map_err(|fault| Error::fault(HELPER, fault))?;
    drop(writer);
    wait(helper.pidfd.as_fd())?;
    let mut bytes = [0; MESSAGE_LEN];
    let length = nix::unistd::read(&reader, &mut bytes)
        .map_err(|errno| Error::system(HELPER, "read", errno))?;
    match (length, Message::decode(&bytes)) {
        (MESSAGE_LEN, Some(Message::Failed(failure))) => Err(explain(plan, &failure)),
        _ => Ok(()),
    }
}

/// The helper: no heap, no lock.
fn clone_all(
    mount_namespace: BorrowedFd<'_>,
    plan: &Plan,
    slots: &[Slot],
    channel: BorrowedFd<'_>,
    id_maps: &[RawFd],
) -> std::result::Result<(), (u16, Fault)> {
    sys::process::set_namespace(mount_namespace, libc::CLONE_NEWNS).map_err(|fault| (0, fault))?;
    for slot in slots {
        let open = plan.opens.get(usize::from(slot.0));
        let tree = match open.map(|open| &open.what) {
            Some(OpenKind::Tree {
                path,
                recursive,
                idmap,
            }) => clone_one(path, *recursive, *idmap, id_maps),
            Some(OpenKind::CgroupTree { path }) => clone_one(path, false, None, id_maps),
            _ => continue,
        };
        tree.and_then(|tree| {
            sys::socket::send(channel, &Message::Descriptors.encode(), &[tree.as_fd()])
        })
        .map_err(|fault| (slot.0, fault))?;
    }
    Ok(())
}

fn clone_one(
    path: &CStr,
    recursive: bool,
    idmap: Option<IdMapping>,
    id_maps: &[RawFd],
) -> sys::Result<OwnedFd> {
    let tree = sys::mount::clone_tree(sys::descriptor::CWD, path, recursive)?;
    if let Some(mapping) = idmap {
        let number = id_maps
            .get(usize::from(mapping.slot.0))
            .copied()
            .unwrap_or(-1);
        let namespace = sys::descriptor::inherited(number)?;
        let attributes = sys::mount::MountAttr::id_mapped(namespace);
        sys::mount::set_attributes(tree.as_fd(), &attributes, mapping.recursive)?;
    }
    Ok(tree)
}

fn explain(plan: &Plan, failure: &Failure) -> Error {
    let field = plan
        .opens
        .get(usize::from(failure.step))
        .map_or("the container's mount namespace", |open| {
            open.field.as_str()
        });
    let call = sys::Call::from_u16(failure.call).map_or("system call", sys::Call::name);
    Error::system(field, call, Errno::from_raw(failure.errno))
}
