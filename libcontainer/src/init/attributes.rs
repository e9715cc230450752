//! Mount attributes: mount_setattr(2), and what stands in for it before kernel 5.12.

use core::ffi::CStr;
use std::os::fd::BorrowedFd;

use super::state::Child;
use crate::path;
use crate::plan::step::Attributes;
use crate::sys::mount::{self, MountAttr, attr};
use crate::sys::{Call, Fault, Result, file};

/// What [`apply`] could not do on a detached mount: it is remounted once it is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Rest {
    /// Nothing.
    Nothing,
    /// All of these.
    Remount(Attributes),
}

/// Applies the attributes to a mount, attached or not.
pub(super) fn apply(tree: BorrowedFd<'_>, attributes: &Attributes) -> Result<Rest> {
    let recursive = MountAttr {
        set: attributes.set_recursive,
        clear: attributes.clear_recursive,
        propagation: attributes.propagation_recursive,
        userns: 0,
    };
    let top = MountAttr {
        set: attributes.set,
        clear: attributes.clear,
        propagation: attributes.propagation,
        userns: 0,
    };
    for (wanted, is_recursive) in [(recursive, true), (top, false)] {
        if wanted == MountAttr::default() {
            continue;
        }
        match mount::set_attributes(tree, &wanted, is_recursive) {
            Ok(()) => {}
            Err(fault)
                if fault.errno == libc::EPERM && !is_recursive && attributes.may_stay != 0 =>
            {
                let asked = MountAttr {
                    clear: wanted.clear & !attributes.may_stay,
                    ..wanted
                };
                mount::set_attributes(tree, &asked, false)?;
            }
            Err(fault) if fault.is_missing() => {
                if recursive.set | recursive.clear != 0 {
                    return Err(Fault::new(Call::RecursiveAttributes, libc::ENOSYS));
                }
                return Ok(Rest::Remount(*attributes));
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(Rest::Nothing)
}

/// The attributes of a new file system, which has no tree and no attributes yet, as fsmount(2) takes
/// them; what it does not take is left in the second value.
pub(super) fn split_for_new(attributes: &Attributes) -> (u64, Attributes) {
    let all = (attributes.set_recursive & !attributes.clear) | attributes.set;
    let left = Attributes {
        set: all & attr::NOSYMFOLLOW,
        propagation: if attributes.propagation != 0 {
            attributes.propagation
        } else {
            attributes.propagation_recursive
        },
        ..Attributes::default()
    };
    (all & !attr::NOSYMFOLLOW, left)
}

impl Child<'_> {
    /// Applies to an attached mount what [`apply`] left.
    pub(super) fn finish(&mut self, tree: BorrowedFd<'_>, rest: Rest) -> Result<()> {
        let Rest::Remount(attributes) = rest else {
            return Ok(());
        };
        let current = file::filesystem(tree)?.1;
        let flags = remount_flags(current, attributes.set, attributes.clear);
        let changed = self.change_mount(tree, flags, &attributes);
        // The working directory went to the mount, or to procfs.
        let root = self.root()?;
        file::enter(root)?;
        changed
    }

    /// Changes a mount with mount(2), which takes only paths: a directory is entered and named ".", a
    /// file is named by its descriptor in the verified procfs.
    fn change_mount(&self, tree: BorrowedFd<'_>, flags: u64, wanted: &Attributes) -> Result<()> {
        let by_descriptor = path::descriptor_path(tree)?;
        let name: &CStr = if file::status(tree)?.is_directory() {
            file::enter(tree)?;
            c"."
        } else {
            file::enter(self.proc()?)?;
            by_descriptor.as_cstr()
        };
        if wanted.set | wanted.clear != 0 {
            mount::change(name, flags)?;
        }
        if wanted.propagation_recursive != 0 {
            mount::change(name, wanted.propagation_recursive | libc::MS_REC)?;
        }
        if wanted.propagation != 0 {
            mount::change(name, wanted.propagation)?;
        }
        Ok(())
    }
}

/// `ST_*` of statfs(2), `MOUNT_ATTR_*` and `MS_*` of the same meaning.
const FLAGS: [(u64, u64, u64); 6] = [
    (libc::ST_RDONLY, attr::RDONLY, libc::MS_RDONLY),
    (libc::ST_NOSUID, attr::NOSUID, libc::MS_NOSUID),
    (libc::ST_NODEV, attr::NODEV, libc::MS_NODEV),
    (libc::ST_NOEXEC, attr::NOEXEC, libc::MS_NOEXEC),
    (libc::ST_NODIRATIME, attr::NODIRATIME, libc::MS_NODIRATIME),
    (ST_NOSYMFOLLOW, attr::NOSYMFOLLOW, MS_NOSYMFOLLOW),
];
const ST_NOSYMFOLLOW: u64 = 0x2000;
const MS_NOSYMFOLLOW: u64 = 0x100;

/// Flags for a remount that keeps what the mount has (`ST_*` in `current`) but for `set` and `clear`.
fn remount_flags(current: u64, set: u64, clear: u64) -> u64 {
    let mut flags = libc::MS_REMOUNT | libc::MS_BIND;
    for (has, attribute, flag) in FLAGS {
        if (current & has != 0 && clear & attribute == 0) || set & attribute != 0 {
            flags |= flag;
        }
    }
    flags | access_time(current, set, clear)
}

fn access_time(current: u64, set: u64, clear: u64) -> u64 {
    if clear & attr::ATIME == attr::ATIME {
        match set & attr::ATIME {
            attr::NOATIME => libc::MS_NOATIME,
            attr::STRICTATIME => libc::MS_STRICTATIME,
            _ => libc::MS_RELATIME,
        }
    } else if current & libc::ST_NOATIME != 0 {
        libc::MS_NOATIME
    } else if current & libc::ST_RELATIME != 0 {
        libc::MS_RELATIME
    } else {
        libc::MS_STRICTATIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remount_keeps_what_nobody_asked_to_change() {
        let kept = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_NOSUID | libc::MS_RELATIME;
        let current = libc::ST_NOSUID | libc::ST_RELATIME;
        assert_eq!(remount_flags(current, 0, 0), kept);
        assert_eq!(
            remount_flags(current, attr::RDONLY, 0),
            kept | libc::MS_RDONLY
        );
        assert_eq!(
            remount_flags(
                current,
                attr::NOATIME | attr::NODEV,
                attr::ATIME | attr::NOSUID
            ),
            libc::MS_REMOUNT | libc::MS_BIND | libc::MS_NODEV | libc::MS_NOATIME
        );
    }

    #[test]
    fn a_new_file_system_takes_the_attributes_of_its_whole_tree() {
        let attributes = Attributes {
            set: attr::NOSUID | attr::NOSYMFOLLOW,
            clear: attr::RDONLY,
            set_recursive: attr::RDONLY | attr::NODEV,
            ..Attributes::default()
        };
        let (taken, left) = split_for_new(&attributes);
        assert_eq!(taken, attr::NOSUID | attr::NODEV);
        assert_eq!(left.set, attr::NOSYMFOLLOW);
    }
}
