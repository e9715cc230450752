//! The machines that programs are made for.

use oci_spec::runtime::Arch;

/// The machines and what else their kernels run; lists as container engines send them.
pub(crate) const MACHINES: [(Arch, &[&str]); 14] = [
    (
        Arch::ScmpArchX86_64,
        &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    ),
    (Arch::ScmpArchX86_64, &["SCMP_ARCH_X86"]),
    (Arch::ScmpArchX32, &[]),
    (Arch::ScmpArchX86, &[]),
    (
        Arch::ScmpArchAarch64,
        &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
    ),
    (Arch::ScmpArchRiscv64, &["SCMP_ARCH_RISCV64"]),
    (Arch::ScmpArchPpc64le, &[]),
    (Arch::ScmpArchPpc64, &["SCMP_ARCH_PPC"]),
    (Arch::ScmpArchS390x, &["SCMP_ARCH_S390X", "SCMP_ARCH_S390"]),
    (
        Arch::ScmpArchMips64,
        &["SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64N32"],
    ),
    (
        Arch::ScmpArchMipsel64,
        &["SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64N32"],
    ),
    (
        Arch::ScmpArchParisc64,
        &["SCMP_ARCH_PARISC", "SCMP_ARCH_M68K", "SCMP_ARCH_SHEB"],
    ),
    (Arch::ScmpArchSh, &[]),
    (Arch::ScmpArchLoongarch64, &["SCMP_ARCH_LOONGARCH64"]),
];

/// The machine's own architecture and the others that its profiles list.
pub(crate) fn listed(native: Arch, names: &[&str]) -> Vec<Arch> {
    let mut archs = vec![native];
    archs.extend(
        names
            .iter()
            .map(|name| serde_json::from_value::<Arch>((*name).into()).unwrap()),
    );
    archs.dedup();
    archs
}
