//! Raw system calls with types. The only unsafe code of the crate beside `plan::cstrings`.
//!
//! Everything here may run between clone and `execve` in the child of a program with threads: one
//! `syscall` instruction each, no heap, no lock, no panic, and none of the C library's wrappers that
//! tell other threads (`setresuid`), remember things (`getpid`) or run handlers (`fork`).
//! What fails is a [`Fault`]: which call, and `errno`.

#![allow(unsafe_code)]
// this is the crate's unsafe corner
// The planner's and the kernel's numbers are the same bits with or without a sign.
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss)]

mod call;
pub(crate) mod descriptor;
pub(crate) mod file;
#[cfg(any(test, feature = "abort-on-child-allocation"))]
pub(crate) mod heap;
pub(crate) mod identity;
pub(crate) mod mount;
pub(crate) mod process;
mod raw;
pub(crate) mod schedule;
pub(crate) mod signal;
pub(crate) mod socket;
pub(crate) mod terminal;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use call::Call;

/// A call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Which one.
    pub call: Call,
    /// Why; 0 where a [`Call`] is a verification that says it all.
    pub errno: i32,
    /// What it was about, see [`crate::sync::Failure::detail`].
    pub detail: u32,
}

impl Fault {
    /// A failure of `call`.
    pub(crate) const fn new(call: Call, errno: i32) -> Self {
        Self {
            call,
            errno,
            detail: 0,
        }
    }

    /// The same with what it was about.
    pub(crate) const fn about(self, detail: u32) -> Self {
        Self { detail, ..self }
    }

    /// Whether the kernel does not have the call.
    pub(crate) const fn is_missing(self) -> bool {
        self.errno == libc::ENOSYS
    }

    /// Whether the kernel does not have the call, or a filter that was written before the call was
    /// refuses it. For calls that never answer `EPERM` of their own, and may come after the
    /// container's filter.
    pub(crate) const fn is_unavailable(self) -> bool {
        matches!(self.errno, libc::ENOSYS | libc::EPERM)
    }
}

/// The result of a call.
pub(crate) type Result<T> = core::result::Result<T, Fault>;
