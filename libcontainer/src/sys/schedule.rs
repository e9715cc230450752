//! Limits, scheduling, memory policy and what else a process has.

use super::raw::{ptr, syscall};
use super::{Call, Result};
use crate::plan::step::SchedAttr;

/// prlimit64(2) for the calling process.
pub(crate) fn set_limit(resource: u32, soft: u64, hard: u64) -> Result<()> {
    set_limit_of(0, resource, soft, hard)
}

/// prlimit64(2) for any process; 0 is the calling one.
pub(crate) fn set_limit_of(pid: i32, resource: u32, soft: u64, hard: u64) -> Result<()> {
    let limit = [soft, hard];
    let args = [pid as usize, resource as usize, ptr(&limit), 0];
    // SAFETY: `struct rlimit64` is two numbers, and no old one is wanted.
    unsafe { syscall(Call::Prlimit, libc::SYS_prlimit64, args) }.map(drop)
}

/// sched_setattr(2) for the calling thread.
pub(crate) fn set_scheduler(attributes: &SchedAttr) -> Result<()> {
    let sized = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        ..*attributes
    };
    // SAFETY: the structure has the length that it names.
    unsafe {
        syscall(
            Call::SchedSetattr,
            libc::SYS_sched_setattr,
            [0, ptr(&sized), 0],
        )
    }
    .map(drop)
}

/// ioprio_set(2) for the calling thread.
pub(crate) fn set_io_priority(value: i32) -> Result<()> {
    const IOPRIO_WHO_PROCESS: usize = 1;
    let args = [IOPRIO_WHO_PROCESS, 0, value as usize];
    // SAFETY: numbers.
    unsafe { syscall(Call::IoprioSet, libc::SYS_ioprio_set, args) }.map(drop)
}

/// sched_setaffinity(2) for the calling thread.
pub(crate) fn set_affinity(mask: &[u8]) -> Result<()> {
    let args = [0, mask.len(), ptr(mask)];
    // SAFETY: the kernel reads `mask.len()` bytes.
    unsafe { syscall(Call::SchedSetaffinity, libc::SYS_sched_setaffinity, args) }.map(drop)
}

/// personality(2).
pub(crate) fn set_personality(value: u64) -> Result<()> {
    // SAFETY: a number.
    unsafe { syscall(Call::Personality, libc::SYS_personality, [value as usize]) }.map(drop)
}

/// set_mempolicy(2). `max_node` bits of `nodes` count, but never more than `nodes` has.
pub(crate) fn set_memory_policy(mode: i32, nodes: &[u64], max_node: u64) -> Result<()> {
    // The kernel leaves out the last bit of what it is told.
    let room = nodes.len() as u64 * u64::from(u64::BITS) + 1;
    let max_node = max_node.min(room) as usize;
    let mask = if nodes.is_empty() { 0 } else { ptr(nodes) };
    let max_node = if nodes.is_empty() { 0 } else { max_node };
    let args = [mode as isize as usize, mask, max_node];
    // SAFETY: the kernel reads the words that hold `max_node - 1` bits.
    unsafe { syscall(Call::SetMempolicy, libc::SYS_set_mempolicy, args) }.map(drop)
}

/// umask(2); returns the mask that was.
pub(crate) fn set_umask(mask: u32) -> u32 {
    // SAFETY: a number; cannot fail.
    unsafe { syscall(Call::Mkdir, libc::SYS_umask, [mask as usize]) }.unwrap_or(0o022) as u32
}
