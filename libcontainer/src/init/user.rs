//! Users, groups and capabilities.

use super::state::Child;
use super::status::Status;
use crate::sys::{Result, identity, process};

/// One more than the last capability that a mask of 64 bits can name.
const CAPABILITIES: u32 = u64::BITS;

impl Child<'_> {
    /// Becomes user and group 0 of the user namespace.
    pub(super) fn become_root(&self) -> Result<()> {
        match identity::set_groups(&[0]) {
            // The namespace may deny it, and what is not allowed cannot be harmful.
            Err(fault) if matches!(fault.errno, libc::EPERM | libc::EINVAL) => {}
            other => other?,
        }
        identity::set_group(0)?;
        identity::set_user(0)?;
        // A change of user lets go of the parent and may make the process visible.
        self.guard()
    }

    /// Becomes the container's user, where it is not that one. Where ids may not be mapped, an unmapped
    /// one looks like another (user_namespaces(7)): there it becomes that user in any case.
    pub(super) fn become_user(&mut self, uid: u32, gid: u32, are_mapped: bool) -> Result<()> {
        let is_that = |own: Status| (own.only_user, own.only_group) == (Some(uid), Some(gid));
        if are_mapped && self.own_status().is_some_and(is_that) {
            return Ok(());
        }
        identity::set_group(gid)?;
        identity::set_user(uid)?;
        // The kernel undoes what guards the process (commit_creds).
        self.guard()
    }

    /// Sets the supplementary groups. An unprivileged user namespace may deny that: no groups can
    /// then be had anyway.
    pub(super) fn set_groups(&mut self, gids: &[u32]) -> Result<()> {
        if gids.is_empty() && self.own_status().is_some_and(|own| own.is_in_no_group) {
            return Ok(());
        }
        match identity::set_groups(gids) {
            Err(fault) if fault.errno == libc::EPERM && gids.is_empty() => Ok(()),
            other => other,
        }
    }

    /// Drops every capability but `keep` from the bounding set.
    pub(super) fn limit_bounding_set(&mut self, keep: u64) -> Result<()> {
        let held = self.own_status().map_or(u64::MAX, |own| own.bounding);
        drop_from_bounding_set(held & !keep)
    }
}

fn drop_from_bounding_set(these: u64) -> Result<()> {
    for capability in (0..CAPABILITIES).filter(|capability| these & (1 << capability) != 0) {
        match process::drop_from_bounding_set(capability) {
            Ok(()) => {}
            // The kernel knows none of that number or above.
            Err(fault) if fault.errno == libc::EINVAL => break,
            Err(fault) => match process::in_bounding_set(capability) {
                Some(false) => {}
                _ => return Err(fault.about(capability)),
            },
        }
    }
    Ok(())
}

/// Makes the ambient set exactly `raise`.
pub(super) fn set_ambient(raise: u64) -> Result<()> {
    process::clear_ambient_set()?;
    for capability in 0..CAPABILITIES {
        if raise & (1 << capability) != 0 {
            process::raise_ambient(capability).map_err(|fault| fault.about(capability))?;
        }
    }
    Ok(())
}
