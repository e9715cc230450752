//! Users, groups, capabilities, names of the host, keyrings.
//!
//! Raw calls on purpose: the C library's `setresuid` and the like tell every thread of the process,
//! and in the child those threads do not exist.

use core::ffi::CStr;

use super::raw::{ptr, ptr_mut, syscall};
use super::{Call, Result};

/// setresuid(2) with the same user three times.
pub(crate) fn set_user(uid: u32) -> Result<()> {
    let uid = uid as usize;
    // SAFETY: numbers.
    unsafe { syscall(Call::Setresuid, libc::SYS_setresuid, [uid, uid, uid]) }.map(drop)
}

/// setresgid(2) with the same group three times.
pub(crate) fn set_group(gid: u32) -> Result<()> {
    let gid = gid as usize;
    // SAFETY: numbers.
    unsafe { syscall(Call::Setresgid, libc::SYS_setresgid, [gid, gid, gid]) }.map(drop)
}

/// setgroups(2).
pub(crate) fn set_groups(gids: &[u32]) -> Result<()> {
    let args = [gids.len(), ptr(gids)];
    // SAFETY: the kernel reads as many numbers as `gids` has.
    unsafe { syscall(Call::Setgroups, libc::SYS_setgroups, args) }.map(drop)
}

/// geteuid(2).
#[cfg(test)]
pub(crate) fn effective_user() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { syscall(Call::Setresuid, libc::SYS_geteuid, []) }.unwrap_or(0) as u32
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapabilityWords {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// The effective set of the calling thread (capget(2)).
pub(crate) fn effective_capabilities() -> Result<u64> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let mut data = [CapabilityWords {
        effective: 0,
        permitted: 0,
        inheritable: 0,
    }; 2];
    // SAFETY: version 3 reads a header and writes two of these.
    unsafe {
        syscall(
            Call::Capset,
            libc::SYS_capget,
            [ptr(&header), ptr_mut(&mut data)],
        )
    }?;
    let [low, high] = data;
    Ok(u64::from(low.effective) | u64::from(high.effective) << 32)
}

/// capset(2) for the calling thread.
pub(crate) fn set_capabilities(effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let words = |shift: u32| CapabilityWords {
        effective: (effective >> shift) as u32,
        permitted: (permitted >> shift) as u32,
        inheritable: (inheritable >> shift) as u32,
    };
    let data = [words(0), words(32)];
    // SAFETY: version 3 reads a header and two of these.
    unsafe { syscall(Call::Capset, libc::SYS_capset, [ptr(&header), ptr(&data)]) }.map(drop)
}

/// sethostname(2).
pub(crate) fn set_host_name(name: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads `name.len()` bytes.
    unsafe {
        syscall(
            Call::Sethostname,
            libc::SYS_sethostname,
            [ptr(name), name.len()],
        )
    }
    .map(drop)
}

/// setdomainname(2).
pub(crate) fn set_domain_name(name: &[u8]) -> Result<()> {
    let args = [ptr(name), name.len()];
    // SAFETY: the kernel reads `name.len()` bytes.
    unsafe { syscall(Call::Setdomainname, libc::SYS_setdomainname, args) }.map(drop)
}

const KEYCTL_JOIN_SESSION_KEYRING: usize = 1;
const KEYCTL_SETPERM: usize = 5;

/// Joins the session keyring of this name, which is made where there is none; returns its number.
pub(crate) fn join_session_keyring(name: &CStr) -> Result<i32> {
    let args = [
        KEYCTL_JOIN_SESSION_KEYRING,
        name.as_ptr().expose_provenance(),
    ];
    // SAFETY: `name` ends with a zero byte.
    let serial = unsafe { syscall(Call::KeyctlJoin, libc::SYS_keyctl, args) }?;
    Ok(serial as i32)
}

/// Sets the permissions of a key.
pub(crate) fn set_key_permissions(serial: i32, permissions: u32) -> Result<()> {
    let args = [
        KEYCTL_SETPERM,
        serial as isize as usize,
        permissions as usize,
    ];
    // SAFETY: numbers.
    unsafe { syscall(Call::KeyctlSetperm, libc::SYS_keyctl, args) }.map(drop)
}
