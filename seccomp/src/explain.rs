//! What happens to a system call, and which rule says so.
//!
//! This reads the profile rule by rule and knows nothing of ranges, trees and instructions, so
//! tests can hold the compiler against it.

#![forbid(unsafe_code)]

use oci_spec::runtime::{Arch, LinuxSeccomp};

use crate::action::Action;
use crate::arch::{self, Abi, X32_BIT};
use crate::compile::newer;
use crate::error::Error;
use crate::options::Options;
use crate::rules::{Condition, Rule, Rules, Test};
use crate::syscalls::ARM_PRIVATE;

/// A system call to ask about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Call {
    /// The architecture that the call is made on.
    pub arch: Arch,
    /// Its number there; see [`syscall_number`](crate::syscall_number).
    pub number: u32,
    /// Its arguments.
    pub args: [u64; 6],
}

/// What happens to a system call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Decision {
    /// The answer.
    pub action: Action,
    /// Who says so.
    pub source: Source,
}

/// What in the profile decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// `syscalls[rule]`, in the profile's order.
    Rule {
        /// The index of the rule.
        rule: usize,
        /// Whether the call is `socketcall(2)` or `ipc(2)` and the rule is for the call that its
        /// first argument names. Conditions on other arguments then compare registers, not the
        /// arguments of that call, which no filter can see.
        multiplexed: bool,
    },
    /// No rule applies: the default action.
    Default,
    /// The call is newer than all that the profile names.
    NewerThanProfile,
    /// The architecture is neither listed nor the machine's own.
    ForeignArchitecture,
}

/// Tells what a filter compiled from `profile` with `options` answers to a system call.
///
/// For many calls, make an [`Explainer`] once.
pub fn explain(profile: &LinuxSeccomp, options: &Options, call: &Call) -> Result<Decision, Error> {
    Ok(Explainer::new(profile, options)?.explain(call))
}

/// Answers questions about one profile.
#[derive(Debug)]
pub struct Explainer {
    rules: Rules,
    newer: Option<Action>,
    native: Arch,
}

impl Explainer {
    /// Checks the profile as [`compile`](crate::compile()) does.
    pub fn new(profile: &LinuxSeccomp, options: &Options) -> Result<Self, Error> {
        let rules = Rules::new(profile, options)?;
        let newer = newer(&rules, options);
        Ok(Self {
            rules,
            newer,
            native: options.native,
        })
    }

    /// What happens to a system call.
    #[must_use]
    pub fn explain(&self, call: &Call) -> Decision {
        let Some(abi) = self.abi(call) else {
            return self.foreign(call);
        };
        if let Some(decision) = self.first_rule(abi, call) {
            return decision;
        }
        match self.newer {
            Some(action) if self.is_newer(abi, call.number) => Decision {
                action,
                source: Source::NewerThanProfile,
            },
            _ => Decision {
                action: self.rules.default,
                source: Source::Default,
            },
        }
    }

    /// A tracer skips a call by making its number -1, which looks like x32's.
    fn foreign(&self, call: &Call) -> Decision {
        let skipped = call.number == u32::MAX && self.is_x86_64(call.arch);
        if skipped && self.listed(Arch::ScmpArchX86_64).is_some() {
            return Decision {
                action: self.rules.default,
                source: Source::Default,
            };
        }
        Decision {
            action: Action::KILL_THREAD,
            source: Source::ForeignArchitecture,
        }
    }

    /// The architecture whose numbers count: x86-64's and x32's calls look alike but for a bit.
    fn abi(&self, call: &Call) -> Option<&'static Abi> {
        let arch = match (self.is_x86_64(call.arch), call.number >= X32_BIT) {
            (true, true) => Arch::ScmpArchX32,
            (true, false) => Arch::ScmpArchX86_64,
            (false, _) => call.arch,
        };
        self.listed(arch)
    }

    fn is_x86_64(&self, arch: Arch) -> bool {
        let abi = arch::abi_of(arch, self.native);
        abi.is_some_and(|abi| matches!(abi.arch, Arch::ScmpArchX86_64 | Arch::ScmpArchX32))
    }

    fn listed(&self, arch: Arch) -> Option<&'static Abi> {
        let arch = arch::abi_of(arch, self.native)?.arch;
        self.rules.abis.iter().copied().find(|abi| abi.arch == arch)
    }

    /// The first rule without conditions, or else the first whose conditions hold.
    fn first_rule(&self, abi: &Abi, call: &Call) -> Option<Decision> {
        let mut conditional = None;
        for rule in &self.rules.rules {
            let entries = rule.calls.iter().flat_map(|syscall| syscall.entries(abi));
            for entry in entries.filter(|entry| entry.number == call.number) {
                let multiplexed = entry.function.is_some();
                let source = Source::Rule {
                    rule: rule.index,
                    multiplexed,
                };
                let decision = Some(Decision {
                    action: rule.action,
                    source,
                });
                for conditions in conjunctions(rule, entry.function, abi) {
                    if conditions.is_empty() {
                        return decision;
                    }
                    if conditions
                        .iter()
                        .all(|condition| holds(*condition, call, abi))
                    {
                        conditional = conditional.or(decision);
                    }
                }
            }
        }
        conditional
    }

    fn is_newer(&self, abi: &Abi, number: u32) -> bool {
        let private = |number: &u32| abi.arch == Arch::ScmpArchArm && *number >= ARM_PRIVATE;
        let entries = self.rules.named.iter().flat_map(|call| call.entries(abi));
        let named = entries.map(|entry| entry.number);
        let Some(newest) = named
            .filter(|number| !private(number) && *number != 0)
            .max()
        else {
            return false;
        };
        // ARM's private calls are no newer than the others, if the rules know them.
        let ruled = self.rules.rules.iter().flat_map(|rule| &rule.calls);
        let knows_private = ruled
            .filter_map(|call| call.number(abi))
            .any(|number| private(&number));
        let s390 = matches!(abi.arch, Arch::ScmpArchS390 | Arch::ScmpArchS390x) && number == 0;
        let old_private = private(&number) && number < ARM_PRIVATE + 16 && knows_private;
        (number > newest || s390) && !old_private
    }
}

/// What can make a rule apply to an entry: all conditions of one of these.
fn conjunctions(rule: &Rule, function: Option<u32>, abi: &Abi) -> Vec<Vec<Condition>> {
    let mut conjunctions = rule.alternatives.clone();
    if conjunctions.is_empty() {
        conjunctions.push(Vec::new());
    }
    for conditions in &mut conjunctions {
        if let Some(code) = function {
            conditions.retain(|condition| condition.argument != 0);
            conditions.push(Condition::function(code));
        }
        conditions.retain(|condition| !condition.is_empty(abi.wide));
    }
    conjunctions
}

fn holds(condition: Condition, call: &Call, abi: &Abi) -> bool {
    let width = if abi.wide {
        u64::MAX
    } else {
        u64::from(u32::MAX)
    };
    let argument = call
        .args
        .get(usize::from(condition.argument))
        .copied()
        .unwrap_or(0)
        & width;
    match condition.test {
        Test::Masked { mask, value } => argument & mask == value & width,
        Test::NotEqual(value) => argument != value & width,
        Test::Less(value) => argument < value & width,
        Test::LessOrEqual(value) => argument <= value & width,
        Test::Greater(value) => argument > value & width,
        Test::GreaterOrEqual(value) => argument >= value & width,
    }
}
