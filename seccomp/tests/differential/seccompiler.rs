//! seccompiler as an oracle: it knows one architecture and one action besides the default.

use std::collections::BTreeMap;

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator,
};
use seccomp::{Call, Options, compile, known_names, sim, syscall_number};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::probes;
use crate::random::{self, Conflicts, Random};
use crate::seeds;

#[test]
fn random_profiles_do_what_seccompiler_does() {
    let arch = Arch::ScmpArchX86_64;
    for seed in seeds(1_000) {
        let mut random = Random::new(seed);
        let value = random::profile(&mut random, &known_names()[..200], &[], Conflicts::Any);
        let mut profile: LinuxSeccomp = serde_json::from_value(value).unwrap();
        profile.set_default_action(LinuxSeccompAction::ScmpActErrno);
        profile.set_default_errno_ret(None);
        let mut syscalls = profile.syscalls().clone().unwrap();
        for syscall in &mut syscalls {
            syscall.set_action(LinuxSeccompAction::ScmpActAllow);
            syscall.set_errno_ret(None);
        }
        profile.set_syscalls(Some(syscalls));
        let theirs = whole(&profile);
        let mut options = Options::default();
        options.native = arch;
        options.enosys_for_newer_calls = false;
        let ours = compile(&profile, &options).unwrap();
        // seccompiler does not tell x32's calls from others.
        let calls = probes::calls(&profile, arch).into_iter();
        for call in calls.filter(|call| call.number < 0x4000_0000) {
            let data = probes::data(&call);
            let expected = sim::run(&theirs, &data).unwrap().action;
            let action = sim::run(ours.program(), &data).unwrap().action;
            assert_eq!(action, expected, "seed {seed}: {call:x?}");
        }
    }
}

/// The program for a whole profile, on x86-64.
fn whole(profile: &LinuxSeccomp) -> BpfProgram {
    let mut rules: BTreeMap<u32, Vec<&[LinuxSeccompArg]>> = BTreeMap::new();
    for syscall in profile.syscalls().iter().flatten() {
        for name in syscall.names() {
            if let Some(number) = syscall_number(Arch::ScmpArchX86_64, name) {
                let of_call = rules.entry(number).or_default();
                of_call.push(syscall.args().as_deref().unwrap_or_default());
            }
        }
    }
    let rules = rules.into_iter();
    program(rules.map(|(number, args)| (number, chain(&args, SeccompCmpArgLen::Qword))))
}

/// Whether one of a call's rules applies, by seccompiler: a third opinion where two differ.
///
/// The words of arguments are where x86-64 has them, whatever the architecture.
pub(crate) fn applies(rules: &[&[LinuxSeccompArg]], wide: bool, call: &Call) -> bool {
    let length = if wide {
        SeccompCmpArgLen::Qword
    } else {
        SeccompCmpArgLen::Dword
    };
    let program = program([(1, chain(rules, length))]);
    let data = sim::Data {
        number: 1,
        arch: Arch::ScmpArchX86_64 as u32,
        args: call.args,
        ..sim::Data::default()
    };
    sim::run(&program, &data).unwrap().action.to_string() == "SCMP_ACT_ALLOW"
}

fn program(rules: impl IntoIterator<Item = (u32, Vec<SeccompRule>)>) -> BpfProgram {
    let rules = rules.into_iter();
    let rules = rules.map(|(number, chain)| (i64::from(number), chain));
    let (default, other) = (SeccompAction::Errno(1), SeccompAction::Allow);
    let filter = SeccompFilter::new(rules.collect(), default, other, TargetArch::x86_64).unwrap();
    filter.try_into().unwrap()
}

/// The rules for one call; none at all where one of them is without conditions.
fn chain(rules: &[&[LinuxSeccompArg]], length: SeccompCmpArgLen) -> Vec<SeccompRule> {
    let mut chain = Vec::new();
    for args in rules {
        let mut indices: Vec<_> = args.iter().map(LinuxSeccompArg::index).collect();
        indices.sort_unstable();
        indices.dedup();
        let repeated = indices.len() < args.len();
        for group in args.chunks(if repeated { 1 } else { args.len().max(1) }) {
            let conditions = group.iter().map(|arg| condition(arg, length.clone()));
            chain.push(SeccompRule::new(conditions.collect()).unwrap());
        }
        if args.is_empty() {
            return Vec::new();
        }
    }
    chain
}

fn condition(arg: &LinuxSeccompArg, length: SeccompCmpArgLen) -> SeccompCondition {
    let width = match length {
        SeccompCmpArgLen::Dword => u64::from(u32::MAX),
        SeccompCmpArgLen::Qword => u64::MAX,
    };
    let value = arg.value() & width;
    let (op, value) = match arg.op() {
        LinuxSeccompOperator::ScmpCmpNe => (SeccompCmpOp::Ne, value),
        LinuxSeccompOperator::ScmpCmpLt => (SeccompCmpOp::Lt, value),
        LinuxSeccompOperator::ScmpCmpLe => (SeccompCmpOp::Le, value),
        LinuxSeccompOperator::ScmpCmpEq => (SeccompCmpOp::Eq, value),
        LinuxSeccompOperator::ScmpCmpGe => (SeccompCmpOp::Ge, value),
        LinuxSeccompOperator::ScmpCmpGt => (SeccompCmpOp::Gt, value),
        LinuxSeccompOperator::ScmpCmpMaskedEq => (
            SeccompCmpOp::MaskedEq(value),
            arg.value_two().unwrap_or(0) & value,
        ),
    };
    let index = u8::try_from(arg.index()).unwrap();
    SeccompCondition::new(index, length, op, value).unwrap()
}
