//! libseccomp as an oracle for everything.

use std::collections::BTreeMap;
use std::io::{self, Write};

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall};
use seccomp::{Call, Explainer, Options, Source, compile, known_names, sim, syscall_number};

use crate::machines::{MACHINES, listed};
use crate::oracle::{Answer, Oracle};
use crate::random::{self, Conflicts, Random};
use crate::{PROFILES, probes, seccompiler, seeds};

/// libseccomp writes programs for other machines in their byte order, and the returns that it
/// copies for far jumps in that order's reverse (`_gen_bpf_build_jmp_ret` converts them again; on
/// a machine of that order nothing is converted).
fn in_our_order(mut program: ::seccompiler::BpfProgram, native: Arch) -> ::seccompiler::BpfProgram {
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
    // Two names with one made-up number (2.5.4 and 2.6: switch_endian, sys_debug_setcontext) cannot
    // be told apart.
    let mut by_number = BTreeMap::<_, Vec<_>>::new();
    for name in known_names() {
        let number = oracle.resolve(Arch::ScmpArchX86_64, name);
        by_number.entry(number).or_default().push(*name);
    }
    by_number.retain(|number, names| *number != -1 && names.len() == 1);
    let mut names: Vec<_> = by_number.into_values().flatten().collect();
    names.sort_unstable();
    names.retain(|name| archs.iter().all(|arch| agree(oracle, *arch, name)));
    names
}

/// How libseccomp's program for a profile contradicts the profile, in ways that are known.
///
/// What decides is the specification's "actions to take for matched syscalls" and "matching on
/// values passed as arguments" (config-linux.md, Seccomp), and libseccomp's own "combined into a
/// union" and "all of the comparisons must be true for the rule to match" (seccomp_rule_add(3)):
/// our answer must be that of the naive reading.
#[derive(Clone, Copy, Debug, Default)]
struct Errors {
    /// Calls that the merged tree of their rules answers wrongly.
    ///
    /// libseccomp merges the rules of a call into one tree (`_db_tree_add`). With comparisons
    /// other than equality, which leave a node on either side, rules get lost or match too much
    /// there: for `args[0] > 0x7fffffff` beside `args[0] < 0x100000000`, both `SCMP_ACT_LOG`,
    /// 2.5.4 answers the default action to 0x100000000. seccompiler is asked as well here.
    merged: usize,
    /// Calls that are compared with a word that is not the number.
    ///
    /// When the first call of a program is one that the architecture does not have, libseccomp
    /// leaves it out, and with it the instruction that loads the number (2.5.4 and 2.6:
    /// `_gen_bpf_syscalls` passes `acc_reset` to `s_head` alone, and skips that).
    not_loaded: usize,
}

impl Errors {
    fn count(self) -> usize {
        self.merged + self.not_loaded
    }
}

/// A profile and what is made of it.
#[derive(Debug)]
struct Comparison<'a> {
    profile: &'a LinuxSeccomp,
    explainer: Explainer,
    what: &'a str,
}

impl Comparison<'_> {
    /// Files a difference under the error that it is, or fails.
    fn settle(&self, call: &Call, ours: seccomp::Action, errors: &mut Errors) {
        let what = || format!("{}: {call:x?} {ours}\n{:?}", self.what, self.profile);
        let decision = self.explainer.explain(call);
        assert_eq!(decision.action, ours, "{}", what());
        if self.names_an_absent_call(call.arch) {
            errors.not_loaded += 1;
            return;
        }
        let rules = self.rules(call);
        let args: Vec<_> = rules
            .iter()
            .flat_map(|rule| rule.args().iter().flatten())
            .collect();
        let equality = |arg: &&LinuxSeccompArg| {
            let op = arg.op();
            op == LinuxSeccompOperator::ScmpCmpEq || op == LinuxSeccompOperator::ScmpCmpMaskedEq
        };
        assert!(args.len() > 1 && !args.iter().all(equality), "{}", what());
        if !is_multiplexer(call) {
            let wide = is_wide(call.arch);
            let all: Vec<_> = rules
                .iter()
                .map(|rule| rule.args().as_deref().unwrap_or(&[]))
                .collect();
            let applies = seccompiler::applies(&all, wide, call);
            assert_eq!(
                applies,
                matches!(decision.source, Source::Rule { .. }),
                "{}",
                what()
            );
        }
        errors.merged += 1;
    }

    fn names_an_absent_call(&self, arch: Arch) -> bool {
        let mut names = self
            .profile
            .syscalls()
            .iter()
            .flatten()
            .flat_map(LinuxSyscall::names);
        names.any(|name| syscall_number(arch, name).is_none())
    }

    /// The rules for a call: for a multiplexer those of everything.
    fn rules(&self, call: &Call) -> Vec<&LinuxSyscall> {
        let here = |name: &String| syscall_number(call.arch, name) == Some(call.number);
        let rules = self.profile.syscalls().iter().flatten();
        rules
            .filter(|rule| is_multiplexer(call) || rule.names().iter().any(here))
            .collect()
    }
}

/// Whether arguments have 64 bits: `__AUDIT_ARCH_64BIT`, but not of MIPS' n32 and x32.
fn is_wide(arch: Arch) -> bool {
    arch != Arch::ScmpArchX32 && arch as u32 & 0xa000_0000 == 0x8000_0000
}

fn is_multiplexer(call: &Call) -> bool {
    let mut hosts = ["socketcall", "ipc"].iter();
    hosts.any(|host| syscall_number(call.arch, host) == Some(call.number))
}

/// What came of a comparison.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Compared(Errors),
    /// libseccomp calls some of the rules contradictory.
    Refused,
    /// libseccomp makes no program in two seconds: its trees grow beyond all measure.
    Endless,
}

fn compare(
    oracle: &mut Oracle,
    profile: &LinuxSeccomp,
    (native, archs): (Arch, &[Arch]),
    what: &str,
) -> Outcome {
    let rules = profile.syscalls().iter().flatten();
    let names: usize = rules.map(|rule| rule.names().len()).sum();
    let theirs = match oracle.compile(profile, archs, names > 32, 1) {
        Answer::Program(theirs, _) => in_our_order(theirs, native),
        Answer::Refused => return Outcome::Refused,
        Answer::Endless => return Outcome::Endless,
    };
    let mut options = Options::default();
    options.native = native;
    options.enosys_for_newer_calls = false;
    let ours = compile(profile, &options).unwrap();
    let explainer = Explainer::new(profile, &options).unwrap();
    let comparison = Comparison {
        profile,
        explainer,
        what,
    };
    let mut errors = Errors::default();
    for &arch in archs {
        for call in probes::calls(profile, arch) {
            let data = probes::data(&call);
            let expected = sim::run(&theirs, &data).unwrap().action;
            let action = sim::run(ours.program(), &data).unwrap().action;
            if action != expected {
                comparison.settle(&call, action, &mut errors);
            }
        }
    }
    Outcome::Compared(errors)
}

/// The machines and architectures that this libseccomp knows, and the names of the others.
fn known_machines(oracle: &mut Oracle) -> (Vec<(Arch, Vec<Arch>)>, Vec<String>) {
    let mut unknown = Vec::new();
    let mut machines = Vec::new();
    for (native, others) in MACHINES {
        let mut archs = listed(native, others);
        archs.retain(|arch| {
            let known = oracle.resolve(*arch, "read") != -1;
            if !known {
                unknown.push(arch.to_string());
            }
            known
        });
        if archs.contains(&native) {
            machines.push((native, archs));
        }
    }
    (machines, unknown)
}

fn note(text: &str) {
    io::stderr()
        .write_all(format!("\n{text}\n").as_bytes())
        .unwrap();
}

#[test]
fn default_profiles_do_what_libseccomp_does() {
    let Some(mut oracle) = Oracle::start("default-profiles") else {
        return;
    };
    let (machines, unknown) = known_machines(&mut oracle);
    for (native, archs) in &machines {
        let names = agreed_names(&mut oracle, archs);
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
            let outcome = compare(&mut oracle, &profile, (*native, archs), what);
            assert!(
                matches!(outcome, Outcome::Compared(errors) if errors.count() == 0),
                "{what} on {native}: {outcome:?}"
            );
        }
    }
    note(&format!(
        "default profiles: no difference; unknown to libseccomp: {unknown:?}"
    ));
}

#[test]
fn random_profiles_do_what_libseccomp_does() {
    let Some(mut oracle) = Oracle::start("random-profiles") else {
        return;
    };
    let (machines, unknown) = known_machines(&mut oracle);
    let machines: Vec<_> = machines
        .into_iter()
        .map(|(native, archs)| {
            let names = agreed_names(&mut oracle, &archs);
            let mut everywhere = names.clone();
            everywhere.retain(|name| {
                let mut all = archs.iter().chain(&[Arch::ScmpArchX86_64]);
                all.all(|arch| syscall_number(*arch, name).is_some())
            });
            (native, archs, names, everywhere)
        })
        .collect();
    let mut tally = Tally::default();
    for seed in seeds(2_000) {
        let mut random = Random::new(seed);
        let (native, archs, names, everywhere) = random.pick(&machines);
        let names = if random.chance(10) { names } else { everywhere };
        let profile = random::profile(&mut random, names, &[], Conflicts::None);
        let mut profile: LinuxSeccomp = serde_json::from_value(profile).unwrap();
        profile.set_architectures(Some(archs.clone()));
        let what = format!("seed {seed}");
        tally.add(
            compare(&mut oracle, &profile, (*native, archs), &what),
            seed,
        );
    }
    note(&format!(
        "random profiles: {tally:#?}, unknown to libseccomp: {unknown:?}"
    ));
    assert!(tally.alike * 10 > tally.profiles * 9);
}

/// The outcomes of many comparisons.
#[derive(Debug, Default)]
struct Tally {
    profiles: usize,
    alike: usize,
    refused: usize,
    /// Their seeds.
    endless: Vec<u64>,
    /// Profiles with calls that libseccomp's merged trees answer wrongly, and how many calls.
    merged: (usize, usize),
    /// Profiles with calls whose number libseccomp does not load, and how many calls.
    not_loaded: (usize, usize),
}

impl Tally {
    fn add(&mut self, outcome: Outcome, seed: u64) {
        self.profiles += 1;
        let errors = match outcome {
            Outcome::Compared(errors) => errors,
            Outcome::Refused => return self.refused += 1,
            Outcome::Endless => return self.endless.push(seed),
        };
        self.alike += usize::from(errors.count() == 0);
        for (total, new) in [
            (&mut self.merged, errors.merged),
            (&mut self.not_loaded, errors.not_loaded),
        ] {
            *total = (total.0 + usize::from(new > 0), total.1 + new);
        }
    }
}
