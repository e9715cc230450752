//! Signal masks and actions.

use super::raw::{ptr, ptr_mut, syscall};
use super::{Call, Result};

/// How many signals the kernel has (`_NSIG`).
const SIGNALS: usize = 64;
/// Length of the kernel's signal set.
const SET_LENGTH: usize = SIGNALS / 8;

/// The kernel's `struct sigaction` with default action, no flags and an empty mask. The order of its
/// fields differs between machines, all of them zero is the same on each.
#[repr(C, align(8))]
struct DefaultAction([u8; 32]);

/// Blocks every signal and returns the mask that was.
pub(crate) fn block_all() -> Result<u64> {
    exchange_mask(u64::MAX)
}

/// Sets the mask of blocked signals.
pub(crate) fn set_mask(mask: u64) -> Result<()> {
    exchange_mask(mask).map(drop)
}

fn exchange_mask(new: u64) -> Result<u64> {
    let mut old = 0u64;
    let args = [
        libc::SIG_SETMASK as usize,
        ptr(&new),
        ptr_mut(&mut old),
        SET_LENGTH,
    ];
    // SAFETY: both sets have the length that is given.
    unsafe { syscall(Call::Sigprocmask, libc::SYS_rt_sigprocmask, args) }?;
    Ok(old)
}

/// Gives the signals of a mask, the lowest bit for signal 1, their default action and unblocks all.
pub(crate) fn reset(mask: u64) -> Result<()> {
    let default = DefaultAction([0; 32]);
    for signal in 1..=SIGNALS {
        let is_fixed = signal == libc::SIGKILL as usize || signal == libc::SIGSTOP as usize;
        if is_fixed || mask & (1 << (signal - 1)) == 0 {
            continue;
        }
        let args = [signal, ptr(&default), 0, SET_LENGTH];
        // SAFETY: the action is as long as the kernel's largest, and no old one is wanted.
        unsafe { syscall(Call::Sigaction, libc::SYS_rt_sigaction, args) }?;
    }
    set_mask(0)
}

/// Gives every signal its default action and unblocks all.
pub(crate) fn reset_all() -> Result<()> {
    reset(u64::MAX)
}

/// What a caller sends to ask a program to end.
const REQUESTS: [libc::c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// Has the process end on signals that ask for it: the first one of a PID namespace is not ended by
/// their default action. execve(2) takes this back. What a filter forbids stays as it is.
pub(crate) fn end_on_request() {
    extern "C" fn end(signal: libc::c_int) {
        super::process::exit(128 + signal)
    }
    // SAFETY: zeroes are an action without flags and with an empty mask.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = end as extern "C" fn(libc::c_int) as usize;
    for signal in REQUESTS {
        // SAFETY: the handler does nothing but end the process.
        unsafe { libc::sigaction(signal, &raw const action, core::ptr::null_mut()) };
    }
}
