//! Numbers of the kernel's interface that the planner needs, without the signs and widths that they
//! have in C.

#![forbid(unsafe_code)]

use super::step::NamespaceKind;

/// `MOUNT_ATTR_*` (mount_setattr(2)).
pub(crate) mod attr {
    pub(crate) const RDONLY: u64 = 0x1;
    pub(crate) const NOSUID: u64 = 0x2;
    pub(crate) const NODEV: u64 = 0x4;
    pub(crate) const NOEXEC: u64 = 0x8;
    /// The access time setting is one field of several bits: it is cleared as a whole.
    pub(crate) const ATIME: u64 = 0x70;
    pub(crate) const RELATIME: u64 = 0;
    pub(crate) const NOATIME: u64 = 0x10;
    pub(crate) const STRICTATIME: u64 = 0x20;
    pub(crate) const NODIRATIME: u64 = 0x80;
    pub(crate) const NOSYMFOLLOW: u64 = 0x20_0000;
}

/// `MS_*` propagation types (mount(2)).
pub(crate) mod propagation {
    pub(crate) const REC: u64 = 0x4000;
    pub(crate) const UNBINDABLE: u64 = 0x2_0000;
    pub(crate) const PRIVATE: u64 = 0x4_0000;
    pub(crate) const SLAVE: u64 = 0x8_0000;
    pub(crate) const SHARED: u64 = 0x10_0000;
}

/// File types of mknod(2).
pub(crate) mod file_type {
    pub(crate) const MASK: u32 = 0o170_000;
    pub(crate) const FIFO: u32 = 0o010_000;
    pub(crate) const CHARACTER: u32 = 0o020_000;
    pub(crate) const BLOCK: u32 = 0o060_000;
}

/// The `CLONE_NEW*` flag of a namespace.
pub(crate) const fn clone_flag(kind: NamespaceKind) -> i32 {
    match kind {
        NamespaceKind::User => 0x1000_0000,
        NamespaceKind::Pid => 0x2000_0000,
        NamespaceKind::Network => 0x4000_0000,
        NamespaceKind::Ipc => 0x0800_0000,
        NamespaceKind::Uts => 0x0400_0000,
        NamespaceKind::Cgroup => 0x0200_0000,
        NamespaceKind::Time => 0x80,
        NamespaceKind::Mount => 0x2_0000,
    }
}

/// The device number as the kernel packs it (its `new_encode_dev`).
pub(crate) const fn device_number(major: u32, minor: u32) -> u64 {
    let packed = (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12);
    packed as u64
}
