//! Which system calls to ask about: every number, with arguments around every compared value.

use std::collections::BTreeSet;

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompOperator};
use seccomp::{Call, known_names, sim, syscall_number};

/// `AUDIT_ARCH_*` of an architecture: the specification's enum holds them, but for x32.
pub(crate) fn audit(arch: Arch) -> u32 {
    if arch == Arch::ScmpArchX32 {
        audit(Arch::ScmpArchX86_64)
    } else {
        arch as u32
    }
}

/// Whether the architecture puts the high word first.
pub(crate) fn big_endian(arch: Arch) -> bool {
    // The little-endian ones have __AUDIT_ARCH_LE.
    audit(arch) & 0x4000_0000 == 0
}

pub(crate) fn data(call: &Call) -> sim::Data {
    sim::Data {
        number: call.number,
        arch: audit(call.arch),
        args: call.args,
        big_endian: big_endian(call.arch),
        ..sim::Data::default()
    }
}

/// Every number of the architecture and some beyond, each with the profile's arguments for it.
pub(crate) fn calls(profile: &LinuxSeccomp, arch: Arch) -> Vec<Call> {
    let mut calls = Vec::new();
    for number in numbers(arch) {
        for args in arguments(profile, arch, number) {
            calls.push(Call { arch, number, args });
        }
    }
    calls
}

fn numbers(arch: Arch) -> BTreeSet<u32> {
    let of_arch = known_names()
        .iter()
        .filter_map(|name| syscall_number(arch, name));
    let mut numbers: BTreeSet<u32> = of_arch.flat_map(|number| [number, number + 1]).collect();
    numbers.extend([0, 1, 399, 1000, 3999, 0x000e_ffff, 0x000f_0010, 0x3fff_ffff]);
    numbers.extend([0x4000_0000, 0x4000_0fff, 0x7fff_ffff, u32::MAX]);
    numbers
}

/// Each argument's interesting values alone, with the others such that other conditions hold.
fn arguments(profile: &LinuxSeccomp, arch: Arch, number: u32) -> Vec<[u64; 6]> {
    let mut values: [BTreeSet<u64>; 6] = Default::default();
    let multiplexed = ["socketcall", "ipc"].map(|host| syscall_number(arch, host));
    let multiplexed = multiplexed.contains(&Some(number));
    if multiplexed {
        values[0].extend(0..26);
    }
    for rule in profile.syscalls().iter().flatten() {
        let here = |name: &String| syscall_number(arch, name) == Some(number);
        if !multiplexed && !rule.names().iter().any(here) {
            continue;
        }
        for arg in rule.args().iter().flatten() {
            let center = match arg.op() {
                LinuxSeccompOperator::ScmpCmpMaskedEq => arg.value() & arg.value_two().unwrap_or(0),
                _ => arg.value(),
            };
            let around = [center, center.wrapping_sub(1), center.wrapping_add(1)];
            values[arg.index()].extend(around);
            values[arg.index()].extend([
                center ^ (1 << 32),
                center ^ (1 << 63),
                center ^ arg.value(),
            ]);
        }
    }
    let mut all = vec![[0; 6]];
    for (index, values) in values.iter().enumerate() {
        // All combinations while there are few, then each value alone.
        let bases: Vec<_> = all
            .iter()
            .copied()
            .take(if all.len() > 200 { 20 } else { 200 })
            .collect();
        for base in bases {
            for value in values {
                let mut args = base;
                args[index] = *value;
                all.push(args);
            }
        }
    }
    all
}
