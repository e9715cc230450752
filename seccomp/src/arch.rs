//! The architectures of the OCI specification and how system calls look on each.

#![forbid(unsafe_code)]

use oci_spec::runtime::Arch;

/// Set in every system call number of the x32 ABI (`__X32_SYSCALL_BIT`).
pub(crate) const X32_BIT: u32 = 0x4000_0000;

/// What the compiler must know about an architecture's system call interface.
#[derive(Debug)]
pub(crate) struct Abi {
    pub(crate) arch: Arch,
    /// The specification's name.
    pub(crate) name: &'static str,
    /// `AUDIT_ARCH_*`, the value of `seccomp_data.arch`.
    pub(crate) audit: u32,
    /// The column of the number table.
    pub(crate) column: usize,
    /// Whether arguments have 64 bits; else only the low word of each is compared.
    pub(crate) wide: bool,
    pub(crate) big_endian: bool,
    /// What is added to a number of the table.
    pub(crate) base: u32,
    /// Whether `socketcall(2)` and `ipc(2)` exist beside the calls that they multiplex.
    pub(crate) multiplexed: bool,
}

const LITTLE: bool = false;
const BIG: bool = true;
const NARROW: bool = false;
const WIDE: bool = true;

/// Shortens the table below.
const fn abi(
    arch: Arch,
    name: &'static str,
    audit: u32,
    column: usize,
    (wide, big_endian): (bool, bool),
    (base, multiplexed): (u32, bool),
) -> Abi {
    Abi {
        arch,
        name,
        audit,
        column,
        wide,
        big_endian,
        base,
        multiplexed,
    }
}

// The audit values are those of <linux/audit.h>; the columns those of tables/syscalls.csv.
#[rustfmt::skip]
static ABIS: [Abi; 23] = [
    abi(Arch::ScmpArchX86, "SCMP_ARCH_X86", 0x4000_0003, 0, (NARROW, LITTLE), (0, true)),
    abi(Arch::ScmpArchX86_64, "SCMP_ARCH_X86_64", 0xc000_003e, 1, (WIDE, LITTLE), (0, false)),
    abi(Arch::ScmpArchX32, "SCMP_ARCH_X32", 0xc000_003e, 2, (NARROW, LITTLE), (X32_BIT, false)),
    abi(Arch::ScmpArchArm, "SCMP_ARCH_ARM", 0x4000_0028, 3, (NARROW, LITTLE), (0, false)),
    abi(Arch::ScmpArchAarch64, "SCMP_ARCH_AARCH64", 0xc000_00b7, 4, (WIDE, LITTLE), (0, false)),
    abi(Arch::ScmpArchLoongarch64, "SCMP_ARCH_LOONGARCH64", 0xc000_0102, 5, (WIDE, LITTLE), (0, false)),
    abi(Arch::ScmpArchM68k, "SCMP_ARCH_M68K", 0x0000_0004, 6, (NARROW, BIG), (0, true)),
    abi(Arch::ScmpArchMips, "SCMP_ARCH_MIPS", 0x0000_0008, 7, (NARROW, BIG), (4000, true)),
    abi(Arch::ScmpArchMipsel, "SCMP_ARCH_MIPSEL", 0x4000_0008, 7, (NARROW, LITTLE), (4000, true)),
    abi(Arch::ScmpArchMips64, "SCMP_ARCH_MIPS64", 0x8000_0008, 8, (WIDE, BIG), (5000, false)),
    abi(Arch::ScmpArchMipsel64, "SCMP_ARCH_MIPSEL64", 0xc000_0008, 8, (WIDE, LITTLE), (5000, false)),
    abi(Arch::ScmpArchMips64n32, "SCMP_ARCH_MIPS64N32", 0xa000_0008, 9, (NARROW, BIG), (6000, false)),
    abi(Arch::ScmpArchMipsel64n32, "SCMP_ARCH_MIPSEL64N32", 0xe000_0008, 9, (NARROW, LITTLE), (6000, false)),
    abi(Arch::ScmpArchParisc, "SCMP_ARCH_PARISC", 0x0000_000f, 10, (NARROW, BIG), (0, false)),
    abi(Arch::ScmpArchParisc64, "SCMP_ARCH_PARISC64", 0x8000_000f, 11, (WIDE, BIG), (0, false)),
    abi(Arch::ScmpArchPpc, "SCMP_ARCH_PPC", 0x0000_0014, 12, (NARROW, BIG), (0, true)),
    abi(Arch::ScmpArchPpc64, "SCMP_ARCH_PPC64", 0x8000_0015, 13, (WIDE, BIG), (0, true)),
    abi(Arch::ScmpArchPpc64le, "SCMP_ARCH_PPC64LE", 0xc000_0015, 13, (WIDE, LITTLE), (0, true)),
    abi(Arch::ScmpArchRiscv64, "SCMP_ARCH_RISCV64", 0xc000_00f3, 14, (WIDE, LITTLE), (0, false)),
    abi(Arch::ScmpArchS390, "SCMP_ARCH_S390", 0x0000_0016, 15, (NARROW, BIG), (0, true)),
    abi(Arch::ScmpArchS390x, "SCMP_ARCH_S390X", 0x8000_0016, 16, (WIDE, BIG), (0, true)),
    abi(Arch::ScmpArchSh, "SCMP_ARCH_SH", 0x4000_002a, 17, (NARROW, LITTLE), (0, true)),
    abi(Arch::ScmpArchSheb, "SCMP_ARCH_SHEB", 0x0000_002a, 17, (NARROW, BIG), (0, true)),
];

/// All architectures.
pub(crate) fn all() -> &'static [Abi] {
    &ABIS
}

/// The architecture that this program was built for.
///
/// `ScmpArchNative` where the specification has no name for it (a 32-bit RISC-V, say); no filter
/// can be compiled for such a machine.
#[must_use]
pub const fn native() -> Arch {
    if cfg!(all(target_arch = "x86_64", target_pointer_width = "32")) {
        Arch::ScmpArchX32
    } else if cfg!(target_arch = "x86_64") {
        Arch::ScmpArchX86_64
    } else if cfg!(target_arch = "x86") {
        Arch::ScmpArchX86
    } else if cfg!(all(target_arch = "aarch64", target_endian = "little")) {
        Arch::ScmpArchAarch64
    } else if cfg!(all(target_arch = "arm", target_endian = "little")) {
        Arch::ScmpArchArm
    } else if cfg!(target_arch = "riscv64") {
        Arch::ScmpArchRiscv64
    } else if cfg!(target_arch = "loongarch64") {
        Arch::ScmpArchLoongarch64
    } else if cfg!(target_arch = "s390x") {
        Arch::ScmpArchS390x
    } else if cfg!(target_arch = "m68k") {
        Arch::ScmpArchM68k
    } else {
        native_of_either_byte_order()
    }
}

const fn native_of_either_byte_order() -> Arch {
    let big = cfg!(target_endian = "big");
    let n32 = cfg!(target_pointer_width = "32");
    if cfg!(target_arch = "powerpc") {
        Arch::ScmpArchPpc
    } else if cfg!(target_arch = "powerpc64") {
        if big {
            Arch::ScmpArchPpc64
        } else {
            Arch::ScmpArchPpc64le
        }
    } else if cfg!(target_arch = "mips") {
        if big {
            Arch::ScmpArchMips
        } else {
            Arch::ScmpArchMipsel
        }
    } else if cfg!(target_arch = "mips64") {
        match (big, n32) {
            (true, true) => Arch::ScmpArchMips64n32,
            (true, false) => Arch::ScmpArchMips64,
            (false, true) => Arch::ScmpArchMipsel64n32,
            (false, false) => Arch::ScmpArchMipsel64,
        }
    } else {
        Arch::ScmpArchNative
    }
}

/// What is known about `arch`; `ScmpArchNative` stands for `native`.
///
/// `None` only when both are `ScmpArchNative`.
pub(crate) fn abi_of(arch: Arch, native: Arch) -> Option<&'static Abi> {
    let wanted = if arch == Arch::ScmpArchNative {
        native
    } else {
        arch
    };
    ABIS.iter().find(|abi| abi.arch == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_specification() {
        for abi in all() {
            assert_eq!(abi.arch.to_string().replace("X8664", "X86_64"), abi.name);
        }
    }

    #[test]
    fn the_build_machine_has_a_name() {
        assert!(abi_of(Arch::ScmpArchNative, native()).is_some());
    }
}
