//! What a filter answers.

#![forbid(unsafe_code)]

use std::fmt;

use oci_spec::runtime::LinuxSeccompAction as Oci;

/// `SECCOMP_RET_ACTION_FULL`: the part of a return value that names the action.
const ACTION_MASK: u32 = 0xffff_0000;
/// `SECCOMP_RET_DATA`: the part that is an errno or a trace message.
const DATA_MASK: u32 = 0x0000_ffff;

const KILL_THREAD: u32 = 0x0000_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const USER_NOTIF: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

/// A filter's answer: a `SECCOMP_RET_*` value with its data (seccomp(2), "Return values").
///
/// Prints as the specification's name, with the data where the action has some:
/// `SCMP_ACT_ERRNO(38)`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Action(u32);

impl Action {
    /// The call runs.
    pub const ALLOW: Self = Self(ALLOW);
    /// The calling thread dies; also the answer to a foreign architecture.
    pub const KILL_THREAD: Self = Self(KILL_THREAD);
    /// The call fails with `ENOSYS`, as if the kernel did not have it.
    pub const ENOSYS: Self = Self(ERRNO | 38);

    /// The action of a profile; `data` is the errno or the trace message.
    pub(crate) fn from_oci(action: Oci, data: u16) -> Self {
        let data = u32::from(data);
        Self(match action {
            Oci::ScmpActKill | Oci::ScmpActKillThread => KILL_THREAD,
            Oci::ScmpActKillProcess => KILL_PROCESS,
            Oci::ScmpActTrap => TRAP,
            Oci::ScmpActErrno => ERRNO | data,
            Oci::ScmpActNotify => USER_NOTIF,
            Oci::ScmpActTrace => TRACE | data,
            Oci::ScmpActLog => LOG,
            Oci::ScmpActAllow => ALLOW,
        })
    }

    /// The answer with this value.
    #[must_use]
    pub const fn from_raw(value: u32) -> Self {
        Self(value)
    }

    /// The value that the program returns to the kernel.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// Whether the call goes on without the container's program noticing.
    ///
    /// Tracing counts: a tracer that understands new system calls must see them.
    pub(crate) fn is_permissive(self) -> bool {
        matches!(self.0 & ACTION_MASK, ALLOW | LOG | TRACE)
    }

    /// Whether the kernel runs the call, and asks nobody before.
    pub(crate) fn runs(self) -> bool {
        matches!(self.0 & ACTION_MASK, ALLOW | LOG)
    }

    /// Whether the call waits for an answer through the listener.
    pub(crate) fn notifies(self) -> bool {
        self.0 & ACTION_MASK == USER_NOTIF
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 & ACTION_MASK {
            KILL_THREAD => "SCMP_ACT_KILL_THREAD",
            KILL_PROCESS => "SCMP_ACT_KILL_PROCESS",
            TRAP => "SCMP_ACT_TRAP",
            ERRNO => return write!(f, "SCMP_ACT_ERRNO({})", self.0 & DATA_MASK),
            USER_NOTIF => "SCMP_ACT_NOTIFY",
            TRACE => return write!(f, "SCMP_ACT_TRACE({})", self.0 & DATA_MASK),
            LOG => "SCMP_ACT_LOG",
            ALLOW => "SCMP_ACT_ALLOW",
            // The kernel kills the process for a value that it does not know.
            _ => return write!(f, "unknown action {:#010x}", self.0),
        };
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_kernels() {
        let value = |action| Action::from_oci(action, 7).raw();
        assert_eq!(
            value(Oci::ScmpActKillProcess),
            libc::SECCOMP_RET_KILL_PROCESS
        );
        assert_eq!(value(Oci::ScmpActKill), libc::SECCOMP_RET_KILL_THREAD);
        assert_eq!(value(Oci::ScmpActTrap), libc::SECCOMP_RET_TRAP);
        assert_eq!(value(Oci::ScmpActErrno), libc::SECCOMP_RET_ERRNO | 7);
        assert_eq!(value(Oci::ScmpActNotify), libc::SECCOMP_RET_USER_NOTIF);
        assert_eq!(value(Oci::ScmpActTrace), libc::SECCOMP_RET_TRACE | 7);
        assert_eq!(value(Oci::ScmpActLog), libc::SECCOMP_RET_LOG);
        assert_eq!(value(Oci::ScmpActAllow), libc::SECCOMP_RET_ALLOW);
    }

    #[test]
    fn answers_print_with_their_data() {
        assert_eq!(Action::ENOSYS.to_string(), "SCMP_ACT_ERRNO(38)");
        assert_eq!(
            Action::from_raw(0x1234_0000).to_string(),
            "unknown action 0x12340000"
        );
    }
}
