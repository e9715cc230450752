//! Which system calls to ask about: every number, with arguments around every compared value.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompArg, LinuxSeccompOperator};
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
    let rules = conditional(profile, arch);
    let hosts = ["socketcall", "ipc"].map(|host| syscall_number(arch, host));
    let everything: Vec<_> = rules.values().flatten().copied().collect();
    let mut calls = Vec::new();
    for number in numbers(arch) {
        let all = if hosts.contains(&Some(number)) {
            // The code of the multiplexed call, and the conditions of whatever it may be.
            let mut all = arguments(0..26, &everything);
            all.extend(arguments(0..26, &[]));
            all
        } else {
            arguments(0..0, rules.get(&number).map_or(&[][..], Vec::as_slice))
        };
        calls.extend(all.into_iter().map(|args| Call { arch, number, args }));
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

type Args<'a> = &'a [LinuxSeccompArg];

/// The conditions of the rules for each number; calls that are only multiplexed have none and
/// stand below `u32::MAX`.
fn conditional(profile: &LinuxSeccomp, arch: Arch) -> BTreeMap<u32, Vec<Args<'_>>> {
    let mut rules = BTreeMap::<_, Vec<_>>::new();
    for rule in profile.syscalls().iter().flatten() {
        let args = rule.args().as_deref().unwrap_or_default();
        let numbers = rule.names().iter().map(|name| syscall_number(arch, name));
        let numbers: BTreeSet<_> = numbers.map(|number| number.unwrap_or(u32::MAX)).collect();
        for number in numbers {
            rules.entry(number).or_default().push(args);
        }
    }
    rules
}

/// What is worth trying for calls with these conditions, `first` for argument 0 besides.
fn arguments(first: Range<u64>, rules: &[Args<'_>]) -> BTreeSet<[u64; 6]> {
    let mut values: [BTreeSet<u64>; 6] = Default::default();
    values[0].extend(first.clone());
    for arg in rules.iter().copied().flatten() {
        values[arg.index()].extend(around(arg));
    }
    let mut all = vec![[0; 6]];
    for (index, values) in values.iter().enumerate() {
        // All combinations while there are few, then each value alone.
        let few = if all.len() > 200 { 20 } else { 200 };
        for base in all.clone().into_iter().take(few) {
            all.extend(values.iter().map(|value| with(base, index, *value)));
        }
    }
    let mut all = BTreeSet::from_iter(all);
    for rule in rules {
        all.extend(borders(rule).into_iter().flat_map(|args| {
            let coded = first.clone().map(move |code| with(args, 0, code));
            coded.chain([args])
        }));
    }
    all
}

/// Arguments that meet all conditions of a rule, and such as leave one argument at a border.
fn borders(rule: Args<'_>) -> Vec<[u64; 6]> {
    let mut met = [0; 6];
    for arg in rule {
        met[arg.index()] = meeting(arg);
    }
    let at_borders = rule.iter().flat_map(|arg| {
        let values = around(arg).into_iter();
        values.map(move |value| with(met, arg.index(), value))
    });
    at_borders.chain([met]).collect()
}

fn with(mut args: [u64; 6], index: usize, value: u64) -> [u64; 6] {
    args[index] = value;
    args
}

/// The value that is compared with.
fn center(arg: &LinuxSeccompArg) -> u64 {
    match arg.op() {
        LinuxSeccompOperator::ScmpCmpMaskedEq => arg.value() & arg.value_two().unwrap_or(0),
        _ => arg.value(),
    }
}

fn around(arg: &LinuxSeccompArg) -> [u64; 6] {
    let center = center(arg);
    [
        center,
        center.wrapping_sub(1),
        center.wrapping_add(1),
        center ^ (1 << 32),
        center ^ (1 << 63),
        center ^ arg.value(),
    ]
}

/// A value that meets the condition, if any does.
fn meeting(arg: &LinuxSeccompArg) -> u64 {
    match arg.op() {
        LinuxSeccompOperator::ScmpCmpNe | LinuxSeccompOperator::ScmpCmpGt => {
            center(arg).wrapping_add(1)
        }
        LinuxSeccompOperator::ScmpCmpLt => center(arg).wrapping_sub(1),
        _ => center(arg),
    }
}
