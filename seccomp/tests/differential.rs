//! Holds the compiler against what was not made from it: a naive reading of the profile,
//! libseccomp and seccompiler.
//!
//! `OXRUN_TEST_LONG=1` tries 10,000 random profiles instead of some hundred, `OXRUN_TEST_SEED=N`
//! others than usual. The seed of a failure is in its message.

#[path = "oracle/oracle.rs"]
mod oracle;
#[path = "differential/probes.rs"]
mod probes;
#[path = "differential/random.rs"]
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::io::{self, Write};

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator,
};
use oracle::{Answer, Oracle};
use random::{Conflicts, Random};
use seccomp::{Call, Explainer, Options, compile, explain, known_names, sim, syscall_number};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

const PROFILES: [(&str, &str); 3] = [
    ("docker", include_str!("profiles/docker.json")),
    ("podman", include_str!("profiles/podman.json")),
    ("containerd", include_str!("profiles/containerd.json")),
];

/// The machines and what else their kernels run; lists as container engines send them.
const MACHINES: [(Arch, &[&str]); 14] = [
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

fn listed(native: Arch, names: &[&str]) -> Vec<Arch> {
    let mut archs = vec![native];
    archs.extend(
        names
            .iter()
            .map(|name| serde_json::from_value::<Arch>((*name).into()).unwrap()),
    );
    archs.dedup();
    archs
}

fn seeds(usual: u64) -> std::ops::Range<u64> {
    let first = env::var("OXRUN_TEST_SEED").map_or(0, |seed| seed.parse().unwrap());
    let count = if env::var_os("OXRUN_TEST_LONG").is_some() {
        10_000
    } else {
        usual
    };
    first..first + count
}

/// Compares the program with the naive reading for everything that can make a difference.
fn compare_with_explain(profile: &LinuxSeccomp, options: &Options, archs: &[Arch], what: &str) {
    let filter = compile(profile, options).unwrap();
    let explainer = Explainer::new(profile, options).unwrap();
    assert_eq!(filter.check(), Ok(()), "{what}");
    for &arch in archs {
        for call in probes::calls(profile, arch) {
            let expected = explainer.explain(&call);
            let run = sim::run(filter.program(), &probes::data(&call)).unwrap();
            assert_eq!(
                run.action, expected.action,
                "{what}: {call:x?} {expected:?}"
            );
        }
    }
}

#[test]
fn default_profiles_do_what_they_say() {
    for (name, text) in PROFILES {
        let mut profile: LinuxSeccomp = serde_json::from_str(text).unwrap();
        for (native, others) in MACHINES {
            let archs = listed(native, others);
            profile.set_architectures(Some(archs.clone()));
            for enosys_for_newer_calls in [true, false] {
                let mut options = Options::default();
                options.native = native;
                options.enosys_for_newer_calls = enosys_for_newer_calls;
                compare_with_explain(&profile, &options, &archs, name);
            }
        }
    }
}

/// A multiplexer's number may be above those of all calls that the profile names.
#[test]
fn a_multiplexed_call_is_not_newer_than_the_profile() {
    let profile = r#"{ "defaultAction": "SCMP_ACT_KILL",
        "syscalls": [ { "names": [ "getpid", "semop" ], "action": "SCMP_ACT_ALLOW" } ] }"#;
    let profile: LinuxSeccomp = serde_json::from_str(profile).unwrap();
    let mut options = Options::default();
    options.native = Arch::ScmpArchPpc;
    compare_with_explain(&profile, &options, &[Arch::ScmpArchPpc], "ppc");
    let ask = |function| {
        let call = Call {
            arch: Arch::ScmpArchPpc,
            number: 117,
            args: [function, 0, 0, 0, 0, 0],
        };
        explain(&profile, &options, &call)
            .unwrap()
            .action
            .to_string()
    };
    assert_eq!([ask(1), ask(2)], ["SCMP_ACT_ALLOW", "SCMP_ACT_KILL_THREAD"]);
}

#[test]
fn random_profiles_do_what_they_say() {
    for seed in seeds(100) {
        let mut random = Random::new(seed);
        let (native, others) = *random.pick(&MACHINES);
        let profile = random::profile(&mut random, known_names(), others, Conflicts::Any);
        let profile: LinuxSeccomp = serde_json::from_value(profile).unwrap();
        let mut options = Options::default();
        options.native = native;
        options.enosys_for_newer_calls = random.chance(70);
        let mut archs = listed(native, others);
        archs.push(Arch::ScmpArchX86_64);
        compare_with_explain(&profile, &options, &archs, &format!("seed {seed}"));
    }
}

/// libseccomp writes programs for other machines in their byte order, and the returns that it
/// copies for far jumps in that order's reverse (`_gen_bpf_build_jmp_ret` converts them again; on
/// a machine of that order nothing is converted).
fn in_our_order(mut program: seccompiler::BpfProgram, native: Arch) -> seccompiler::BpfProgram {
    if probes::big_endian(native) {
        for instruction in &mut program {
            instruction.code = instruction.code.swap_bytes();
            instruction.k = instruction.k.swap_bytes();
            if instruction.code == 6 && !is_answer(instruction.k) {
                instruction.k = instruction.k.swap_bytes();
            }
        }
    }
    program
}

/// Whether a value is an action with data only where it can have some.
fn is_answer(value: u32) -> bool {
    match value >> 16 {
        0x0005 | 0x7ff0 => true,
        0x0000 | 0x0003 | 0x7fc0 | 0x7ffc | 0x7fff | 0x8000 => value & 0xffff == 0,
        _ => false,
    }
}

/// The names that libseccomp and this crate number alike on all these architectures.
///
/// libseccomp's version need not be the one that the tables are from. It hides the numbers of
/// multiplexed calls behind negative ones.
fn agreed_names(oracle: &mut Oracle, archs: &[Arch]) -> Vec<&'static str> {
    let agree = |oracle: &mut Oracle, arch, name: &str| {
        let multiplexed = syscall_number(arch, "socketcall").is_some();
        match (oracle.resolve(arch, name), syscall_number(arch, name)) {
            (-1, _) => false,
            (theirs, None) => theirs < 0,
            (theirs, Some(ours)) => {
                theirs == i64::from(ours) || theirs < -99 && theirs > -250 && multiplexed
            }
        }
    };
    let mut names = known_names().to_vec();
    names.retain(|name| oracle.resolve(Arch::ScmpArchX86_64, name) != -1);
    names.retain(|name| archs.iter().all(|arch| agree(oracle, *arch, name)));
    names
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    Same,
    /// libseccomp's program contradicts the profile in a way that is known.
    TheyErr,
}

/// Whether libseccomp is known to go wrong for a call.
///
/// libseccomp merges the rules of a call into one tree (`_db_tree_add`). With comparisons other
/// than equality, which leave a node on either side, rules get lost or match too much there: for
/// `args[0] > 0x7fffffff` beside `args[0] < 0x100000000`, both `SCMP_ACT_LOG`, 2.5.4 answers the
/// default action to 0x100000000. The specification leaves no doubt: a rule applies if its `args`
/// match.
fn libseccomp_may_err(profile: &LinuxSeccomp, arch: Arch, number: u32) -> bool {
    let here = |name: &String| syscall_number(arch, name) == Some(number);
    let hosts = ["socketcall", "ipc"].map(|host| syscall_number(arch, host));
    let multiplexed = hosts.contains(&Some(number));
    let rules = profile.syscalls().iter().flatten();
    let rules = rules.filter(|rule| multiplexed || rule.names().iter().any(here));
    let args: Vec<_> = rules
        .filter_map(|rule| rule.args().as_ref())
        .flatten()
        .collect();
    let equality = |op| {
        matches!(
            op,
            LinuxSeccompOperator::ScmpCmpEq | LinuxSeccompOperator::ScmpCmpMaskedEq
        )
    };
    args.len() > 1 && args.iter().any(|arg| !equality(arg.op()))
}

/// Compares with libseccomp; `None` if that refuses the profile.
fn compare_with_libseccomp(
    oracle: &mut Oracle,
    profile: &LinuxSeccomp,
    (native, archs): (Arch, &[Arch]),
    what: &str,
) -> Option<Outcome> {
    let names: usize = profile
        .syscalls()
        .iter()
        .flatten()
        .map(|rule| rule.names().len())
        .sum();
    let optimize = names > 32;
    let theirs = match oracle.compile(profile, archs, optimize, 1) {
        Answer::Program(theirs, _) => in_our_order(theirs, native),
        Answer::Refused => return None,
    };
    let mut options = Options::default();
    options.native = native;
    options.enosys_for_newer_calls = false;
    let ours = compile(profile, &options).unwrap();
    let explainer = Explainer::new(profile, &options).unwrap();
    for &arch in archs {
        for call in probes::calls(profile, arch) {
            let data = probes::data(&call);
            let expected = sim::run(&theirs, &data).unwrap().action;
            let action = sim::run(ours.program(), &data).unwrap().action;
            if action == expected {
                continue;
            }
            let what = format!("{what}: {call:x?} {action} {expected}\n{profile:?}");
            assert_eq!(explainer.explain(&call).action, action, "{what}");
            assert!(libseccomp_may_err(profile, arch, call.number), "{what}");
            return Some(Outcome::TheyErr);
        }
    }
    Some(Outcome::Same)
}

#[test]
fn default_profiles_do_what_libseccomp_does() {
    let Some(mut oracle) = Oracle::start("default-profiles") else {
        return;
    };
    for (native, others) in MACHINES {
        let archs = listed(native, others);
        let names = agreed_names(&mut oracle, &archs);
        for (what, text) in PROFILES {
            let mut profile: LinuxSeccomp = serde_json::from_str(text).unwrap();
            profile.set_architectures(Some(archs.clone()));
            let mut syscalls = profile.syscalls().clone().unwrap();
            for syscall in &mut syscalls {
                let mut kept = syscall.names().clone();
                kept.retain(|name| names.contains(&name.as_str()));
                syscall.set_names(kept);
            }
            profile.set_syscalls(Some(syscalls));
            let compared = compare_with_libseccomp(&mut oracle, &profile, (native, &archs), what);
            let known = archs.iter().all(|arch| oracle.resolve(*arch, "read") >= 0);
            assert_eq!(
                compared,
                known.then_some(Outcome::Same),
                "{what} on {native}"
            );
        }
    }
}

#[test]
fn random_profiles_do_what_libseccomp_does() {
    let Some(mut oracle) = Oracle::start("random-profiles") else {
        return;
    };
    let machines: Vec<_> = MACHINES
        .iter()
        .map(|(native, others)| {
            let archs = listed(*native, others);
            let mut names = agreed_names(&mut oracle, &archs);
            // When a call that the architecture does not have is the first of a program,
            // libseccomp forgets to load the number (2.5.4 and 2.6.0, `_gen_bpf_syscalls`).
            let everywhere = |name: &str| {
                let mut machines = archs.iter().chain(&[Arch::ScmpArchX86_64]);
                machines.all(|arch| syscall_number(*arch, name).is_some())
            };
            names.retain(|name| everywhere(name));
            (*native, archs, names)
        })
        .collect();
    let (mut same, mut wrong, mut refused) = (0, 0, 0);
    for seed in seeds(300) {
        let mut random = Random::new(seed);
        let (native, archs, names) = random.pick(&machines);
        if names.is_empty() {
            continue;
        }
        let profile = random::profile(&mut random, names, &[], Conflicts::None);
        let mut profile: LinuxSeccomp = serde_json::from_value(profile).unwrap();
        profile.set_architectures(Some(archs.clone()));
        let what = format!("seed {seed}");
        match compare_with_libseccomp(&mut oracle, &profile, (*native, archs), &what) {
            Some(Outcome::Same) => same += 1,
            Some(Outcome::TheyErr) => wrong += 1,
            None => refused += 1,
        }
    }
    let note = format!("\n{same} profiles alike, {wrong} wrong in libseccomp, {refused} refused\n");
    io::stderr().write_all(note.as_bytes()).unwrap();
    assert!(same > 9 * (wrong + refused));
}

/// seccompiler knows one architecture and one action besides the default; there it must agree.
#[test]
fn random_profiles_do_what_seccompiler_does() {
    let arch = Arch::ScmpArchX86_64;
    for seed in seeds(200) {
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
        let theirs = seccompiler_program(&profile);
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

fn seccompiler_program(profile: &LinuxSeccomp) -> seccompiler::BpfProgram {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut unconditional = BTreeSet::new();
    for syscall in profile.syscalls().iter().flatten() {
        let args = syscall.args().as_deref().unwrap_or_default();
        let indices: BTreeSet<_> = args.iter().map(|arg| arg.index()).collect();
        let repeated = indices.len() < args.len();
        let groups: Vec<_> = if repeated {
            args.chunks(1).collect()
        } else {
            vec![args]
        };
        for name in syscall.names() {
            let Some(number) = syscall_number(Arch::ScmpArchX86_64, name) else {
                continue;
            };
            for group in &groups {
                let conditions: Vec<_> = group.iter().map(seccompiler_condition).collect();
                let of_call = rules.entry(i64::from(number)).or_default();
                match SeccompRule::new(conditions) {
                    Ok(rule) => of_call.push(rule),
                    Err(_) => _ = unconditional.insert(i64::from(number)),
                }
            }
        }
    }
    rules.extend(unconditional.into_iter().map(|number| (number, Vec::new())));
    let (default, other) = (SeccompAction::Errno(1), SeccompAction::Allow);
    let filter = SeccompFilter::new(rules, default, other, TargetArch::x86_64).unwrap();
    filter.try_into().unwrap()
}

fn seccompiler_condition(arg: &LinuxSeccompArg) -> SeccompCondition {
    let (op, value) = match arg.op() {
        LinuxSeccompOperator::ScmpCmpNe => (SeccompCmpOp::Ne, arg.value()),
        LinuxSeccompOperator::ScmpCmpLt => (SeccompCmpOp::Lt, arg.value()),
        LinuxSeccompOperator::ScmpCmpLe => (SeccompCmpOp::Le, arg.value()),
        LinuxSeccompOperator::ScmpCmpEq => (SeccompCmpOp::Eq, arg.value()),
        LinuxSeccompOperator::ScmpCmpGe => (SeccompCmpOp::Ge, arg.value()),
        LinuxSeccompOperator::ScmpCmpGt => (SeccompCmpOp::Gt, arg.value()),
        LinuxSeccompOperator::ScmpCmpMaskedEq => (
            SeccompCmpOp::MaskedEq(arg.value()),
            arg.value_two().unwrap_or(0),
        ),
    };
    let index = u8::try_from(arg.index()).unwrap();
    SeccompCondition::new(index, SeccompCmpArgLen::Qword, op, value).unwrap()
}
