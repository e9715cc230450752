//! System call names and numbers.

#![forbid(unsafe_code)]

#[rustfmt::skip]
mod table;

use oci_spec::runtime::Arch;

use crate::arch::{self, Abi};

/// In the number table: the architecture does not have the call.
const ABSENT: u16 = 0xffff;
/// In the number table: an ARM private call, the low bits count from [`ARM_PRIVATE`].
const PRIVATE_MARK: u16 = 0x8000;
/// In the table of multiplexed calls: `ipc(2)`, not `socketcall(2)`.
const IPC_MARK: u8 = 0x80;

/// The first of ARM's private system calls (`__ARM_NR_BASE`).
pub(crate) const ARM_PRIVATE: u32 = 0x000f_0000;
/// One more than the highest number in the table, ARM's private calls left out.
pub(crate) const LIMIT: u16 = table::LIMIT;

/// A known system call, on whatever architecture.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Syscall(usize);

/// One entry point of a system call on an architecture.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) number: u32,
    /// For a multiplexed entry: the function code that the first argument must have.
    pub(crate) function: Option<u32>,
}

impl Syscall {
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        table::NAMES.binary_search(&name).ok().map(Self)
    }

    pub(crate) fn name(self) -> &'static str {
        table::NAMES[self.0]
    }

    /// The number of the direct entry.
    pub(crate) fn number(self, abi: &Abi) -> Option<u32> {
        match table::NUMBERS[abi.column][self.0] {
            ABSENT => None,
            number if number & PRIVATE_MARK != 0 => {
                Some(ARM_PRIVATE + u32::from(number & !PRIVATE_MARK))
            }
            number => Some(abi.base + u32::from(number)),
        }
    }

    /// The entry through `socketcall(2)` or `ipc(2)`.
    pub(crate) fn multiplexed(self, abi: &Abi) -> Option<Entry> {
        let code = table::MULTIPLEXED[self.0];
        if code == 0 || !abi.multiplexed {
            return None;
        }
        let host = if code & IPC_MARK == 0 {
            table::SOCKETCALL
        } else {
            table::IPC
        };
        let number = Self(host).number(abi)?;
        Some(Entry {
            number,
            function: Some(u32::from(code & !IPC_MARK)),
        })
    }

    /// Every way into the call on an architecture; none when it does not have the call.
    pub(crate) fn entries(self, abi: &Abi) -> impl Iterator<Item = Entry> {
        let direct = self.number(abi).map(|number| Entry {
            number,
            function: None,
        });
        direct.into_iter().chain(self.multiplexed(abi))
    }
}

/// Every system call name that profiles may use, sorted.
#[must_use]
pub fn known_names() -> &'static [&'static str] {
    &table::NAMES
}

/// The number of a system call on an architecture (`ScmpArchNative`: the one this program was
/// built for), or `None` if the architecture does not have it.
///
/// The numbers of x32 carry bit 30, those of MIPS their ABI's base, as in `seccomp_data.nr`.
#[must_use]
pub fn syscall_number(arch: Arch, name: &str) -> Option<u32> {
    Syscall::by_name(name)?.number(arch::abi_of(arch, arch::native())?)
}

/// The name of the system call with this number on an architecture.
#[must_use]
pub fn syscall_name(arch: Arch, number: u32) -> Option<&'static str> {
    let abi = arch::abi_of(arch, arch::native())?;
    (0..table::NAMES.len())
        .map(Syscall)
        .find(|call| call.number(abi) == Some(number))
        .map(Syscall::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(known_names().is_sorted());
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn numbers_agree_with_the_c_library() {
        for (name, number) in [
            ("read", libc::SYS_read),
            ("clone3", libc::SYS_clone3),
            ("seccomp", libc::SYS_seccomp),
            ("socket", libc::SYS_socket),
            ("futex_waitv", libc::SYS_futex_waitv),
        ] {
            assert_eq!(
                syscall_number(Arch::ScmpArchX86_64, name).map(i64::from),
                Some(number)
            );
        }
    }

    #[test]
    fn numbers_carry_the_base_of_their_abi() {
        assert_eq!(syscall_number(Arch::ScmpArchX32, "read"), Some(0x4000_0000));
        assert_eq!(
            syscall_number(Arch::ScmpArchX32, "readv"),
            Some(0x4000_0203)
        );
        assert_eq!(syscall_number(Arch::ScmpArchMips, "read"), Some(4003));
        assert_eq!(syscall_number(Arch::ScmpArchMipsel64, "read"), Some(5000));
        assert_eq!(syscall_number(Arch::ScmpArchMips64n32, "read"), Some(6000));
        assert_eq!(
            syscall_number(Arch::ScmpArchArm, "set_tls"),
            Some(0x000f_0005)
        );
        assert_eq!(syscall_number(Arch::ScmpArchAarch64, "open"), None);
        assert_eq!(
            syscall_name(Arch::ScmpArchArm, 0x000f_0005),
            Some("set_tls")
        );
    }

    #[test]
    fn multiplexed_calls_have_two_entries() {
        let x86 = arch::abi_of(Arch::ScmpArchX86, Arch::ScmpArchX86);
        let entries = |name| -> Vec<_> {
            let call = Syscall::by_name(name).into_iter();
            call.zip(x86)
                .flat_map(|(call, x86)| call.entries(x86))
                .collect()
        };
        let direct = |number| Entry {
            number,
            function: None,
        };
        let through = |number, code| Entry {
            number,
            function: Some(code),
        };
        assert_eq!(entries("socket"), [direct(359), through(102, 1)]);
        assert_eq!(entries("shmctl"), [direct(396), through(117, 24)]);
        assert_eq!(entries("send"), [through(102, 9)]);
        assert_eq!(entries("read"), [direct(3)]);
    }
}
