//! The program decides as the naive reading of the profile does.
//!
//! The input is cheap to mutate: bytes pick architectures, names, actions and comparisons.

#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArgBuilder, LinuxSeccompBuilder,
    LinuxSeccompOperator, LinuxSyscall,
};
use seccomp::{Call, Explainer, Options, compile, known_names, sim, syscall_number};

const ACTIONS: [LinuxSeccompAction; 6] = [
    LinuxSeccompAction::ScmpActKill,
    LinuxSeccompAction::ScmpActKillProcess,
    LinuxSeccompAction::ScmpActErrno,
    LinuxSeccompAction::ScmpActTrap,
    LinuxSeccompAction::ScmpActLog,
    LinuxSeccompAction::ScmpActAllow,
];
const OPERATORS: [LinuxSeccompOperator; 7] = [
    LinuxSeccompOperator::ScmpCmpNe,
    LinuxSeccompOperator::ScmpCmpLt,
    LinuxSeccompOperator::ScmpCmpLe,
    LinuxSeccompOperator::ScmpCmpEq,
    LinuxSeccompOperator::ScmpCmpGe,
    LinuxSeccompOperator::ScmpCmpGt,
    LinuxSeccompOperator::ScmpCmpMaskedEq,
];
/// All of one byte order, which is x86-64's.
const ARCHS: [Arch; 5] = [
    Arch::ScmpArchX86_64,
    Arch::ScmpArchX86,
    Arch::ScmpArchX32,
    Arch::ScmpArchAarch64,
    Arch::ScmpArchArm,
];

fuzz_target!(|input: &[u8]| {
    let mut input = Unstructured::new(input);
    let _ = compare(&mut input);
});

fn compare(input: &mut Unstructured<'_>) -> Result<()> {
    let profile = profile(input)?;
    let mut options = Options::default();
    options.native = Arch::ScmpArchX86_64;
    options.enosys_for_newer_calls = input.arbitrary()?;
    let Ok(filter) = compile(&profile, &options) else {
        return Ok(());
    };
    let Ok(explainer) = Explainer::new(&profile, &options) else {
        panic!("what compiles can be explained")
    };
    for _ in 0..32 {
        let arch = *input.choose(&ARCHS)?;
        let named = syscall_number(arch, name(input)?);
        let number = named.unwrap_or(input.arbitrary()?);
        let args = [word(input)?, word(input)?, word(input)?, 0, 0, word(input)?];
        let call = Call { arch, number, args };
        let audit = if arch == Arch::ScmpArchX32 {
            Arch::ScmpArchX86_64
        } else {
            arch
        } as u32;
        let data = sim::Data {
            number,
            arch: audit,
            args,
            ..sim::Data::default()
        };
        let answer = sim::run(filter.program(), &data).map(|run| run.action);
        assert_eq!(answer, Ok(explainer.explain(&call).action), "{call:?}");
    }
    Ok(())
}

fn profile(input: &mut Unstructured<'_>) -> Result<LinuxSeccomp> {
    let mut syscalls = Vec::new();
    for _ in 0..input.int_in_range(0..=16)? {
        let mut syscall = LinuxSyscall::default();
        let mut names = Vec::new();
        for _ in 0..input.int_in_range(1..=4)? {
            names.push(name(input)?.to_owned());
        }
        syscall.set_names(names);
        syscall.set_action(*input.choose(&ACTIONS)?);
        let mut args = Vec::new();
        for _ in 0..input.int_in_range(0..=3)? {
            let arg = LinuxSeccompArgBuilder::default()
                .index(usize::from(input.int_in_range(0..=5_u8)?))
                .op(*input.choose(&OPERATORS)?)
                .value(word(input)?)
                .value_two(word(input)?);
            args.extend(arg.build());
        }
        syscall.set_args(Some(args));
        syscalls.push(syscall);
    }
    let profile = LinuxSeccompBuilder::default()
        .default_action(*input.choose(&ACTIONS)?)
        .architectures(ARCHS.to_vec())
        .syscalls(syscalls)
        .build();
    Ok(profile.unwrap_or_default())
}

/// Few enough names that rules meet, among them private, multiplexed and first ones.
fn name(input: &mut Unstructured<'_>) -> Result<&'static str> {
    const SOME: [&str; 8] = [
        "read",
        "socket",
        "socketcall",
        "shmat",
        "ipc",
        "set_tls",
        "clone",
        "listns",
    ];
    if input.ratio(7, 8)? {
        Ok(*input.choose(&SOME)?)
    } else {
        Ok(*input.choose(known_names())?)
    }
}

/// A value that others are often equal to, or next to.
fn word(input: &mut Unstructured<'_>) -> Result<u64> {
    let near = u64::from(input.int_in_range(0..=3_u8)?);
    Ok(match input.int_in_range(0..=4)? {
        0 => near,
        1 => (near << 32).wrapping_sub(near >> 1),
        2 => u64::from(u32::MAX) - near,
        3 => u64::MAX - near,
        _ => input.arbitrary()?,
    })
}
